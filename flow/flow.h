// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow.h
//
// `flow::Flow` is one end of a reliable, ordered stream of bytes in each of two
// directions: a connection, an in-memory pipe, a pair of functions. Write your
// protocol against it, test it on flows in memory, run it on sockets. The full
// contract is docs/semantics.md. To write a kind of flow, see transport.h.
//
// When not to use it: for messages (a flow keeps no boundaries) and for random
// access.
//
// Thread safety: one thread may read while another one writes, and everything
// else may be called by any thread at any time. A second reader (or writer) at
// the same time gets kInvalidArgument and disturbs nothing. Destroy a flow when
// no call on it is under way (checked): Abort(), join, destroy.

#ifndef FLOW_FLOW_H_
#define FLOW_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <string>
#include <type_traits>

#include "absl/container/inlined_vector.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/engine.h"
#include "flow/internal/attempts.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/holds_strings.h"
#include "flow/operation.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow {

// "As much as there is", where a number of bytes is asked for.
inline constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();

// Which direction Shutdown() ends: that of reads, that of writes, or both.
enum class ShutdownMode { kRead, kWrite, kReadWrite };

// Flow
//
//   // Asks, and returns the whole answer.
//   absl::StatusOr<absl::Cord> Ask(flow::Flow& peer, absl::Cord question) {
//     absl::Status status = peer.Write(question);
//     if (status.ok()) status = peer.Shutdown(flow::ShutdownMode::kWrite);
//     if (!status.ok()) return status;
//     absl::Cord answer;
//     while (true) {  // a Read returns what has come, not what was written
//       absl::StatusOr<absl::Cord> data = peer.Read();
//       if (!data.ok() || data->empty()) return data.ok() ? answer : data;
//       answer.Append(*std::move(data));
//     }
//   }
//
// Only Close() that returns Ok tells you that all bytes were handed on and that
// the remote sees a clean end. Destruction without Close() is Abort().
class Flow {
 public:
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;
  virtual ~Flow();

  // Flow::Read()
  //
  // Waits until there is data and returns some of it. Outcomes:
  //
  //  * 1 to `max_bytes` bytes, in a size that suits the flow. The Cord is yours
  //    and never changes afterwards.
  //  * An empty Cord, which is end-of-file (IsEof() in status.h) and stays. The
  //    remote has ended its direction and you have read all that it sent, or
  //    this end has called Shutdown(kRead).
  //  * kDeadlineExceeded: the read deadline has passed. Nothing was lost.
  //  * kInvalidArgument: `max_bytes` is 0, or another Read is under way.
  //  * Any other error: the direction is broken, and stays so. You get the data
  //    that came before the error first. After Close() the error is Closed.
  absl::StatusOr<absl::Cord> Read(size_t max_bytes = kNoLimit);

  // Reads into your own memory. Returns how many bytes it has put at the front
  // of `space`, which must not be empty; 0 is end-of-file.
  absl::StatusOr<size_t> ReadInto(absl::Span<char> space);

  // Flow::Write()
  //
  // Hands over a string, a Cord or a Span of char (outgoing.h), and waits while
  // the flow can take no more. Outcomes:
  //
  //  * Ok: every byte was *accepted*, which is not delivered: see Close().
  //  * kDeadlineExceeded: the write deadline has passed. The flow still works.
  //  * Closed (IsClosed() in status.h): the stream takes no more.
  //  * Any other error: the direction is broken, and stays so.
  //
  // What was accepted is always a prefix, and bytes_written() has grown by its
  // length. An empty write is Ok while the direction is open, as far as this
  // end knows. To ask what the other end has done, use AwaitRefusal().
  //
  //   // BUG: can send a prefix twice. Use WriteFrom(). To give up the rest,
  //   // Abort(): Close() and Shutdown(kWrite) would send a clean end.
  //   while (absl::IsDeadlineExceeded(flow.Write(message))) { ... }
  absl::Status Write(Buffer buffer) {
    return buffer.size() == 0 ? WriteNothing() : WriteAll(Outgoing(buffer));
  }
  absl::Status Write(std::initializer_list<Buffer>) = delete;  // Writev()?
  absl::Status Write(const void*, size_t) = delete;  // a string_view of both?

