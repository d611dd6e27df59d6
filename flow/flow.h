// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow.h
//
// `flow::Flow` is one end of a reliable, ordered stream of bytes in each of two
// directions: a connection, an in-memory pipe, a pair of functions. Write your
// protocol against it, test it on flows in memory, run it on sockets.
//
// The public functions keep the contract, once, for every kind of flow; an
// implementation overrides the protected hooks at the end of this file. The
// contract in full, with its state table and its sources, is
// docs/semantics.md; "docs: X" below names a section of it.
//
// When not to use it: for messages (a flow keeps no boundaries between writes),
// for random access, and for thousands of mostly idle streams on one thread
// (calls block; a stream wants a thread while it is being read or written).
//
// Thread safety: one thread may read while another one writes. Shutdown(),
// Close(), Abort(), the deadlines, the counters and DebugString() may be called
// from any thread at any time. A second reader (or writer) that comes while the
// first is under way gets kFailedPrecondition and disturbs nothing. Destroying
// a flow requires that no call on it is under way.

#ifndef FLOW_FLOW_H_
#define FLOW_FLOW_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/internal/holds_strings.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow {

// "As much as there is", where a number of bytes is asked for.
inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Which direction of a flow Shutdown() ends: the one it reads from, the one it
// writes to, or both.
enum class ShutdownMode { kRead, kWrite, kReadWrite };

// Flow
//
// Use it like this:
//
//   // Asks, and returns the whole answer.
//   absl::StatusOr<absl::Cord> Ask(flow::Flow& peer, absl::Cord question) {
//     if (absl::Status s = peer.Write(question); !s.ok()) return s;
//     absl::Status s = peer.Shutdown(flow::ShutdownMode::kWrite);
//     if (!s.ok()) return s;
//     absl::Cord answer;
//     while (true) {  // a Read returns what has come, not what was written
//       absl::StatusOr<absl::Cord> data = peer.Read();
//       if (!data.ok()) return data.status();
//       if (data->empty()) return answer;
//       answer.Append(*std::move(data));
//     }
//   }
//
// All the bytes written are guaranteed to have been handed on, and the remote
// to see a clean end, only if Close() was called and returned Ok. A flow that
// is destroyed without Close() is aborted.
class Flow {
 public:
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  // Precondition: no call on this flow is under way (checked; a violation ends
  // the program). To stop calls on other threads: Abort(), join, destroy.
  virtual ~Flow();

  // Flow::Read()
  //
  // Waits until there is data and returns some of it. Outcomes:
  //
  //  * 1 to `max_bytes` bytes, in a size that suits the flow. The Cord is the
  //    caller's and never changes afterwards.
  //  * An empty Cord: end-of-file. The remote has ended its direction and
  //    everything that it sent has been read; or this end has called
  //    Shutdown(kRead), which a reader cannot tell apart: to stop a reader,
  //    Abort(). Every later Read says so again, until Abort() or Close().
  //  * kDeadlineExceeded: the read deadline has passed and nothing was lost.
  //    The next Read goes on.
  //  * Any other error: the direction is broken; every later Read returns the
  //    same. Data that came before the error is delivered before it.
  //  * After Close() has returned: Closed.
  //
  // `max_bytes` of 0 is kInvalidArgument, as the result could not be told from
  // end-of-file.
  absl::StatusOr<absl::Cord> Read(size_t max_bytes = kNoLimit);

  // Flow::Write()
  //
  // Hands the bytes of `buffer` over; waits while the flow can take no more. A
  // Cord is shared. A std::string that is moved in becomes a Cord, which copies
  // it only if it is small or leaves much of its capacity unused. A string_view
  // is borrowed until the call returns. Outcomes:
  //
  //  * Ok: every byte was *accepted*. Accepted is not delivered: see Close().
  //  * kDeadlineExceeded: the write deadline has passed. Some prefix was
  //    accepted, see below. The flow still works.
  //  * Closed (see status.h): the stream takes no more.
  //  * Any other error: the direction is broken, and stays so.
  //
  // Whatever the outcome, what was accepted is a prefix of `buffer`, and
  // bytes_written() has grown by exactly its length. An empty write does
  // nothing; it returns Ok while the direction is open, else the error of a
  // write.
  //
  //   // BUG: after kDeadlineExceeded a prefix may have been accepted, so this
  //   // can send it twice. Use WriteFrom().
  //   while (absl::IsDeadlineExceeded(flow.Write(message))) {
  //     flow.SetWriteDeadline(absl::Now() + absl::Seconds(1));
  //   }
  //
  // Who does not want to write the rest calls Abort(): Close() and
  // Shutdown(kWrite) would send a clean end in the middle of the message.
  absl::Status Write(absl::Cord buffer);
  absl::Status Write(absl::string_view buffer);
  template <typename T,
            std::enable_if_t<std::is_same_v<T, std::string>, int> = 0>
  absl::Status Write(T&& buffer) {
    return Write(absl::Cord(std::move(buffer)));
  }
  absl::Status Write(std::nullptr_t) = delete;
  // Did you mean Writev()?
  absl::Status Write(std::initializer_list<absl::string_view>) = delete;

