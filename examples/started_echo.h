// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: started_echo.h
//
// An echo server in callbacks, without a thread for each connection
// (docs/started.md).

#ifndef EXAMPLES_STARTED_ECHO_H_
#define EXAMPLES_STARTED_ECHO_H_

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"

namespace examples {

// Echo
//
// Serves one connection, then destroys itself.
class Echo {
 public:
  // `engine` must outlive the connection.
  static void Serve(std::unique_ptr<flow::Flow> flow, flow::Engine* engine) {
    flow->SetEngine(engine);
    Echo* const echo = new Echo(std::move(flow), engine);
    if (echo->flow_->StartRead(&echo->read_)) echo->OnRead();
  }

 private:
  // Each calls a function of the Echo when it is over.
  template <typename Operation, void (Echo::*kNext)()>
  struct Step final : Operation {
    explicit Step(Echo* echo) : echo(echo) {}
    void Done() override { (echo->*kNext)(); }
    Echo* const echo;
  };

  Echo(std::unique_ptr<flow::Flow> flow, flow::Engine* engine)
      : flow_(std::move(flow)), engine_(engine) {}

  // A loop, because what is there is read and written without waiting.
  void OnRead() {
    for (int round = 0; round < 16; ++round) {
      if (!read_.result.ok() || read_.result->empty()) return End();
      write_.rest = *std::move(read_.result);
      if (!flow_->StartWrite(&write_)) return;
      if (!write_.status.ok()) return End();
      if (!flow_->StartRead(&read_)) return;
    }
    // It is the turn of others. What was read last is answered afterwards.
    engine_->Post([this] { OnRead(); });
  }

  void OnWritten() {
    if (!write_.status.ok()) return End();
    if (flow_->StartRead(&read_)) OnRead();
  }

  // After an error, Close() returns it and waits for nothing more than it must.
  void End() {
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    if (flow_->StartClose(&close_, deadline)) OnClosed();
  }

  void OnClosed() { delete this; }

  const std::unique_ptr<flow::Flow> flow_;
  flow::Engine* const engine_;
  Step<flow::Flow::ReadOperation, &Echo::OnRead> read_{this};
  Step<flow::Flow::WriteOperation, &Echo::OnWritten> write_{this};
  Step<flow::Flow::CloseOperation, &Echo::OnClosed> close_{this};
};

// EchoServer
//
// Accepts connections and serves each, all on one engine.
class EchoServer {
 public:
  // Both must outlive it, and `engine` the connections, too. It must live until
  // `on_end` is called, which is told why it accepts no more: Closed, after
  // listener.Close().
  EchoServer(flow::Listener* listener, flow::Engine* engine,
             absl::AnyInvocable<void(absl::Status)> on_end)
      : listener_(listener), engine_(engine), on_end_(std::move(on_end)) {}

  // Call it once.
  void Start() { Accept(); }

 private:
  struct Step final : flow::AcceptOperation {
    explicit Step(EchoServer* server) : server(server) {}
    void Done() override {
      if (server->Serve()) server->Accept();
    }
    EchoServer* const server;
  };

  // A loop, because whoever has come already is accepted without waiting.
  void Accept() {
    for (int round = 0; round < 16; ++round) {
      if (!listener_->StartAccept(&accept_, *engine_)) return;
      if (!Serve()) return;
    }
    engine_->Post([this] { Accept(); });
  }

  // Returns whether it accepts more. Otherwise this may be gone.
  bool Serve() {
    // There may be descriptors again when a client has gone.
    if (absl::IsResourceExhausted(accept_.flow.status())) return true;
    if (!accept_.flow.ok()) {
      // It may destroy this.
      absl::AnyInvocable<void(absl::Status)> on_end = std::move(on_end_);
      on_end(accept_.flow.status());
      return false;
    }
    Echo::Serve(*std::move(accept_.flow), engine_);
    return true;
  }

  flow::Listener* const listener_;
  flow::Engine* const engine_;
  absl::AnyInvocable<void(absl::Status)> on_end_;
  Step accept_{this};
};

}  // namespace examples

#endif  // EXAMPLES_STARTED_ECHO_H_
