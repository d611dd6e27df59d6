// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The protocol against a script, the store under every fault, and both together
// in memory and on a socket.

#include "store.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/socket.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "flow/testing/pipe_listener.h"
#include "flow/testing/scripted_flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "request.h"

namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Expect;
using ::flow::testing::HoldsData;
using ::flow::testing::MakeScriptedFlow;
using ::testing::Eq;
using ::testing::Not;
using ::testing::Optional;

absl::Time Soon() { return absl::Now() + absl::Seconds(60); }

// A store that serves `listener` on a thread until this is destroyed.
class Serving {
 public:
  explicit Serving(flow::Listener& listener)
      : server_([this](std::unique_ptr<flow::Flow> client,
                       flow::ServerConnection& connection) {
          store_.Serve(std::move(client), connection);
        }),
        thread_([this, &listener] { server_.Run(listener); }) {}
  ~Serving() {
    server_.Stop(Soon());
    thread_.join();
  }

  Store& store() { return store_; }

 private:
  Store store_;
  flow::Server server_;
  std::thread thread_;
};

// --- The client, against a script

TEST(StoreClientTest, GetsWhatTheStoreSays) {
  StoreClient client(MakeScriptedFlow({
      Expect::Write("GET color\n"),
      Expect::Read("VALUE 4\nblue\n"),
      Expect::Write("GET size\n"),
      Expect::Read("NONE\n"),
      Expect::Close(),
  }));
  EXPECT_THAT(client.Get("color"), IsOkAndHolds(Optional(absl::Cord("blue"))));
  EXPECT_THAT(client.Get("size"), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_THAT(client.Close(Soon()), IsOk());
}

TEST(StoreClientTest, AnAnswerThatIsCutIsDataLoss) {
  for (const absl::string_view answer : {"VALU", "VALUE 4\nbl"}) {
    StoreClient client(MakeScriptedFlow({
        Expect::Write("GET color\n"),
        Expect::Read(answer),
        Expect::ReadEof(),
    }));
    EXPECT_THAT(client.Get("color"), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(StoreClientTest, SendsNoKeyThatWouldBeTwoWords) {
  StoreClient client(MakeScriptedFlow({}));
  EXPECT_THAT(client.Get("a b"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(client.Set("a\n", absl::Cord()),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// --- Client and store

TEST(StoreTest, KeepsWhatAClientSetsForOthers) {
  flow::testing::PipeListener listener;
  const Serving serving(listener);
  StoreClient ada(listener.Dial());
  StoreClient bob(listener.Dial());
  EXPECT_THAT(ada.Set("color", absl::Cord("blue\nor green")), IsOk());
  EXPECT_THAT(bob.Get("color"),
              IsOkAndHolds(Optional(absl::Cord("blue\nor green"))));
  EXPECT_THAT(bob.Delete("color"), IsOkAndHolds(true));
  EXPECT_THAT(ada.Delete("color"), IsOkAndHolds(false));
  EXPECT_THAT(ada.Get("color"), IsOkAndHolds(Eq(std::nullopt)));
  EXPECT_THAT(ada.Close(Soon()), IsOk());
  EXPECT_THAT(bob.Close(Soon()), IsOk());
}

TEST(StoreTest, WhoDoesNotKeepToTheProtocolIsToldSo) {
  flow::testing::PipeListener listener;
  const Serving serving(listener);
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write("PUT color blue\n"), IsOk());
  EXPECT_THAT(flow::ReadAll(*client, /*limit=*/100),
              HoldsData("ERROR neither GET, SET nor DELETE\n"));
}

// What flow says in an error names addresses and states, which are not theirs.
TEST(StoreTest, WhoSendsTooMuchIsToldSoInWordsOfTheProtocol) {
  flow::testing::PipeListener listener;
  const Serving serving(listener);
  const auto client = listener.Dial();
  EXPECT_THAT(client->Write(std::string(kMaxLine + 1, 'x')), IsOk());
  EXPECT_THAT(flow::ReadAll(*client, /*limit=*/100),
              HoldsData("ERROR the line is too long\n"));
}

// Whatever breaks at the client, a value is stored whole or not at all, and an
// answer that was cut is no answer.
TEST(StoreTest, AValueIsStoredWholeOrNotAtAll) {
  flow::testing::ForEachFaultPoint([](flow::testing::FaultPlan& plan) {
    flow::testing::PipeListener listener;
    Serving serving(listener);
    absl::Status set;
    absl::StatusOr<std::optional<absl::Cord>> got;
    {
      StoreClient client(plan.Wrap(listener.Dial()));
      set = client.Set("color", absl::Cord("blue"));
      if (set.ok()) got = client.Get("color");
    }
    const std::optional<absl::Cord> kept = serving.store().Get("color");
    EXPECT_EQ(kept.value_or(absl::Cord("blue")), "blue");
    if (plan.fired()) {
      EXPECT_THAT(got, Not(IsOk()));
    } else {
      EXPECT_THAT(set, IsOk());
      EXPECT_THAT(got, IsOkAndHolds(Optional(absl::Cord("blue"))));
    }
  });
}

TEST(StoreTest, WorksOnASocket) {
  const auto listener = flow::Listen("tcp:localhost:0");
  ASSERT_THAT(listener, IsOk());
  const std::string address = (*listener)->address();
  const Serving serving(**listener);
  auto connection = flow::Dial(address, Soon());
  ASSERT_THAT(connection, IsOk());
  StoreClient client(*std::move(connection));
  const absl::Cord value(std::string(kMaxValue, 'x'));
  EXPECT_THAT(client.Set("large", value), IsOk());
  EXPECT_THAT(client.Get("large"), IsOkAndHolds(Optional(value)));
  EXPECT_THAT(client.Close(Soon()), IsOk());
}

}  // namespace
