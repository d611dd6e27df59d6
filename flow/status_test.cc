// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/status.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

TEST(StatusTest, ClosedIsAFailedPreconditionWithAMessage) {
  const absl::Status closed = ClosedError("the output is full");
  EXPECT_EQ(closed.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(closed.message(), "the output is full");
}

TEST(StatusTest, OnlyClosedIsClosed) {
  EXPECT_TRUE(IsClosed(ClosedError("")));
  EXPECT_FALSE(IsClosed(absl::OkStatus()));
  EXPECT_FALSE(IsClosed(absl::FailedPreconditionError("closed")));
  EXPECT_FALSE(IsClosed(absl::AbortedError("closed")));
}

TEST(StatusTest, ClosedSurvivesBeingCopiedAndGivenMorePayload) {
  absl::Status copy = ClosedError("x");
  copy.SetPayload("example.com/other", absl::Cord("y"));
  EXPECT_TRUE(IsClosed(copy));
}

TEST(StatusTest, OnlyAReadOfNothingIsEndOfFile) {
  EXPECT_TRUE(IsEof(absl::Cord()));
  EXPECT_FALSE(IsEof(absl::Cord("data")));
  EXPECT_FALSE(IsEof(absl::OutOfRangeError("the end")));
  EXPECT_FALSE(IsEof(ClosedError("closed")));
}

}  // namespace
}  // namespace flow
