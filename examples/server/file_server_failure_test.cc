// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The file server when something fails, is late or stops.

#include <cstddef>
#include <cstdint>
#include <filesystem>  // NOLINT(build/c++17)
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "examples/server/file_server_fixture.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::ReadByte;
using ::flow::testing::WriteByte;

namespace fs = std::filesystem;

// --- What was cut never looks whole

TEST_F(FileServerTest, AFileThatShrinksNeverLooksWhole) {
  std::unique_ptr<flow::Flow> client = Dial();
  ASSERT_THAT(client->Write(Get("/big")), IsOk());
  ASSERT_THAT(client->Read(1000), IsOk());  // so it is under way
  fs::resize_file(site_ / "big", kBigSize / 2);
  absl::Cord rest;
  EXPECT_THAT(flow::ReadAll(*client, kLimit, &rest),
              StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_LE(rest.size(), kBigSize / 2);
}

TEST_F(FileServerTest, AFileThatGrowsIsSentAsItWas) {
  std::unique_ptr<flow::Flow> client = Dial();
  ASSERT_THAT(client->Write(absl::StrCat(Get("/big"), Get("/hello"))), IsOk());
  ASSERT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(client->Read(1000), IsOk());
  std::ofstream(site_ / "big", std::ios::app) << "more";
  const absl::StatusOr<absl::Cord> rest = flow::ReadAll(*client, kLimit);
  ASSERT_THAT(rest, IsOk());
  EXPECT_EQ(std::string(rest->Subcord(rest->size() - kHello.size() - 1,
                                      kHello.size() + 1)),
            absl::StrCat("b", kHello));
}

// Even if the client makes room again just after the deadline.
TEST_F(FileServerTest, AListThatIsCutNeverLooksWhole) {
  fs::create_directory(site_ / "full");
  for (int i = 0; i < 1000; ++i) {
    Put(absl::StrCat("full/", i, std::string(200, '-')), "");
  }
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    return MakeFaultFlow(
        std::move(flow),
        {Fault::Error(WriteByte(1000), absl::DeadlineExceededError("slow"))});
  });
  std::unique_ptr<flow::Flow> client = Dial();
  ASSERT_THAT(client->Write(Get("/full")), IsOk());
  absl::Cord all;
  EXPECT_THAT(flow::ReadAll(*client, kLimit, &all),
              StatusIs(absl::StatusCode::kAborted));
  EXPECT_FALSE(absl::EndsWith(std::string(all), "\r\n0\r\n\r\n"));
}

// Whatever fails, the client sees whole answers and a clean end, or an error.
TEST_F(FileServerTest, ACutAnswerNeverLooksWhole) {
  const std::string requests =
      absl::StrCat(Get("/hello"), Get("/folder"), Get("/hello"));
  const std::string answers = Ask(requests);
  StopNow();
  const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
    SetWrap([&plan](std::unique_ptr<flow::Flow> flow) {
      return plan.Wrap(std::move(flow), /*max_read=*/20, /*max_write=*/20);
    });
    std::unique_ptr<flow::Flow> client = Dial();
    client->Write(requests).IgnoreError();
    client->Shutdown(flow::ShutdownMode::kWrite).IgnoreError();
    absl::Cord all;
    const absl::Status status = flow::ReadAll(*client, kLimit, &all);
    client->Close(Patience()).IgnoreError();
    StopNow();  // so that what has happened is known
    if (status.ok()) {
      EXPECT_TRUE(AreWhole(std::string(all))) << all;
    } else {
      EXPECT_TRUE(plan.fired()) << status;
    }
    if (!plan.fired()) {
      EXPECT_EQ(all, answers);
    }
  });
  EXPECT_GE(points, 30);
}

// --- Time

TEST_F(FileServerTest, AnIdleClientIsLeftWithoutAnAnswer) {
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    return MakeFaultFlow(
        std::move(flow),
        {Fault::Error(ReadByte(static_cast<int64_t>(Get("/hello").size())),
                      absl::DeadlineExceededError("idle"))});
  });
  EXPECT_EQ(Ask(absl::StrCat(Get("/hello"), Get("/hello"))), kHello);
}

TEST_F(FileServerTest, ASlowRequestIs408) {
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    return MakeFaultFlow(
        std::move(flow),
        {Fault::Error(ReadByte(10), absl::DeadlineExceededError("slow"))});
  });
  EXPECT_EQ(Ask(Get("/hello")), Last("408 Request Timeout"));
}

TEST_F(FileServerTest, AClientThatReadsTooSlowlyIsCut) {
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    return MakeFaultFlow(std::move(flow),
                         {Fault::Error(WriteByte(1 << 20),
                                       absl::DeadlineExceededError("slow"))});
  });
  std::unique_ptr<flow::Flow> client = Dial();
  ASSERT_THAT(client->Write(Get("/big")), IsOk());
  EXPECT_THAT(flow::ReadAll(*client, kLimit),
              StatusIs(absl::StatusCode::kAborted));
}

// Fails a test in which a call would wait without a limit.
class DeadlineChecker : public flow::ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    EXPECT_LT(read_deadline_, Patience() + absl::Minutes(1));
    return ForwardingTransport::Read(max_bytes);
  }
  absl::Status Write(flow::Outgoing& data) override {
    EXPECT_LT(write_deadline_, Patience() + absl::Minutes(10));
    return ForwardingTransport::Write(data);
  }
  void SetReadDeadline(absl::Time deadline) override {
    read_deadline_ = deadline;
    ForwardingTransport::SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    write_deadline_ = deadline;
    ForwardingTransport::SetWriteDeadline(deadline);
  }

 private:
  absl::Time read_deadline_ = absl::InfiniteFuture();
  absl::Time write_deadline_ = absl::InfiniteFuture();
};

TEST_F(FileServerTest, NothingWaitsWithoutADeadline) {
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    return flow::DecorateFlow(
        std::move(flow), [](std::unique_ptr<flow::Transport> transport) {
          return std::make_unique<DeadlineChecker>(std::move(transport));
        });
  });
  Ask(absl::StrCat(Get("/hello"), Get("/folder"), Get("/big"), Get("/nothing"),
                   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n1"));
  Ask("bad");
}

// --- The stop

TEST_F(FileServerTest, AnIdleClientIsLeftWhenTheServerStops) {
  std::unique_ptr<flow::Flow> client = Dial();
  ASSERT_THAT(client->Write(Get("/hello")), IsOk());
  EXPECT_THAT(client->Read(), HoldsData(kHello));
  BeginStop();
  EXPECT_THAT(flow::ReadAll(*client, kLimit), HoldsData(""));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(AwaitStop().aborted, 0);
}

TEST_F(FileServerTest, AHalfRequestIsAnsweredWhenTheServerStops) {
  std::unique_ptr<flow::Flow> client = Dial();
  const std::string request = absl::StrCat(Get("/hello"), Get("/hello"));
  const size_t half = Get("/hello").size() + 10;
  ASSERT_THAT(client->Write(request.substr(0, half)), IsOk());
  EXPECT_THAT(client->Read(), HoldsData(kHello));
  BeginStop();
  EXPECT_THAT(client->Write(request.substr(half)), IsOk());
  EXPECT_THAT(flow::ReadAll(*client, kLimit), HoldsData(kLastHello));
  EXPECT_THAT(client->Close(Patience()), IsOk());
  EXPECT_EQ(AwaitStop().in_time, 1);
}

}  // namespace
