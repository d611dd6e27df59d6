// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/flow.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/base/optimization.h"
#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/escaped.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/patience.h"
#include "flow/status.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;

// An address that no other living thread has.
const void* ThisThread() {
  static thread_local char tag;
  return &tag;
}

// The most that one call can write: what a count can hold.
constexpr size_t kMaxWrite = std::numeric_limits<int64_t>::max();

// More than kMaxWrite if the sum overflows.
template <typename Buffer>
size_t TotalSize(absl::Span<const Buffer> buffers) {
  size_t size = 0;
  bool overflow = false;
  for (const Buffer& buffer : buffers) {
    size += buffer.size();
    overflow |= size < buffer.size();
  }
  return overflow ? kNoLimit : size;
}

absl::Status WithPayloadsOf(const absl::Status& from, absl::Status to) {
  from.ForEachPayload(
      [&to](absl::string_view type_url, const absl::Cord& payload) {
        to.SetPayload(type_url, payload);
      });
  return to;
}

// kDeadlineExceeded always means the deadline of the call that returns it;
// where an error must last, it becomes another one.
absl::Status Lasting(absl::Status status) {
  if (!absl::IsDeadlineExceeded(status)) return status;
  return WithPayloadsOf(status, absl::AbortedError(status.message()));
}

// Removes `prefix` and then digits, if `*text` begins so.
bool ConsumeWithNumber(absl::string_view* text, absl::string_view prefix) {
  absl::string_view rest = *text;
  if (!absl::ConsumePrefix(&rest, prefix)) return false;
  const size_t digits =
      std::min(rest.find_first_not_of("0123456789"), rest.size());
  rest.remove_prefix(digits);
  if (digits != 0) *text = rest;
  return digits != 0;
}

bool ConsumeState(absl::string_view* text) {
  for (absl::string_view state :
       {"open", "ended", "refused", "broken", "aborted", "closed"}) {
    if (absl::ConsumePrefix(text, state)) return true;
  }
  return false;
}

// Removes `[STATE]: ` as Flow::Describe() makes it.
bool ConsumeStates(absl::string_view* text) {
  return absl::ConsumePrefix(text, "[in: ") && ConsumeState(text) &&
         ConsumeWithNumber(text, ", ") &&
         absl::ConsumePrefix(text, " bytes; out: ") && ConsumeState(text) &&
         ConsumeWithNumber(text, ", ") &&
         absl::ConsumePrefix(text, " bytes]: ");
}

// Removes `TRIED: `, if it is what this class tries.
void ConsumeTried(absl::string_view* text) {
  absl::string_view rest = *text;
  if (ConsumeWithNumber(&rest, "Read at byte ") ||
      (ConsumeWithNumber(&rest, "Write of ") &&
       ConsumeWithNumber(&rest, " bytes at byte ") &&
       ConsumeWithNumber(&rest, ", ") &&
       absl::ConsumePrefix(&rest, " of them accepted")) ||
      absl::ConsumePrefix(&rest, "ending the outbound direction") ||
      absl::ConsumePrefix(&rest, "waiting for the remote to end") ||
      absl::ConsumePrefix(&rest, "closing")) {
    if (absl::ConsumePrefix(&rest, ": ")) *text = rest;
  }
}

// What an error's message tells whoever is on top of the flow `name`. If it is
// that of a flow underneath, `NAME [STATE]: TRIED: CAUSE`, it is NAME and
// CAUSE: the state and what was tried are said once, by the flow on top.
std::string Cause(absl::string_view name, absl::string_view message) {
  for (size_t space = message.find(" [in: "); space != absl::string_view::npos;
       space = message.find(" [in: ", space + 1)) {
    absl::string_view rest = message.substr(space + 1);
    if (!ConsumeStates(&rest)) continue;
    ConsumeTried(&rest);
    const absl::string_view inner = message.substr(0, space);
    return inner == name ? std::string(rest) : absl::StrCat(inner, ": ", rest);
  }
  return std::string(message);
}

}  // namespace

// --- One direction

inline uint32_t Flow::Direction::Take() {
  uint32_t found = 0;
  if (ABSL_PREDICT_TRUE(word.compare_exchange_strong(
          found, kBusy, std::memory_order_acquire))) {
    caller.store(ThisThread(), std::memory_order_relaxed);
  }
  return found;
}

