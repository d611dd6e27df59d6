// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Every order in which threads can begin and end what they do at one end of a
// flow: reads, writes, ends, refusals, closes, aborts, destruction and the
// functions of the transport. A state is visited once, however many orders lead
// to it, and everything that can happen is tried in it.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "flow/verification/flow_state_checker.h"
#include "gtest/gtest.h"

namespace flow::verification {
namespace {

using Closes = FlowStateChecker::Closes;

void RunEveryInterleaving(Closes closes) {
  struct State {
    size_t before;
    FlowStateEvent event;  // from there to here
  };
  std::vector<State> states(1);
  // A shortest way to the last state of `states`.
  const auto path = [&states] {
    std::string text;
    for (size_t i = states.size() - 1; i != 0; i = states[i].before) {
      text = absl::StrCat(Name(states[i].event), " ", text);
    }
    return text;
  };
  absl::flat_hash_set<std::string> known;
  std::deque<std::pair<size_t, FlowStateChecker>> unvisited;
  unvisited.emplace_back(0, FlowStateChecker(closes));
  known.insert(unvisited.front().second.Key());
  int64_t steps = 0;
  // Breadth first, so that the first way to a state is a shortest one.
  for (; !unvisited.empty(); unvisited.pop_front()) {
    const auto& [number, checker] = unvisited.front();
    for (int i = 0; i < kFlowStateEvents; ++i) {
      const auto event = static_cast<FlowStateEvent>(i);
      if (!checker.IsPossible(event)) continue;
      FlowStateChecker next(checker);
      ++steps;
      absl::Status status = next.Apply(event);
      const bool is_new = status.ok() && known.insert(next.Key()).second;
      if (is_new) status = next.CheckThatItCanClose();
      if (status.ok() && !is_new) continue;
      states.push_back({number, event});
      ASSERT_TRUE(status.ok())
          << status.message() << ": " << path() << ": " << next.DebugString();
      unvisited.emplace_back(states.size() - 1, std::move(next));
    }
  }
  std::cout << absl::StreamFormat("%d states, %d steps\n", states.size(),
                                  steps);
  EXPECT_GT(states.size(), 10000u);
}

TEST(FlowStateExhaustiveTest, EveryInterleaving) {
  RunEveryInterleaving(Closes::kBlock);
}

TEST(FlowStateExhaustiveTest, EveryInterleavingWithAStartedClose) {
  RunEveryInterleaving(Closes::kStart);
}

}  // namespace
}  // namespace flow::verification
