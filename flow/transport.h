// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: transport.h
//
// `Transport` is what you implement to make a kind of flow.
// `ForwardingTransport` is the base for a transport on top of another one.
// MakeFlow() and DecorateFlow() in flow.h make flows of them:
//
//   // Reads from a string, and throws away what is written.
//   class StringTransport final : public flow::Transport {
//    public:
//     explicit StringTransport(absl::string_view text) : rest_(text) {}
//
//     absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
//       absl::Cord data(rest_.substr(0, max_bytes));
//       rest_.remove_prefix(data.size());
//       return data;  // an empty one is end-of-file
//     }
//     absl::Status Write(flow::Outgoing&) override {
//       return absl::OkStatus();  // all of it
//     }
//     std::string Describe() const override { return "string"; }
//
//    private:
//     absl::string_view rest_;
//   };
//   std::unique_ptr<flow::Flow> flow =
//       flow::MakeFlow(std::make_unique<StringTransport>("text"));
//
// This is all of it; transport_test.cc builds and tests the same lines.
//
// When not to use it: for a pair of functions (function_flow.h needs less).
//
// Thread safety: see Transport. docs/semantics.md has the rules, and the suite
// in testing/conformance.h checks a transport against them.

#ifndef FLOW_TRANSPORT_H_
#define FLOW_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"

namespace flow {

namespace internal {
class KernelEnd;  // internal/kernel_end.h
}  // namespace internal

// PeerCredentials
//
// Which process made the other end of a Unix socket, and its user and group at
// that time (SO_PEERCRED in unix(7); docs: Addresses and peers).
struct PeerCredentials {
  int64_t process_id;
  int64_t user_id;
  int64_t group_id;
};

// Retry
//
// By this a started call (Flow::StartRead() and its kin; docs/started.md) hears
// when a transport is worth another try. A transport that could not finish a
// call says one of these. To be told too often does no harm.
//
// Thread safety: any thread may call Now(). The rest is for the transport,
// inside the call that it is passed to.
class Retry {
 public:
  // At once. A transport keeps the address of the Retry, and calls this when
  // there is something to do. It may do so until Free(), whether or not the
  // call is over, and may hold locks, but not one that an Engine takes.
  virtual void Now() = 0;

  // When poll(2) of `fd` would report one of `events`. See Engine::Watch() in
  // engine.h. `fd` stays open until Free().
  virtual void WhenReady(int fd, short events) = 0;

  // After `patience`. Also beside WhenReady(): whichever comes first.
  virtual void After(absl::Duration patience) = 0;

  // Returns what the engine has seen of `fd`, if this try is its answer to a
  // WhenReady() for that; see Engine::Watcher::Ready(). Otherwise 0, or if it
  // is not known. An answer is for one read, so it is taken.
  virtual short TakeSeen(int /*fd*/) { return 0; }

 protected:
  ~Retry() = default;
};

// Transport
//
// Moves bytes for the Flow that owns it. The Flow keeps the contract, and
// calls:
//
//  * one read (Read() or ReadInto()) and one Write() at a time, each begun only
//    if its direction was open just before;
//  * RefuseRead() and Abort() at most once;
//  * EndWrite() when no write runs and none will come, and not again once it
//    has returned anything other than kDeadlineExceeded;
//  * Free() exactly once, as the last, while no other call runs. A flow that is
//    destroyed without Close() calls Abort() and then Free().
//
// All other calls may overlap. So Abort() and RefuseRead() must leave a mark: a
// call that was about to begin may begin after them, and must then return at
// once. In particular, EndWrite() must not send a clean end after Abort(). The
// Flow holds a lock of its own while it calls a function that is const, so do
// not wait there for anything that needs the Flow.
//
// The Flow gives errors their context (which flow, what was tried, at which
// byte) and keeps their code and payloads. kDeadlineExceeded of a read or a
// write does not stay; every other error does. The Flow discards what a call
// returns after its direction was aborted or refused, except the count of what
// a write has accepted. A transport does not throw, and does not call its Flow.
class Transport {
 public:
  virtual ~Transport() = default;

