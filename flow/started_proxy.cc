// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// StartProxy(): two started copies, and what watches over them.

#include <algorithm>
#include <atomic>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/copy_ends.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/operation.h"
#include "flow/proxy.h"
#include "flow/proxy_ends.h"
#include "flow/status.h"

namespace flow {
namespace {

using ::flow::internal::MonotonicDeadline;
using Side = CopyResult::Side;

// Not the wall clock, which can be set while this runs.
using Clock = std::chrono::steady_clock;

// How soon idleness is looked at again, which is at least so long.
constexpr absl::Duration kIdleLooksAgain = absl::Milliseconds(1);

// How often it is looked at whether the last bytes have arrived.
constexpr absl::Duration kArrivalLook = absl::Milliseconds(1);

// One StartProxy(). Each of its parts is a call or a timer that is pending:
// both copies, what awaits a refusal, the wait for last words, the closes. They
// end in any order, on any thread of an engine. The last one finishes.
//
// No call is started, and no flow is told something, with the lock.
class StartedProxy {
 public:
  StartedProxy(ProxyOperation& operation, Flow& a, Flow& b,
               const ProxyOptions& options)
      : operation_(operation),
        options_(options),
        engine_(*a.engine()),
        a_to_b_(this, a, b, ProxyDirection::kAToB),
        b_to_a_(this, b, a, ProxyDirection::kBToA) {}

  // Returns whether the proxy is over. If not, this may be gone.
  bool Start() {
    // The deadlines of a handshake, say, would end it.
    SetNoDeadlines();
    for (Way* way : {&a_to_b_, &b_to_a_}) {
      if (way->sink.can_be_refused()) Watch(*way);
    }
    StartCopyOf(a_to_b_);
    StartCopyOf(b_to_a_);
    // What was there already is no idleness.
    if (has_timeout()) {
      last_activity_ = Clock::now();
      internal::MutexLock lock(mu_);
      SetIdleTimer(options_.idle_timeout);
    }
    return LeaveAndFinish();
  }

 private:
  struct Way;

  // A call of one direction, and what follows it.
  template <typename Operation>
  struct Call final : Operation {
    Call(StartedProxy* proxy, Way* way, void (StartedProxy::*next)(Way&))
        : proxy(proxy), way(way), next(next) {}
    void Done() override {
      (proxy->*next)(*way);
      proxy->Leave();
    }
    StartedProxy* const proxy;
    Way* const way;
    void (StartedProxy::* const next)(Way&);
  };

  struct Way {
    Way(StartedProxy* proxy, Flow& source, Flow& sink, ProxyDirection direction)
        : source(source),
          sink(sink),
          direction(direction),
          copy(proxy, this, &StartedProxy::EndCopy) {}

    Flow& source;
    Flow& sink;
    const ProxyDirection direction;
    Call<CopyOperation> copy;
    // Of the sink and of the source, once they are started. Most proxies that
    // wait have neither.
    std::unique_ptr<Call<RefusalOperation>> refusal;
    std::unique_ptr<Call<CloseOperation>> close;

    // --- With the lock

    bool watches = false;  // `refusal` was started
    bool copied = false;   // nothing is read any more
    bool over = false;     // the end was carried over, too
    bool ended_well = false;
    // Why the sink takes no more, if `refusal` has told.
    absl::Status sink_error;
    // What the sink had on its way when that was last looked at.
    int64_t in_transit = 0;
  };

  // --- Parts

  void Enter() {
    internal::MutexLock lock(mu_);
    ++parts_;
  }

  // Leaves a part that is over at once. It is not the last one, because this
  // thread is in another one.
  void LeaveAtOnce() {
    internal::MutexLock lock(mu_);
    --parts_;
  }

  void Leave() {
    if (!LeaveAndFinish()) return;
    ProxyOperation& operation = operation_;
    delete this;
    operation.Done();
  }

  // Leaves a part. Returns whether all is over.
  bool LeaveAndFinish() {
    while (IsLast()) {
      if (has_ended_) {
        EndResult();
        return true;
      }
      has_ended_ = true;
      SetNoDeadlines();
      Enter();
      CloseBoth();
    }
    return false;
  }

  // Leaves a part. Returns whether there is none any more, and no timer.
  bool IsLast() {
    internal::MutexLock lock(mu_);
    if (--parts_ > 0) return false;
    if (std::exchange(is_ending_, true)) return true;
    if (!idle_timer_.has_value() || engine_.Cancel(*idle_timer_)) return true;
    // Its function is about to run, and leaves.
    ++parts_;
    return false;
  }

