// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/frame_writer_fixture.h
//
// A flow whose writes end as told, and frames that wait, for the tests of
// FrameWriter. Only for our own tests.

#ifndef FLOW_TESTING_INTERNAL_FRAME_WRITER_FIXTURE_H_
#define FLOW_TESTING_INTERNAL_FRAME_WRITER_FIXTURE_H_

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/frame_writer.h"
#include "flow/internal/mutex_lock.h"
#include "flow/testing/internal/hook_flow.h"

namespace flow::testing {

// A flow whose writes end as the test says. Each takes all if it says nothing.
class ScriptedWrites {
 public:
  struct Outcome {
    size_t accepted;
    absl::Status status;
  };

  explicit ScriptedWrites(std::map<size_t, Outcome> outcomes = {})
      : outcomes_(std::move(outcomes)) {
    flow.hooks.write = [this](const absl::Cord& data, size_t* accepted) {
      const size_t call = writes.size();
      writes.push_back(std::string(data));
      if (blocker.has_value() && call == 0) blocker->Block();
      const auto outcome = outcomes_.find(call);
      *accepted =
          outcome == outcomes_.end() ? data.size() : outcome->second.accepted;
      accepted_ += writes.back().substr(0, *accepted);
      return outcome == outcomes_.end() ? absl::OkStatus()
                                        : outcome->second.status;
    };
  }

  const std::string& accepted() const { return accepted_; }

  HookFlow flow;
  std::vector<std::string> writes;  // what each was given
  std::optional<Blocker> blocker;   // of the first write

 private:
  const std::map<size_t, Outcome> outcomes_;
  std::string accepted_;
};

// Frames that wait behind one that is being written.
class Queue {
 public:
  Queue(ScriptedWrites& scripted, FrameWriter& writer)
      : scripted_(scripted), writer_(writer) {
    scripted_.blocker.emplace();
  }

  // Begins with the first frame, whose write blocks.
  void Add(std::string frame, absl::Time deadline = absl::InfiniteFuture()) {
    const size_t size = frame.size();
    const size_t before = writer_.waiting_bytes();
    const size_t i = threads_.size();
    {
      flow::internal::MutexLock lock(mu_);
      outcomes_.emplace_back();
    }
    threads_.emplace_back([this, i, deadline, frame = std::move(frame)] {
      absl::Status status = writer_.Write(frame, deadline);
      flow::internal::MutexLock lock(mu_);
      outcomes_[i] = std::move(status);
    });
    if (i == 0) scripted_.blocker->WaitUntilEntered();
    while (writer_.waiting_bytes() != before + size) std::this_thread::yield();
  }

  // Lets the first frame go on, and returns the outcomes of all.
  std::vector<absl::Status> Finish() {
    scripted_.blocker->Leave();
    for (std::thread& thread : threads_) thread.join();
    flow::internal::MutexLock lock(mu_);
    return {outcomes_.begin(), outcomes_.end()};
  }

 private:
  ScriptedWrites& scripted_;
  FrameWriter& writer_;
  std::vector<std::thread> threads_;
  absl::Mutex mu_;
  std::deque<absl::Status> outcomes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_FRAME_WRITER_FIXTURE_H_
