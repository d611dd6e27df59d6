// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server with started operations, all of them on one thread, for the
// benchmarks of the network (network_jobs.h). Another thread accepts.

#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "flow/engine.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/socket.h"

namespace {

// Destroys itself at the end.
class Echo {
 public:
  static void Serve(std::unique_ptr<flow::Flow> flow, flow::Engine* engine) {
    flow->SetEngine(engine);
    Echo* const echo = new Echo(std::move(flow));
    if (echo->flow_->StartRead(&echo->read_)) echo->OnRead();
  }

 private:
  template <typename Operation, void (Echo::*kNext)()>
  struct Step final : Operation {
    explicit Step(Echo* echo) : echo(echo) {}
    void Done() override { (echo->*kNext)(); }
    Echo* const echo;
  };

  explicit Echo(std::unique_ptr<flow::Flow> flow) : flow_(std::move(flow)) {}

  void OnRead() {
    do {
      if (!read_.result.ok() || read_.result->empty()) return End();
      write_.rest = *std::move(read_.result);
      if (!flow_->StartWrite(&write_)) return;
      if (!write_.status.ok()) return End();
    } while (flow_->StartRead(&read_));
  }
  void OnWritten() {
    if (!write_.status.ok()) return End();
    if (flow_->StartRead(&read_)) OnRead();
  }
  void End() { delete this; }

  const std::unique_ptr<flow::Flow> flow_;
  Step<flow::Flow::ReadOperation, &Echo::OnRead> read_{this};
  Step<flow::Flow::WriteOperation, &Echo::OnWritten> write_{this};
};

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK_EQ(argc, 2);
  ABSL_CHECK_EQ(std::string(argv[1]), "echo");
  auto engine = flow::EpollEngine::Make().value();
  auto listener = flow::Listen("tcp:127.0.0.1:0").value();
  const std::string name = listener->address();
  std::cout << name.substr(name.rfind(':') + 1) << std::endl;
  std::thread([&] { engine->Run(); }).detach();
  while (true) {
    absl::StatusOr<std::unique_ptr<flow::Flow>> flow = listener->Accept();
    ABSL_CHECK_OK(flow.status());
    Echo::Serve(*std::move(flow), engine.get());
  }
}
