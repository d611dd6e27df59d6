// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: epoll_engine.h
//
// `flow::EpollEngine` is an Engine (engine.h) on epoll(7):
//
//   absl::StatusOr<std::unique_ptr<flow::EpollEngine>> engine =
//       flow::EpollEngine::Make();
//   if (!engine.ok()) return engine.status();
//   flow->SetEngine(engine->get());
//   if (flow->StartRead(&operation)) Use(operation.result);  // over already
//   (*engine)->Run();  // on this thread, and on more if you like
//
// docs/started.md says how a program with pending calls ends.
//
// When not to use it: beside an event loop that the program has anyway.
// Implement Engine on that.
//
// Thread safety: as that of Engine.

#ifndef FLOW_EPOLL_ENGINE_H_
#define FLOW_EPOLL_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/engine.h"

namespace flow {

// EpollEngine
//
// Begins functions in the order in which they became due. Several threads that
// run one engine run several functions at the same time. A timer is late by up
// to a millisecond.
class EpollEngine final : public Engine {
 public:
  // Fails if there is no descriptor left; it needs two.
  static absl::StatusOr<std::unique_ptr<EpollEngine>> Make();

  // Destroys the functions that have not run. Precondition (checked): no thread
  // is in Run(). Afterwards no flow may need it: those that it serves are
  // destroyed, or are owned by such a function. In a child of fork(2) this
  // closes its descriptors, and that is all: an engine works only in the
  // process that has made it.
  ~EpollEngine() override;

  // EpollEngine::Run()
  //
  // Runs what is due, and waits for more, until Stop().
  void Run();

  // EpollEngine::Stop()
  //
  // Makes every Run() return, each after the function that it is running. From
  // then on Run() returns at once, so that a call that is pending stays so. End
  // the flows first.
  void Stop();

  void Post(absl::AnyInvocable<void()> function) override;
  Timer RunAt(absl::Time time, absl::AnyInvocable<void()> function) override;
  // Returns false only if the function has begun, or was cancelled before.
  bool Cancel(Timer timer) override;
  void Watch(int fd, short events, Watcher* watcher) override;
  void CancelWatch(int fd, Watcher* watcher) override;
  void Forget(int fd) override;

 private:
  // Something to run: a function, the Ready() of a watcher, or the function of
  // a timer.
  struct Work {
    Watcher* watcher = nullptr;
    short seen = 0;
    absl::AnyInvocable<void()> function;
    uint64_t timer = 0;  // none
  };

  // What is known of one descriptor. It is known to epoll(7) from the first
  // Watch() to Forget().
  struct Descriptor {
    Watcher* first = nullptr;  // of those that watch
    uint32_t generation = 0;   // of the number, so that late events miss
    short seen = 0;            // events that nobody has been told of
    bool is_registered = false;
    bool is_always_ready = false;  // epoll(7) refuses it, as a file
  };

  EpollEngine(int epoll_fd, int wake_fd);

  void DropFunctions() ABSL_LOCKS_EXCLUDED(mu_);
  void RunOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Returns whether it is time to look at the descriptors, although there are
  // functions to run.
  bool HasToPoll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TakeDueTimers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Poll(bool waits) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Tell(Descriptor& descriptor, short events)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Register(int fd, Descriptor& descriptor, Watcher* watcher)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Timer AddTimer(absl::Duration at, absl::AnyInvocable<void()> function)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Enqueue(Work&& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Makes a thread that sleeps look again, if one does.
  void WakeOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const int epoll_fd_;
  const int wake_fd_;
  const uint32_t fork_generation_;

  absl::Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  int runners_ ABSL_GUARDED_BY(mu_) = 0;   // threads in Run()
  int sleepers_ ABSL_GUARDED_BY(mu_) = 0;  // those of them that wait
  bool wake_sent_ ABSL_GUARDED_BY(mu_) = false;
  // A sleeper looks at the timers by then, or earlier.
  absl::Duration sleeps_until_ ABSL_GUARDED_BY(mu_) = absl::InfiniteDuration();

  // The functions of this round, of which the first `next_` have begun, and
  // those of the next round. Their memory is used again.
  std::vector<Work> round_ ABSL_GUARDED_BY(mu_);
  size_t next_ ABSL_GUARDED_BY(mu_) = 0;
  int run_since_poll_ ABSL_GUARDED_BY(mu_) = 0;
  int look_at_ ABSL_GUARDED_BY(mu_) = 0;  // the clock, when it is so many
  absl::Duration polled_at_ ABSL_GUARDED_BY(mu_);  // by the monotonic clock
  std::vector<Work> incoming_ ABSL_GUARDED_BY(mu_);

  uint64_t last_timer_ ABSL_GUARDED_BY(mu_) = 0;
  absl::btree_map<std::pair<absl::Duration, uint64_t>,
                  absl::AnyInvocable<void()>>
      timers_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, absl::Duration> timer_times_
      ABSL_GUARDED_BY(mu_);
  // Of those in `round_` that have not begun.
  absl::flat_hash_map<uint64_t, absl::AnyInvocable<void()>> due_timers_
      ABSL_GUARDED_BY(mu_);

  std::vector<Descriptor> descriptors_ ABSL_GUARDED_BY(mu_);  // by number
};

}  // namespace flow

#endif  // FLOW_EPOLL_ENGINE_H_
