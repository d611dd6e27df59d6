// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/proxy.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/internal/copy_ends.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/start_thread.h"
#include "flow/proxy_ends.h"
#include "flow/status.h"

namespace flow {
namespace {

using ::flow::internal::MonotonicDeadline;

// Not the wall clock, which can be set while this runs.
using Clock = std::chrono::steady_clock;

// What the two directions of one Proxy() share.
class Session {
 public:
  Session(Flow& a, Flow& b, const ProxyOptions& options)
      : options_(options),
        a_to_b_{a, b, ProxyDirection::kAToB},
        b_to_a_{b, a, ProxyDirection::kBToA} {}

  ProxyResult Run() {
    ProxyResult result;
    // The deadlines of a handshake, say, would end it.
    SetDeadlines(a_to_b_, options_.idle_timeout / internal::kIdleLooks);
    SetDeadlines(b_to_a_, options_.idle_timeout / internal::kIdleLooks);
    std::vector<std::thread> threads;
    const auto start = [&threads](std::function<void()> function) {
      absl::StatusOr<std::thread> thread = internal::StartThread(
          std::move(function), "Proxy() could not start its threads");
      if (thread.ok()) threads.push_back(*std::move(thread));
      return thread.status();
    };
    absl::Status started;
    for (const Way* way : {&a_to_b_, &b_to_a_}) {
      if (!started.ok() || !way->sink.can_be_refused()) continue;
      // An error is for the reader of the same flow, after what came before.
      started = start([this, way] { Watch(*way).IgnoreError(); });
    }
    if (started.ok()) started = start([&] { result.b_to_a = Carry(b_to_a_); });
    if (started.ok()) {
      result.a_to_b = Carry(a_to_b_);
    } else {
      Fail(started);
      result.a_to_b.status = started;
      result.b_to_a.status = started;
    }
    for (std::thread& thread : threads) thread.join();
    SetDeadlines(a_to_b_, absl::InfiniteDuration());
    SetDeadlines(b_to_a_, absl::InfiniteDuration());
    internal::MutexLock lock(mu_);
    result.status = first_error_;
    return result;
  }

 private:
  struct Way {
    Flow& source;
    Flow& sink;
    const ProxyDirection direction;
  };

  struct Progress {
    // Its thread runs. Until then, what its source has is no idleness.
    bool begun = false;
    // Nothing is read any more; the end is carried over.
    bool copied = false;
    // That was carried over, too.
    bool over = false;
    // Why the sink takes no more, if Watch() has found that before.
    absl::Status sink_error;
    // What the sink had on its way when that was last looked at.
    int64_t in_transit = 0;
    // The last activity, if a deadline found nothing newer for the whole
    // timeout.
    std::optional<Clock::time_point> idle_since;
  };

  bool has_timeout() const {
    return options_.idle_timeout < absl::InfiniteDuration();
  }

  // A direction sets its own only, so that no thread waits for another one.
  static void SetDeadlines(const Way& way, absl::Duration left) {
    const auto deadline = MonotonicDeadline::In(left);
    way.source.SetReadDeadline(deadline.ToTime());
    way.sink.SetWriteDeadline(deadline.ToTime());
  }

  CopyResult Carry(const Way& way) {
    {
      internal::MutexLock lock(mu_);
      progress(way.direction).begun = true;
    }
    last_activity_ = Clock::now();
    CopyOptions copy;
    copy.max_read = options_.max_read;
    copy.on_write = [&](int64_t bytes) { OnWrite(way, bytes); };
    copy.on_deadline = [&](Flow&) { return GoesOn(way); };
    CopyResult result = Copy(way.source, way.sink, copy);

    // Carry over how it ended.
    absl::Status sink_error;
    {
      internal::MutexLock lock(mu_);
      progress(way.direction).copied = true;
      sink_error = progress(way.direction).sink_error;
    }
    const absl::Status error =
        internal::CarryEnd(way.source, way.sink, sink_error, result);
    {
      internal::MutexLock lock(mu_);
      progress(way.direction).over = true;
      if (lets_finish_) {
        // The other direction is what has ended this one, and aborts.
        if (absl::IsDeadlineExceeded(error)) result.status = first_error_;
        return result;
      }
      if (aborted_) return result;
    }
    if (error.ok()) {
      // Nobody reads this flow any more, who would notice what happens to it.
      Fail(Watch(Other(way)));
      return result;
    }
    if (result.failed == CopyResult::Side::kSink && !IsClosed(result.status)) {
      LetOtherFinish(way, error);
    } else if (result.failed == CopyResult::Side::kSource) {
      AwaitArrival(way.sink);
    }
    Fail(error);
    return result;
  }

  // Waits until `way` is over, or its sink refuses, which makes an end of its
  // source. Returns the error if the sink is broken.
  absl::Status Watch(const Way& way) {
    absl::Status status = way.sink.AwaitRefusal();
    {
      internal::MutexLock lock(mu_);
      // Then that was no refusal, but the end of the direction.
      if (progress(way.direction).copied || aborted_) return absl::OkStatus();
      progress(way.direction).sink_error = status;
    }
    if (!IsClosed(status)) return status;
    // Fails only if somebody has aborted the source.
    return way.source.Shutdown(ShutdownMode::kRead);
  }

  // The sink of `way` can be written no more. Its peer may have reset the
  // connection because it did not want the rest. What the peer said before that
  // can still be read, and is carried over before both flows are aborted.
  void LetOtherFinish(const Way& way, const absl::Status& error) {
    const Way& other = Other(way);
    if (BeginToFinish(other, error)) {
      SetLastDeadlines(other);
      const auto is_over = [&] {
        mu_.AssertHeld();
        return progress(other.direction).over;
      };
      internal::MutexLock lock(mu_);
      mu_.AwaitWithTimeout(absl::Condition(&is_over), internal::kLastWords);
    }
    AwaitArrival(other.sink);
  }