inline bool Flow::Direction::Give() {
  // Before giving back, so that a thread that finds itself here is inside.
  caller.store(nullptr, std::memory_order_relaxed);
  uint32_t expected = kBusy;
  return word.compare_exchange_strong(expected, 0, std::memory_order_release,
                                      std::memory_order_relaxed);
}

bool Flow::Direction::busy() const {
  return (word.load(std::memory_order_acquire) & kBusy) != 0;
}

inline void Flow::Direction::Count(size_t n) {
  // Unsigned: whoever can write 2^63 bytes gets a wrong count, and no more.
  bytes.store(
      static_cast<int64_t>(
          static_cast<uint64_t>(bytes.load(std::memory_order_relaxed)) + n),
      std::memory_order_relaxed);
}

// --- Reading and writing

inline bool Flow::EndRead(const absl::StatusOr<absl::Cord>& result,
                          size_t max_bytes) {
  // 1 to `max_bytes` bytes, and nothing has happened meanwhile?
  if (ABSL_PREDICT_TRUE(result.ok() && result->size() - 1 < max_bytes &&
                        in_.word.load(std::memory_order_relaxed) ==
                            Direction::kBusy)) {
    in_.Count(result->size());
    if (ABSL_PREDICT_FALSE(!in_.Give())) GiveSlowly(in_);
    return true;
  }
  return false;
}

absl::StatusOr<absl::Cord> Flow::Read(size_t max_bytes) {
  if (ABSL_PREDICT_FALSE(max_bytes == 0)) return ReadOfNothing();
  if (const uint32_t flags = in_.Take(); ABSL_PREDICT_FALSE(flags != 0)) {
    return ReadRefused(flags);
  }
  absl::StatusOr<absl::Cord> result = DoRead(max_bytes);
  if (ABSL_PREDICT_TRUE(EndRead(result, max_bytes))) return result;
  return FinishRead(std::move(result), max_bytes, /*passes=*/false);
}

absl::StatusOr<absl::Cord> Flow::ReadWith(
    size_t max_bytes,
    absl::FunctionRef<absl::StatusOr<absl::Cord>(bool* passes)> hook) {
  if (max_bytes == 0) return ReadOfNothing();
  if (const uint32_t flags = in_.Take(); flags != 0) return ReadRefused(flags);
  bool passes = false;
  absl::StatusOr<absl::Cord> result = hook(&passes);
  if (!passes && EndRead(result, max_bytes)) return result;
  return FinishRead(std::move(result), max_bytes, passes);
}

template <typename Hook>
inline absl::Status Flow::WriteBy(size_t size, size_t* accepted, Hook hook) {
  if (ABSL_PREDICT_FALSE(size - 1 >= kMaxWrite)) return OddWrite(size);
  return WriteEvenNothingBy(size, accepted, std::move(hook));
}

template <typename Hook>
inline absl::Status Flow::WriteEvenNothingBy(size_t size, size_t* accepted,
                                             Hook hook) {
  if (const uint32_t flags = out_.Take(); ABSL_PREDICT_FALSE(flags != 0)) {
    return WriteRefused(flags);
  }
  absl::Status status = hook(accepted);
  if (ABSL_PREDICT_TRUE(status.ok())) {
    *accepted = size;
    // Nothing has happened meanwhile?
    if (ABSL_PREDICT_TRUE(out_.word.load(std::memory_order_relaxed) ==
                          Direction::kBusy)) {
      out_.Count(size);
      if (ABSL_PREDICT_FALSE(!out_.Give())) GiveSlowly(out_);
      return status;
    }
  }
  return FinishWrite(size, accepted, std::move(status));
}

absl::Status Flow::Write(absl::Cord buffer) {
  size_t accepted = 0;
  return WriteBy(buffer.size(), &accepted,
                 [&](size_t* n) { return DoWrite(std::move(buffer), n); });
}

absl::Status Flow::Write(absl::string_view buffer) {
  size_t accepted = 0;
  return WriteBy(buffer.size(), &accepted,
                 [&](size_t* n) { return DoWriteBorrowed(buffer, n); });
}

absl::Status Flow::Writev(absl::Span<const absl::Cord> buffers) {
  size_t accepted = 0;
  return WriteBy(TotalSize(buffers), &accepted,
                 [&](size_t* n) { return DoWritev(buffers, n); });
}

