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
//   absl::Status status = writer.WriteBlock(kMessages, {head, body}, deadline);
//   ...
//   // Gives the request up, and does not wait for that:
//   status = writer.PostBlock(kMessages, cancel);
//
// When not to use it: if one thread writes (the flow or a Channel does the
// same).
//
// In a test of back-pressure, use MakePipe(0), or a fault flow with `max_write`
// (testing/fault_flow.h): a frame is a Cord, and a pipe accepts one whole.
//
// Thread safety: thread-safe. Another thread may read the flow meanwhile.

#ifndef FLOW_FRAME_WRITER_H_
#define FLOW_FRAME_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <optional>
#include <thread>  // NOLINT(build/c++11)

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"

namespace flow {

// What FrameWriter::Write() does if too many bytes wait: wait as well, or
// return kResourceExhausted at once.
enum class WhenFull { kWait, kFail };

// FrameWriterOptions
struct FrameWriterOptions {
  // How many bytes of all frames together may wait before WhenFull::kFail and
  // Post() fail. If nothing waits, a frame of any size may.
  size_t max_waiting_bytes = size_t{1} << 20;

  // Whether what was kept, which is the rest of a frame that was cut and posted
  // frames that had to wait, also goes out if no call follows. The writer then
  // sends it on a thread of its own, which it starts when it first has to. (If
  // none can be started, the next call sends it.) For a program in which nobody
  // can call Flush(), such as a client of an RPC: its reader must not wait for
  // a write, and its callers wait for answers.
  bool flushes_itself = false;
};

// FrameWriter
//
// Borrows a flow and is its only writer: nobody else writes until it is gone or
// has finished. It sets the write deadline, and leaves it as it was set last.
// If somebody else sets an earlier one, that ends no frame: the writer sets its
// own again and goes on, once for each such change. A later one can keep a
// frame for longer.
//
// Frames go out in the order in which they came. No other thread is needed: of
// those that wait, the first one writes its own frame, and together with it
// those behind it that fit in 64 KiB. It returns when its own frame is over,
// and the next one goes on.
//
// If a deadline passes in the middle of a frame, the writer keeps the rest, and
// sends it before the next frame. So the stream stays whole. A rest goes out
// with the next call, and so does a posted frame that had to wait: call Flush()
// if none follows, or see FrameWriterOptions::flushes_itself. A remote that has
// half a frame may lose its patience, and the connection with it.
//
//   // BUG: if a rest was kept, the remote sees a clean end after half a frame.
//   connection->Close();  // Finish() first, or Abort()
//
// What a Channel has buffered is no frame, and goes out before the next one.
// Flush() the channel first: a Finish() whose deadline passes while it does
// that breaks the direction (channel.h).
//
// Borrowed bytes are copied when their turn comes, and Cords are shared.
class FrameWriter {
 public:
  explicit FrameWriter(Flow& flow ABSL_ATTRIBUTE_LIFETIME_BOUND,
                       FrameWriterOptions options = {});
  FrameWriter(const FrameWriter&) = delete;
  FrameWriter& operator=(const FrameWriter&) = delete;

  // Aborts the flow if the rest of a frame or a posted frame was kept, since
  // the remote would take what follows for it, or a clean end for that of all
  // frames. (In a child of fork(2) it does not.) With `flushes_itself` it waits
  // for a write of its thread, which only an abort of the flow ends, and may
  // abort a flow that has just taken the last bytes: Finish() first.
  // Precondition: no call is under way.
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

  // FrameWriter::WriteBlock()
  //
  // Writes a block of framing.h as a frame. Outcomes are those of Write(), and
  // kResourceExhausted if the format does not allow so many bytes.
  absl::Status WriteBlock(BlockFormat format,
                          std::initializer_list<Buffer> buffers,
                          absl::Time deadline = absl::InfiniteFuture(),
                          WhenFull when_full = WhenFull::kWait) {
    return WriteBlock(format, absl::Span<const Buffer>(buffers), deadline,
                      when_full);
  }
  absl::Status WriteBlock(BlockFormat format, absl::Span<const Buffer> buffers,
                          absl::Time deadline = absl::InfiniteFuture(),
                          WhenFull when_full = WhenFull::kWait);
  absl::Status WriteBlock(BlockFormat format, Buffer buffer,
                          absl::Time deadline = absl::InfiniteFuture(),
                          WhenFull when_full = WhenFull::kWait) {
    return WriteBlock(format, absl::MakeConstSpan(&buffer, 1), deadline,
                      when_full);
  }

