// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/pipe_listener.h
//
// A listener in memory, to test a server without sockets:
//
//   flow::testing::PipeListener listener;
//   flow::Server server(Serve);
//   std::thread running([&] { server.Run(listener); });
//   auto client = listener.Dial();
//   ... client->Write(...) ... client->Read() ...
//   server.Stop(absl::InfinitePast());
//   running.join();
//
// Its accepts may be started (docs/started.md), and so may the calls of both
// ends of its pipes:
//
//   listener.StartAccept(&accept, engine) ...
//   auto client = listener.Dial();
//   client->SetEngine(&engine);
//
// address() is no address for Dial() of socket.h. So let a client be given its
// flow, if it is to be tested like this.
//
// When not to use it: to test what only a kernel does, such as a backlog that
// is full.
//
// Thread safety: any thread may call anything, except the destructor. When an
// accept is done, the Dial() of another thread that it was for may still be
// under way, so do not destroy the listener in that Done().

#ifndef FLOW_TESTING_PIPE_LISTENER_H_
#define FLOW_TESTING_PIPE_LISTENER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/socket.h"

namespace flow::testing {

// PipeListener
class PipeListener final : public Listener {
 public:
  // `capacity` is that of each pipe (pipe.h), in either direction.
  explicit PipeListener(size_t capacity = size_t{256} << 10);
  ~PipeListener() override;

  // PipeListener::Dial()
  //
  // Returns one end of a new pipe, which has no engine (Flow::SetEngine()). The
  // other one waits to be accepted. Close() aborts it (kUnavailable), and after
  // Close() it is aborted at once. `from` is the remote_address()
  // of the end that is accepted and the local_address() of the one returned, so
  // that an access list can be tested: `tcp:10.0.0.1:4321`. It may be anything.
  std::unique_ptr<Flow> Dial(absl::string_view from = "");

  // PipeListener::Fail()
  //
  // Makes one Accept() return `error`, after those that take what waits now.
  void Fail(absl::Status error);

  // Returns how many connections and errors wait to be accepted.
  size_t waiting() const;

  absl::StatusOr<std::unique_ptr<Flow>> Accept(
      absl::Time deadline = absl::InfiniteFuture()) override;
  [[nodiscard]] bool StartAccept(
      AcceptOperation* operation, Engine& engine,
      absl::Time deadline = absl::InfiniteFuture()) override;
  void Close() override;
  std::string address() const override { return "pipe"; }

 private:
  class Started;
  using Outcome = absl::StatusOr<std::unique_ptr<Flow>>;

  // Returns whether this is a copy in a child of fork(2).
  bool IsCopy() const;
  bool IsReady() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return closed_ || !waiting_.empty();
  }
  // Returns the outcome of the next Accept(). Precondition: IsReady().
  Outcome Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Lets `outcome` wait to be accepted, unless it is too late.
  void Add(Outcome outcome) ABSL_LOCKS_EXCLUDED(mu_);
  // Lets whoever dialed know that nobody will accept.
  static void Refuse(Outcome& outcome);
  // Makes the started accepts look again.
  void TellStarted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint32_t fork_generation_;
  const size_t capacity_;
  mutable absl::Mutex mu_;
  std::deque<Outcome> waiting_ ABSL_GUARDED_BY(mu_);
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<std::unique_ptr<Started>> started_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_PIPE_LISTENER_H_