  // Flow::Writev()
  //
  // Writes the concatenation of `buffers`: same bytes, same outcomes, same
  // counts as one Write() of it, without building it. Empty buffers are
  // skipped; a list without a byte is an empty write. A list is of Cords or of
  // strings; in one of Cords, wrap a header as absl::Cord(header).
  absl::Status Writev(absl::Span<const absl::Cord> buffers);
  absl::Status Writev(absl::Span<const absl::string_view> buffers);
  absl::Status Writev(std::initializer_list<absl::string_view> buffers) {
    return Writev(absl::Span<const absl::string_view>(buffers));
  }
  template <typename T,
            std::enable_if_t<std::is_same_v<T, absl::Cord>, int> = 0>
  absl::Status Writev(std::initializer_list<T> buffers) {
    return Writev(absl::Span<const absl::Cord>(buffers));
  }
  // For containers of what converts to a string_view, such as std::string. Each
  // string must last as long as the container: ranges that make strings as one
  // goes, and would leave them dangling here, do not compile.
  template <typename Strings,
            std::enable_if_t<
                internal::HoldsStrings<Strings>::value &&
                    !std::is_convertible_v<const Strings&,
                                           absl::Span<const absl::string_view>>,
                int> = 0>
  absl::Status Writev(const Strings& buffers) {
    absl::InlinedVector<absl::string_view, 16> views(buffers.begin(),
                                                     buffers.end());
    return Writev(absl::Span<const absl::string_view>(views));
  }

  // Flow::WriteFrom()
  //
  // Like Write(), and removes from `*source` what was accepted, so that the
  // rest can be written later without loss or repetition:
  //
  //   flow.SetWriteDeadline(absl::Now() + absl::Seconds(1));
  //   absl::Status status = flow.WriteFrom(&message);
  //   if (absl::IsDeadlineExceeded(status)) ...  // `message` is what remains
  absl::Status WriteFrom(absl::Cord* source);

  // Flow::Shutdown()
  //
  // Ends a direction from this end. Never blocks (but a function flow calls the
  // end function of its output here, and a channel flushes). Repeating it is
  // Ok.
  //
  //  * kWrite: no more will be written (half-close). The remote reads what was
  //    accepted, then end-of-file; this end may still read. A Write that is
  //    under way is finished first and then sends the end; if it fails, the
  //    remote does not see a clean end.
  //  * kRead: no more will be read. What was not read is discarded, a blocked
  //    Read and every later one return end-of-file, and the remote's writes
  //    fail with Closed where the transport can tell it.
  //
  // Returns the error of the direction if it is broken already.
  absl::Status Shutdown(ShutdownMode mode);

