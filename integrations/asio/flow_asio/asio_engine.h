// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/asio_engine.h
//
// `flow::AsioEngine` is an Engine (flow/engine.h) on an asio::io_context, so
// that flows share the threads of a program that uses Asio anyway:
//
//   asio::io_context context;
//   absl::StatusOr<std::unique_ptr<flow::AsioEngine>> engine =
//       flow::AsioEngine::Make(context);
//   if (!engine.ok()) return engine.status();
//   flow->SetEngine(engine->get());
//   ...
//   context.run();  // on this thread, and on more if you like
//
// operations.h has reads, writes and closes with completion tokens.
//
// When not to use it: in a program without Asio. flow::EpollEngine needs less.
//
// Thread safety: as that of Engine.

#ifndef FLOW_ASIO_ASIO_ENGINE_H_
#define FLOW_ASIO_ASIO_ENGINE_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "flow/engine.h"

namespace flow {

// AsioEngine
//
// Whatever waits here is work of the io_context: its run() does not return
// while a flow waits for a descriptor or for a deadline.
//
// All descriptors are watched through one of the engine's own, by epoll(7).
// Asio's own wait would make them non-blocking for every process that shares
// them, and cannot wait for the end of a peer whose data nobody reads.
class AsioEngine final : public Engine {
 public:
  // Fails if there is no descriptor left. `context` must outlive the engine.
  static absl::StatusOr<std::unique_ptr<AsioEngine>> Make(
      asio::io_context& context);

  // Destroys the functions of timers. Functions that were posted stay with the
  // io_context, which runs them, or destroys them at its own end. Precondition
  // (checked): nobody watches. Afterwards no flow may need this. In a child of
  // fork(2) it only closes a descriptor: an engine works only in the process
  // that has made it.
  ~AsioEngine() override;

  asio::io_context& context() { return context_; }

  void Post(absl::AnyInvocable<void()> function) override;
  Timer RunAt(absl::Time time, absl::AnyInvocable<void()> function) override;
  bool Cancel(Timer timer) override;
  void Watch(int fd, short events, Watcher* watcher) override;
  void CancelWatch(int fd, Watcher* watcher) override;
  void Forget(int fd) override;

 private:
  class State;

  AsioEngine(asio::io_context& context, std::shared_ptr<State> state);

  asio::io_context& context_;
  // Handlers that Asio has yet to call share it.
  std::shared_ptr<State> state_;
};

}  // namespace flow

#endif  // FLOW_ASIO_ASIO_ENGINE_H_