  // Runs `next` on the engine, as a part.
  Engine::Timer Later(absl::Duration delay, void (StartedProxy::*next)())
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ++parts_;
    return engine_.RunAt(MonotonicDeadline::In(delay).ToTime(), [this, next] {
      (this->*next)();
      Leave();
    });
  }

  void EndResult() {
    ProxyResult& result = operation_.result;
    result.a_to_b = std::move(a_to_b_.copy.result);
    result.b_to_a = std::move(b_to_a_.copy.result);
    result.status = first_error();
    if (!options_.close_timeout.has_value()) return;
    for (const Way* way : {&a_to_b_, &b_to_a_}) {
      // The remote of either flow is free to refuse.
      const absl::Status& closed = way->close->status;
      if (!IsClosed(closed)) result.status.Update(closed);
    }
  }

  void CloseBoth() {
    if (!options_.close_timeout.has_value()) return;
    const auto deadline = MonotonicDeadline::In(*options_.close_timeout);
    for (Way* way : {&a_to_b_, &b_to_a_}) {
      Enter();
      way->close = std::make_unique<Call<CloseOperation>>(
          this, way, &StartedProxy::EndClose);
      if (way->source.StartClose(way->close.get(), deadline.ToTime())) {
        LeaveAtOnce();
      }
    }
  }

  void EndClose(Way&) {}

  // --- Directions

  void StartCopyOf(Way& way) {
    CopyOptions copy;
    copy.max_read = options_.max_read;
    copy.on_write = [this, &way](int64_t bytes) { OnWrite(way, bytes); };
    copy.on_deadline = [this, &way](Flow& late) {
      if (!GoesOn(way, late)) return false;
      // Somebody else has set that of the source, which would be late again.
      if (&late == &way.source) SetSourceDeadline(way);
      return true;
    };
    if (has_timeout()) {
      // What a write has accepted shows only when it returns.
      copy.write_timeout = options_.idle_timeout / internal::kIdleLooks;
    }
    Enter();
    if (!StartCopy(&way.copy, way.source, way.sink, copy)) return;
    EndCopy(way);
    LeaveAtOnce();
  }

  void EndCopy(Way& way) {
    Way& other = Other(way);
    CopyResult& result = way.copy.result;
    absl::Status sink_error;
    {
      internal::MutexLock lock(mu_);
      way.copied = true;
      sink_error = way.sink_error;
    }
    absl::Status error =
        internal::CarryEnd(way.source, way.sink, sink_error, result);
    bool watches = false;
    bool said_last_words = false;
    {
      internal::MutexLock lock(mu_);
      way.over = true;
      if (finish_until_.has_value()) {
        // The other direction is what has ended this one, and aborts.
        if (absl::IsDeadlineExceeded(error)) result.status = first_error_;
        if (!finish_timer_.has_value() || !engine_.Cancel(*finish_timer_)) {
          return;
        }
        finish_timer_.reset();
        --parts_;
        said_last_words = true;
      } else if (aborted_ || is_failing_) {
        // That it was idle was decided before it was over, and aborts it. So it
        // neither ended well nor was refused.
        if (is_idle_ && (result.status.ok() || IsClosed(result.status))) {
          result.status = absl::AbortedError(first_error_.message());
          if (result.failed == Side::kNone) result.failed = Side::kSource;
        }
        return;
      } else if (error.ok()) {
        way.ended_well = true;
        // Nobody reads this flow any more, who would notice what happens to
        // it.
        watches = !other.watches && !other.copied;
        if (!IsClosed(other.sink_error)) error = other.sink_error;
      }
    }
    if (watches) {
      Watch(other);
    } else if (said_last_words) {
      AwaitArrival();
    } else if (result.failed == Side::kSink && !IsClosed(result.status)) {
      LetOtherFinish(way, error);
    } else if (result.failed == Side::kSource) {
      if (BeginToFail(way.sink, error)) AwaitArrival();
    } else {
      Fail(error);
    }
  }

  // Learns why the sink of `way` takes no more.
  void Watch(Way& way) {
    {
      internal::MutexLock lock(mu_);
      way.watches = true;
      ++parts_;
    }
    way.refusal = std::make_unique<Call<RefusalOperation>>(
        this, &way, &StartedProxy::EndWatch);
    if (!way.sink.StartAwaitRefusal(way.refusal.get())) return;
    EndWatch(way);
    LeaveAtOnce();
  }