  // Flow::Writev()
  //
  // Writes the concatenation of `buffers` without building it. Takes a list of
  // Buffers, a vector or Span of Cords, or a container of strings.
  absl::Status Writev(absl::Span<const Buffer> buffers) {
    return WriteAll(Outgoing(buffers));
  }
  absl::Status Writev(absl::Span<const absl::Cord> buffers) {
    return WriteAll(Outgoing(buffers));
  }
  absl::Status Writev(absl::Span<const absl::string_view> buffers) {
    return WriteAll(Outgoing(buffers));
  }
  absl::Status Writev(std::initializer_list<Buffer> buffers) {
    return Writev(absl::Span<const Buffer>(buffers));
  }
  template <typename Strings, internal::EnableIfHoldsStrings<Strings> = 0>
  absl::Status Writev(const Strings& buffers) {
    absl::InlinedVector<absl::string_view, 16> views(buffers.begin(),
                                                     buffers.end());
    return Writev(absl::Span<const absl::string_view>(views));
  }

  // Writes `*source`, and removes from it what was accepted. After
  // kDeadlineExceeded, `*source` is what remains to be written.
  absl::Status WriteFrom(absl::Cord* source);

  // Flow::StartRead(), Flow::StartWrite(), Flow::StartAwaitRefusal(),
  // Flow::StartClose(), Flow::StartPatientClose()
  //
  // Like Read(), WriteFrom(), AwaitRefusal(), Close() and PatientClose(), but
  // they do not wait. They return true if the call is over, with success or
  // without: `*operation` has the outcome, and nobody is told. Otherwise the
  // call is pending. They return false, and `operation->Done()` runs later,
  // once, on the engine of the flow and inside no other call. It may run before
  // this returns.
  //
  // A pending call is under way: it has its turn, its deadline, and all that
  // docs/semantics.md says of a call that waits. To give up a read or a write,
  // move its deadline into the past (nothing is lost), or Abort(). Destroy the
  // flow only when each Done() that was promised has begun. docs/started.md has
  // the rules. Outcomes besides those of the call that waits:
  //
  //  * kFailedPrecondition: the flow has no engine.
  //  * kUnimplemented: its transport can only block, as that of a function.
  using ReadOperation = flow::ReadOperation;
  using WriteOperation = flow::WriteOperation;
  using RefusalOperation = flow::RefusalOperation;
  using CloseOperation = flow::CloseOperation;
  [[nodiscard]] bool StartRead(ReadOperation* operation,
                               size_t max_bytes = kNoLimit);
  [[nodiscard]] bool StartWrite(WriteOperation* operation);
  [[nodiscard]] bool StartAwaitRefusal(
      RefusalOperation* operation,
      absl::Time deadline = absl::InfiniteFuture());
  [[nodiscard]] bool StartClose(CloseOperation* operation,
                                absl::Time deadline = absl::InfiniteFuture());
  [[nodiscard]] bool StartPatientClose(CloseOperation* operation,
                                       absl::Duration idle_timeout);

  // Names the engine for all that this flow starts, and a channel that is made
  // of it. It must outlive them.
  // Precondition: no call is under way, and no other engine was named.
  void SetEngine(Engine* engine);

  // Returns the engine that SetEngine() has named; null without one.
  Engine* engine() const;

  // Flow::Shutdown()
  //
  // Ends a direction without waiting for the remote. Returns the error of the
  // direction if it is broken already.
  //
  //  * kWrite (half-close): once a Write under way has succeeded, the remote
  //    reads what was accepted, then end-of-file.
  //  * kRead (refusal): discards what was not read. Every Read, even a blocked
  //    one, is end-of-file. The remote's writes are Closed if it can be told.
  absl::Status Shutdown(ShutdownMode mode);

  // Waits until a Write() could not succeed, and returns what it would get: an
  // error, or Closed if the remote refuses. Changes nothing. Where nobody can
  // tell (functions, files), waits for this end's own end, or for `deadline`.
  absl::Status AwaitRefusal(absl::Time deadline = absl::InfiniteFuture());
  // Whether the remote can refuse and go on sending, which no Read notices.
  bool can_be_refused() const;

