// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: engine.h
//
// `flow::Engine` runs what started operations (Flow::StartRead() and its kin)
// wait for. epoll_engine.h has one that ships. Implement the interface to let
// flows run on an event loop of your own.
//
// When not to use it: for calls that block. They need no engine.
//
// Thread safety: any thread may call any function of an engine at any time,
// also from inside a function that the engine runs.

#ifndef FLOW_ENGINE_H_
#define FLOW_ENGINE_H_

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace flow {

// Engine
//
// Runs functions on its own threads, one or several. It never runs one inside a
// call of one of its functions, and holds no lock meanwhile. So a caller may
// hold locks of its own. The functions that it is given do not throw, and do
// not block for long.
//
// An engine with one thread runs them one after the other, and those that one
// thread posts in the order in which it does. With several threads two of them
// may run at the same time, so what they share needs a lock. What a thread has
// written before it posts a function is visible to that.
//
// It must outlive the flows that it serves.
class Engine {
 public:
  // A timer of RunAt(). An engine never uses one twice.
  enum class Timer : uint64_t {};

  // Watcher
  //
  // Whoever waits for a descriptor. It belongs to its user, who keeps it alive
  // until Ready() is called.
  class Watcher {
   public:
    // Called once for each Watch(), on a thread of the engine. `seen` is what
    // poll(2) had reported until then and nobody was told of: if they held,
    // POLLPRI, POLLHUP and POLLRDHUP are among it, whoever waits for them. What
    // comes afterwards is reported to the next Watch(). 0 if that is not so, or
    // not known. An engine may always say 0, and costs a read of TCP another
    // system call by that.
    virtual void Ready(short seen) = 0;

    // For the engine alone, from Watch() to Ready().
    Watcher* next = nullptr;
    short events = 0;

   protected:
    ~Watcher() = default;
  };

  virtual ~Engine() = default;

  // Engine::Post()
  //
  // Runs `function` soon, and once.
  virtual void Post(absl::AnyInvocable<void()> function) = 0;

  // Engine::RunAt()
  //
  // Runs `function` once, at `time` or soon afterwards. How long it is until
  // then is worked out now, and measured by a clock that nobody can set. Two
  // functions for the same time run in any order.
  virtual Timer RunAt(absl::Time time, absl::AnyInvocable<void()> function) = 0;

  // Engine::Cancel()
  //
  // Returns true if the function of `timer` will never run, and has freed it by
  // then. Returns false if it was cancelled before, has run, runs, or is about
  // to, so that what it touches has to outlive it. How soon it is "about to"
  // depends on the engine.
  virtual bool Cancel(Timer timer) = 0;

  // Engine::Watch()
  //
  // Calls Ready() of `watcher`, once, when poll(2) of `fd` would report one of
  // `events` (0: none), an error or a hang-up; and perhaps earlier. An engine
  // may rely on edges: somebody who waits for POLLIN or POLLOUT has read, or
  // written, until the kernel said that nothing was left to read, or that there
  // was no room. (A read of TCP that returns fewer bytes than it has space for
  // says so, too, if what was `seen` before it was neither an end nor urgent
  // data.) The end of the other side (POLLRDHUP) has no edge. It is
  // reported as long as it holds. Precondition: `watcher` is not watching.
  virtual void Watch(int fd, short events, Watcher* watcher) = 0;

  // Engine::CancelWatch()
  //
  // Makes Ready() of `watcher` come soon, if it has not come. Until it has, the
  // descriptor stays open and the watcher alive.
  virtual void CancelWatch(int fd, Watcher* watcher) = 0;

  // Engine::Forget()
  //
  // Lets go of `fd`, which is about to be closed. Somebody else may get the
  // number afterwards.
  // Precondition: nobody watches it.
  virtual void Forget(int fd) = 0;
};

}  // namespace flow

#endif  // FLOW_ENGINE_H_
