// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/frame_writer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/start_thread.h"
#include "flow/outgoing.h"
#include "flow/status.h"

namespace flow {
namespace {

using internal::FlowAccess;
using internal::MonotonicDeadline;

// How much one write gathers, so that a frame does not wait for much more than
// itself.
constexpr size_t kMaxGathered = size_t{64} << 10;

constexpr absl::string_view kBegunPayload = "flow/frame-begun";

using Buffers = absl::InlinedVector<Buffer, 16>;

// Returns the buffers of a block. `header` must outlive them.
Buffers Block(const std::string& header, absl::Span<const Buffer> body) {
  Buffers block = {header};
  block.insert(block.end(), body.begin(), body.end());
  return block;
}

}  // namespace

// On the stack of the thread that waits. `mu_` guards it, except that the
// thread that writes uses `buffers` and `rest` while `is_being_written`.
struct FrameWriter::Frame {
  Frame(absl::Span<const Buffer> frame, absl::Time deadline,
        bool is_posted = false)
      : buffers(frame),
        size(Outgoing(frame).size()),
        deadline(deadline),
        is_posted(is_posted) {}

  size_t left() const { return rest.has_value() ? rest->size() : size; }
  bool is_begun() const { return left() < size; }

  const absl::Span<const Buffer> buffers;
  const size_t size;
  const MonotonicDeadline deadline;
  const bool is_posted;  // its deadline does not end it

