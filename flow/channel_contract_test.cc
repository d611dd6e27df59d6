// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A channel is a flow like any other: the conformance suite. And a small
// protocol that meets a fault at every operation.

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::BindToSharedEngine;
using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultOptions;
using ::flow::testing::FaultPlan;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowPair;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::StartsCalls;
using ::testing::Not;

constexpr size_t kCapacity = 4096;

// --- The contract

std::unique_ptr<Flow> OnTop(std::unique_ptr<Flow> inner) {
  return MakeChannel(std::move(inner));
}

// In short reads and small writes.
std::unique_ptr<Flow> OnPieces(std::unique_ptr<Flow> inner) {
  FaultOptions pieces;
  pieces.max_read = 1000;
  pieces.max_write = 100;
  return MakeChannel(MakeFaultFlow(std::move(inner), std::move(pieces)));
}

std::unique_ptr<Flow> OnAChannel(std::unique_ptr<Flow> inner) {
  return MakeChannel(MakeChannel(std::move(inner)));
}

using Wrap = std::function<std::unique_ptr<Flow>(std::unique_ptr<Flow>)>;

ConformanceOptions Channels(std::string name, size_t capacity,
                            const Wrap& wrap) {
  ConformanceOptions options;
  options.name = std::move(name);
  options.make_pair = [=] {
    Pipe pipe = MakePipe(capacity);
    return FlowPair{wrap(std::move(pipe.left)), wrap(std::move(pipe.right))};
  };
  options.make_full = options.make_pair;
  options.more_than_full = 16 << 10;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Channel, FlowConformanceTest,
    ::testing::Values(Channels("rendezvous", 0, OnTop),
                      Channels("capacity_4096", kCapacity, OnTop),
                      Channels("in_pieces", kCapacity, OnPieces),
                      Channels("on_a_channel", kCapacity, OnAChannel)),
    ConformanceName);

// --- A protocol with faults

// Calls `operation` again after a deadline: nothing may be lost by it.
template <typename Operation>
auto Insist(Operation operation) {
  auto result = operation();
  absl::Status status;
  if constexpr (std::is_same_v<decltype(result), absl::Status>) {
    status = result;
  } else {
    status = result.status();
  }
  return absl::IsDeadlineExceeded(status) ? operation() : result;
}

// The calls of a channel: they block, or start and are waited for.
class Calls {
 public:
  Calls(Channel& channel, bool starts) : channel_(channel), starts_(starts) {}

  absl::Status WriteBuffered(absl::string_view data) {
    if (!starts_) return channel_.WriteBuffered(data);
    Call<Flow::WriteOperation> write;
    write.rest = absl::Cord(data);
    write.Wait(channel_.StartWriteBuffered(&write));
    return write.status;
  }
  absl::Status Flush() {
    if (!starts_) return channel_.Flush();
    Call<Flow::WriteOperation> flush;
    flush.Wait(channel_.StartFlush(&flush));
    return flush.status;
  }
  absl::StatusOr<std::optional<std::string>> ReadLine(size_t max_bytes) {
    if (!starts_) return channel_.ReadLine(max_bytes);
    Call<Channel::LineOperation> read;
    read.Wait(channel_.StartReadLine(&read, max_bytes));
    return read.line;
  }
  absl::StatusOr<std::optional<absl::Cord>> ReadUntil(
      absl::string_view delimiter, size_t max_bytes) {
    if (!starts_) return channel_.ReadUntil(delimiter, max_bytes);
    Call<Channel::PartOperation> read;
    read.Wait(channel_.StartReadUntil(&read, delimiter, max_bytes));
    return read.part;
  }
  absl::StatusOr<absl::Cord> ReadExactly(size_t n) {
    if (!starts_) return channel_.ReadExactly(n);
    Call<Channel::BytesOperation> read;
    read.Wait(channel_.StartReadExactly(&read, n));
    return read.bytes;
  }
  absl::Status Close() {
    if (!starts_) return channel_.Close();
    Call<Flow::CloseOperation> close;
    close.Wait(channel_.StartClose(&close, absl::InfiniteFuture()));
    return close.status;
  }

 private:
  template <typename Operation>
  struct Call final : Operation {
    void Done() override { over.Notify(); }
    void Wait(bool is_over) {
      if (!is_over) over.WaitForNotification();
    }
    absl::Notification over;
  };

  Channel& channel_;
  const bool starts_;
};

// Asks for two things, and returns the line, the part and the body of the
// answer.
absl::StatusOr<std::string> Ask(Calls channel) {
  absl::Status status = channel.WriteBuffered("GET line\n");
  if (status.ok()) status = channel.WriteBuffered("GET body\n");
  if (status.ok()) status = Insist([&] { return channel.Flush(); });
  if (!status.ok()) return status;
  absl::StatusOr<std::optional<std::string>> line =
      Insist([&] { return channel.ReadLine(/*max_bytes=*/20); });
  if (!line.ok()) return line.status();
  absl::StatusOr<std::optional<absl::Cord>> part =
      Insist([&] { return channel.ReadUntil("--", /*max_bytes=*/20); });
  if (!part.ok()) return part.status();
  absl::StatusOr<absl::Cord> body =
      Insist([&] { return channel.ReadExactly(4); });
  if (!body.ok()) return body.status();
  status = channel.WriteBuffered("BYE\n");
  if (status.ok()) status = channel.Close();
  if (!status.ok()) return status;
  return absl::StrCat(line->value(), "|", std::string(part->value()), "|",
                      std::string(*body));
}

absl::StatusOr<std::string> AskOf(std::unique_ptr<Flow> flow) {
  if (StartsCalls()) BindToSharedEngine(*flow);
  return Ask(Calls(*MakeChannel(std::move(flow)), StartsCalls()));
}

TEST(ChannelFaultTest, ALineProtocolIsRightOrFailsAtEveryFault) {
  const std::string asked = "GET line\nGET body\nBYE\n";
  for (const size_t max_read : {1, 3, 100}) {
    const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
      Pipe pipe = MakePipe(kNoLimit);
      ASSERT_THAT(pipe.right->Write("a line\na-part--body"), IsOk());
      ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
      const absl::StatusOr<std::string> answer =
          AskOf(plan.Wrap(std::move(pipe.left), max_read));
      // The flush at the end is not resumed after a deadline, which is then
      // kAborted.
      absl::StatusCode code = absl::StatusCode::kOk;
      if (plan.fired()) {
        code = plan.error().code();
        if (plan.mode() == FaultMode::kDeadline) {
          code =
              answer.ok() ? absl::StatusCode::kOk : absl::StatusCode::kAborted;
        }
      }
      EXPECT_THAT(answer, StatusIs(code));
      if (answer.ok()) {
        EXPECT_EQ(*answer, "a line|a-part|body");
        EXPECT_THAT(ReadAll(*pipe.right, /*limit=*/100), HoldsData(asked));
        return;
      }
      // A prefix, and no clean end.
      std::string got;
      absl::StatusOr<absl::Cord> data;
      while ((data = pipe.right->Read()).ok() && !data->empty()) {
        got += std::string(*data);
      }
      EXPECT_THAT(data, Not(IsOk()));
      EXPECT_TRUE(absl::StartsWith(asked, got)) << got;
    });
    EXPECT_GT(points, 10);
  }
}

}  // namespace
}  // namespace flow