  void EndWatch(Way& way) {
    absl::Status error = way.refusal->status;
    bool is_unread = false;
    {
      internal::MutexLock lock(mu_);
      // Then that was no refusal, but the end of the direction.
      if (way.copied || aborted_) return;
      way.sink_error = error;
      is_unread = Other(way).ended_well;
    }
    // Fails only if somebody has aborted the source.
    if (IsClosed(error)) error = way.source.Shutdown(ShutdownMode::kRead);
    // An error is for the reader of that flow, after what came before. If there
    // is none any more, nobody else would tell.
    if (is_unread) Fail(error);
  }

  // --- Last words

  // The sink of `way` can be written no more. Its peer may have reset the
  // connection because it did not want the rest. What the peer said before that
  // can still be read, and is carried over before both flows are aborted.
  void LetOtherFinish(Way& way, const absl::Status& error) {
    Way& other = Other(way);
    if (!BeginToFail(other.sink, error)) return;
    bool is_over = false;
    {
      internal::MutexLock lock(mu_);
      is_over = other.over;
      if (!is_over) {
        finish_until_ = MonotonicDeadline::In(internal::kLastWords);
        finish_timer_ =
            Later(internal::kLastWords, &StartedProxy::EndLastWords);
      }
    }
    if (is_over) return AwaitArrival();
    other.source.SetReadDeadline(absl::InfinitePast());
    other.sink.SetWriteDeadline(
        MonotonicDeadline::In(internal::kLastWords).ToTime());
  }

  void EndLastWords() {
    {
      internal::MutexLock lock(mu_);
      finish_timer_.reset();
    }
    AwaitArrival();
  }

  // Returns whether `error` is the first one. Then both flows are to be aborted
  // because of it, once `arriving` has been sent what it was written.
  bool BeginToFail(Flow& arriving, const absl::Status& error) {
    internal::MutexLock lock(mu_);
    if (is_failing_ || aborted_) return false;
    is_failing_ = true;
    first_error_ = error;
    arriving_ = &arriving;
    return true;
  }

  // An abort would overtake what was written before it.
  void AwaitArrival() {
    arrival_until_ = MonotonicDeadline::In(internal::kLastWordsArrive);
    LookAtArrival();
  }

  void LookAtArrival() {
    if (arriving_->bytes_in_transit() > 0 && !arrival_until_.has_passed()) {
      internal::MutexLock lock(mu_);
      Later(kArrivalLook, &StartedProxy::LookAtArrival);
      return;
    }
    Fail(first_error());
  }

  absl::Status first_error() {
    internal::MutexLock lock(mu_);
    return first_error_;
  }

  // Aborts both flows, unless `error` is Ok. Only the first error counts,
  // because it causes others.
  void Fail(const absl::Status& error) {
    {
      internal::MutexLock lock(mu_);
      if (error.ok() || aborted_) return;
      aborted_ = true;
      if (first_error_.ok()) first_error_ = error;
    }
    AbortBoth();
  }

  void AbortBoth() {
    const absl::Status reason = internal::ReasonOf(first_error());
    a_to_b_.source.Abort(reason);
    a_to_b_.sink.Abort(reason);
  }

  // --- Idleness

  bool has_timeout() const {
    return options_.idle_timeout < absl::InfiniteDuration();
  }

  void SetNoDeadlines() {
    for (const Way* way : {&a_to_b_, &b_to_a_}) {
      way->source.SetReadDeadline(absl::InfiniteFuture());
      way->sink.SetWriteDeadline(absl::InfiniteFuture());
    }
  }

  void OnWrite(Way& way, int64_t bytes) {
    last_activity_ = Clock::now();
    if (has_timeout()) {
      const int64_t in_transit = way.sink.bytes_in_transit();
      internal::MutexLock lock(mu_);
      way.in_transit = in_transit;
    }
    if (options_.on_write == nullptr) return;
    internal::MutexLock lock(on_write_mu_);
    options_.on_write(way.direction, bytes);
  }

  // A deadline of `late` has passed. Whether all is idle is for the timer.
  bool GoesOn(const Way& way, const Flow& late) {
    internal::MutexLock lock(mu_);
    if (!finish_until_.has_value()) return has_timeout();
    // It may have been an earlier one.
    return &late == &way.sink && !finish_until_->has_passed();
  }

