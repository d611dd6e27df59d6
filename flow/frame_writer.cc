// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/frame_writer.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/outgoing.h"
#include "flow/status.h"

namespace flow {
namespace {

using internal::MonotonicDeadline;

// How much one write gathers, so that a frame does not wait for much more than
// itself.
constexpr size_t kMaxGathered = size_t{64} << 10;

constexpr absl::string_view kBegunPayload = "flow/frame-begun";

}  // namespace

// On the stack of the thread that waits. `mu_` guards it, except that the
// thread that writes uses `buffers` and `rest` while `is_being_written`.
struct FrameWriter::Frame {
  Frame(absl::Span<const Buffer> frame, absl::Time deadline)
      : buffers(frame), size(Outgoing(frame).size()), deadline(deadline) {}

  size_t left() const { return rest.has_value() ? rest->size() : size; }
  bool is_begun() const { return left() < size; }

  const absl::Span<const Buffer> buffers;
  const size_t size;
  const MonotonicDeadline deadline;

  std::optional<absl::Cord> rest;  // of the bytes, once its turn has come
  bool has_pen = false;
  bool is_being_written = false;
  std::optional<absl::Status> outcome;
  absl::CondVar changed;
};

FrameWriter::FrameWriter(Flow& flow, FrameWriterOptions options)
    : flow_(flow), options_(options) {}

FrameWriter::~FrameWriter() {
  absl::MutexLock lock(&mu_);
  ABSL_CHECK(queue_.empty()) << "a FrameWriter is destroyed during a call";
  // A direction that has ended or is broken shows that already.
  if (!rest_.empty() && flow_.Write(absl::string_view()).ok()) {
    flow_.Abort(absl::AbortedError("a frame was cut"));
  }
}

absl::Status FrameWriter::Write(absl::Span<const Buffer> frame,
                                absl::Time deadline, WhenFull when_full) {
  Frame waiting(frame, deadline);
  absl::MutexLock lock(&mu_);
  if (is_finishing_) {
    return ClosedError(
        absl::StrCat(flow_.DebugString(), ": a frame after Finish()"));
  }
  if (when_full == WhenFull::kFail && waiting_bytes_ > 0 &&
      (waiting_bytes_ >= options_.max_waiting_bytes ||
       waiting.size > options_.max_waiting_bytes - waiting_bytes_)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(flow_.DebugString(), ": ", waiting_bytes_,
                     " bytes wait, and a frame of ", waiting.size, " more"));
  }
  return Pass(waiting);
}

absl::Status FrameWriter::Flush(absl::Time deadline) {
  return Write(absl::Span<const Buffer>(), deadline);
}

absl::Status FrameWriter::Finish(absl::Time deadline) {
  {
    Frame last({}, deadline);
    absl::MutexLock lock(&mu_);
    is_finishing_ = true;
    if (!queue_.empty() || !rest_.empty()) {
      absl::Status status = Pass(last);
      if (!status.ok()) return status;
    }
  }
  flow_.SetWriteDeadline(deadline);
  return flow_.Shutdown(ShutdownMode::kWrite);
}

absl::Status FrameWriter::Pass(Frame& frame) {
  queue_.push_back(&frame);
  waiting_bytes_ += frame.size;
  HandPenOn();
  while (!frame.outcome.has_value()) {
    if (frame.has_pen) {
      WriteSome();
    } else if (frame.is_being_written) {
      // Whoever writes stops in time.
      frame.changed.Wait(&mu_);
    } else if (frame.changed.WaitWithTimeout(&mu_, frame.deadline.left()) &&
               !frame.has_pen && !frame.is_being_written &&
               !frame.outcome.has_value()) {
      EndLate(frame);
      HandPenOn();
    }
  }
  return *std::move(frame.outcome);
}

void FrameWriter::WriteSome() {
  absl::InlinedVector<Frame*, 16> batch;
  size_t size = rest_.size();
  MonotonicDeadline earliest;
  for (Frame* frame : queue_) {
    if (!batch.empty() && size + frame->left() > kMaxGathered) break;
    frame->is_being_written = true;
    size += frame->left();
    earliest = std::min(earliest, frame->deadline);
    batch.push_back(frame);
  }
  absl::Cord data = rest_;
  const bool is_new = !(deadline_ == earliest);
  deadline_ = earliest;

  mu_.Unlock();
  for (Frame* frame : batch) {
    if (!frame->rest.has_value()) {
      frame->rest.emplace();
      for (const Buffer& buffer : frame->buffers) {
        frame->rest->Append(buffer.TakeCord());
      }
    }
    data.Append(*frame->rest);
  }
  if (is_new) flow_.SetWriteDeadline(earliest.ToTime());
  const absl::Status status = flow_.WriteFrom(&data);
  mu_.Lock();

  size_t accepted = size - data.size();
  waiting_bytes_ -= accepted;
  const auto take_off = [&accepted](absl::Cord& bytes) {
    const size_t n = std::min(accepted, bytes.size());
    bytes.RemovePrefix(n);
    accepted -= n;
  };
  take_off(rest_);
  bool all_sent = rest_.empty();
  const bool has_failed = !status.ok() && !absl::IsDeadlineExceeded(status);
  for (Frame* frame : batch) {
    frame->is_being_written = false;
    take_off(*frame->rest);
    all_sent = all_sent && frame->rest->empty();
    if (all_sent && (frame->size > 0 || !has_failed)) {
      End(*frame, absl::OkStatus());
    } else if (has_failed) {
      // Those behind the batch get it from the flow, where it stays.
      End(*frame, status);
    } else if (!(earliest < frame->deadline)) {
      // By the deadline that the flow was given, and not by the clock, which
      // may have passed that of another frame since.
      EndLate(*frame);
    }
    frame->changed.Signal();
  }
  HandPenOn();
}

void FrameWriter::End(Frame& frame, absl::Status status) {
  if (!status.ok() && frame.is_begun()) {
    status.SetPayload(kBegunPayload, absl::Cord());
    // There was no other: nothing is begun before that is sent.
    rest_ = *std::move(frame.rest);
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
  queue_.erase(
      std::remove_if(queue_.begin(), queue_.end(),
                     [](Frame* frame) { return frame->outcome.has_value(); }),
      queue_.end());
  if (queue_.empty() || queue_.front()->has_pen) return;
  queue_.front()->has_pen = true;
  queue_.front()->changed.Signal();
}

bool IsFrameBegun(const absl::Status& status) {
  return status.ok() || status.GetPayload(kBegunPayload).has_value();
}

}  // namespace flow