  // Transport::Read()
  //
  // Blocks until it can return 1 to `max_bytes` bytes, or nothing at
  // end-of-file, or an error. Returning more than `max_bytes` breaks the
  // direction with kInternal.
  // Precondition (kept by the Flow): `max_bytes` > 0.
  virtual absl::StatusOr<absl::Cord> Read(size_t max_bytes) = 0;

  // Transport::ReadInto()
  //
  // Reads into memory of the caller. Returns how many bytes it has put at the
  // front of `space`; 0 is end-of-file. Default: copies what Read() returns.
  virtual absl::StatusOr<size_t> ReadInto(absl::Span<char> space);

  // Transport::Write()
  //
  // Takes all the bytes of `data` and returns Ok. Or calls data.Accept() with
  // how many it has taken, and returns an error. `data` holds at least one
  // byte. There is no Ok for a part: to return Ok after Accept() of a part
  // breaks the direction with kInternal.
  //
  // A transport on top of another one should hand `data` on as it is: the one
  // underneath may accept a Cord beyond its capacity, but not borrowed bytes.
  virtual absl::Status Write(Outgoing& data) = 0;

  // Transport::Describe()
  //
  // Returns kind and name, such as `tcp 10.0.0.1:80`. Errors begin with it. The
  // Flow may call it at any time.
  virtual std::string Describe() const = 0;

  // Transport::EndWrite()
  //
  // Tells the remote how the outbound direction ended. If `outcome` is Ok, it
  // ended in good order; an error that this returns (of a flush, say) becomes
  // the error of the direction. Otherwise it is broken, and the remote must not
  // see a clean end. Default: returns Ok.
  //
  // If this has to wait, as for a flush, it waits until the write deadline or
  // `deadline`, whichever is earlier. `deadline` is that of Close(), and
  // infinite if Shutdown() calls. When it has passed, return kDeadlineExceeded:
  // Close() may call again to go on (PatientClose() does), or aborts the flow.
  // After any other error there is no further call, so first tell the remote
  // that the direction is broken. If the remote has refused it, return Ok.
  virtual absl::Status EndWrite(const absl::Status& outcome,
                                absl::Time deadline);

  // Transport::RefuseRead()
  //
  // Refuses and discards inbound data, and makes a blocked read return. The
  // Flow also calls it if a read has failed while Close() waits. Default: does
  // nothing.
  virtual void RefuseRead() {}

  // Transport::AwaitRemoteEnd()
  //
  // Blocks until the inbound direction is no longer open. Returns Ok if it has
  // ended (read or not) or was refused, and its reason if it is broken. Returns
  // kDeadlineExceeded when `deadline` has passed; the Flow may then call it
  // again. RefuseRead() and Abort() make it return. The Flow also calls it for
  // a refused direction: a transport that could not tell the remote then waits
  // for its end, and discards what still comes. Default: returns Ok, as there
  // is no remote end.
  virtual absl::Status AwaitRemoteEnd(absl::Time deadline);

  // Transport::AwaitRefusal()
  //
  // Blocks until a Write() could no longer succeed, because the remote refuses
  // the outbound direction or has broken it. Returns what that Write() would
  // return (Closed if it is refused), and takes nothing away from it. Returns
  // kDeadlineExceeded when `deadline` has passed. EndWrite() and Abort() make
  // it return; the Flow then ignores what it says. The Flow calls it for one
  // thread at a time, while reads and writes run. Default: returns nullopt at
  // once, because it cannot tell. The Flow then waits by itself until its own
  // writes are over.
  virtual std::optional<absl::Status> AwaitRefusal(absl::Time deadline);

  // Transport::CanBeRefused()
  //
  // Returns whether AwaitRefusal() can tell what a reader of this end would not
  // notice: that the remote refuses, and goes on sending. Never changes.
  // Default: returns false.
  virtual bool CanBeRefused() const { return false; }

  // Transport::Abort()
  //
  // Breaks both directions, tells the remote as well as it can, and makes
  // blocked calls return soon. Does not block. If the inbound direction had
  // ended in good order and was not read to its end, that data is lost: where
  // the transport can, it makes the Close() of the writer fail (see Free()).
  // Default: does nothing.
  virtual void Abort(const absl::Status& reason);

