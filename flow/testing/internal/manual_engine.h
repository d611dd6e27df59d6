// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/manual_engine.h
//
// An engine that runs only what a test tells it to run, in the order that the
// test chooses. Not for users of the library.
//
// Thread safety: none.

#ifndef FLOW_TESTING_INTERNAL_MANUAL_ENGINE_H_
#define FLOW_TESTING_INTERNAL_MANUAL_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/log/absl_check.h"
#include "absl/time/time.h"
#include "flow/engine.h"

namespace flow::testing {

// ManualEngine
class ManualEngine final : public Engine {
 public:
  ~ManualEngine() override {
    ABSL_CHECK(watchers_.empty()) << "somebody still watches";
  }

  // --- What the test does

  // Runs the function that was posted first. Returns false if there is none.
  bool RunOne() {
    if (posted_.empty()) return false;
    absl::AnyInvocable<void()> function = std::move(posted_.front());
    posted_.pop_front();
    Enter(std::move(function));
    return true;
  }

  // Runs what was posted, and what that posts.
  void RunAll() {
    while (RunOne()) continue;
  }

  // Makes the timers due, whatever their times are. From then on Cancel() is
  // too late for them.
  void FireTimers() {
    for (auto& [timer, function] : timers_) {
      posted_.push_back(std::move(function.second));
    }
    timers_.clear();
  }

  // Reports to all who watch `fd` that it is ready, as of now.
  void MakeReady(int fd, short seen = 0) {
    for (size_t i = 0; i < watchers_.size();) {
      if (watchers_[i].first == fd) {
        Report(i, seen);
      } else {
        ++i;
      }
    }
  }

  // Whether it was told of `fd`, and not that it is to be closed.
  bool knows(int fd) const { return known_.count(fd) != 0; }
  size_t posted() const { return posted_.size(); }
  size_t timers() const { return timers_.size(); }
  size_t watches() const { return watchers_.size(); }
  // The time of the only timer.
  absl::Time timer_at() const {
    ABSL_CHECK(timers_.size() == 1);
    return timers_.begin()->second.first;
  }

  // --- What the engine does

  void Post(absl::AnyInvocable<void()> function) override {
    posted_.push_back(std::move(function));
  }

  Timer RunAt(absl::Time time, absl::AnyInvocable<void()> function) override {
    const uint64_t timer = ++last_timer_;
    timers_.emplace(timer, std::pair(time, std::move(function)));
    return Timer{timer};
  }

  bool Cancel(Timer timer) override {
    return timers_.erase(static_cast<uint64_t>(timer)) != 0;
  }

  void Watch(int fd, short events, Watcher* watcher) override {
    watcher->events = events;
    known_.insert(fd);
    watchers_.emplace_back(fd, watcher);
  }

  void CancelWatch(int fd, Watcher* watcher) override {
    for (size_t i = 0; i < watchers_.size(); ++i) {
      if (watchers_[i] == std::pair(fd, watcher)) return Report(i, 0);
    }
  }

  void Forget(int fd) override {
    for (const auto& [watched, watcher] : watchers_) {
      ABSL_CHECK(watched != fd) << "closed while somebody watches";
    }
    ABSL_CHECK(reports_ == 0) << "closed before a cancel was reported";
    known_.erase(fd);
  }

 private:
  void Enter(absl::AnyInvocable<void()> function) {
    ABSL_CHECK(!inside_) << "a function runs inside another one";
    inside_ = true;
    function();
    inside_ = false;
  }

  void Report(size_t i, short seen) {
    Watcher* const watcher = watchers_[i].second;
    watchers_.erase(watchers_.begin() + static_cast<std::ptrdiff_t>(i));
    ++reports_;
    posted_.push_back([this, watcher, seen] {
      --reports_;
      watcher->Ready(seen);
    });
  }

  bool inside_ = false;
  std::deque<absl::AnyInvocable<void()>> posted_;
  uint64_t last_timer_ = 0;
  std::map<uint64_t, std::pair<absl::Time, absl::AnyInvocable<void()>>> timers_;
  std::vector<std::pair<int, Watcher*>> watchers_;
  std::set<int> known_;
  int reports_ = 0;  // that are on their way
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_MANUAL_ENGINE_H_
