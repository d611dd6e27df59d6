// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Prints the graph of what the two directions of a pipe can be in and what
// moves them, found by trying everything, in the language of Graphviz:
//
//   ./bazelw run //flow/verification:pipe_state_graph | dot -Tsvg > graph.svg
//
// tools/pipe_state_graph.sh makes docs/pipe_states.svg of it.

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_explorer.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

// `left.read1` and `left.read` move the same.
std::string Name(PipeOperation operation) {
  if (operation.kind == PipeOperation::kRead1) {
    operation.kind = PipeOperation::kReadAll;
  }
  return ToString({operation});
}

int PrintGraph() {
  // Both directions, before and after: the operations that lead there.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> moves;
  std::set<std::string> nodes;
  const PipeExploration result = ExplorePipe(
      /*capacity=*/1, /*max_length=*/1000,
      [&](const PipeChecker& before, PipeOperation operation,
          const PipeChecker& after) {
        const std::string from = before.model().Directions();
        const std::string to = after.model().Directions();
        nodes.insert(from);
        nodes.insert(to);
        if (from != to) moves[{from, to}].insert(Name(operation));
      });
  if (!result.status.ok()) {
    std::cerr << result.status << "\n";
    return EXIT_FAILURE;
  }
  std::cout << "digraph pipe {\n"
               "  rankdir=TB; nodesep=0.5; ranksep=0.9;\n"
               "  label=\"What left sends / what right sends. ";
  std::cout << result.states << " states, " << result.steps
            << " steps, capacity of 1 byte.\";\n"
               "  node [shape=box, style=rounded, fontname=Helvetica];\n"
               "  edge [fontname=Helvetica, fontsize=9];\n";
  for (const std::string& node : nodes) {
    std::cout << "  \"" << node << "\";\n";
  }
  for (const auto& [ends, operations] : moves) {
    std::cout << "  \"" << ends.first << "\" -> \"" << ends.second
              << "\" [label=\"" << absl::StrJoin(operations, "\\n") << "\"];\n";
  }
  std::cout << "}\n";
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace flow::verification

int main() { return flow::verification::PrintGraph(); }