  // Transport::LoseRead()
  //
  // Tells the transport that what the last read returned did not reach the
  // user: the flow was aborted meanwhile, or the read has failed while Close()
  // waited, which is then to wait no longer. A decorator that reads ahead calls
  // the one underneath in Free(), if what it read ahead is lost by an abort.
  // Default: does nothing.
  virtual void LoseRead() {}

  // Transport::Free()
  //
  // Releases what the transport holds. Close() returns its error if it has no
  // other. Report here what no other call could: the remote was destroyed
  // before it had read everything, or it had aborted a direction that was then
  // refused. If a read has failed, its direction may still be open; the remote
  // must then see that it is broken. Default: returns Ok.
  virtual absl::Status Free();

  // Transport::FreeInChild()
  //
  // Closes descriptors, and does nothing else. The Flow calls it instead of
  // Abort() and Free() if it is destroyed in a process that was forked from the
  // one that made it. It must take no lock, because a thread of the parent may
  // have held the lock at the fork. Default: does nothing.
  virtual void FreeInChild() {}

  // Transport::SetReadDeadline(), Transport::SetWriteDeadline()
  //
  // Store the deadline and make a blocked read (or write) look at it again.
  // Default: do nothing, for transports that cannot interrupt what blocks them.
  virtual void SetReadDeadline(absl::Time) {}
  virtual void SetWriteDeadline(absl::Time) {}

  // Transport::IsLent()
  //
  // Returns whether the stream goes on after Free(), because the flow is only
  // lent (borrow.h). A decorator that takes a part of the stream then leaves
  // off behind that part: it reads the rest of it in AwaitRemoteEnd(). If that
  // is late, the Flow does not abort when Close() gives up. It frees. Default:
  // returns false.
  virtual bool IsLent() const { return false; }

  // Transport::EndsEarly()
  //
  // Returns whether the end-of-file of a read need not be the end of all that
  // is underneath. Close() then calls AwaitRemoteEnd() after it as well. Never
  // changes. Default: returns false.
  virtual bool EndsEarly() const { return false; }

  // Transport::RefuseLender()
  //
  // Ends the inbound direction of the flow that is lent, as its own
  // Shutdown(kRead) would. The lender can still write. A decorator that takes a
  // part of the stream calls this in Free() if it has not come to the end of
  // that part, so that the rest is not taken for what follows. Default: does
  // nothing.
  virtual void RefuseLender() {}

  // Transport::kernel_end()
  //
  // Returns how Copy() and StartCopy() can move bytes inside the kernel, past
  // reads and writes, or null if they cannot. They ask before each step. Every
  // outcome other than bytes that have moved comes by Read() and Write(), or by
  // TryRead() and TryWrite(). So a decorator that cares for outcomes and ends
  // only, and neither sees, counts nor delays bytes, can return that of
  // inner(). ForwardingTransport does not, because it cannot know. Default:
  // returns null, as only descriptors have it.
  virtual internal::KernelEnd* kernel_end() { return nullptr; }

  // --- Started calls (docs/started.md)
  //
  // A transport that can start implements TryRead(), TryWrite() and
  // TryAwaitRemoteEnd(), TryEndWrite() if EndWrite() can wait, and
  // TryAwaitRefusal() if AwaitRefusal() can tell. They are like the functions
  // without `Try`, but return nullopt where those would wait, and first say to
  // `*retry` when they are worth another try. The Flow watches the deadline.
  // Once it has passed, it tries a last time, with null for `retry`: what can
  // be done now is done, and otherwise the transport forgets the call. After
  // RefuseRead(), Abort() and a new deadline the Flow tries again by itself. It
  // counts a call as under way from its first try to its last.

  // Whether the functions below do anything. Default: returns false, and the
  // Flow starts nothing.
  virtual bool CanStart() const { return false; }