  void SetSourceDeadline(Way& way) {
    way.source.SetReadDeadline(absl::InfiniteFuture());
    bool finishes = false;
    {
      internal::MutexLock lock(mu_);
      finishes = finish_until_.has_value();
    }
    // It has begun meanwhile.
    if (finishes) way.source.SetReadDeadline(absl::InfinitePast());
  }

  // This timer is no part, or the others would wait for it.
  void SetIdleTimer(absl::Duration left) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto look = MonotonicDeadline::In(
        std::min(left, std::max(options_.idle_timeout / internal::kIdleLooks,
                                kIdleLooksAgain)));
    idle_timer_ = engine_.RunAt(look.ToTime(), [this] { LookAtIdleness(); });
  }

  void LookAtIdleness() {
    LookAtTransit(a_to_b_);
    LookAtTransit(b_to_a_);
    bool is_idle = false;
    {
      internal::MutexLock lock(mu_);
      idle_timer_.reset();
      if (!is_ending_) {
        // Nothing is to become idle any more.
        if (aborted_ || is_failing_ || (a_to_b_.over && b_to_a_.over)) return;
        const Clock::time_point last = last_activity_;
        const absl::Duration left =
            options_.idle_timeout - absl::FromChrono(Clock::now() - last);
        if (left > absl::ZeroDuration()) return SetIdleTimer(left);
        // An engine that was held up has not seen yet what came meanwhile.
        if (idle_since_ != last) {
          idle_since_ = last;
          return SetIdleTimer(kIdleLooksAgain);
        }
        // Nothing can come in between: from here on no direction ends well.
        is_idle = is_idle_ = aborted_ = true;
        first_error_ = internal::IdleFor(options_.idle_timeout);
        ++parts_;
      }
    }
    if (is_idle) AbortBoth();
    Leave();
  }

  // A sink can deliver bytes that it has accepted, slowly, and accept no more
  // meanwhile. That is activity, too, though nobody knows when it happened.
  void LookAtTransit(Way& way) {
    const int64_t in_transit = way.sink.bytes_in_transit();
    internal::MutexLock lock(mu_);
    const int64_t before = std::exchange(way.in_transit, in_transit);
    if (in_transit < before) last_activity_ = Clock::now();
  }

  Way& Other(const Way& way) {
    return way.direction == ProxyDirection::kAToB ? b_to_a_ : a_to_b_;
  }

  ProxyOperation& operation_;
  const ProxyOptions options_;
  Engine& engine_;
  Way a_to_b_;
  Way b_to_a_;
  std::atomic<Clock::time_point> last_activity_{Clock::now()};
  absl::Mutex on_write_mu_;

  absl::Mutex mu_;
  int parts_ ABSL_GUARDED_BY(mu_) = 1;  // Start() is one
  bool is_ending_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<Engine::Timer> idle_timer_ ABSL_GUARDED_BY(mu_);
  // The last activity, if a look found nothing newer for the whole timeout.
  std::optional<Clock::time_point> idle_since_ ABSL_GUARDED_BY(mu_);
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;
  bool is_idle_ ABSL_GUARDED_BY(mu_) = false;  // which is why
  absl::Status first_error_ ABSL_GUARDED_BY(mu_);
  // BeginToFail() has returned true.
  bool is_failing_ ABSL_GUARDED_BY(mu_) = false;
  // LetOtherFinish() is under way, and its timer.
  std::optional<MonotonicDeadline> finish_until_ ABSL_GUARDED_BY(mu_);
  std::optional<Engine::Timer> finish_timer_ ABSL_GUARDED_BY(mu_);

  // For the thread that fails.
  Flow* arriving_ = nullptr;
  MonotonicDeadline arrival_until_;

  bool has_ended_ = false;  // for the last part
};

}  // namespace

bool StartProxy(ProxyOperation* operation, Flow& a, Flow& b,
                const ProxyOptions& options) {
  ProxyResult& result = operation->result;
  result = ProxyResult();
  if (&a == &b) result.status = internal::ProxyOfItself(a);
  for (const Flow* flow : {&a, &b}) {
    if (!result.status.ok()) break;
    result.status = internal::FlowAccess::CanStart(*flow, "StartProxy");
  }
  if (!result.status.ok()) {
    result.a_to_b.status = result.status;
    result.b_to_a.status = result.status;
    return true;
  }
  // From the first call that is pending it owns itself.
  auto* const proxy = new StartedProxy(*operation, a, b, options);
  if (!proxy->Start()) return false;
  delete proxy;
  return true;
}

}  // namespace flow
