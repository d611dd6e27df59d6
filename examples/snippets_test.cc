// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What docs/servers.md and docs/combinators.md print, as it is printed there.

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/borrow.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/frame_writer.h"
#include "flow/framing.h"
#include "flow/hang_up.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/server.h"
#include "flow/status.h"
#include "flow/testing/pipe_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace examples {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::testing::Optional;

constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr flow::BlockFormat kFormat(/*max_bytes=*/4096);

// --- docs/servers.md

absl::Cord Answer(const absl::Cord& request) {
  absl::Cord answer("answer to ");
  answer.Append(request);
  return answer;
}

void Serve(std::unique_ptr<flow::Flow> client,
           flow::ServerConnection& connection) {
  auto channel = flow::MakeChannel(std::move(client));
  flow::FrameWriter answers(*channel);  // for the threads that answer
  flow::ServerCalls calls(connection, /*max=*/16);
  while (connection.AwaitRequest(*channel, absl::Minutes(5))) {
    channel->SetReadDeadline(absl::Now() + kTimeout);
    auto request = flow::NotAtEnd(flow::ReadBlock(*channel, kFormat));
    if (!request.ok()) break;
    const auto answer = [&, request = *std::move(request)] {
      // kResourceExhausted: the answer is larger than a block may be.
      absl::Status sent =
          answers.WriteBlock(kFormat, Answer(request), absl::Now() + kTimeout);
      if (!sent.ok()) channel->Abort(sent);
    };
    if (!calls.Start(answer).ok()) break;  // waits while 16 are under way
  }
  calls.Join();
  const absl::Time deadline = absl::Now() + kTimeout;
  if (!answers.Finish(deadline).ok()) return;  // without Close(): an abort
  flow::HangUp(*channel, "", deadline).IgnoreError();
}

TEST(SnippetsTest, AServerAnswersSeveralCallsAtOnce) {
  flow::testing::PipeListener listener;
  flow::Server server(Serve);
  std::thread runner(
      [&] { EXPECT_TRUE(server.Run(listener).ToString() != ""); });
  auto client = flow::MakeChannel(listener.Dial());
  for (const std::string request : {"one", "two"}) {
    ASSERT_THAT(flow::WriteBlock(*client, kFormat, request), IsOk());
    EXPECT_THAT(flow::ReadBlock(*client, kFormat),
                IsOkAndHolds(Optional(absl::Cord("answer to " + request))));
  }
  EXPECT_THAT(client->Close(absl::Now() + kTimeout), IsOk());
  server.Stop(absl::Now() + kTimeout);
  runner.join();
}

void Refuse(std::unique_ptr<flow::Flow> client) {
  flow::HangUp(*client, "421 too many connections\r\n",
               absl::Now() + absl::Seconds(5))
      .IgnoreError();
}

TEST(SnippetsTest, AClientThatIsRefusedHearsWhy) {
  flow::Pipe pipe = flow::MakePipe();
  std::thread server(Refuse, std::move(pipe.right));
  EXPECT_THAT(pipe.left->Read(), IsOkAndHolds("421 too many connections\r\n"));
  EXPECT_THAT(pipe.left->Close(absl::Now() + kTimeout), IsOk());
  server.join();
}

// --- docs/combinators.md

// Reads a part of the body.
absl::Status Handle(flow::Flow& body) { return body.Read(2).status(); }

absl::Status ReadOn(flow::Channel* channel, int content_length,
                    absl::StatusOr<std::optional<std::string>>& line) {
  auto body = flow::ExactInput(flow::BorrowFlow(*channel), content_length);
  absl::Status status = Handle(*body);  // reads all of it, some, or nothing
  status.Update(body->Close());         // skips the rest
  if (!status.ok()) return status;
  line = channel->ReadLine(8192);  // the next request
  return absl::OkStatus();
}

TEST(SnippetsTest, ABodyIsLentAndTheNextRequestFollows) {
  flow::Pipe pipe = flow::MakePipe();
  auto channel = flow::MakeChannel(std::move(pipe.right));
  ASSERT_THAT(pipe.left->Write("the body"
                               "GET /next\n"),
              IsOk());
  absl::StatusOr<std::optional<std::string>> line;
  EXPECT_THAT(ReadOn(channel.get(), 8, line), IsOk());
  EXPECT_THAT(line, IsOkAndHolds(Optional(std::string("GET /next"))));
}

}  // namespace
}  // namespace examples