  // FrameWriter::Post(), FrameWriter::PostBlock()
  //
  // Leave a frame to be sent, and do not wait, unless the flow ignores
  // deadlines. Borrowed bytes are copied. Outcomes:
  //
  //  * Ok: the frame was sent, or it is kept and will be, after those that came
  //    before and before those that come later.
  //  * kResourceExhausted: too many bytes wait, or the format does not allow so
  //    many. No byte of the frame was sent.
  //  * Closed, or any other error of the flow, as with Write().
  //
  // If no other call is under way, this one sends what the flow takes without
  // waiting. Otherwise the frame goes out with that of a call that is. If such
  // calls end before the flow has taken it, the next call sends it (Flush() if
  // none follows), and returns the error if the flow has failed.
  //
  // It has no deadline. If the remote reads nothing, the frame is kept until
  // somebody aborts the flow; `max_waiting_bytes` limits how many.
  absl::Status Post(std::initializer_list<Buffer> frame) {
    return Post(absl::Span<const Buffer>(frame));
  }
  absl::Status Post(absl::Span<const Buffer> frame);
  absl::Status Post(Buffer frame) {
    return Post(absl::MakeConstSpan(&frame, 1));
  }
  absl::Status PostBlock(BlockFormat format,
                         std::initializer_list<Buffer> buffers) {
    return PostBlock(format, absl::Span<const Buffer>(buffers));
  }
  absl::Status PostBlock(BlockFormat format, absl::Span<const Buffer> buffers);
  absl::Status PostBlock(BlockFormat format, Buffer buffer) {
    return PostBlock(format, absl::MakeConstSpan(&buffer, 1));
  }

  // FrameWriter::Flush()
  //
  // Waits until all that waits was sent: posted frames and the rest of one that
  // was cut, too. Returns kDeadlineExceeded if `deadline` passes before;
  // nothing is lost by that.
  absl::Status Flush(absl::Time deadline = absl::InfiniteFuture());

  // FrameWriter::Finish()
  //
  // Takes no more frames, sends those that wait or were posted and the rest of
  // one that was cut, then half-closes the flow. If that takes until
  // `deadline`, returns kDeadlineExceeded and half-closes nothing, and nobody
  // sends what was kept: call again, or Abort() the flow. Once it was Ok, it is
  // Ok again.
  absl::Status Finish(absl::Time deadline = absl::InfiniteFuture());

  // FrameWriter::waiting_bytes()
  //
  // Returns how many bytes of all frames wait now, posted frames and the rest
  // of one that was cut included.
  size_t waiting_bytes() const {
    internal::MutexLock lock(mu_);
    return waiting_bytes_;
  }

 private:
  struct Frame;
  using Batch = absl::InlinedVector<Frame*, 16>;

  // Returns the error of a frame that is not taken.
  absl::Status CheckRoom(size_t size, WhenFull when_full) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Puts `frame` behind those that wait.
  void Enqueue(Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Waits for the turn of `frame`, which is in the queue, and until it is over.
  // Then sends what was posted meanwhile, as far as that need not wait.
  absl::Status Pass(Frame& frame) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until `frame` has the pen, or is over. Returns whether it is over.
  bool AwaitPen(Frame& frame) ABSL_LOCKS_EXCLUDED(mu_);

  // Writes the first frames of the queue.
  // Precondition: the caller has the pen.
  void WriteSome() ABSL_LOCKS_EXCLUDED(mu_);

  // Returns the first frames, which are being written from now on.
  Batch TakeBatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Takes off what a write has accepted, and ends the frames that are over.
  // `earliest` was its deadline.
  void EndWritten(const Batch& batch, size_t accepted,
                  const absl::Status& status,
                  internal::MonotonicDeadline earliest)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Say what has become of a frame, and keep its rest if it was begun, or if it
  // was posted and is late.
  void End(Frame& frame, absl::Status status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndLate(Frame& frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Starts the thread of the writer if something was kept and it has none.
  void SendKept() ABSL_LOCKS_EXCLUDED(mu_);
  bool HasKeptOrEnds() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return is_finishing_ || (queue_.empty() && !rest_.empty());
  }

  // Removes frames that are over, and gives the pen to the first one left. What
  // was posted behind one that is removed is then behind the one before it.
  void HandPenOn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Flow& flow_;
  const FrameWriterOptions options_;

  mutable absl::Mutex mu_;
  bool is_finishing_ ABSL_GUARDED_BY(mu_) = false;
  // In the order in which they came. The first one has the pen: its thread
  // writes, and nobody else does. Only the first one can have been begun.
  std::deque<Frame*> queue_ ABSL_GUARDED_BY(mu_);
  // Goes out before the queue: the rest of a frame that was cut, then what was
  // posted before the first one in the queue.
  absl::Cord rest_ ABSL_GUARDED_BY(mu_);
  // Of `rest_`, the queue, and what was posted behind each frame in it, without
  // what the flow has accepted.
  size_t waiting_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  // What the write deadline of the flow was set to. Empty: set it again.
  std::optional<internal::MonotonicDeadline> deadline_ ABSL_GUARDED_BY(mu_);
  // How often it was set, as far as is known.
  uint32_t deadlines_set_ ABSL_GUARDED_BY(mu_);
  std::thread flusher_ ABSL_GUARDED_BY(mu_);
  const uint32_t fork_generation_ = internal::ForkGeneration();
};

// IsFrameBegun()
//
// Returns whether `status`, of FrameWriter::Write(), is that of a frame of
// which at least one byte was sent. If the flow lives, the rest follows: with
// the next frame, so call Flush() if none follows. If this is false, the remote
// has seen nothing of the frame, so you can send it again, on another
// connection for instance.
bool IsFrameBegun(const absl::Status& status);

}  // namespace flow

#endif  // FLOW_FRAME_WRITER_H_
