// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/coroutine_server.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "flow/channel.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::testing::Not;
using ::testing::Optional;

// In memory.
class CoroutineServerTest : public ::testing::Test {
 protected:
  CoroutineServerTest() : engine_(*flow::EpollEngine::Make()) {
    auto listener = std::make_unique<flow::testing::PipeListener>();
    listener_ = listener.get();
    server_.emplace(*engine_, std::move(listener));
    thread_ = std::thread([this] { server_->Run(); });
  }
  ~CoroutineServerTest() override {
    server_->End();
    thread_.join();
  }

  std::unique_ptr<flow::Channel> Client() {
    return flow::MakeChannel(listener_->Dial());
  }

  const std::unique_ptr<flow::EpollEngine> engine_;
  flow::testing::PipeListener* listener_;
  std::optional<CoroutineServer> server_;
  std::thread thread_;
};

TEST_F(CoroutineServerTest, AnswersEveryClientLineByLine) {
  const auto one = Client();
  const auto two = Client();
  for (const auto& client : {one.get(), two.get(), one.get()}) {
    ASSERT_THAT(client->Write("hello\nworld\n"), IsOk());
    EXPECT_THAT(client->ReadLine(100),
                IsOkAndHolds(Optional(std::string("HELLO"))));
    EXPECT_THAT(client->ReadLine(100),
                IsOkAndHolds(Optional(std::string("WORLD"))));
  }
  ASSERT_THAT(one->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(one->ReadLine(100), IsOkAndHolds(std::nullopt));
  EXPECT_THAT(one->Close(), IsOk());
}

TEST_F(CoroutineServerTest, AnEndIsSeenByWhoeverIsThere) {
  const auto client = Client();
  ASSERT_THAT(client->Write("hello\n"), IsOk());
  EXPECT_THAT(client->ReadLine(100), IsOk());
  server_->End();
  EXPECT_THAT(client->ReadLine(100), Not(IsOk()));
}

TEST_F(CoroutineServerTest, ALineThatIsTooLongEndsItsConnectionAlone) {
  const auto bad = Client();
  const auto good = Client();
  ASSERT_THAT(bad->Write(std::string(5000, 'x')), IsOk());
  EXPECT_THAT(bad->ReadLine(100), Not(IsOk()));
  ASSERT_THAT(good->Write("still here\n"), IsOk());
  EXPECT_THAT(good->ReadLine(100),
              IsOkAndHolds(Optional(std::string("STILL HERE"))));
}

}  // namespace
}  // namespace examples
