// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The end of a channel: what Close() makes of what is buffered in either
// direction, and of an error or an end that the channel knows of and no read
// has come to.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::FaultOptions;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::ReadByte;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kLimit = 100;  // of lines
constexpr absl::Duration kShort = absl::Milliseconds(20);

// --- What was read ahead

TEST(ChannelCloseTest, AnErrorThatNoReadHasComeToIsThatOfClose) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("ab"), IsOk());
  pipe.right->Abort(absl::DataLossError("torn"));
  const auto channel = MakeChannel(std::move(pipe.left));
  const auto failed = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn"));
  ASSERT_THAT(channel->ReadLine(kLimit), failed);
  EXPECT_THAT(channel->Close(), failed);
}

// The pipe itself is open, and its other end may never end.
TEST(ChannelCloseTest, DoesNotWaitForTheRemoteAfterAnErrorUnderneath) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("ab"), IsOk());
  const auto channel = MakeChannel(
      MakeFaultFlow(std::move(pipe.left),
                    {Fault::Error(ReadByte(2), absl::DataLossError("torn"))}));
  const auto failed = StatusIs(absl::StatusCode::kDataLoss);
  ASSERT_THAT(channel->ReadLine(kLimit), failed);
  EXPECT_THAT(channel->Close(), failed);
  EXPECT_THAT(pipe.right->Write("x"), failed);
}

// The same, but the error comes while Close() waits.
TEST(ChannelCloseTest, AnErrorThatIsMetWhileCloseWaitsEndsTheWait) {
  absl::Notification awaited;
  absl::Notification refused;
  auto inner = std::make_unique<HookFlow>();
  auto& hooks = inner->hooks;
  int reads = 0;
  hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    if (reads++ == 0) return absl::Cord("ab");
    awaited.WaitForNotification();
    return absl::DataLossError("torn");
  };
  hooks.await_remote_end = [&](absl::Time) {
    awaited.Notify();
    refused.WaitForNotification();
    return absl::OkStatus();
  };
  hooks.refuse_read = [&] { refused.Notify(); };
  const auto channel = MakeChannel(std::move(inner));
  std::thread reader([&] {
    EXPECT_THAT(channel->ReadLine(kLimit),
                StatusIs(absl::StatusCode::kDataLoss));
  });
  EXPECT_THAT(channel->Close(), StatusIs(absl::StatusCode::kDataLoss));
  reader.join();
}

// An end that was met ahead, of data that nobody reads, is an end.
TEST(ChannelCloseTest, AfterAnEndThatNoReadHasComeToIsOk) {
  auto inner = std::make_unique<HookFlow>();
  int reads = 0;
  inner->hooks.read = [&](size_t) {
    return absl::Cord(reads++ == 0 ? "ab" : "");
  };
  inner->hooks.await_remote_end = [](absl::Time) {
    return absl::InternalError("asked after the end");
  };
  const auto channel = MakeChannel(std::move(inner));
  ASSERT_THAT(channel->ReadExactly(3), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(channel->Close(), IsOk());
  EXPECT_EQ(reads, 2);
}

// Nor is it an end: a transport that cannot refuse, as TCP, waits for that.
TEST(ChannelCloseTest, WhatComesAfterARefusalIsNoError) {
  auto inner = std::make_unique<HookFlow>();
  auto& hooks = inner->hooks;
  absl::Notification reading;
  absl::Notification refused;
  inner->hooks.read = [&](size_t) -> absl::StatusOr<absl::Cord> {
    reading.Notify();
    refused.WaitForNotification();
    return absl::DataLossError("too late");
  };
  inner->hooks.refuse_read = [&] { refused.Notify(); };
  const auto channel = MakeChannel(std::move(inner));
  std::thread reader([&] {
    EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds(std::nullopt));
  });
  reading.WaitForNotification();
  EXPECT_THAT(channel->Shutdown(ShutdownMode::kRead), IsOk());
  reader.join();
  bool is_awaited = false;
  hooks.await_remote_end = [&](absl::Time) {
    is_awaited = true;
    return absl::OkStatus();
  };
  EXPECT_THAT(channel->Close(), IsOk());
  EXPECT_TRUE(is_awaited);
}

