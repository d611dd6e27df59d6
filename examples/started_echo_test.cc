// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/started_echo.h"

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/notification.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsEof;

class EchoTest : public ::testing::Test {
 protected:
  EchoTest() : engine_(*flow::EpollEngine::Make()) {
    thread_ = std::thread([this] { engine_->Run(); });
  }
  ~EchoTest() override {
    // After what was posted before: connections that were told of their end.
    engine_->Post([this] { engine_->Stop(); });
    thread_.join();
  }

  const std::unique_ptr<flow::EpollEngine> engine_;
  std::thread thread_;
};

TEST_F(EchoTest, AnswersWithWhatComes) {
  flow::Pipe pipe = flow::MakePipe();
  Echo::Serve(std::move(pipe.right), engine_.get());
  for (const std::string word : {"one", "two"}) {
    ASSERT_THAT(pipe.left->Write(word), IsOk());
    EXPECT_THAT(pipe.left->Read(), IsOkAndHolds(word));
  }
  ASSERT_THAT(pipe.left->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.left->Read(), IsEof());
  EXPECT_THAT(pipe.left->Close(), IsOk());
}

TEST_F(EchoTest, AnswersMoreThanThePipeHolds) {
  flow::Pipe pipe = flow::MakePipe(16);
  Echo::Serve(std::move(pipe.right), engine_.get());
  const std::string text(100'000, 'x');
  std::thread writer([&] {
    EXPECT_THAT(pipe.left->Write(text), IsOk());
    EXPECT_THAT(pipe.left->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  });
  absl::Cord answer;
  while (true) {
    absl::StatusOr<absl::Cord> data = pipe.left->Read();
    ASSERT_THAT(data, IsOk());
    if (data->empty()) break;
    answer.Append(*std::move(data));
  }
  writer.join();
  EXPECT_EQ(answer, text);
  EXPECT_THAT(pipe.left->Close(), IsOk());
}

TEST_F(EchoTest, ServesAllWhoComeUntilItsListenerIsClosed) {
  const auto listener = *flow::Listen("tcp:127.0.0.1:0");
  absl::Notification ended;
  EchoServer server(listener.get(), engine_.get(), [&](absl::Status status) {
    EXPECT_TRUE(flow::IsClosed(status)) << status;
    ended.Notify();
  });
  // More than it accepts in a row.
  std::vector<std::unique_ptr<flow::Flow>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(*flow::Dial(listener->address()));
    ASSERT_THAT(clients.back()->Write("hello"), IsOk());
  }
  server.Start();
  for (const std::unique_ptr<flow::Flow>& client : clients) {
    EXPECT_THAT(client->Read(), IsOkAndHolds("hello"));
    EXPECT_THAT(client->Shutdown(flow::ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(client->Read(), IsEof());
    EXPECT_THAT(client->Close(), IsOk());
  }
  listener->Close();
  ended.WaitForNotification();
}

TEST_F(EchoTest, EndsWithAConnectionThatIsAborted) {
  flow::Pipe pipe = flow::MakePipe();
  Echo::Serve(std::move(pipe.right), engine_.get());
  pipe.left->Abort(absl::CancelledError("enough"));
}

}  // namespace
}  // namespace examples
