// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: proxy.h
//
// Proxy() connects two flows both ways: it writes to each what it reads from
// the other, until both directions are over. It stands between a client and a
// server. StartProxy() does so without a thread.
//
//   flow::ProxyOptions options;
//   options.close_timeout = absl::Seconds(10);
//   flow::ProxyResult result = flow::Proxy(*client, *server, options);
//   if (!result.status.ok()) LOG(ERROR) << result.status;
//
// When not to use it: for one direction; copy.h does that. To look at what
// passes or to change it, decorate either flow (transport.h).
//
// Thread safety: while it runs, Proxy() is the one reader and the one writer of
// both flows. To stop it from another thread, Abort() both of them: while one
// holds it back in a write, it may not notice that the other one was aborted.

#ifndef FLOW_PROXY_H_
#define FLOW_PROXY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/operation.h"

namespace flow {

// ProxyDirection
//
// From the first flow to the second one, or back.
enum class ProxyDirection { kAToB, kBToA };

// ProxyOptions
struct ProxyOptions {
  // The most that one Read may return, in bytes, as in CopyOptions.
  size_t max_read = size_t{256} << 10;

  // After how long without a byte in either direction both flows are aborted.
  // It counts as a byte if the remote of a sink takes some of what is on its
  // way (bytes_in_transit() falls). If a sink accepts a write bit by bit, the
  // time begins when that write returns.
  //
  // Proxy() takes over the deadlines of both flows for this, even without an
  // idle timeout. Deadlines that were set before do not count, and none is set
  // at the end. A flow that ignores deadlines (function_flow.h) makes it take
  // longer: the other flow is told after at most twice the time, and Proxy()
  // returns only when the function does.
  absl::Duration idle_timeout = absl::InfiniteDuration();

  // If set, Proxy() closes both flows when both directions are over, by one
  // deadline that is this much later. Default: closes neither.
  std::optional<absl::Duration> close_timeout;

  // Called with the number of bytes that a sink has accepted, write by write,
  // on the thread of that direction. Calls never overlap. It must not throw,
  // and must not call either flow, except Abort().
  std::function<void(ProxyDirection direction, int64_t bytes)> on_write;
};

// ProxyResult
struct ProxyResult {
  // Ok: each direction was carried to its end, or was refused by its sink.
  // Otherwise the first error of either; kDeadlineExceeded if nothing passed
  // for `idle_timeout`; kResourceExhausted if no thread could be started; or
  // the first error of a Close(), except Closed, which is a refusal. If a
  // refusal is an error for you, look at both directions as well.
  absl::Status status;

  // Each direction, as Copy() reports it: statistics, the side that failed and
  // why. A direction that was refused is Closed here, and `unwritten` is what
  // it could not write: nothing if the refusal came while the source was
  // silent.
  CopyResult a_to_b;
  CopyResult b_to_a;
};

// Proxy()
//
// Copies from `a` to `b` and from `b` to `a` at the same time, one direction on
// the calling thread and the other on one of its own. For each flow that can
// refuse what it is sent and go on sending (Flow::can_be_refused(): pipes and
// Unix sockets, but not TCP) one more thread waits for that.
//
//  * A source ends: Proxy() calls Shutdown(kWrite) of its sink, and the other
//    direction goes on.
//  * A sink is Closed (it refuses): Proxy() calls Shutdown(kRead) of its
//    source, and the other direction goes on. A TCP peer that ended its own
//    direction and then resets the connection is Closed, too.
//  * Any other error, including one of that Shutdown(), or a source that is
//    Closed: Proxy() aborts both flows. If a sink has failed, what can still be
//    read from it is carried over first, as far as the other flow takes it
//    within two seconds: a server may have answered, and then reset the
//    connection because it wants no more. Other data that one flow has accepted
//    and Proxy() has not carried over yet can be lost.
//
// Proxy() notices at once that a sink refuses or is gone, also while its source
// is silent (Flow::AwaitRefusal()). There are two exceptions. Where the flow
// cannot tell, as one of functions, Proxy() learns it when it next writes
// there. And what a Read of the flow would tell, such as a reset, waits while
// what was read of it before is held back by the other flow.
//
// Closes the flows only with `close_timeout`. After an Ok result Close() waits
// for a remote only over TCP, if that goes on sending what was refused. One
// flow as both `a` and `b` is kInvalidArgument, and nothing is done; to send
// back what comes, use Copy(flow, flow).
ProxyResult Proxy(Flow& a, Flow& b, const ProxyOptions& options = {});

// ProxyOperation
//
// What whoever starts a proxy keeps until it is over.
struct ProxyOperation : Operation {
  ProxyResult result;

 protected:
  ~ProxyOperation() = default;
};

// StartProxy()
//
// Like Proxy(), but it does not wait, and needs no thread (docs/started.md).
// Returns true if all is over, and `*operation` has its result. Otherwise
// returns false, and `operation->Done()` runs later, once, on an engine.
//
// While it is pending, it is the one reader and the one writer of both flows,
// by started calls. The flows must live until Done(), and both need an engine
// (else kFailedPrecondition, and nothing is done). To stop it, Abort() both.
// Differences to Proxy():
//
//  * `on_write` runs on the thread that starts it or on an engine.
//  * With `close_timeout` it closes both flows at the same time.
//  * Shutdown(kWrite), which the end of a direction calls, blocks an engine if
//    it can block, as that of a Channel that has buffered something.
[[nodiscard]] bool StartProxy(ProxyOperation* operation, Flow& a, Flow& b,
                              const ProxyOptions& options = {});

}  // namespace flow

#endif  // FLOW_PROXY_H_