absl::Status Flow::Writev(absl::Span<const absl::string_view> buffers) {
  size_t accepted = 0;
  return WriteBy(TotalSize(buffers), &accepted,
                 [&](size_t* n) { return DoWritevBorrowed(buffers, n); });
}

absl::Status Flow::WriteFrom(absl::Cord* source) {
  if (source == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(DebugString(), ": WriteFrom(nullptr)"));
  }
  size_t accepted = 0;
  absl::Status status = WriteBy(source->size(), &accepted,
                                [&](size_t* n) { return DoWrite(*source, n); });
  // Not Clear(): the implementation may have appended to `*source`.
  source->RemovePrefix(accepted);
  return status;
}

absl::Status Flow::WriteWith(
    size_t size, absl::FunctionRef<absl::Status(size_t* accepted)> hook) {
  if (size > kMaxWrite) return OddWrite(size);
  size_t accepted = 0;
  return WriteEvenNothingBy(size, &accepted, hook);
}

absl::Status Flow::ReadOfNothing() const {
  return absl::InvalidArgumentError(
      absl::StrCat(DebugString(), ": Read of at most 0 bytes"));
}

absl::StatusOr<absl::Cord> Flow::ReadRefused(uint32_t flags) const {
  absl::MutexLock lock(&mu_);
  if ((flags & Direction::kOver) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(Describe(), ": Read while another Read is under way"));
  }
  absl::Status outcome = ReadOutcome();
  if (!outcome.ok()) return outcome;
  return absl::Cord();
}

absl::Status Flow::WriteRefused(uint32_t flags) const {
  absl::MutexLock lock(&mu_);
  if ((flags & Direction::kOver) == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(Describe(), ": Write while another write is under way"));
  }
  return WriteOutcome();
}

absl::Status Flow::OddWrite(size_t size) const {
  if (size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        DebugString(), ": Write of more than ", kMaxWrite, " bytes"));
  }
  // An empty one.
  if ((out_.word.load(std::memory_order_acquire) & Direction::kOver) == 0) {
    return absl::OkStatus();
  }
  absl::MutexLock lock(&mu_);
  return WriteOutcome();
}

absl::StatusOr<absl::Cord> Flow::FinishRead(absl::StatusOr<absl::Cord> result,
                                            size_t max_bytes, bool passes) {
  // Freed without the lock, as that can run the user's code.
  absl::StatusOr<absl::Cord> discarded;
  absl::MutexLock lock(&mu_);
  if (aborted_ || in_.state != State::kOpen) {
    // The outcome has been decided meanwhile; what came too late is discarded.
    discarded = std::exchange(result, absl::Cord());
    if (absl::Status outcome = ReadOutcome(); !outcome.ok()) result = outcome;
  } else if (!result.ok()) {
    absl::Status error =
        InContext(absl::StrCat("Read at byte ", bytes_read()), result.status());
    // A flow on top of another one learns that this is closed while its own
    // Close() still waits for it. Nothing has failed then.
    const bool closed_below = closing_ && IsClosed(error);
    if (!passes && !absl::IsDeadlineExceeded(error) && !closed_below) {
      BreakRead(error);
    }
    discarded = std::exchange(result, std::move(error));
  } else if (passes) {
    // It is what the caller gets, and nothing to the direction.
  } else if (result->size() > max_bytes) {
    absl::Status error = absl::InternalError(
        absl::StrCat(Describe(), ": Read of at most ", max_bytes,
                     " bytes was given ", result->size()));
    BreakRead(error);
    discarded = std::exchange(result, std::move(error));
  } else if (result->empty()) {
    in_.state = State::kEnded;
    in_.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
  } else {
    in_.Count(result->size());
  }
  Release(in_);
  return result;
}

absl::Status Flow::FinishWrite(size_t size, size_t* accepted,
                               absl::Status status) {
  // Freed without the lock, as in FinishRead().
  absl::Status discarded = status;
  absl::MutexLock lock(&mu_);
  if (*accepted > size) {
    status = absl::InternalError(
        absl::StrCat("more accepted (", *accepted, ") than there was"));
    *accepted = 0;
  }
  const std::string what =
      absl::StrCat("Write of ", size, " bytes at byte ", bytes_written(), ", ",
                   *accepted, " of them accepted");
  out_.Count(*accepted);
  if (aborted_) {
    status = WriteOutcome();
  } else if (!status.ok()) {
    status = InContext(what, status);
    if (!absl::IsDeadlineExceeded(status)) {
      Break(out_, status);
    } else if (end_requested_) {
      // The rest will never come, so the end must not look like one.
      Break(out_, absl::AbortedError(absl::StrCat(
                      Describe(), ": ended in the middle of a ", what)));
    }
  }
  Release(out_);
  return status;
}

