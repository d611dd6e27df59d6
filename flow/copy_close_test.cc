// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copy() that ends what it copies to.

#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/string_flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::Not;
using Side = CopyResult::Side;

std::unique_ptr<Flow> MakeSource(std::vector<std::string> pieces) {
  return MakeStringFlow(std::move(pieces), std::vector<absl::Span<char>>());
}

// What the remote of a sink sees of a copy from `source` that ends its sink.
absl::StatusOr<absl::Cord> RemoteOfCopy(Flow& source, CopyResult* result) {
  Pipe sink = MakePipe(kNoLimit);
  CopyOptions options;
  options.close_timeout = absl::Seconds(30);
  absl::StatusOr<absl::Cord> all;
  std::thread remote([&] {
    all = ReadAll(*sink.right, 1000);
    sink.right->Close(absl::InfinitePast()).IgnoreError();
  });
  *result = Copy(source, *sink.left, options);
  EXPECT_THAT(sink.left->Write("more"), Not(IsOk())) << "it has ended";
  remote.join();
  return all;
}

TEST(CopyCloseTest, ASinkThatHasEverythingIsClosed) {
  auto source = MakeSource({"all of", " it"});
  CopyResult result;
  EXPECT_THAT(RemoteOfCopy(*source, &result), IsOkAndHolds("all of it"));
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.failed, Side::kNone);
}

TEST(CopyCloseTest, ASourceThatFailsNeverLooksWholeToTheRemote) {
  for (const absl::Status& error :
       {absl::DataLossError("bad disk"), ClosedError("closed under its reader"),
        absl::DeadlineExceededError("late")}) {
    FunctionFlowOptions options;
    options.input =
        Input::Buffers([&, n = 0]() mutable -> absl::StatusOr<absl::Cord> {
          if (n++ == 0) return absl::Cord("a part");
          return error;
        });
    auto source = MakeFunctionFlow(std::move(options));
    CopyResult result;
    const absl::Status remote = RemoteOfCopy(*source, &result).status();
    EXPECT_THAT(remote, Not(IsOk())) << error;
    EXPECT_FALSE(IsClosed(remote)) << error;
    EXPECT_EQ(result.status.code(), error.code());
    EXPECT_EQ(result.failed, Side::kSource);
  }
}

TEST(CopyCloseTest, AnErrorOfCloseIsThatOfTheSink) {
  auto source = MakeSource({"data"});
  Pipe sink = MakePipe(kNoLimit);  // whose remote reads nothing
  CopyOptions options;
  options.close_timeout = absl::ZeroDuration();
  const CopyResult result = Copy(*source, *sink.left, options);
  EXPECT_THAT(result.status, Not(IsOk()));
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(result.statistics.bytes, 4);
}

TEST(CopyCloseTest, TheSourceIsLeftAlone) {
  Pipe source = MakePipe(kNoLimit);
  EXPECT_THAT(source.right->Write("12345"), IsOk());
  std::string out;
  auto sink = MakeStringFlow("", &out);
  CopyOptions options;
  options.max_bytes = 3;
  options.close_timeout = absl::Seconds(30);
  EXPECT_THAT(Copy(*source.left, *sink, options).status, IsOk());
  EXPECT_EQ(out, "123");
  EXPECT_THAT(source.left->Read(), IsOkAndHolds("45"));
}

TEST(CopyCloseTest, EachOfSeveralSinksEndsAsItsOwnResultSays) {
  auto source = MakeSource({"all"});
  Pipe whole = MakePipe(kNoLimit);
  Pipe broken = MakePipe(kNoLimit);
  broken.right->Abort(absl::UnavailableError("gone"));
  EXPECT_THAT(whole.right->Shutdown(ShutdownMode::kWrite), IsOk());
  std::thread remote([&] {
    EXPECT_THAT(ReadAll(*whole.right, 1000), IsOkAndHolds("all"));
    EXPECT_THAT(whole.right->Close(), IsOk());
  });
  CopyOptions options;
  options.outlives_sinks = true;
  options.close_timeout = absl::Seconds(30);
  const MultiCopyResult result =
      Copy(*source, {broken.left.get(), whole.left.get()}, options);
  remote.join();
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.sinks[0].status, result.status);
  EXPECT_THAT(result.sinks[1].status, IsOk());
}

