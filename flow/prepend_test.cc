// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/prepend.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MaybeStarts;

TEST(PrependInputTest, ReadsWhatWasPutBackAndThenTheRest) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abcdef"), IsOk());
  absl::StatusOr<absl::Cord> first = pipe.left->Read(4);
  ASSERT_THAT(first, IsOk());
  auto flow = MaybeStarts(PrependInput(*first, std::move(pipe.left)));
  EXPECT_THAT(flow->Read(3), HoldsData("abc"));
  char space[10];
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(1));
  EXPECT_EQ(space[0], 'd');
  EXPECT_THAT(flow->ReadInto(absl::MakeSpan(space)), IsOkAndHolds(2));
  EXPECT_EQ(flow->bytes_read(), 10);
  EXPECT_THAT(flow->Write("out"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("out"));
}

TEST(PrependInputTest, CopiesNothing) {
  Pipe pipe = MakePipe();
  const absl::Cord bytes(std::string(100000, 'x'));
  auto flow = MaybeStarts(PrependInput(bytes, std::move(pipe.left)));
  const absl::StatusOr<absl::Cord> read = flow->Read();
  ASSERT_THAT(read, HoldsData(bytes));
  EXPECT_EQ(CopiedBytes(bytes, *read), 0u);
}

TEST(PrependInputTest, DoesNotWaitForWhatWasPutBack) {
  Pipe pipe = MakePipe();
  pipe.left->SetReadDeadline(absl::InfinitePast());
  auto flow = MaybeStarts(PrependInput(absl::Cord("a"), std::move(pipe.left)));
  EXPECT_THAT(flow->Read(), HoldsData("a"));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(PrependInputTest, AnEndThatWasReadBeforeComesAfterwards) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("abc"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  absl::StatusOr<absl::Cord> all = ReadAll(*pipe.left, 10);
  ASSERT_THAT(all, HoldsData("abc"));
  auto flow = MaybeStarts(PrependInput(*all, std::move(pipe.left)));
  EXPECT_THAT(ReadAll(*flow, 10), HoldsData("abc"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(pipe.right->Close(), IsOk());
}

TEST(PrependInputTest, AnErrorThatWasReadBeforeComesAfterwardsWithOneName) {
  Pipe pipe = MakePipe();
  pipe.right->Abort(absl::DataLossError("no"));
  ASSERT_THAT(pipe.left->Read(), StatusIs(absl::StatusCode::kDataLoss));
  auto flow =
      MaybeStarts(PrependInput(absl::Cord("abc"), std::move(pipe.left)));
  EXPECT_THAT(flow->Read(), HoldsData("abc"));
  const absl::Status error = flow->Read().status();
  EXPECT_THAT(error, StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(error.message().find("pipe"), error.message().rfind("pipe"))
      << error;
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(PrependInputTest, ARefusalAnAbortAndACloseStay) {
  Pipe refused = MakePipe();
  ASSERT_THAT(refused.left->Shutdown(ShutdownMode::kRead), IsOk());
  EXPECT_THAT(
      MaybeStarts(PrependInput(absl::Cord("a"), std::move(refused.left)))
          ->Read(),
      IsEof());
  Pipe aborted = MakePipe();
  aborted.left->Abort(absl::DataLossError("no"));
  EXPECT_THAT(
      MaybeStarts(PrependInput(absl::Cord("a"), std::move(aborted.left)))
          ->Read(),
      StatusIs(absl::StatusCode::kDataLoss));
  Pipe closed = MakePipe();
  ASSERT_THAT(closed.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(closed.left->Close(), IsOk());
  EXPECT_THAT(MaybeStarts(PrependInput(absl::Cord("a"), std::move(closed.left)))
                  ->Read(),
              IsClosed());
}

TEST(PrependInputTest, WhatWasPutBackAndIsLostFailsTheCloseOfItsWriter) {
  for (const bool closes : {false, true}) {
    Pipe pipe = MakePipe();
    ASSERT_THAT(pipe.right->Write("abc"), IsOk());
    ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
    absl::StatusOr<absl::Cord> first = pipe.left->Read();
    ASSERT_THAT(first, HoldsData("abc"));
    auto flow = MaybeStarts(PrependInput(*first, std::move(pipe.left)));
    ASSERT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
    if (closes) {
      ASSERT_THAT(flow->Close(), IsOk());
    }
    flow.reset();
    EXPECT_EQ(pipe.right->Close().ok(), closes);
  }
}

}  // namespace
}  // namespace flow