  std::optional<absl::Cord> rest;  // of the bytes, once its turn has come
  absl::Cord posted;               // frames that were posted behind this one
  bool has_pen = false;
  bool is_being_written = false;
  std::optional<absl::Status> outcome;
  absl::CondVar changed;
};

FrameWriter::FrameWriter(Flow& flow, FrameWriterOptions options)
    : flow_(flow),
      options_(options),
      deadlines_set_(FlowAccess::Core(flow).deadlines_set(/*reads=*/false)) {}

FrameWriter::~FrameWriter() {
  if (fork_generation_ != internal::ForkGeneration()) {
    // In a child of fork(2) the connection is still the parent's, the thread is
    // not there, so that nobody can join it, and no lock is to be trusted.
    if (flusher_.joinable()) new std::thread(std::move(flusher_));
    return;
  }
  std::thread flusher;
  {
    internal::MutexLock lock(mu_);
    flusher.swap(flusher_);
    is_finishing_ = true;  // ends the thread, unless it is in a write
    const bool flushes = flusher.joinable() && !queue_.empty();
    ABSL_CHECK(queue_.size() == (flushes ? 1 : 0))
        << "a FrameWriter is destroyed during a call";
    // A direction that has ended or is broken shows that already.
    if (waiting_bytes_ > 0 &&
        (flushes || flow_.Write(absl::string_view()).ok())) {
      flow_.Abort(absl::AbortedError("not all frames were sent"));
    }
  }
  if (flusher.joinable()) flusher.join();
}

absl::Status FrameWriter::Write(absl::Span<const Buffer> frame,
                                absl::Time deadline, WhenFull when_full) {
  Frame waiting(frame, deadline);
  {
    internal::MutexLock lock(mu_);
    absl::Status status = CheckRoom(waiting.size, when_full);
    if (!status.ok()) return status;
    Enqueue(waiting);
  }
  return Pass(waiting);
}

absl::Status FrameWriter::WriteBlock(BlockFormat format,
                                     absl::Span<const Buffer> buffers,
                                     absl::Time deadline, WhenFull when_full) {
  const absl::StatusOr<std::string> header =
      BlockHeader(format, Outgoing(buffers).size());
  if (!header.ok()) return header.status();
  return Write(Block(*header, buffers), deadline, when_full);
}

absl::Status FrameWriter::Post(absl::Span<const Buffer> frame) {
  absl::Cord bytes;
  for (const Buffer& buffer : frame) bytes.Append(buffer.TakeCord());
  const Buffer buffer(bytes);
  Frame posted(absl::MakeConstSpan(&buffer, 1), absl::InfinitePast(),
               /*is_posted=*/true);
  {
    internal::MutexLock lock(mu_);
    absl::Status status = CheckRoom(posted.size, WhenFull::kFail);
    if (!status.ok()) return status;
    if (!queue_.empty()) {
      queue_.back()->posted.Append(bytes);
      waiting_bytes_ += posted.size;
      return absl::OkStatus();
    }
    Enqueue(posted);
  }
  absl::Status status = Pass(posted);
  return absl::IsDeadlineExceeded(status) ? absl::OkStatus() : status;
}

absl::Status FrameWriter::PostBlock(BlockFormat format,
                                    absl::Span<const Buffer> buffers) {
  const absl::StatusOr<std::string> header =
      BlockHeader(format, Outgoing(buffers).size());
  if (!header.ok()) return header.status();
  return Post(Block(*header, buffers));
}

absl::Status FrameWriter::Flush(absl::Time deadline) {
  return Write(absl::Span<const Buffer>(), deadline);
}

absl::Status FrameWriter::Finish(absl::Time deadline) {
  Frame last({}, deadline);
  bool waits = false;
  {
    internal::MutexLock lock(mu_);
    is_finishing_ = true;
    waits = !queue_.empty() || !rest_.empty();
    if (waits) Enqueue(last);
  }
  if (waits) {
    absl::Status status = Pass(last);
    if (!status.ok()) return status;
  }
  flow_.SetWriteDeadline(deadline);
  return flow_.Shutdown(ShutdownMode::kWrite);
}

absl::Status FrameWriter::CheckRoom(size_t size, WhenFull when_full) const {
  if (is_finishing_) {
    return ClosedError(
        absl::StrCat(flow_.DebugString(), ": a frame after Finish()"));
  }
  if (when_full == WhenFull::kFail && waiting_bytes_ > 0 &&
      (waiting_bytes_ >= options_.max_waiting_bytes ||
       size > options_.max_waiting_bytes - waiting_bytes_)) {
    // No other call is under way, so only this one can tell that the flow has
    // failed.
    if (queue_.empty()) {
      absl::Status status = flow_.Write(absl::string_view());
      if (!status.ok()) return status;
    }
    return absl::ResourceExhaustedError(
        absl::StrCat(flow_.DebugString(), ": ", waiting_bytes_,
                     " bytes wait, and a frame of ", size, " more"));
  }
  return absl::OkStatus();
}

void FrameWriter::Enqueue(Frame& frame) {
  queue_.push_back(&frame);
  waiting_bytes_ += frame.size;
  HandPenOn();
}

absl::Status FrameWriter::Pass(Frame& frame) {
  while (!AwaitPen(frame)) WriteSome();
  // What was posted behind the last frame has nobody else to send it. This
  // thread does if it need not wait for that.
  bool goes_on = frame.outcome->ok();
  while (goes_on) {
    Frame nothing({}, absl::InfinitePast());
    {
      internal::MutexLock lock(mu_);
      if (!queue_.empty() || rest_.empty()) break;
      Enqueue(nothing);
    }
    while (!AwaitPen(nothing)) WriteSome();
    goes_on = nothing.outcome->ok();
  }
  if (options_.flushes_itself) SendKept();
  return *std::move(frame.outcome);
}

void FrameWriter::SendKept() {
  internal::MutexLock lock(mu_);
  if (flusher_.joinable() || is_finishing_ || !HasKeptOrEnds()) return;
  absl::StatusOr<std::thread> thread = internal::StartThread([this] {
    absl::Status status;
    while (status.ok() || absl::IsDeadlineExceeded(status)) {
      {
        internal::MutexLock lock(mu_);
        // A flow that is late by itself may be so at once.
        if (!status.ok()) {
          mu_.AwaitWithTimeout(absl::Condition(&is_finishing_),
                               absl::Milliseconds(10));
        }
        mu_.Await(absl::Condition(this, &FrameWriter::HasKeptOrEnds));
      }
      // Fails when the writer finishes, or the flow does.
      status = Flush();
    }
  });
  if (thread.ok()) flusher_ = *std::move(thread);
}

bool FrameWriter::AwaitPen(Frame& frame) {
  internal::MutexLock lock(mu_);
  while (!frame.has_pen && !frame.outcome.has_value()) {
    if (frame.is_being_written) {
      // Whoever writes stops in time.
      frame.changed.Wait(&mu_);
    } else if (frame.changed.WaitWithTimeout(&mu_, frame.deadline.left()) &&
               !frame.has_pen && !frame.is_being_written &&
               !frame.outcome.has_value()) {
      EndLate(frame);
      HandPenOn();
    }
  }
  return frame.outcome.has_value();
}

void FrameWriter::WriteSome() {
  Batch batch;
  MonotonicDeadline earliest;
  {
    internal::MutexLock lock(mu_);
    batch = TakeBatch();
    for (const Frame* frame : batch) {
      earliest = std::min(earliest, frame->deadline);
    }
  }
  // Copies what is borrowed without the lock.
  for (Frame* frame : batch) {
    if (frame->rest.has_value()) continue;
    frame->rest.emplace();
    for (const Buffer& buffer : frame->buffers) {
      frame->rest->Append(buffer.TakeCord());
    }
  }
  absl::Cord data;
  bool is_new = false;
  {
    internal::MutexLock lock(mu_);
    data = rest_;
    for (const Frame* frame : batch) {
      data.Append(*frame->rest);
      data.Append(frame->posted);
    }
    is_new = !(deadline_ == earliest);
    deadline_ = earliest;
    if (is_new) ++deadlines_set_;
  }
  const size_t size = data.size();
  if (is_new) flow_.SetWriteDeadline(earliest.ToTime());
  const absl::Status status = flow_.WriteFrom(&data);

  internal::MutexLock lock(mu_);
  waiting_bytes_ -= size - data.size();
  EndWritten(batch, size - data.size(), status, earliest);
  HandPenOn();
}

FrameWriter::Batch FrameWriter::TakeBatch() {
  Batch batch;
  size_t gathered = rest_.size();
  for (Frame* frame : queue_) {
    const size_t size = frame->left() + frame->posted.size();
    if (!batch.empty() && gathered + size > kMaxGathered) break;
    frame->is_being_written = true;
    gathered += size;
    batch.push_back(frame);
  }
  return batch;
}

void FrameWriter::EndWritten(const Batch& batch, size_t accepted,
                             const absl::Status& status,
                             MonotonicDeadline earliest) {
  // From the front. What was posted since the write began is not reached, since
  // it is behind everything that was written.
  const auto take_off = [&accepted](absl::Cord& bytes) {
    const size_t n = std::min(accepted, bytes.size());
    bytes.RemovePrefix(n);
    accepted -= n;
    return bytes.empty();
  };
  const bool is_late = absl::IsDeadlineExceeded(status);
  const bool has_failed = !status.ok() && !is_late;
  bool is_disturbed = false;
  if (is_late) {
    deadline_.reset();
    // If somebody else has set a deadline, this may not be that of the frames.
    const uint32_t set = FlowAccess::Core(flow_).deadlines_set(/*reads=*/false);
    is_disturbed = set != std::exchange(deadlines_set_, set);
  }
  bool all_sent = take_off(rest_);
  for (Frame* frame : batch) {
    frame->is_being_written = false;
    all_sent = take_off(*frame->rest) && all_sent;
    if (all_sent && (frame->size > 0 || !has_failed)) {
      End(*frame, absl::OkStatus());
    } else if (has_failed) {
      // Those behind the batch get it from the flow, where it stays.
      End(*frame, status);
    } else if (!is_disturbed && !(earliest < frame->deadline)) {
      // By the deadline that the flow was given, and not by the clock, which
      // may have passed that of another frame since.
      EndLate(*frame);
    }
    all_sent = take_off(frame->posted) && all_sent;
    frame->changed.Signal();
  }
}

void FrameWriter::End(Frame& frame, absl::Status status) {
  const bool is_begun = !status.ok() && frame.is_begun();
  if (is_begun) status.SetPayload(kBegunPayload, absl::Cord());
  if (is_begun || (frame.is_posted && absl::IsDeadlineExceeded(status))) {
    // It is the first one in the queue.
    rest_.Append(*std::move(frame.rest));
  } else {
    waiting_bytes_ -= frame.left();
  }
  frame.outcome = std::move(status);
  frame.changed.Signal();
}

void FrameWriter::EndLate(Frame& frame) {
  End(frame,
      absl::DeadlineExceededError(absl::StrCat(
          flow_.DebugString(), ": the deadline has passed after ",
          frame.size - frame.left(), " of ", frame.size, " bytes of a frame")));
}

void FrameWriter::HandPenOn() {
  absl::Cord* posted = &rest_;  // what goes out before the next frame
  for (auto it = queue_.begin(); it != queue_.end();) {
    Frame& frame = **it;
    if (frame.outcome.has_value()) {
      posted->Append(std::move(frame.posted));
      it = queue_.erase(it);
    } else {
      posted = &frame.posted;
      ++it;
    }
  }
  if (queue_.empty() || queue_.front()->has_pen) return;
  queue_.front()->has_pen = true;
  queue_.front()->changed.Signal();
}

bool IsFrameBegun(const absl::Status& status) {
  return status.ok() || status.GetPayload(kBegunPayload).has_value();
}

}  // namespace flow