void Flow::GiveSlowly(Direction& direction) {
  absl::MutexLock lock(&mu_);
  Release(direction);
}

// --- Outcomes

absl::Status Flow::ReadOutcome() const {
  if (in_.state == State::kBroken) return in_.error;
  if (aborted_) return abort_reason_;
  // Still open, yet over: Close() is about to free.
  if (close_result_.has_value() || in_.state == State::kOpen) {
    return ClosedError(absl::StrCat(Describe(), ": Read after Close()"));
  }
  return absl::OkStatus();
}

absl::Status Flow::WriteOutcome() const {
  if (out_.state == State::kBroken) return out_.error;
  if (aborted_) return abort_reason_;
  return ClosedError(absl::StrCat(Describe(), ": Write after ",
                                  closing_ ? "Close()" : "Shutdown(kWrite)"));
}

absl::Status Flow::CloseOutcome() const {
  if (aborted_) return abort_reason_;
  if (out_.state == State::kBroken) return out_.error;
  return in_.error;
}

std::string Flow::DebugString() const {
  absl::MutexLock lock(&mu_);
  std::string text = Describe();
  if (in_.busy()) text += ", in Read()";
  if (out_.busy()) text += ", in a write";
  if (closers_ != 0) {
    absl::StrAppend(&text, ", in Close() waiting for ", close_waits_for_);
  }
  return text;
}

std::string Flow::Name() const { return internal::Escaped(DoDescribe()); }

std::string Flow::Describe() const {
  const auto state = [this](const Direction& direction) {
    mu_.AssertHeld();
    if (direction.state == State::kBroken) return "broken";
    if (aborted_) return "aborted";
    if (close_result_.has_value()) return "closed";
    if (direction.state == State::kRefused) return "refused";
    if (direction.state == State::kEnded) return "ended";
    return "open";
  };
  return absl::StrCat(Name(), " [in: ", state(in_), ", ", bytes_read(),
                      " bytes; out: ", state(out_), ", ", bytes_written(),
                      " bytes]");
}

absl::Status Flow::InContext(absl::string_view what,
                             const absl::Status& status) const {
  return WithPayloadsOf(
      status,
      absl::Status(status.code(),
                   absl::StrCat(Describe(), ": ", what, ": ",
                                Cause(DoDescribe(), status.message()))));
}

// --- Moves

void Flow::Break(Direction& direction, absl::Status error) {
  direction.state = State::kBroken;
  direction.error = std::move(error);
  direction.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
}

void Flow::BreakRead(absl::Status error) {
  Break(in_, std::move(error));
  // Close() may wait for this direction to be over, and now it is.
  if (closing_) CallShutdownRead();
}

// Ends the call that is under way, with all that waited for that.
void Flow::Release(Direction& direction) {
  direction.caller.store(nullptr, std::memory_order_relaxed);
  direction.word.fetch_and(~Direction::kBusy, std::memory_order_release);
  if (&direction == &out_ && !aborted_ &&
      (end_requested_ || out_.state == State::kBroken)) {
    SendEnd();
  }
  FreeIfLast();
}

absl::Status Flow::RefuseRead() {
  if (aborted_) return abort_reason_;
  if (in_.state == State::kOpen && !freed_) {
    in_.state = State::kRefused;
    in_.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
    CallShutdownRead();
  }
  return in_.error;
}

void Flow::CallShutdownRead() {
  CallHook([this] {
    DoShutdownRead();
    return absl::OkStatus();
  }).IgnoreError();
}

absl::Status Flow::EndWrite() {
  if (aborted_) return abort_reason_;
  if (out_.state == State::kOpen && !end_requested_) {
    end_requested_ = true;
    const uint32_t before =
        out_.word.fetch_or(Direction::kOver, std::memory_order_acquire);
    // A write that is under way sends the end when it is done.
    if ((before & Direction::kBusy) == 0) SendEnd();
  }
  return aborted_ ? abort_reason_ : out_.error;
}

