// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/status.h"

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "gmock/gmock.h"
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

TEST(StatusTest, TellsTheErrnoThatItWasGiven) {
  const absl::Status error = absl::UnavailableError("connect: refused");
  EXPECT_EQ(ErrnoOf(error), std::nullopt);
  const absl::Status with = WithErrno(error, ECONNREFUSED);
  EXPECT_EQ(ErrnoOf(with), ECONNREFUSED);
  EXPECT_EQ(with.code(), error.code());
  EXPECT_EQ(with.message(), error.message());
}

TEST(StatusTest, OkAndClosedHaveNoErrno) {
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(ErrnoOf(WithErrno(absl::OkStatus(), EIO)), std::nullopt);
  EXPECT_EQ(ErrnoOf(ClosedError("closed")), std::nullopt);
}

TEST(StatusTest, WhereTheStreamMayNotEndItsEndIsOutOfRange) {
  using Line = absl::StatusOr<std::optional<std::string>>;
  EXPECT_THAT(NotAtEnd(Line("line")), ::absl_testing::IsOkAndHolds("line"));
  EXPECT_THAT(NotAtEnd(Line(std::nullopt)),
              ::absl_testing::StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(NotAtEnd(Line(absl::AbortedError("torn"))),
              ::absl_testing::StatusIs(absl::StatusCode::kAborted, "torn"));
}

TEST(StatusTest, WhatIsNotAtTheEndIsMoved) {
  absl::StatusOr<std::optional<std::unique_ptr<int>>> result =
      std::make_unique<int>(7);
  EXPECT_EQ(**NotAtEnd(std::move(result)), 7);
}

}  // namespace
}  // namespace flow