  // Flow::Close()
  //
  // Shuts the write direction down, waits until the remote has ended its own
  // direction too, then frees what the flow holds. Where there is no remote end
  // (functions, files), it waits for calls under way only. Data that nobody
  // reads keeps the remote waiting, so call Shutdown(kRead) first if you want
  // none. If another thread reads, call CloseAfterRead().
  //
  //   // BUG: drops what the reader has not come to when the remote ends.
  //   std::thread reader([&] { flow::Copy(*flow, *sink); });
  //   absl::Status status = flow->Close();
  //
  //  * Ok: every accepted byte was handed on, neither direction was broken so
  //    far, and no write has failed. (A write that was Closed by the remote, or
  //    by a full output, has failed.) Whether the remote has read the bytes,
  //    only its answer can tell.
  //  * kDeadlineExceeded: `deadline` passed first. The flow is now aborted; the
  //    remote gets kAborted, but for what had ended before (docs: Close).
  //  * Any other error: the first one of a direction, or the reason of Abort().
  //
  // Close() says that all is well. If it is not (a message was cut, the peer
  // spoke nonsense), Abort() first, or destroy the flow without it:
  //
  //   if (!status.ok()) flow.Abort(status);
  //   status.Update(flow.Close(absl::Now() + absl::Seconds(10)));
  //
  // Whatever it returns, the flow is closed, and everything is freed as soon as
  // no call is under way. Every further Close() returns the same; of several at
  // once the earliest deadline counts. Without a deadline it may wait without
  // end. The deadline limits waiting; the clean-up itself, once begun, is
  // finished. To wait as long as the remote takes bytes: PatientClose().
  absl::Status Close(absl::Time deadline = absl::InfiniteFuture());

  // Flow::CloseAfterRead()
  //
  // Close() for a flow that another thread reads:
  //
  //   std::thread reader([&] { copied = flow::Copy(*flow, *sink); });
  //   ... flow->Write(...) ...
  //   absl::Status status =
  //       flow->CloseAfterRead(absl::Now() + absl::Seconds(10));
  //   reader.join();  // before the flow is destroyed
  //
  // Shuts the write direction down, waits until a Read has told that thread the
  // end (or an error, or somebody has refused the rest), and then closes. So it
  // drops nothing that the remote has sent. Returns what Close() returns; if
  // `deadline` passes first, that is a Close() past its deadline. If nobody
  // reads, it waits until then, though the remote has ended.
  absl::Status CloseAfterRead(absl::Time deadline = absl::InfiniteFuture());

  // Flow::PatientClose()
  //
  // Close() for a flow whose remote may be slow: it waits as long as bytes
  // still arrive there (bytes_in_transit() falls), however long that takes in
  // all, until all have arrived and the remote has ended. It gives up, as a
  // Close() past its deadline, when for `idle_timeout` neither happens.
  //
  // What a Write on another thread has still to hand on is not in transit, so
  // wait for that first. A Unix socket takes bytes in steps of up to 64 KiB.
  absl::Status PatientClose(absl::Duration idle_timeout);

  // Flow::Abort()
  //
  // Breaks both directions now, and wakes what is blocked; never blocks. From
  // here on every operation of this end returns `reason` (an Ok or
  // kDeadlineExceeded reason becomes kAborted); a direction that broke earlier
  // keeps its own error. The remote reads what was accepted, then an error,
  // where the transport can carry that: an aborted stream does not end in
  // end-of-file. The first Abort() counts, and none after Close() has returned.
  //
  // `reason` is returned as it is, without the name of the flow. A function
  // flow cannot wake a function that blocks (function_flow.h).
  //
  // It does not free: Close() or the destructor still has to. If calls are
  // under way, the last of them to return frees; that can be Abort() itself.
  void Abort(absl::Status reason);

  // Flow::SetReadDeadline(), Flow::SetWriteDeadline()
  //
  // Sets the time after which a Read (or a write of any form) gives up waiting,
  // with kDeadlineExceeded. Holds until it is set again, and applies to a call
  // that is already blocked. What need not wait succeeds also after it. Flows
  // that cannot be interrupted ignore it and say so (function_flow.h).
  //
  // Here as in Close(), what is left until `deadline` is measured at the call;
  // setting the wall clock later changes nothing.
  //
  // Default: absl::InfiniteFuture().
  void SetReadDeadline(absl::Time deadline);
  void SetWriteDeadline(absl::Time deadline);

  // Flow::bytes_read(), Flow::bytes_written()
  //
  // Return how many bytes Read() has returned, and how many bytes writes have
  // accepted (also those of a write that then failed).
  int64_t bytes_read() const {
    return in_.bytes.load(std::memory_order_relaxed);
  }
  int64_t bytes_written() const {
    return out_.bytes.load(std::memory_order_relaxed);
  }

  // Flow::bytes_in_transit()
  //
  // Returns how many of the bytes that were written are still on their way, as
  // far as the transport tells: on TCP those that are not acknowledged, on
  // pipes, Unix sockets and terminals those that are not read (Unix sockets
  // count the memory that holds them). It falls as the remote takes them. 0
  // where nothing can be told, and once the flow is closed.
  int64_t bytes_in_transit() const;