void Flow::SendEnd() {
  absl::Status error =
      CallHook([this, outcome = out_.error] { return DoEndWrite(outcome); });
  end_sent_ = true;
  if (aborted_ || out_.state != State::kOpen) return;  // the first move wins
  if (absl::IsDeadlineExceeded(error) &&
      (close_limit_.deadline.has_passed() ||
       close_limit_.idle_timeout < absl::InfiniteDuration())) {
    GiveUpClose().IgnoreError();  // RunClose() returns it.
    return;
  }
  if (error.ok()) {
    out_.state = State::kEnded;
  } else {
    Break(out_, InContext("ending the outbound direction", Lasting(error)));
  }
}

void Flow::AbortBoth(absl::Status local, const absl::Status& remote) {
  aborted_ = true;
  abort_reason_ = std::move(local);
  in_.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
  out_.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
  // The last call under way frees, if there is one and nobody waits for it.
  if (!Idle()) free_when_idle_ = true;
  CallHook([this, &remote] {
    DoAbort(remote);
    return absl::OkStatus();
  }).IgnoreError();
}

absl::Status Flow::Shutdown(ShutdownMode mode) {
  absl::MutexLock lock(&mu_);
  switch (mode) {
    case ShutdownMode::kRead:
      return RefuseRead();
    case ShutdownMode::kWrite:
      return EndWrite();
    case ShutdownMode::kReadWrite: {
      absl::Status refused = RefuseRead();
      absl::Status ended = EndWrite();
      return refused.ok() ? ended : refused;
    }
  }
  return absl::InvalidArgumentError(absl::StrCat(
      Describe(), ": Shutdown with the unknown mode ", static_cast<int>(mode)));
}

void Flow::Abort(absl::Status reason) {
  if (reason.ok()) reason = absl::AbortedError("aborted");
  reason = Lasting(std::move(reason));
  absl::MutexLock lock(&mu_);
  if (aborted_ || freed_ || close_result_.has_value()) return;
  AbortBoth(reason, reason);
}

void Flow::SetReadDeadline(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  if (freed_) return;
  CallHook([&] {
    DoSetReadDeadline(deadline);
    return absl::OkStatus();
  }).IgnoreError();
}

void Flow::SetWriteDeadline(absl::Time deadline) {
  absl::MutexLock lock(&mu_);
  if (freed_) return;
  CallHook([&] {
    DoSetWriteDeadline(deadline);
    return absl::OkStatus();
  }).IgnoreError();
}

// --- Closing

absl::Status Flow::Close(absl::Time deadline) {
  const MonotonicDeadline until(deadline);
  absl::MutexLock lock(&mu_);
  return CloseBy({until});
}

absl::Status Flow::PatientClose(absl::Duration idle_timeout) {
  absl::MutexLock lock(&mu_);
  return CloseBy({MonotonicDeadline(), idle_timeout});
}

absl::Status Flow::CloseAfterRead(absl::Time deadline) {
  const MonotonicDeadline until(deadline);
  absl::MutexLock lock(&mu_);
  if (!closing_ && !InsideHook()) {
    ++closers_;
    if (!end_requested_) close_limit_.deadline = until;  // of a flush
    EndWrite().IgnoreError();  // CloseOutcome() has it.
    close_waits_for_ = "another thread to read to the end";
    const auto was_read = [this] {
      mu_.AssertReaderHeld();
      return in_.state != State::kOpen || closing_ || aborted_ ||
             close_result_.has_value();
    };
    const bool in_time =
        internal::AwaitUntil(mu_, absl::Condition(&was_read), until);
    --closers_;
    if (!in_time) return GiveUpClose();
  }
  return CloseBy({until});
}

absl::Status Flow::CloseBy(CloseLimit limit) {
  if (close_result_.has_value()) return *close_result_;
  if (InsideHook()) {
    absl::Status error = absl::FailedPreconditionError(absl::StrCat(
        Describe(), ": Close() from inside one of the flow's own functions"));
    if (freed_) return error;
    if (aborted_) return LatchClose(abort_reason_);
    close_result_ = error;
    AbortBoth(error, error);
    return LatchClose(error);
  }
  ++closers_;
  absl::Status result;
  if (closing_) {
    result = JoinClose(limit);
  } else {
    closing_ = true;
    close_limit_ = limit;
    result = RunClose();
  }
  --closers_;
  return result;
}

