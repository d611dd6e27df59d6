// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: frame_writer.h
//
// Lets several threads write to one flow, a whole frame at a time: the requests
// of an RPC, the events of a server. Each frame has its own deadline.
//
//   flow::FrameWriter writer(*connection);
//   ...
//   // Any thread:
//   absl::StatusOr<std::string> header =
//       flow::BlockHeader(kMessages, body.size());
//   if (!header.ok()) return header.status();
//   absl::Status status = writer.Write({*header, body}, deadline);
//
// When not to use it: if one thread writes (the flow or a Channel does the
// same); to queue frames and go on, since Write() waits until the flow has
// accepted the frame.
//
// Thread safety: thread-safe. Another thread may read the flow meanwhile.

#ifndef FLOW_FRAME_WRITER_H_
#define FLOW_FRAME_WRITER_H_

#include <cstddef>
#include <deque>
#include <initializer_list>
#include <optional>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/outgoing.h"

namespace flow {

// What FrameWriter::Write() does if too many bytes wait: wait as well, or
// return kResourceExhausted at once.
enum class WhenFull { kWait, kFail };

// FrameWriterOptions
struct FrameWriterOptions {
  // How many bytes of all frames together may wait before WhenFull::kFail
  // fails. If nothing waits, a frame of any size may.
  size_t max_waiting_bytes = size_t{1} << 20;
};

// FrameWriter
//
// Borrows a flow and is its only writer: nobody else writes until it is gone or
// has finished. It sets the write deadline, and leaves it as it was set last.
//
// Frames go out in the order in which they came. There is no other thread: of
// those that wait, the first one writes its own frame, and together with it
// those behind it that fit in 64 KiB. It returns when its own frame is over,
// and the next one goes on.
//
// If a deadline passes in the middle of a frame, the writer keeps the rest, and
// sends it before the next frame. So the stream stays whole:
//
//   // BUG: if a rest was kept, the remote sees a clean end after half a frame.
//   connection->Close();  // Finish() first, or Abort()
//
// Borrowed bytes are copied when their turn comes, and Cords are shared.
class FrameWriter {
 public:
  explicit FrameWriter(Flow& flow ABSL_ATTRIBUTE_LIFETIME_BOUND,
                       FrameWriterOptions options = {});
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // Aborts the flow if the rest of a frame was kept, since the remote would
  // take what follows for that rest. Precondition: no call is under way.
  ~FrameWriter();

  // FrameWriter::Write()
  //
  // Waits until the flow has accepted the concatenation of `frame`, whole and
  // with nothing of another frame in between. Outcomes:
  //
  //  * Ok: every byte was accepted.
  //  * kDeadlineExceeded: `deadline` has passed. No byte of the frame was sent
  //    and none will be, unless IsFrameBegun(). This affects no other frame. As
  //    with any deadline in the past, what does not block succeeds.
  //  * kResourceExhausted, only with WhenFull::kFail: too many bytes wait. No
  //    byte of the frame was sent.
  //  * Closed: after Finish(), or the flow takes no more.
  //  * Any other error of the flow. Every frame that waits gets it.
  //
  // A flow that ignores deadlines can keep this longer.
  absl::Status Write(std::initializer_list<Buffer> frame,
                     absl::Time deadline = absl::InfiniteFuture(),
                     WhenFull when_full = WhenFull::kWait) {
    return Write(absl::Span<const Buffer>(frame), deadline, when_full);
  }
  absl::Status Write(absl::Span<const Buffer> frame,
                     absl::Time deadline = absl::InfiniteFuture(),
                     WhenFull when_full = WhenFull::kWait);
  absl::Status Write(Buffer frame, absl::Time deadline = absl::InfiniteFuture(),
                     WhenFull when_full = WhenFull::kWait) {
    return Write(absl::MakeConstSpan(&frame, 1), deadline, when_full);
  }

  // FrameWriter::Flush()
  //
  // Waits until all that waits was sent, the rest of a frame included. Returns
  // kDeadlineExceeded if `deadline` passes before; nothing is lost by that.
  absl::Status Flush(absl::Time deadline = absl::InfiniteFuture());

  // FrameWriter::Finish()
  //
  // Takes no more frames, sends those that wait and the rest of one that was
  // cut, then half-closes the flow. If that takes until `deadline`, returns
  // kDeadlineExceeded and half-closes nothing: call again, or Abort() the flow.
  absl::Status Finish(absl::Time deadline = absl::InfiniteFuture());

  // FrameWriter::waiting_bytes()
  //
  // Returns how many bytes of all frames wait now, the rest of a frame that was
  // cut included.
  size_t waiting_bytes() const {
    absl::MutexLock lock(&mu_);
    return waiting_bytes_;
  }

 private:
  struct Frame;

  // Waits for the turn of `frame`, and until it is over.
  absl::Status Pass(Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Writes the first frames of the queue. Gives up the lock meanwhile.
  // Precondition: the caller has the pen.
  void WriteSome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Say what has become of a frame, and keep its rest if it was begun.
  void End(Frame& frame, absl::Status status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndLate(Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Removes frames that are over, and gives the pen to the first one left.
  void HandPenOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Flow& flow_;
  const FrameWriterOptions options_;

  mutable absl::Mutex mu_;
  bool is_finishing_ ABSL_GUARDED_BY(mu_) = false;
  // In the order in which they came. The first one has the pen: its thread
  // writes, and nobody else does. Only the first one can have been begun.
  std::deque<Frame*> queue_ ABSL_GUARDED_BY(mu_);
  // Of a frame that was cut by its deadline, and goes out before the queue.
  absl::Cord rest_ ABSL_GUARDED_BY(mu_);
  // Of `rest_` and the queue, without what the flow has accepted.
  size_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  // What the write deadline of the flow was set to, if it was.
  std::optional<internal::MonotonicDeadline> deadline_ ABSL_GUARDED_BY(mu_);
};

// IsFrameBegun()
//
// Returns whether `status`, of FrameWriter::Write(), is that of a frame of
// which at least one byte was sent. If the flow lives, the rest follows. If
// this is false, the remote has seen nothing of the frame, so you can send it
// again, on another connection for instance.
bool IsFrameBegun(const absl::Status& status);

}  // namespace flow

#endif  // FLOW_FRAME_WRITER_H_
