// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A small protocol in coroutines that uses all that async/channel.h has.

#include "flow/async/channel.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "flow/async/operations.h"
#include "flow/async/task.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::async {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsEof;
using ::flow::testing::ManualEngine;

// Answers each message, which is a name up to a ':', a size in a line of its
// own, and as many bytes, with `NAME SIZE\n`. A message that begins with '.'
// is the last one.
Task<absl::Status> Serve(Channel& channel) {
  while (true) {
    absl::StatusOr<absl::Cord> first = co_await Peek(channel, 1);
    if (!first.ok()) co_return first.status();
    if (first->empty() || *first == ".") break;
    absl::StatusOr<std::optional<absl::Cord>> name =
        co_await ReadUntil(channel, ":", 100);
    if (!name.ok()) co_return name.status();
    absl::StatusOr<std::optional<std::string>> line =
        co_await ReadLine(channel, 100);
    if (!line.ok()) co_return line.status();
    int size = 0;
    if (!line->has_value() || !absl::SimpleAtoi(**line, &size)) {
      co_return absl::InvalidArgumentError("no size");
    }
    absl::StatusOr<absl::Cord> body = co_await ReadExactly(channel, size);
    if (!body.ok()) co_return body.status();
    absl::Cord answer = **name;
    answer.Append(absl::StrCat(" ", body->size(), "\n"));
    absl::Status status = co_await WriteBuffered(channel, std::move(answer));
    if (status.ok()) status = co_await Flush(channel);
    if (!status.ok()) co_return status;
  }
  absl::Status status = co_await WriteBuffered(channel, absl::Cord("bye\n"));
  if (!status.ok()) co_return status;
  co_return co_await Close(channel);
}

Task<void> ServeInto(Channel& channel, std::optional<absl::Status>& result) {
  result = co_await Serve(channel);
}

class AsyncChannelTest : public ::testing::Test {
 protected:
  AsyncChannelTest() {
    Pipe pipe = MakePipe();
    pipe.left->SetEngine(&engine_);
    channel_ = MakeChannel(std::move(pipe.left));
    client_ = std::move(pipe.right);
    Spawn(ServeInto(*channel_, result_));
  }

  void Send(const std::string& bytes) {
    ASSERT_THAT(client_->Write(bytes), IsOk());
    engine_.RunAll();
  }

  ManualEngine engine_;
  std::unique_ptr<Channel> channel_;
  std::unique_ptr<Flow> client_;
  std::optional<absl::Status> result_;
};

TEST_F(AsyncChannelTest, AProtocolGoesOnWhereverItIsCut) {
  for (const char byte : std::string("one:3\nabc")) Send(std::string(1, byte));
  EXPECT_THAT(client_->Read(), IsOkAndHolds("one 3\n"));
  Send("two:1\nxthree:0\n");
  EXPECT_THAT(client_->Read(8 + 6), IsOkAndHolds("two 1\nthree 0\n"));
  ASSERT_THAT(client_->Write("."), IsOk());
  ASSERT_THAT(client_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  EXPECT_THAT(client_->Read(), IsOkAndHolds("bye\n"));
  EXPECT_THAT(client_->Read(), IsEof());
  engine_.RunAll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, IsOk());
}

TEST_F(AsyncChannelTest, AStreamThatIsCutOffIsAnError) {
  Send("one:3\nab");
  ASSERT_THAT(client_->Shutdown(ShutdownMode::kWrite), IsOk());
  engine_.RunAll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(AsyncChannelTest, AnAbortEndsACoroutineThatWaits) {
  Send("one:");
  channel_->Abort(absl::CancelledError("no more"));
  engine_.RunAll();
  ASSERT_TRUE(result_.has_value());
  EXPECT_THAT(*result_, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace flow::async