TEST(ChannelCloseTest, AfterReadWaitsUntilWhatIsBufferedWasRead) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("ab\ncd"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  const auto channel = MakeChannel(std::move(pipe.left));
  // The end has been met, and two lines are buffered.
  ASSERT_THAT(channel->ReadExactly(6), StatusIs(absl::StatusCode::kOutOfRange));
  std::thread closer([&] { EXPECT_THAT(channel->CloseAfterRead(), IsOk()); });
  while (!absl::StrContains(channel->DebugString(), "in Close()")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(channel->ReadLine(kLimit), IsOkAndHolds("ab"));
  EXPECT_THAT(channel->ReadLine(kLimit, LastLine::kNeedsNoNewline),
              IsOkAndHolds("cd"));
  EXPECT_THAT(channel->Read(), IsEof());
  closer.join();
}

// --- PatientClose

// The remote takes a byte at a time, each within the idle timeout and all of
// them after several.
TEST(ChannelPatientCloseTest, FlushesAsLongAsBytesArrive) {
  constexpr absl::Duration kIdle = absl::Seconds(1);
  const std::string sent = "01234567";
  Pipe pipe = MakePipe(/*capacity=*/1);
  FaultOptions options;
  options.max_write = 1;  // so that the flush itself waits
  const auto channel =
      MakeChannel(MakeFaultFlow(std::move(pipe.left), std::move(options)));
  ASSERT_THAT(channel->WriteBuffered(sent), IsOk());
  std::thread remote([&] {
    std::string received;
    while (received.size() < sent.size()) {
      absl::SleepFor(kIdle / 5);
      absl::StatusOr<absl::Cord> data = pipe.right->Read();
      ASSERT_THAT(data, IsOk());
      received += std::string(*data);
    }
    EXPECT_EQ(received, sent);
    EXPECT_THAT(pipe.right->Read(), IsEof());
    EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  });
  EXPECT_THAT(channel->PatientClose(kIdle), IsOk());
  remote.join();
}

TEST(ChannelPatientCloseTest, GivesUpAFlushWhenNothingArrives) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->Write("x"), IsOk());
  ASSERT_THAT(channel->WriteBuffered("yz"), IsOk());
  EXPECT_THAT(channel->PatientClose(kShort),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.right->Read(), HoldsData("x"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
}

// The earlier of the two, as with Close().
TEST(ChannelPatientCloseTest, DoesNotFlushBeyondTheWriteDeadline) {
  Pipe pipe = MakePipe(/*capacity=*/1);
  const auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->Write("x"), IsOk());
  ASSERT_THAT(channel->WriteBuffered("yz"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  channel->SetWriteDeadline(absl::InfinitePast());
  std::thread closer([&] {
    EXPECT_THAT(channel->PatientClose(absl::Hours(1)),
                StatusIs(absl::StatusCode::kAborted));
  });
  // It goes on with a direction that is broken, and waits for the "x" to
  // arrive.
  while (!absl::StrContains(channel->DebugString(), "out: broken")) {
    std::this_thread::yield();
  }
  EXPECT_THAT(pipe.right->Read(), HoldsData("x"));
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
  closer.join();
}

// --- Decisions underneath

// A flush that fails tells the transport so, and then nothing else.
TEST(ChannelCloseTest, AFlushThatFailsIsABrokenEndUnderneath) {
  auto inner = std::make_unique<HookFlow>();
  auto& hooks = inner->hooks;
  hooks.write = [](absl::Cord, size_t*) { return absl::DataLossError("torn"); };
  const auto channel = MakeChannel(std::move(inner));
  ASSERT_THAT(channel->WriteBuffered("x"), IsOk());
  EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(hooks.log(), Contains("broken"));
  EXPECT_THAT(hooks.log(), Not(Contains("end")));
}

// The transport has a deadline of its own that nobody has set.
TEST(ChannelCloseTest, ADeadlineUnderneathThatNobodySetIsABrokenEnd) {
  auto inner = std::make_unique<HookFlow>();
  auto& hooks = inner->hooks;
  hooks.write = [](absl::Cord, size_t*) {
    return absl::DeadlineExceededError("late");
  };
  const auto channel = MakeChannel(std::move(inner));
  ASSERT_THAT(channel->WriteBuffered("x"), IsOk());
  EXPECT_THAT(channel->Close(absl::Now() + absl::Hours(1)),
              StatusIs(absl::StatusCode::kAborted));
}

// A channel asks for more than its user, so the Flow cannot check this.
TEST(ChannelReadsUnderneathTest, MoreThanAskedForIsInternalAndNothingIsSeen) {
  using Form = std::function<absl::Status(Channel&)>;
  const Form forms[] = {
      [](Channel& channel) { return channel.ReadLine(1).status(); },
      [](Channel& channel) { return channel.ReadExactly(1).status(); },
      [](Channel& channel) { return channel.Peek(1).status(); },
      [](Channel& channel) { return channel.Read(1).status(); },
  };
  for (const Form& form : forms) {
    auto inner = std::make_unique<HookFlow>();
    inner->hooks.read = [](size_t max_bytes) {
      return absl::Cord(std::string(max_bytes + 1, '\n'));
    };
    ChannelOptions options;
    options.max_buffered_read = 10;
    const auto channel = MakeChannel(std::move(inner), options);
    EXPECT_THAT(form(*channel), StatusIs(absl::StatusCode::kInternal));
    EXPECT_THAT(channel->Read(), StatusIs(absl::StatusCode::kInternal));
    EXPECT_EQ(channel->bytes_read(), 0);
  }
}

TEST(ChannelWritesUnderneathTest, AClaimToHaveAcceptedMoreIsInternal) {
  using Form = std::function<absl::Status(Channel&)>;
  const Form forms[] = {
      [](Channel& channel) { return channel.Flush(); },
      [](Channel& channel) { return channel.Write("c"); },
      [](Channel& channel) { return channel.Shutdown(ShutdownMode::kWrite); },
      [](Channel& channel) { return channel.Close(); },
  };
  for (const Form& form : forms) {
    auto inner = std::make_unique<HookFlow>();
    inner->hooks.write = [](absl::Cord data, size_t* accepted) {
      *accepted = data.size() + 1;
      return absl::DeadlineExceededError("late");
    };
    const auto channel = MakeChannel(std::move(inner));
    ASSERT_THAT(channel->WriteBuffered("ab"), IsOk());
    EXPECT_THAT(form(*channel), StatusIs(absl::StatusCode::kInternal));
    EXPECT_EQ(channel->bytes_written(), 2);
    EXPECT_THAT(channel->Write("c"), StatusIs(absl::StatusCode::kInternal));
  }
}

TEST(ChannelCloseTest, AnInterruptThatShutsDownFlushes) {
  std::unique_ptr<Channel> channel;
  std::string written;
  FunctionFlowOptions options;
  options.output = Output::Buffers([&](absl::Cord data) {
    written += std::string(data);
    return absl::OkStatus();
  });
  options.interrupt = [&](const Interruption& interruption) {
    if (interruption.cause != Interruption::Cause::kWriteDeadline) return;
    EXPECT_THAT(channel->Shutdown(ShutdownMode::kWrite), IsOk());
  };
  channel = MakeChannel(MakeFunctionFlow(std::move(options)));
  ASSERT_THAT(channel->WriteBuffered("x"), IsOk());
  channel->SetWriteDeadline(absl::InfiniteFuture());
  EXPECT_EQ(written, "x");
  EXPECT_THAT(channel->Close(), IsOk());
}

TEST(ChannelCloseTest, EmptyBufferedWritesReachNoTransport) {
  auto inner = std::make_unique<HookFlow>();
  inner->hooks.write = [](absl::Cord, size_t*) {
    return absl::InternalError("an empty write came through");
  };
  ChannelOptions options;
  options.max_buffered_write = 0;
  const auto channel = MakeChannel(std::move(inner), options);
  EXPECT_THAT(channel->WriteBuffered(""), IsOk());
  EXPECT_THAT(channel->WriteBuffered(absl::Cord()), IsOk());
  EXPECT_THAT(channel->Flush(), IsOk());
  ASSERT_THAT(channel->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(channel->WriteBuffered(""), IsClosed());
}

}  // namespace
}  // namespace flow