absl::Status Flow::RunClose() {
  // Nobody changes it any more.
  const CloseLimit limit = close_limit_;
  const bool is_patient = limit.idle_timeout < absl::InfiniteDuration();

  // Flush and signal. A write under way finishes first.
  close_waits_for_ = "a write or the end function";
  EndWrite().IgnoreError();  // CloseOutcome() has it.
  const auto signaled = [this] {
    mu_.AssertReaderHeld();
    return aborted_ || (end_sent_ && !out_.busy());
  };
  if (!AwaitWithin(limit, absl::Condition(&signaled))) return GiveUpClose();

  // Wait for the remote.
  absl::Status remote;
  if (!aborted_ &&
      (in_.state == State::kOpen || in_.state == State::kRefused)) {
    close_waits_for_ = "the remote to end its direction";
    remote = CallHook([&] {
      return is_patient ? DoAwaitRemoteEndPatiently(limit.idle_timeout)
                        : DoAwaitRemoteEnd(limit.deadline.ToTime());
    });
    if (absl::IsDeadlineExceeded(remote) &&
        (is_patient || !limit.deadline.is_never())) {
      return GiveUpClose();
    }
  }
  if (is_patient) {
    close_waits_for_ = "the remote to take what is in transit";
    const auto arrived = [this] {
      mu_.AssertReaderHeld();
      return aborted_ || InTransit() == 0;
    };
    if (!AwaitWithin(limit, absl::Condition(&arrived))) return GiveUpClose();
  }

  // Free, with no call under way. After an Abort() nothing more is waited for,
  // and the last call frees.
  close_waits_for_ = "a call that is under way";
  in_.word.fetch_or(Direction::kOver, std::memory_order_relaxed);
  const auto idle = [this] {
    mu_.AssertReaderHeld();
    return aborted_ || Idle();
  };
  if (!AwaitWithin(limit, absl::Condition(&idle))) return GiveUpClose();
  if (aborted_) return LatchClose(abort_reason_);
  absl::Status result = CloseOutcome();
  if (result.ok() && !remote.ok()) {
    result = InContext("waiting for the remote to end", Lasting(remote));
  }
  const absl::Status freed = Free();
  if (result.ok() && !freed.ok()) {
    result = InContext("closing", Lasting(freed));
  }
  return LatchClose(std::move(result));
}

absl::Status Flow::JoinClose(const CloseLimit& limit) {
  const auto closed = [this] {
    mu_.AssertReaderHeld();
    return close_result_.has_value();
  };
  if (!AwaitWithin(limit, absl::Condition(&closed))) {
    if (!freed_ || aborted_) return GiveUpClose();
    // All is done but for the clean-up, which nothing can interrupt.
    mu_.Await(absl::Condition(&closed));
  }
  return *close_result_;
}

bool Flow::AwaitWithin(const CloseLimit& limit,
                       const absl::Condition& condition) {
  if (limit.idle_timeout == absl::InfiniteDuration()) {
    return internal::AwaitUntil(mu_, condition, limit.deadline);
  }
  internal::Patience patience(limit.idle_timeout, InTransit());
  while (!internal::AwaitUntil(mu_, condition, patience.NextLook())) {
    if (!patience.GoesOn(InTransit())) return condition.Eval();
  }
  return true;
}

int64_t Flow::InTransit() const { return freed_ ? 0 : DoBytesInTransit(); }

// The deadline of a Close() has passed: aborts, and decides the result of all.
absl::Status Flow::GiveUpClose() {
  if (aborted_) return LatchClose(abort_reason_);
  const absl::Status result = absl::DeadlineExceededError(
      absl::StrCat(Describe(), ": Close() has waited for ", close_waits_for_,
                   " until its deadline"));
  close_result_ = result;
  AbortBoth(ClosedError(absl::StrCat(
                Describe(), ": after Close(), which passed its deadline")),
            absl::AbortedError("the other end passed its deadline in Close()"));
  return LatchClose(result);
}

// The way out of every Close(): its result is that of the first, and what is
// not freed yet will be as soon as no call is under way.
absl::Status Flow::LatchClose(absl::Status result) {
  if (!close_result_.has_value()) close_result_ = std::move(result);
  free_when_idle_ = true;
  FreeIfLast();
  return *close_result_;
}

