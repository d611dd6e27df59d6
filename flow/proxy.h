// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: proxy.h
//
// Proxy() connects two flows both ways: what one end reads, the other writes,
// until both directions are over. It is what stands between a client and a
// server.
//
//   flow::ProxyResult result = flow::Proxy(*client, *server);
//   if (!result.status.ok()) LOG(ERROR) << result.status;
//   const absl::Time deadline = absl::Now() + absl::Seconds(10);
//   absl::Status closed = client->Close(deadline);
//   closed.Update(server->Close(deadline));
//
// When not to use it: for one direction; that is copy.h. To look at what passes
// or to change it: put a flow of your own around either one.
//
// Thread safety: while it runs, Proxy() is the one reader and the one writer of
// both flows. To stop it from another thread, Abort() both: it notices that of
// one only when it next reads or writes it.

#ifndef FLOW_PROXY_H_
#define FLOW_PROXY_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"

namespace flow {

// ProxyDirection
//
// From the first flow to the second one, or back.
enum class ProxyDirection { kAToB, kBToA };

// ProxyOptions
struct ProxyOptions {
  // The most that one Read may return, in bytes, as in CopyOptions.
  size_t max_read = size_t{256} << 10;

  // How long no byte may pass, in either direction, before both flows are
  // aborted. A byte also passes when a sink that accepts no more takes some of
  // what it has on its way (bytes_in_transit() falls). Where a sink takes a
  // write bit by bit, the time begins when that write returns. Proxy() takes
  // the deadlines of both flows over for this: any that were set do not count,
  // also without an idle timeout, and none is set at the end.
  //
  // A flow that knows no deadlines (function_flow.h) makes it take longer: the
  // other flow is told after at most twice the time, and Proxy() returns only
  // when the function does.
  absl::Duration idle_timeout = absl::InfiniteDuration();

  // Called with what a sink has accepted, write by write, on the thread of that
  // direction. Calls never overlap. It must not throw, nor call either flow,
  // but for Abort().
  std::function<void(ProxyDirection direction, int64_t bytes)> on_write;
};

// ProxyResult
struct ProxyResult {
  // Ok: each direction was carried to its end, or was refused by its sink. Else
  // the first error of either, kDeadlineExceeded if nothing passed for
  // `idle_timeout`, or kResourceExhausted if there was no thread to be had.
  absl::Status status;

  // Each direction, as Copy() would say it: statistics, the side that failed
  // and why. One that was refused is Closed here, and what it could not write
  // is in `unwritten`.
  CopyResult a_to_b;
  CopyResult b_to_a;
};

// Proxy()
//
// Copies from `a` to `b` and from `b` to `a` at the same time, one direction on
// the calling thread and the other on one of its own.
//
//  * A source that ends: its end is carried over as Shutdown(kWrite) of the
//    sink, and the other direction goes on.
//  * A sink that is Closed (it refuses): its source is refused by
//    Shutdown(kRead), and the other direction goes on.
//  * Any other error, also of that Shutdown(), and a source that is Closed: it
//    aborts both flows. If a sink has failed, what it has said before is
//    carried over first, as far as it is there and is taken within two seconds;
//    a server may have answered, and reset the connection since it wants no
//    more. What else one of them has accepted and the other was not given yet
//    can be lost.
//
// What happens at one flow is noticed at the next Read or write: a far end that
// has ended its own direction, and then refuses or aborts the other one, is
// heard of when there is something to be written to it. An idle timeout bounds
// that.
//
// Closes neither; see the example. After an Ok result neither Close() waits for
// its remote. `a` and `b` being the same flow is kInvalidArgument, and nothing
// is done: to send back what comes, Copy(flow, flow).
ProxyResult Proxy(Flow& a, Flow& b, const ProxyOptions& options = {});

}  // namespace flow

#endif  // FLOW_PROXY_H_