  // Flow::DebugString()
  //
  // Returns kind, name, state and calls under way in one line for people. Every
  // error that this class makes begins with kind, name and state, as they were
  // when it happened. The format may change.
  std::string DebugString() const;

 protected:
  Flow();

  // -------------------------------------------------------------------------
  // For implementations
  //
  // Hooks are called without a lock held, except DoDescribe() and
  // DoBytesInTransit(). The base guarantees:
  //
  //  * At most one read hook and one write hook run at a time. They begin only
  //    if their direction was open just before.
  //  * DoEndWrite(), DoShutdownRead() and DoAbort() are each called at most
  //    once; DoEndWrite() never while a write hook runs or before one.
  //  * DoFree() is called exactly once, as the last, while no other hook runs.
  //
  // Otherwise hooks may run while others do. So DoAbort() and DoShutdownRead()
  // must leave a mark: a hook that was about to begin may begin after them, and
  // must then return at once. In particular DoEndWrite() must not send a clean
  // end after DoAbort().
  //
  // Statuses that hooks return are given their context (what was tried, on
  // which flow, at which byte) by the base; code and payloads are kept.
  // kDeadlineExceeded of a read or a write is not sticky, nor is a DoRead()
  // that returns Closed when Close() was called; every other error is. What a
  // hook returns after its direction was aborted or refused is discarded, but
  // for the count of what a write has taken. Hooks do not throw.

  // Flow::Destroy()
  //
  // Aborts the flow if it was not closed and frees it. Every final class calls
  // this in its destructor, as the hooks are gone when ~Flow() runs.
  void Destroy();

  // Flow::ReadWith(), Flow::WriteWith()
  //
  // For flows with further ways to read and to write. They are to Read() of at
  // most `max_bytes`, and to Write() of `size` bytes, what `hook` is to
  // DoRead() and DoWrite(): one call at a time, what it returns is counted and
  // checked, outcomes stay.
  //
  // A read hook that sets `*passes` (it is false at the call) makes its outcome
  // one of this call only: data are not counted nor checked, an error does not
  // stay, and no data are not the end of the direction.
  //
  // `size` may be 0; the hook is then called nevertheless.
  absl::StatusOr<absl::Cord> ReadWith(
      size_t max_bytes,
      absl::FunctionRef<absl::StatusOr<absl::Cord>(bool* passes)> hook);
  absl::Status WriteWith(
      size_t size, absl::FunctionRef<absl::Status(size_t* accepted)> hook);

  // Flow::CloseDeadline()
  //
  // Returns the deadline of the first Close(), by the wall clock as it is set
  // now, once that has begun, and absl::InfiniteFuture() before. For a
  // DoEndWrite() that waits: Close() calls it on its own thread, and nobody
  // else would watch its deadline.
  absl::Time CloseDeadline() const;

  // Flow::CloseIdleTimeout()
  //
  // The same for a PatientClose(): returns its timeout, and otherwise
  // absl::InfiniteDuration(). A DoEndWrite() that waits goes on as long as
  // bytes arrive.
  absl::Duration CloseIdleTimeout() const;