bool Flow::Idle() const {
  return !in_.busy() && !out_.busy() && hook_callers_.empty();
}

absl::Status Flow::Free() {
  freed_ = true;
  return CallHook([this] { return DoFree(); });
}

void Flow::FreeIfLast() {
  if (free_when_idle_ && !freed_ && Idle()) Free().IgnoreError();
}

absl::Status Flow::CallHook(absl::FunctionRef<absl::Status()> hook) {
  const void* const me = ThisThread();
  hook_callers_.push_back(me);
  mu_.Unlock();
  absl::Status status = hook();
  mu_.Lock();
  hook_callers_.erase(absl::c_find(hook_callers_, me));
  FreeIfLast();
  return status;
}

bool Flow::InsideHook() const {
  const void* const me = ThisThread();
  return in_.caller.load(std::memory_order_relaxed) == me ||
         out_.caller.load(std::memory_order_relaxed) == me ||
         absl::c_linear_search(hook_callers_, me);
}

absl::Time Flow::CloseDeadline() const {
  absl::MutexLock lock(&mu_);
  return close_limit_.deadline.ToTime();
}

absl::Duration Flow::CloseIdleTimeout() const {
  absl::MutexLock lock(&mu_);
  return close_limit_.idle_timeout;
}

int64_t Flow::bytes_in_transit() const {
  absl::MutexLock lock(&mu_);
  return InTransit();
}

bool Flow::IsInChild() const {
  return internal::ForkGeneration() != fork_generation_;
}

void Flow::Destroy() {
  if (ABSL_PREDICT_FALSE(IsInChild())) {
    DoFreeInChild();
    return;
  }
  absl::MutexLock lock(&mu_);
  ABSL_CHECK(Idle() && closers_ == 0)
      << Describe() << ": destroyed while a call is under way";
  if (!aborted_ && !close_result_.has_value()) {
    const absl::Status reason = absl::AbortedError(
        absl::StrCat(Describe(), ": destroyed without Close()"));
    AbortBoth(reason, reason);
  }
  if (!freed_) Free().IgnoreError();
}

Flow::Flow() : fork_generation_(internal::ForkGeneration()) {}

Flow::~Flow() {
  if (ABSL_PREDICT_FALSE(IsInChild())) return;
  absl::MutexLock lock(&mu_);
  ABSL_CHECK(freed_) << "the destructor of a flow did not call Destroy()";
}

// --- Defaults of the hooks

absl::Status Flow::DoWriteBorrowed(absl::string_view buffer, size_t* accepted) {
  return DoWrite(absl::Cord(buffer), accepted);
}

absl::Status Flow::DoWritev(absl::Span<const absl::Cord> buffers,
                            size_t* accepted) {
  size_t total = 0;
  for (const absl::Cord& buffer : buffers) {
    if (buffer.empty()) continue;
    size_t taken = 0;
    absl::Status status = DoWrite(buffer, &taken);
    if (!status.ok()) {
      *accepted = total + taken;
      return status;
    }
    total += buffer.size();
  }
  return absl::OkStatus();
}

absl::Status Flow::DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                    size_t* accepted) {
  size_t total = 0;
  for (absl::string_view buffer : buffers) {
    if (buffer.empty()) continue;
    size_t taken = 0;
    absl::Status status = DoWriteBorrowed(buffer, &taken);
    if (!status.ok()) {
      *accepted = total + taken;
      return status;
    }
    total += buffer.size();
  }
  return absl::OkStatus();
}

absl::Status Flow::DoEndWrite(const absl::Status&) { return absl::OkStatus(); }

absl::Status Flow::DoAwaitRemoteEnd(absl::Time) { return absl::OkStatus(); }

absl::Status Flow::DoAwaitRemoteEndPatiently(absl::Duration idle_timeout) {
  internal::Patience patience(idle_timeout, DoBytesInTransit());
  absl::Status status;
  do {
    status = DoAwaitRemoteEnd(patience.NextLook().ToTime());
  } while (absl::IsDeadlineExceeded(status) &&
           patience.GoesOn(DoBytesInTransit()));
  return status;
}

void Flow::DoAbort(const absl::Status&) {}

absl::Status Flow::DoFree() { return absl::OkStatus(); }

}  // namespace flow
