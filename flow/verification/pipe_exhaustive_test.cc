// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Every sequence of operations at both ends of a real pipe, in one thread,
// against the model: all that a user calls keeps the contract. Where no call is
// started, none waits. (Threads that wait: pipe_state_exhaustive_test,
// pipe_threads_test.)

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
#include "flow/flow.h"
#include "flow/verification/pipe_ends_checker.h"
#include "flow/verification/pipe_operation.h"
#include "flow/verification/pipe_started_checker.h"
#include "gtest/gtest.h"

namespace flow::verification {
namespace {

class PipeExhaustiveTest : public ::testing::TestWithParam<size_t> {};

// All sequences of up to `max_length` operations; beyond `merge_from`, only one
// of those that lead to the same state of the model goes on. Returns how many
// were run.
template <typename Checker>
int64_t RunSequences(size_t capacity, size_t merge_from, size_t max_length) {
  const std::vector<PipeOperation> operations = AllPipeOperations();
  absl::flat_hash_set<std::string> seen;
  std::deque<std::vector<PipeOperation>> prefixes(1);
  int64_t sequences = 0;
  for (; !prefixes.empty(); prefixes.pop_front()) {
    std::vector<PipeOperation> path = prefixes.front();
    if (path.size() == max_length) break;
    for (PipeOperation operation : operations) {
      Checker checker(capacity);
      for (PipeOperation earlier : path) checker.Apply(earlier).IgnoreError();
      if (!checker.IsLegal(operation)) continue;
      path.push_back(operation);
      const absl::Status status = checker.Apply(operation);
      EXPECT_TRUE(status.ok()) << ToString(path) << ": " << status.message();
      if (!status.ok()) return sequences;
      ++sequences;
      if (seen.insert(checker.model().Key()).second ||
          path.size() < merge_from) {
        prefixes.push_back(path);
      }
      path.pop_back();
    }
  }
  return sequences;
}

template <typename Checker>
void RunOneByOne(size_t capacity) {
  constexpr size_t kLength = 3;
  const int64_t sequences = RunSequences<Checker>(capacity, kLength, kLength);
  std::cout << absl::StreamFormat("%d sequences of up to %d operations\n",
                                  sequences, kLength);
  EXPECT_GT(sequences, 10000);
}

template <typename Checker>
void RunMerged(size_t capacity, size_t max_length) {
  const int64_t sequences = RunSequences<Checker>(capacity, 0, max_length);
  std::cout << absl::StreamFormat("%d sequences, one for each step\n",
                                  sequences);
}

TEST_P(PipeExhaustiveTest, EverySequenceOneByOne) {
  RunOneByOne<PipeEndsChecker>(GetParam());
}

TEST_P(PipeExhaustiveTest, EverySequenceWithEqualStatesMerged) {
  RunMerged<PipeEndsChecker>(GetParam(), GetParam() == kNoLimit ? 6 : 100);
}

TEST_P(PipeExhaustiveTest, EverySequenceOfStartedCallsOneByOne) {
  RunOneByOne<PipeStartedChecker>(GetParam());
}

// There are more states, because calls wait, and with no bound without end.
TEST_P(PipeExhaustiveTest, EverySequenceOfStartedCallsWithEqualStatesMerged) {
  RunMerged<PipeStartedChecker>(GetParam(), 5);
}

INSTANTIATE_TEST_SUITE_P(Capacity, PipeExhaustiveTest,
                         ::testing::Values(0, 1, 2, kNoLimit),
                         [](const auto& info) {
                           return info.param == kNoLimit
                                      ? "unbounded"
                                      : absl::StrCat(info.param);
                         });

}  // namespace
}  // namespace flow::verification