  virtual std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                            Retry* retry);
  // Removes from the front of `*rest` what it accepts. Ok: `*rest` is empty.
  // All tries of one write get the same object, which only they change.
  virtual std::optional<absl::Status> TryWrite(absl::Cord* rest, Retry* retry);
  // For a started close, whose deadline the Flow watches. With an `outcome`
  // that is not Ok it does not wait. Default: returns what EndWrite() does, for
  // transports where that never waits.
  virtual std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                                  Retry* retry);
  virtual std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry);
  // The Flow calls this for one caller at a time, and tries again by itself
  // when its writes are over. Default: returns nullopt, and tells `*retry`
  // nothing, because it cannot tell.
  virtual std::optional<absl::Status> TryAwaitRefusal(Retry* retry);

  // Transport::BytesInTransit()
  //
  // Returns how many accepted bytes are still on their way. The number falls as
  // the remote takes them. The Flow calls neither this nor the functions below
  // after Free(). Default: returns 0.
  virtual int64_t BytesInTransit() const { return 0; }

  // Transport::LocalAddress(), Transport::RemoteAddress(), Transport::Peer()
  //
  // See Flow. Defaults: return "" and kUnimplemented.
  virtual std::string LocalAddress() const { return ""; }
  virtual std::string RemoteAddress() const { return ""; }
  virtual absl::StatusOr<PeerCredentials> Peer() const;
};

// ForwardingTransport
//
// Hands every call on to the transport underneath, which it owns. A decorator
// overrides what it changes, and calls the function of ForwardingTransport from
// there:
//
//   class CountingTransport final : public flow::ForwardingTransport {
//    public:
//     using ForwardingTransport::ForwardingTransport;
//     absl::Status Write(flow::Outgoing& data) override {
//       ++writes_;
//       return ForwardingTransport::Write(data);
//     }
//    ...
//
// A decorator that changes the bytes writes an Outgoing of its own, and calls
// Accept() of `data` for as many bytes as were accepted of that
// (examples/masked_flow.cc). For one that changes how many bytes there are, see
// docs/transports.md.
//
//  * Read() and Write() return kInternal if the transport underneath claims too
//    much, because the Flow knows only its own call, and yours may differ.
//  * ReadInto() is the exception: it goes through Read(), so that a decorator
//    of Read() sees all bytes. To save the copy, override ReadInto() as well.
//  * CanStart() is another one: it returns false, because a started call would
//    go past your Read(). Override it to return that of inner() once you have
//    overridden the Try function of each function that you change.
//  * Your Read() may return an end-of-file or an error that the transport
//    underneath does not know of. Its inbound direction is then still open.
//    Call its RefuseRead() in Read(); or tell the remote why, by its Abort()
//    with your error, in two places: in your Abort(), in place of the reason
//    there, which is what a destruction calls; and in your Free(), for a
//    Close(). An Abort() may come during a Read(), so keep the error under a
//    lock.
class ForwardingTransport : public Transport {
 public:
  // Precondition: `inner` is not null.
  explicit ForwardingTransport(std::unique_ptr<Transport> inner);

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override;
  absl::Status Write(Outgoing& data) override;
  std::string Describe() const override;
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override;
  void RefuseRead() override;
  absl::Status AwaitRemoteEnd(absl::Time deadline) override;
  std::optional<absl::Status> AwaitRefusal(absl::Time deadline) override;
  bool CanBeRefused() const override;
  void Abort(const absl::Status& reason) override;
  void LoseRead() override;
  absl::Status Free() override;
  void FreeInChild() override;
  void SetReadDeadline(absl::Time deadline) override;
  void SetWriteDeadline(absl::Time deadline) override;
  bool IsLent() const override;
  bool EndsEarly() const override;
  void RefuseLender() override;
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry* retry) override;
  std::optional<absl::Status> TryWrite(absl::Cord* rest, Retry* retry) override;
  std::optional<absl::Status> TryEndWrite(const absl::Status& outcome,
                                          Retry* retry) override;
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry* retry) override;
  std::optional<absl::Status> TryAwaitRefusal(Retry* retry) override;
  int64_t BytesInTransit() const override;
  std::string LocalAddress() const override;
  std::string RemoteAddress() const override;
  absl::StatusOr<PeerCredentials> Peer() const override;

 protected:
  Transport& inner() const { return *inner_; }

 private:
  const std::unique_ptr<Transport> inner_;
};

// TransportDecorator
//
// Puts a transport on top of another one: takes the one underneath, and returns
// the one to use. See DecorateFlow() in flow.h.
using TransportDecorator =
    absl::FunctionRef<std::unique_ptr<Transport>(std::unique_ptr<Transport>)>;

}  // namespace flow

#endif  // FLOW_TRANSPORT_H_