TEST(CopyCloseTest, ASinkWhoseRemoteStaysHoldsUpNoOther) {
  auto source = MakeSource({"all"});
  Pipe stays = MakePipe(kNoLimit);
  Pipe whole = MakePipe(kNoLimit);
  std::thread remote([&] {
    EXPECT_THAT(ReadAll(*whole.right, 1000), IsOkAndHolds("all"));
    EXPECT_THAT(whole.right->Close(), IsOk());
    EXPECT_THAT(ReadAll(*stays.right, 1000), IsOkAndHolds("all"));
    EXPECT_THAT(stays.right->Close(), IsOk());
  });
  CopyOptions options;
  options.outlives_sinks = true;
  options.close_timeout = absl::Seconds(30);
  const MultiCopyResult result =
      Copy(*source, {stays.left.get(), whole.left.get()}, options);
  remote.join();
  EXPECT_THAT(result.sinks[0].status, IsOk());
  EXPECT_THAT(result.sinks[1].status, IsOk());
}

// Here the end comes behind what is buffered, for which there is no room.
TEST(CopyCloseTest, ASinkThatCannotBeToldItsEndHoldsUpNoOther) {
  auto source = MakeSource({});
  Pipe full = MakePipe(/*capacity=*/1);
  ASSERT_THAT(full.left->Write("x"), IsOk());
  auto channel = MakeChannel(std::move(full.left));
  ASSERT_THAT(channel->WriteBuffered("buffered"), IsOk());
  Pipe whole = MakePipe();
  ASSERT_THAT(whole.right->Shutdown(ShutdownMode::kWrite), IsOk());
  CopyOptions options;
  options.close_timeout = absl::Milliseconds(10);
  const MultiCopyResult result =
      Copy(*source, {channel.get(), whole.left.get()}, options);
  EXPECT_THAT(result.sinks[0].status, Not(IsOk()));
  EXPECT_EQ(result.sinks[0].failed, Side::kSink);
  EXPECT_THAT(ReadAll(*whole.right, 1000), IsOkAndHolds(""));
}

TEST(CopyCloseTest, OneThatIsLeftBecauseAnotherFailedIsAborted) {
  auto source = MakeSource({"a part", "the rest"});
  Pipe left = MakePipe(kNoLimit);
  Pipe broken = MakePipe(kNoLimit);
  broken.right->Abort(absl::UnavailableError("gone"));
  CopyOptions options;
  options.close_timeout = absl::Seconds(30);
  const MultiCopyResult result =
      Copy(*source, {left.left.get(), broken.left.get()}, options);
  EXPECT_EQ(result.sinks[0].failed, Side::kNone);
  EXPECT_THAT(ReadAll(*left.right, 1000),
              StatusIs(absl::StatusCode::kUnavailable));
}

// Its remote need not wait for the others, which may take hours.
TEST(CopyCloseTest, ASinkThatFailsIsAbortedBeforeTheCopyEnds) {
  Pipe refuses = MakePipe(kNoLimit);
  Pipe whole = MakePipe(kNoLimit);
  EXPECT_THAT(refuses.right->Shutdown(ShutdownMode::kRead), IsOk());
  bool is_told = false;
  FunctionFlowOptions options;
  options.input =
      Input::Buffers([&, n = 0]() mutable -> absl::StatusOr<absl::Cord> {
        if (n++ < 2) return absl::Cord("data");
        refuses.right->SetWriteDeadline(absl::InfinitePast());
        is_told = !refuses.right->Write("anybody?").ok();
        return absl::Cord();
      });
  auto source = MakeFunctionFlow(std::move(options));
  std::thread reader([&] {
    EXPECT_THAT(ReadAll(*whole.right, 1000), IsOkAndHolds("datadata"));
    EXPECT_THAT(whole.right->Close(), IsOk());
  });
  CopyOptions copy;
  copy.outlives_sinks = true;
  copy.close_timeout = absl::Seconds(30);
  Copy(*source, {refuses.left.get(), whole.left.get()}, copy);
  reader.join();
  EXPECT_TRUE(is_told);
}

}  // namespace
}  // namespace flow
