// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/serve.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flowcat/explained_flow.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

constexpr absl::Duration kShortageWait = absl::Milliseconds(100);

// Accepts on the caller's thread, and serves each connection on one of its own.
class Server {
 public:
  Server(flow::Listener& listener, const ServeOptions& options, Stop& stop)
      : listener_(listener), options_(options), stop_(stop) {}

  absl::Status Run() {
    Stop::Callback listen_no_more(stop_, [this](const absl::Status&) {
      {
        absl::MutexLock lock(&mu_);
        over_ = true;
      }
      listener_.Close();
    });
    const absl::Status status = AcceptAll();
    listener_.Close();
    {
      absl::MutexLock lock(&mu_);
      const auto all_served = [this] {
        mu_.AssertReaderHeld();
        return served_.empty();
      };
      mu_.Await(absl::Condition(&all_served));
    }
    JoinFinished();
    return status;
  }

 private:
  absl::Status AcceptAll() {
    int64_t number = 0;
    bool is_short = false;
    while (AwaitRoom()) {
      absl::StatusOr<std::unique_ptr<flow::Flow>> flow = listener_.Accept();
      JoinFinished();
      if (flow.ok()) {
        is_short = false;
        Start(++number, *std::move(flow));
        continue;
      }
      if (flow::IsClosed(flow.status())) break;
      const absl::Status error =
          Explained(flow.status(), "accept on", listener_.address());
      if (!absl::IsResourceExhausted(error)) return error;
      if (!std::exchange(is_short, true)) options_.on_shortage(CauseOf(error));
      stop_.Await(kShortageWait);
    }
    return absl::OkStatus();
  }

  // Waits until there may be one more; returns false if there should be none.
  bool AwaitRoom() {
    absl::MutexLock lock(&mu_);
    const auto is_ready = [this] {
      mu_.AssertReaderHeld();
      return over_ ||
             served_.size() < static_cast<size_t>(options_.max_connections);
    };
    mu_.Await(absl::Condition(&is_ready));
    return !over_;
  }

  struct Connection {
    std::unique_ptr<flow::Flow> flow;  // until its thread takes it
    std::thread thread;
  };

  void Start(int64_t number, std::unique_ptr<flow::Flow> flow) {
    absl::Status no_thread;
    {
      absl::MutexLock lock(&mu_);
      const auto self = served_.insert(served_.end(), {std::move(flow), {}});
      try {
        // It cannot finish before it is stored, as it needs the lock.
        self->thread = std::thread([this, self, number] {
          options_.serve(number, Take(*self));
          absl::MutexLock lock(&mu_);
          finished_.splice(finished_.end(), served_, self);
        });
      } catch (const std::system_error& error) {
        no_thread = NoThread(error);
        flow = std::move(self->flow);
        served_.erase(self);
      }
    }
    if (!no_thread.ok()) options_.refuse(number, std::move(flow), no_thread);
  }

  std::unique_ptr<flow::Flow> Take(Connection& connection) {
    absl::MutexLock lock(&mu_);
    return std::move(connection.flow);
  }

  void JoinFinished() {
    std::list<Connection> finished;
    {
      absl::MutexLock lock(&mu_);
      finished.swap(finished_);
    }
    for (Connection& connection : finished) connection.thread.join();
  }

  flow::Listener& listener_;
  const ServeOptions& options_;
  Stop& stop_;

  absl::Mutex mu_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::list<Connection> served_ ABSL_GUARDED_BY(mu_);
  std::list<Connection> finished_ ABSL_GUARDED_BY(mu_);  // to be joined
};

}  // namespace

absl::Status Serve(flow::Listener& listener, const ServeOptions& options,
                   Stop& stop) {
  return Server(listener, options, stop).Run();
}

}  // namespace flowcat
