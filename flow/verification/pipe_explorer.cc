// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_explorer.h"

#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {

PipeExploration ExplorePipe(
    size_t capacity, size_t max_length,
    absl::FunctionRef<void(const PipeChecker&, PipeOperation,
                           const PipeChecker&)>
        step) {
  struct State {
    std::vector<PipeOperation> path;  // a shortest one
    std::vector<size_t> successors;   // one for each legal operation
  };
  const std::vector<PipeOperation> operations = AllPipeOperations();
  PipeExploration result;
  std::vector<State> states;
  absl::flat_hash_map<std::string, size_t> known;
  std::deque<std::pair<size_t, PipeChecker>> unvisited;

  unvisited.emplace_back(0, PipeChecker(capacity));
  known.emplace(unvisited.front().second.Key(), 0);
  states.emplace_back();
  // Breadth first, so that the first path to a state is a shortest one.
  while (!unvisited.empty()) {
    const auto& [number, checker] = unvisited.front();
    std::vector<PipeOperation> path = states[number].path;
    if (path.size() == max_length) break;
    for (PipeOperation operation : operations) {
      if (!checker.IsLegal(operation)) continue;
      PipeChecker next(checker);
      path.push_back(operation);
      ++result.steps;
      const absl::Status status = next.Apply(operation);
      if (!status.ok()) {
        result.status = absl::InternalError(
            absl::StrCat(ToString(path), ": ", status.message()));
        return result;
      }
      step(checker, operation, next);
      const auto [it, is_new] = known.emplace(next.Key(), states.size());
      states[number].successors.push_back(it->second);
      if (is_new) {
        states.emplace_back().path = path;
        unvisited.emplace_back(it->second, std::move(next));
      }
      result.length = path.size();
      path.pop_back();
    }
    unvisited.pop_front();
  }
  result.states = states.size();
  result.closed = unvisited.empty();

  // How many sequences of each length lead to each state.
  std::vector<double> count(states.size());
  count[0] = 1;
  result.sequences.push_back(1);
  for (size_t length = 1; length <= result.length; ++length) {
    std::vector<double> next(states.size());
    double all = 0;
    for (size_t i = 0; i < states.size(); ++i) {
      for (size_t successor : states[i].successors) {
        next[successor] += count[i];
        all += count[i];
      }
    }
    count = std::move(next);
    result.sequences.push_back(all);
  }
  return result;
}

}  // namespace flow::verification
