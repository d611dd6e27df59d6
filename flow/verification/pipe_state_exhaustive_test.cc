// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Every sequence of operations at both ends of a pipe: what each call returns,
// which bytes it reads, what it counts and which waiting calls it wakes,
// against the model that was written from the documentation.
//
//  * One by one: each sequence of up to 4 operations.
//  * With equal states merged: a state is visited once, however many sequences
//    lead to it, and every operation is tried in it. At a bounded capacity this
//    comes to an end, and then holds for sequences of any length.

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "flow/flow.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_explorer.h"
#include "flow/verification/pipe_operation.h"
#include "gtest/gtest.h"

namespace flow::verification {
namespace {

std::string Name(size_t capacity) {
  return capacity == kNoLimit ? "unbounded" : absl::StrCat(capacity);
}

class PipeStateExhaustiveTest : public ::testing::TestWithParam<size_t> {};

// Runs all sequences of up to `length` operations that begin with `path`, and
// adds to `*sequences` how many. Stops at the first difference.
void RunAll(const PipeChecker& checker, size_t length,
            std::vector<PipeOperation>& path, int64_t* sequences) {
  static const auto* const kOperations =
      new std::vector<PipeOperation>(AllPipeOperations());
  for (PipeOperation operation : *kOperations) {
    if (!checker.IsLegal(operation)) continue;
    PipeChecker next(checker);
    path.push_back(operation);
    const absl::Status status = next.Apply(operation);
    ASSERT_TRUE(status.ok()) << ToString(path) << ": " << status.message();
    ++*sequences;
    if (path.size() < length) {
      RunAll(next, length, path, sequences);
      if (::testing::Test::HasFatalFailure()) return;
    }
    path.pop_back();
  }
}

TEST_P(PipeStateExhaustiveTest, EverySequenceOneByOne) {
  constexpr size_t kLength = 4;
  std::vector<PipeOperation> path;
  int64_t sequences = 0;
  RunAll(PipeChecker(GetParam()), kLength, path, &sequences);
  std::cout << absl::StreamFormat(
      "capacity %s: %d sequences of up to %d operations run one by one\n",
      Name(GetParam()), sequences, kLength);
  EXPECT_GT(sequences, 250000);
}

TEST_P(PipeStateExhaustiveTest, EverySequenceWithEqualStatesMerged) {
  const bool bounded = GetParam() != kNoLimit;
  const PipeExploration result = ExplorePipe(GetParam(), bounded ? 1000 : 7);
  ASSERT_TRUE(result.status.ok()) << result.status.message();
  EXPECT_EQ(result.closed, bounded);
  ASSERT_GE(result.length, 6u);
  double up_to_6 = 0;
  for (size_t n = 1; n <= 6; ++n) up_to_6 += result.sequences[n];
  std::cout << absl::StreamFormat(
      "capacity %s: %d states, %d steps; every sequence of %s "
      "(%.0f of up to 6 operations)\n",
      Name(GetParam()), result.states, result.steps,
      bounded ? "any length" : absl::StrCat("up to ", result.length), up_to_6);
}

INSTANTIATE_TEST_SUITE_P(Capacity, PipeStateExhaustiveTest,
                         ::testing::Values(0, 1, 2, kNoLimit),
                         [](const auto& info) { return Name(info.param); });

}  // namespace
}  // namespace flow::verification
