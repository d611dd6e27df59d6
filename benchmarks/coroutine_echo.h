// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server in coroutines, all of them on the thread of one engine: what
// coroutine_server serves with, and held_benchmark counts.

#ifndef FLOW_BENCHMARKS_COROUTINE_ECHO_H_
#define FLOW_BENCHMARKS_COROUTINE_ECHO_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/async/operations.h"
#include "flow/async/socket.h"
#include "flow/async/task.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"

namespace flow {

// CoroutineEcho
class CoroutineEcho {
 public:
  std::string port() const {
    const std::string name = listener_->address();
    return name.substr(name.rfind(':') + 1);
  }
  EpollEngine& engine() { return *engine_; }

  // Serves on this thread, until End() was called and all clients have gone.
  void Run() {
    async::Spawn(AcceptAll());
    engine_->Run();
  }

  // For any thread.
  void End() {
    engine_->Post([this] { listener_->Close(); });
  }

 private:
  async::Task<void> AcceptAll() {
    while (true) {
      absl::StatusOr<std::unique_ptr<Flow>> flow =
          co_await async::Accept(*listener_, *engine_);
      if (IsClosed(flow.status())) break;
      ABSL_CHECK_OK(flow.status());
      ++coroutines_;
      async::Spawn(Echo(*std::move(flow)));
      co_await async::Yield(*engine_);
    }
    Leave();
  }

  // Answers with what comes until the end.
  async::Task<void> Echo(std::unique_ptr<Flow> flow) {
    for (int round = 1;; ++round) {
      absl::StatusOr<absl::Cord> data = co_await async::Read(*flow);
      if (!data.ok() || data->empty()) break;
      if (!(co_await async::Write(*flow, *std::move(data))).ok()) break;
      // So that one who sends without pause does not keep the thread.
      if (round % 16 == 0) co_await async::Yield(*engine_);
    }
    flow = nullptr;
    Leave();
  }

  // The last one lets Run() return.
  void Leave() {
    if (--coroutines_ == 0) engine_->Stop();
  }

  const std::unique_ptr<EpollEngine> engine_ = EpollEngine::Make().value();
  const std::unique_ptr<Listener> listener_ = Listen("tcp:127.0.0.1:0").value();
  int coroutines_ = 1;  // AcceptAll(), and those of connections
};

}  // namespace flow

#endif  // FLOW_BENCHMARKS_COROUTINE_ECHO_H_