  // Returns whether `other` goes on, and there is no error yet.
  bool BeginToFinish(const Way& other, const absl::Status& error) {
    internal::MutexLock lock(mu_);
    if (progress(other.direction).over || !first_error_.ok()) return false;
    first_error_ = error;
    lets_finish_ = true;
    return true;
  }

  // An abort would overtake what was written before it.
  static void AwaitArrival(const Flow& sink) {
    const auto until = MonotonicDeadline::In(internal::kLastWordsArrive);
    while (sink.bytes_in_transit() > 0 && !until.has_passed()) {
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  static void SetLastDeadlines(const Way& way) {
    way.source.SetReadDeadline(absl::InfinitePast());
    way.sink.SetWriteDeadline(
        MonotonicDeadline::In(internal::kLastWords).ToTime());
  }

  void OnWrite(const Way& way, int64_t bytes) {
    last_activity_ = Clock::now();
    if (has_timeout()) {
      const int64_t in_transit = way.sink.bytes_in_transit();
      internal::MutexLock lock(mu_);
      progress(way.direction).in_transit = in_transit;
    }
    if (options_.on_write == nullptr) return;
    internal::MutexLock lock(on_write_mu_);
    options_.on_write(way.direction, bytes);
  }

  // Decides what a deadline that has passed means. Returns false if everything
  // was idle; otherwise has set a new deadline.
  //
  // What a write that is under way has accepted shows only when it returns. So
  // a direction that finds nothing asks the other one, whose deadline passes
  // now, too. It is idleness only if both found nothing. But a function that
  // blocks ignores deadlines, so it is not waited for twice.
  bool GoesOn(const Way& way) {
    {
      internal::MutexLock lock(mu_);
      // The first one may be an earlier deadline.
      if (lets_finish_ && std::exchange(finishes_, true)) return false;
      if (lets_finish_) {
        SetLastDeadlines(way);
        return true;
      }
    }
    if (!has_timeout()) return false;
    absl::Duration left = options_.idle_timeout;
    LookAtTransit(a_to_b_);
    LookAtTransit(b_to_a_);
    {
      internal::MutexLock lock(mu_);
      const Progress& other = progress(Other(way).direction);
      Progress& own = progress(way.direction);
      const Clock::time_point last = last_activity_;
      const absl::Duration idle = absl::FromChrono(Clock::now() - last);
      if (idle < options_.idle_timeout) {
        left -= idle;
      } else if (!other.begun) {
        // Looks again soon.
      } else if (other.over || other.idle_since == last ||
                 own.idle_since == last) {
        left = -absl::InfiniteDuration();
      } else {
        own.idle_since = last;
      }
    }
    if (left == -absl::InfiniteDuration()) {
      Fail(internal::IdleFor(options_.idle_timeout));
      return false;
    }
    SetDeadlines(way,
                 std::min(left, options_.idle_timeout / internal::kIdleLooks));
    return true;
  }

  // A sink can deliver bytes that it has accepted, slowly, and accept no more
  // meanwhile. That is activity, too, though nobody knows when it happened.
  void LookAtTransit(const Way& way) {
    const int64_t in_transit = way.sink.bytes_in_transit();
    internal::MutexLock lock(mu_);
    const int64_t before =
        std::exchange(progress(way.direction).in_transit, in_transit);
    if (in_transit < before) last_activity_ = Clock::now();
  }

  // Aborts both flows, unless `error` is Ok. Only the first error counts,
  // because it causes others.
  void Fail(absl::Status error) {
    {
      internal::MutexLock lock(mu_);
      if (error.ok() || aborted_) return;
      aborted_ = true;
      if (first_error_.ok()) first_error_ = error;
      error = first_error_;
    }
    error = internal::ReasonOf(error);
    a_to_b_.source.Abort(error);
    a_to_b_.sink.Abort(error);
  }

  const Way& Other(const Way& way) const {
    return way.direction == ProxyDirection::kAToB ? b_to_a_ : a_to_b_;
  }

  Progress& progress(ProxyDirection direction)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return progress_[static_cast<int>(direction)];
  }

  const ProxyOptions& options_;
  const Way a_to_b_;
  const Way b_to_a_;
  std::atomic<Clock::time_point> last_activity_{Clock::now()};
  absl::Mutex on_write_mu_;
  absl::Mutex mu_;
  Progress progress_[2] ABSL_GUARDED_BY(mu_);
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;
  // LetOtherFinish() is under way, and the other direction has noticed.
  bool lets_finish_ ABSL_GUARDED_BY(mu_) = false;
  bool finishes_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status first_error_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

ProxyResult Proxy(Flow& a, Flow& b, const ProxyOptions& options) {
  if (&a == &b) {
    ProxyResult result;
    result.status = internal::ProxyOfItself(a);
    result.a_to_b.status = result.status;
    result.b_to_a.status = result.status;
    return result;
  }
  ProxyResult result = Session(a, b, options).Run();
  if (options.close_timeout.has_value()) {
    const auto deadline = MonotonicDeadline::In(*options.close_timeout);
    for (Flow* flow : {&a, &b}) {
      const absl::Status closed = flow->Close(deadline.ToTime());
      // The remote of either flow is free to refuse.
      if (!IsClosed(closed)) result.status.Update(closed);
    }
  }
  return result;
}

}  // namespace flow
