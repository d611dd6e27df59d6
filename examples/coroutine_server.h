// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A server in coroutines (C++20): one thread accepts, reads lines of all
// connections, answers, and ends it all.

#ifndef EXAMPLES_COROUTINE_SERVER_H_
#define EXAMPLES_COROUTINE_SERVER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/async/channel.h"
#include "flow/async/operations.h"
#include "flow/async/socket.h"
#include "flow/async/task.h"
#include "flow/channel.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/socket.h"

namespace examples {

// Answers each line with the same in capitals. A client that says nothing for a
// minute has to go.
class CoroutineServer {
 public:
  CoroutineServer(flow::EpollEngine& engine,
                  std::unique_ptr<flow::Listener> listener)
      : engine_(engine), listener_(std::move(listener)) {}

  // Serves on this thread until End() was called, and all have gone.
  void Run() {
    engine_.Post([this] { flow::async::Spawn(AcceptAll()); });
    engine_.Run();
  }

  // For any thread.
  void End() {
    engine_.Post([this] {
      is_ending_ = true;
      listener_->Close();
      for (flow::Channel* channel : channels_) {
        channel->Abort(absl::UnavailableError("the server ends"));
      }
    });
  }

 private:
  template <typename T>
  using Task = flow::async::Task<T>;

  Task<void> AcceptAll() {
    while (true) {
      absl::StatusOr<std::unique_ptr<flow::Flow>> client =
          co_await flow::async::Accept(*listener_, engine_);
      // There may be descriptors again when a client has gone.
      if (absl::IsResourceExhausted(client.status())) continue;
      if (!client.ok()) break;
      ++coroutines_;
      flow::async::Spawn(Own(flow::MakeChannel(*std::move(client))));
      co_await flow::async::Yield(engine_);
    }
    Leave();
  }

  // Owns a channel as long as it is served.
  Task<void> Own(std::unique_ptr<flow::Channel> channel) {
    channels_.insert(channel.get());
    const absl::Status status = co_await Serve(*channel);
    // Otherwise the channel is aborted, so that nothing half looks whole.
    if (status.ok()) {
      const absl::Time deadline = absl::Now() + absl::Seconds(10);
      (co_await flow::async::Close(*channel, deadline)).IgnoreError();
    }
    channels_.erase(channel.get());
    channel = nullptr;
    Leave();
  }

  Task<absl::Status> Serve(flow::Channel& channel) {
    while (!is_ending_) {
      channel.SetReadDeadline(absl::Now() + absl::Minutes(1));
      absl::StatusOr<std::optional<std::string>> line =
          co_await flow::async::ReadLine(channel, /*max_bytes=*/4096);
      if (!line.ok()) co_return line.status();
      if (!line->has_value()) break;  // the client has ended
      absl::Cord answer(absl::StrCat(absl::AsciiStrToUpper(**line), "\n"));
      channel.SetWriteDeadline(absl::Now() + absl::Seconds(10));
      absl::Status status =
          co_await flow::async::Write(channel, std::move(answer));
      if (!status.ok()) co_return status;
      // So that one who sends without pause does not keep the thread.
      co_await flow::async::Yield(engine_);
    }
    co_return absl::OkStatus();
  }

  // The last one lets Run() return.
  void Leave() {
    if (--coroutines_ == 0) engine_.Stop();
  }

  flow::EpollEngine& engine_;
  const std::unique_ptr<flow::Listener> listener_;
  // Only the thread of the engine touches these.
  absl::flat_hash_set<flow::Channel*> channels_;
  int coroutines_ = 1;  // AcceptAll(), and those that own a channel
  bool is_ending_ = false;
};

}  // namespace examples

#endif  // EXAMPLES_COROUTINE_SERVER_H_