  // Flow::Close()
  //
  // Shuts the write direction down, waits until the remote has ended its own
  // direction, then frees. Data that nobody reads keeps the remote waiting:
  // call Shutdown(kRead) first if you want none. Outcomes:
  //
  //  * Ok: every accepted byte was handed on, and no direction broke. Only a
  //    reply tells you that the remote has read the bytes.
  //  * kDeadlineExceeded: `deadline` passed first, and the flow was aborted.
  //  * Any other error: the first one of a direction, or the reason of Abort().
  //
  // In each case all is freed as soon as no call is under way, and every later
  // Close() returns the same. To give up on a message or a peer, Abort() first.
  //
  //   // BUG: drops what the reader has not read yet. Use CloseAfterRead().
  //   std::thread reader([&] { flow::Copy(*flow, *sink); });
  //   absl::Status status = flow->Close();
  absl::Status Close(absl::Time deadline = absl::InfiniteFuture());

  // Close() for a flow that another thread reads. Half-closes, waits until a
  // Read returns the end (or an error), then closes, all before `deadline`.
  absl::Status CloseAfterRead(absl::Time deadline = absl::InfiniteFuture());

  // Close() for a slow remote: gives up after `idle_timeout` in which
  // bytes_in_transit() has not fallen. Call it when no other thread writes.
  absl::Status PatientClose(absl::Duration idle_timeout);

  // Flow::Abort()
  //
  // Breaks both directions and wakes what is blocked, without blocking. Every
  // operation of this end then returns `reason` (kAborted for kDeadlineExceeded
  // and Ok). The remote reads what was accepted, then an error if the transport
  // can carry one. The first Abort() counts. Close() or destruction frees.
  void Abort(absl::Status reason);

  // Sets the time after which reads (writes) stop waiting, even a blocked one.
  // It holds until you set another one. Default: absl::InfiniteFuture().
  void SetReadDeadline(absl::Time deadline);
  void SetWriteDeadline(absl::Time deadline);

  // How many bytes reads have returned and writes have accepted.
  int64_t bytes_read() const { return core_.read_gate().bytes(); }
  int64_t bytes_written() const { return core_.write_gate().bytes(); }

  // How many written bytes are still on their way, as far as the transport
  // tells: not acknowledged (TCP) or not read. 0 once the flow is closed.
  int64_t bytes_in_transit() const;

  // The addresses of a connection, as Dial() takes them ("" if there is none,
  // or it is closed), and which process made the other end of a Unix socket.
  std::string local_address() const;
  std::string remote_address() const;
  absl::StatusOr<PeerCredentials> peer() const;

  // Kind, name, state and calls under way in one line for people.
  std::string DebugString() const;

 protected:
  // Read() and Write() by way of `function`, for kinds of flows with more ways
  // to do so (Channel). `size` may be 0. If a read sets `*passes`, nothing is
  // counted, no error stays, and no data does not mean end-of-file.
  absl::StatusOr<absl::Cord> ReadWith(
      size_t max_bytes,
      absl::FunctionRef<absl::StatusOr<absl::Cord>(bool* passes)> function);
  absl::Status WriteWith(
      size_t size, absl::FunctionRef<absl::Status(size_t* accepted)> function);

  // The same for started calls (internal/attempts.h), if CanStart() is Ok.
  // `what` is the call, for the error.
  absl::Status CanStart(absl::string_view what) const;
  bool StartReadWith(size_t max_bytes, internal::ReadAttempt& attempt);
  bool StartWriteWith(WriteOperation& operation,
                      internal::WriteAttempt& attempt);

  explicit Flow(internal::FlowCore::Parts parts);
  Flow(std::unique_ptr<Flow> flow, TransportDecorator decorate);

 private:
  friend std::unique_ptr<Flow> MakeFlow(std::unique_ptr<Transport> transport);
  friend std::unique_ptr<Flow> DecorateFlow(std::unique_ptr<Flow> flow,
                                            TransportDecorator decorate);
  friend class internal::FlowAccess;
  Flow(internal::FlowCore::Parts&& parts, Engine* engine);
  absl::Status WriteNothing();
  absl::Status WriteAll(Outgoing&& data);
  internal::FlowCore core_;
};

// Returns a flow on `transport`, which is not null.
std::unique_ptr<Flow> MakeFlow(std::unique_ptr<Transport> transport);

// Puts a transport on top of that of `flow`, which keeps its state, counters
// and deadlines. Precondition: no call on `flow` is under way.
std::unique_ptr<Flow> DecorateFlow(std::unique_ptr<Flow> flow,
                                   TransportDecorator decorate);

}  // namespace flow

#endif  // FLOW_FLOW_H_
