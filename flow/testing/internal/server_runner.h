// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/server_runner.h
//
// A server on a thread of its own, and a small protocol for it: words of four
// bytes that are sent back. Only for our own tests.

#ifndef FLOW_TESTING_INTERNAL_SERVER_RUNNER_H_
#define FLOW_TESTING_INTERNAL_SERVER_RUNNER_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "gtest/gtest.h"

namespace flow::testing {

// ServerRunner
class ServerRunner {
 public:
  ServerRunner(Server& server, std::vector<Listener*> listeners)
      : server_(server), thread_([this, listeners = std::move(listeners)] {
          report_ = server_.Run(listeners);
        }) {}

  // Waits until Run() returns.
  ServerReport Join() {
    thread_.join();
    return report_;
  }

  ServerReport Stop(absl::Time deadline,
                    absl::Status reason = absl::OkStatus()) {
    server_.Stop(deadline, std::move(reason));
    return Join();
  }

 private:
  Server& server_;
  ServerReport report_;
  std::thread thread_;
};

// A handler.
inline void EchoWords(std::unique_ptr<Flow> client,
                      ServerConnection& connection) {
  auto channel = MakeChannel(std::move(client));
  while (connection.AwaitRequest(*channel)) {
    const absl::StatusOr<absl::Cord> word = channel->ReadExactly(4);
    if (!word.ok() || !channel->Write(*word).ok()) return;
  }
  // The client may end later, or not at all.
  channel->Close(absl::InfinitePast()).IgnoreError();
}

// Returns the next `size` bytes, or as many as come before the end or an error.
inline std::string ReadSize(Flow& flow, size_t size) {
  std::string text;
  flow.SetReadDeadline(Patience());
  while (text.size() < size) {
    const absl::StatusOr<absl::Cord> data = flow.Read(size - text.size());
    EXPECT_TRUE(data.ok()) << data.status();
    if (!data.ok() || data->empty()) break;
    text += std::string(*data);
  }
  return text;
}

inline void ExpectEcho(Flow& client, absl::string_view word) {
  EXPECT_THAT(client.Write(word), ::absl_testing::IsOk());
  EXPECT_EQ(ReadSize(client, word.size()), word);
}

// Waits until there is a flow, and a thread that reads it.
inline void AwaitReader(const std::atomic<Channel*>& flow) {
  while (flow == nullptr ||
         !absl::StrContains(flow.load()->DebugString(), "in Read()")) {
    absl::SleepFor(absl::Milliseconds(1));
  }
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_SERVER_RUNNER_H_