  // Flow::DoRead()
  //
  // Blocks until it can return 1 to `max_bytes` bytes, or nothing at
  // end-of-file, or an error. More than `max_bytes` is kInternal and broken.
  // Precondition (kept by the base): `max_bytes` > 0.
  virtual absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) = 0;

  // Flow::DoWrite() and its variants
  //
  // Take all the bytes and return Ok, or return an error and store in
  // `*accepted` how many were taken (it is 0 at the call and need not be
  // touched on Ok). `buffer` is not empty; lists hold a byte at least, but
  // possibly also empty buffers. Borrowed memory is valid until the return.
  //
  // Defaults: the borrowed forms copy and call DoWrite(), the lists write their
  // elements in turn. A flow on top of another one should hand borrowed bytes
  // on as such: a Cord may be accepted beyond a capacity, borrowed bytes are
  // not.
  virtual absl::Status DoWrite(absl::Cord buffer, size_t* accepted) = 0;
  virtual absl::Status DoWriteBorrowed(absl::string_view buffer,
                                       size_t* accepted);
  virtual absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                                size_t* accepted);
  virtual absl::Status DoWritevBorrowed(
      absl::Span<const absl::string_view> buffers, size_t* accepted);

  // Flow::DoEndWrite()
  //
  // Tells the remote how the outbound direction ended: in good order if
  // `outcome` is Ok (then an error that this returns, such as that of a flush,
  // becomes the direction's), otherwise broken, and it must not see a clean
  // end. Default: Ok.
  //
  // Where it waits, for a flush, it must not wait beyond CloseDeadline() or
  // CloseIdleTimeout(). If it returns kDeadlineExceeded after that, the flow is
  // aborted, as by any other Close() that passes its deadline.
  virtual absl::Status DoEndWrite(const absl::Status& outcome);

  // Flow::DoShutdownRead()
  //
  // Refuses and discards inbound data, and makes a blocked DoRead() return.
  // Also called if a Read has failed while Close() waits.
  virtual void DoShutdownRead() {}

  // Flow::DoAwaitRemoteEnd()
  //
  // Blocks until the inbound direction is no longer open: Ok if it has ended
  // or was refused, its reason if it was broken; kDeadlineExceeded when
  // `deadline` has passed. DoShutdownRead() and DoAbort() make it return.
  // Called for a refused direction, too: a transport that could not tell the
  // remote so waits for its end, and discards what still comes. Default: Ok,
  // there is no remote end.
  virtual absl::Status DoAwaitRemoteEnd(absl::Time deadline);

  // Flow::DoAwaitRemoteEndPatiently()
  //
  // The same for a PatientClose(). Default: DoAwaitRemoteEnd(), a moment at a
  // time, as long as DoBytesInTransit() falls within `idle_timeout`.
  virtual absl::Status DoAwaitRemoteEndPatiently(absl::Duration idle_timeout);

  // Flow::DoAbort()
  //
  // Breaks both directions, tells the remote as well as it can, and makes
  // blocked hooks return soon. Does not block itself. Data of an inbound
  // direction that has ended is lost if it has not been read: where the
  // transport can, its writer's Close() must be made to fail (see DoFree()).
  virtual void DoAbort(const absl::Status& reason);

  // Flow::DoFree()
  //
  // Releases what the flow holds. An error becomes that of Close(), if that has
  // none yet. Report here what no other hook could: both ends have shut their
  // writes down and this one has read end-of-file, but then the remote was
  // destroyed before it had read everything; or the remote had aborted a
  // direction that was then refused.
  virtual absl::Status DoFree();

  // Flow::DoFreeInChild()
  //
  // Called instead of DoAbort() and DoFree() if the flow is destroyed in a
  // process that was forked from the one that made it: closes descriptors, and
  // nothing else. It takes no lock, as a thread of the parent may have held it.
  // Default: nothing.
  virtual void DoFreeInChild() {}

  // Flow::DoBytesInTransit()
  //
  // Returns what bytes_in_transit() says. As DoDescribe(), it may be called at
  // any time before DoFree(), with a lock of the base held. Default: 0.
  virtual int64_t DoBytesInTransit() const { return 0; }

  // Flow::DoSetReadDeadline(), Flow::DoSetWriteDeadline()
  //
  // Store the deadline and make a blocked hook look at it again.
  // Default: nothing, for flows that cannot interrupt what blocks them.
  virtual void DoSetReadDeadline(absl::Time) {}
  virtual void DoSetWriteDeadline(absl::Time) {}

  // Flow::DoDescribe()
  //
  // Returns kind and name, such as `tcp 10.0.0.1:80`. May be called at any
  // time, also while other hooks run, with a lock of the base held: it may not
  // call this flow.
  virtual std::string DoDescribe() const = 0;

 private:
  enum class State { kOpen, kEnded, kRefused, kBroken };

  // One direction. `word` is 0 while it is open and idle, which is what makes a
  // call cheap: one exchange takes the direction, one gives it back, and either
  // fails when there is anything else to do.
  //
  // Two and not one: giving back must notice a Shutdown(), Close() or Abort()
  // that came meanwhile, and a plain store could pass it unseen.
  struct alignas(ABSL_CACHELINE_SIZE) Direction {
    static constexpr uint32_t kBusy = 1;  // a call is under way
    static constexpr uint32_t kOver = 2;  // no new call may begin

    // Begins a call and returns 0; or returns the flags that forbid it.
    uint32_t Take();
    // Ends the call; false (and it has not ended) if `word` has other flags.
    bool Give();
    bool busy() const;
    // Adds to `bytes`. Only the call under way does.
    void Count(size_t n);

    std::atomic<uint32_t> word{0};
    std::atomic<int64_t> bytes{0};
    // The thread whose call is under way; nullptr if there is none.
    std::atomic<const void*> caller{nullptr};

    // The outcome; changes only from kOpen. Guarded by `mu_`.
    State state = State::kOpen;
    absl::Status error;  // if kBroken
  };

  // The frames of all reads and writes. EndRead() does what most reads need at
  // their end, and returns whether that was all.
  bool EndRead(const absl::StatusOr<absl::Cord>& result, size_t max_bytes);
  template <typename Hook>
  absl::Status WriteBy(size_t size, size_t* accepted, Hook hook);
  template <typename Hook>
  absl::Status WriteEvenNothingBy(size_t size, size_t* accepted, Hook hook);

  // The rare rest of a call: it was refused, is empty or much too large, has
  // failed, or something happened to the direction meanwhile.
  absl::Status ReadOfNothing() const;
  absl::StatusOr<absl::Cord> ReadRefused(uint32_t flags) const;
  absl::Status WriteRefused(uint32_t flags) const;
  absl::Status OddWrite(size_t size) const;
  absl::StatusOr<absl::Cord> FinishRead(absl::StatusOr<absl::Cord> result,
                                        size_t max_bytes, bool passes);
  absl::Status FinishWrite(size_t size, size_t* accepted, absl::Status status);
  void GiveSlowly(Direction& direction);

  // What a call on a direction that is over returns (Ok: end-of-file), what
  // Close() returns as far as the directions go, and texts for errors.
  absl::Status ReadOutcome() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status WriteOutcome() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status CloseOutcome() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The name may have been chosen by a remote, and is escaped.
  std::string Name() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string Describe() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status InContext(absl::string_view what,
                         const absl::Status& status) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // The moves. Those that call a hook give `mu_` up meanwhile.
  void Break(Direction& direction, absl::Status error)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void BreakRead(absl::Status error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Release(Direction& direction) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RefuseRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CallShutdownRead() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status EndWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SendEnd() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void AbortBoth(absl::Status local, const absl::Status& remote)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  struct CloseLimit {
    internal::MonotonicDeadline deadline;
    // Of PatientClose(), which has no deadline.
    absl::Duration idle_timeout = absl::InfiniteDuration();
  };
  absl::Status CloseBy(CloseLimit limit) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status RunClose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status JoinClose(const CloseLimit& limit)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool AwaitWithin(const CloseLimit& limit, const absl::Condition& condition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  int64_t InTransit() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  absl::Status GiveUpClose() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status LatchClose(absl::Status result)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Free() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mu_);
  void FreeIfLast() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Calls a hook other than those that read and write, without the lock.
  absl::Status CallHook(absl::FunctionRef<absl::Status()> hook)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool InsideHook() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Whether this process was forked from the one that made the flow. Then no
  // lock is to be trusted.
  bool IsInChild() const;

  // All that is rare happens under this lock; a call that neither waits nor
  // ends anything never takes it.
  mutable absl::Mutex mu_;
  const uint32_t fork_generation_;
  Direction in_;
  Direction out_;
  bool end_requested_ ABSL_GUARDED_BY(mu_) = false;  // Shutdown(kWrite), Close
  bool end_sent_ ABSL_GUARDED_BY(mu_) = false;       // DoEndWrite() returned
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status abort_reason_ ABSL_GUARDED_BY(mu_);
  int closers_ ABSL_GUARDED_BY(mu_) = 0;         // threads that are in Close()
  bool closing_ ABSL_GUARDED_BY(mu_) = false;    // RunClose() has begun
  CloseLimit close_limit_ ABSL_GUARDED_BY(mu_);  // of the first Close()
  absl::string_view close_waits_for_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> close_result_ ABSL_GUARDED_BY(mu_);
  bool free_when_idle_ ABSL_GUARDED_BY(mu_) = false;  // nobody waits to do it
  bool freed_ ABSL_GUARDED_BY(mu_) = false;           // DoFree() was called
  // The threads that are inside CallHook().
  absl::InlinedVector<const void*, 2> hook_callers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace flow

#endif  // FLOW_FLOW_H_
