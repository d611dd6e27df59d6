// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: rate_limit.h
//
// A flow that reads and writes no faster than a rate, alone or together with
// other flows:
//
//   // 1 MiB per second for all clients together.
//   auto limiter = std::make_shared<flow::RateLimiter>(1 << 20);
//   while (auto client = listener->Accept(); client.ok()) {
//     Serve(flow::LimitRate(*std::move(client),
//                           {/*reads=*/nullptr, /*writes=*/limiter}));
//   }
//
// When not to use it: to bound how many bytes pass at all (limit.h), or to
// space out what is less than a burst.
//
// Thread safety: that of `flow::Flow`. Any thread may call a RateLimiter at any
// time.

#ifndef FLOW_RATE_LIMIT_H_
#define FLOW_RATE_LIMIT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "flow/flow.h"
#include "flow/internal/rate_queue.h"

namespace flow {

// RateLimiter
//
// Grants bytes to the flows that share it, in the order in which their calls
// ask. Each call asks for no more than half of the burst at a time and then
// queues again, so all that have something to say get equal shares.
//
// What is not used is saved up to the burst. So at most `burst` bytes more pass
// in any time than the rate allows. Flows that share a limiter can read half of
// a burst each beyond that, as nobody knows what a Read will return. They pay
// it back, so the rate holds in the long run.
class RateLimiter {
 public:
  // Preconditions: `bytes_per_second` is at least 0, `burst` at least 1. The
  // first burst passes at once, so choose a small one for a low rate. A rate of
  // 0 lets nothing else pass but what Grant() adds: a Read returns no more than
  // is left, and a write waits for all of its next part.
  explicit RateLimiter(int64_t bytes_per_second,
                       int64_t burst = int64_t{128} << 10);

  int64_t burst() const { return burst_; }

  // Lets `bytes` pass as if the time for them had passed, up to the burst.
  // Precondition: at least 0.
  void Grant(int64_t bytes);

  // How many calls wait for their turn, for statistics.
  size_t waiting() const { return queue_.waiting(); }

 private:
  friend class RateLimitedTransport;

  const int64_t burst_;
  internal::RateQueue queue_;
};

// RateLimits
//
// The limiter of each direction. Null: no limit. Both may be the same.
struct RateLimits {
  std::shared_ptr<RateLimiter> reads;
  std::shared_ptr<RateLimiter> writes;
};

// LimitRate()
//
// Returns a flow that does what `flow` does, and waits for `limits` before each
// Read and each part of a write. Waiting for them is like waiting for the
// remote:
//
//  * A deadline that passes is kDeadlineExceeded. What a write has accepted
//    until then is counted, and nothing that was read is lost.
//  * Abort(), and Shutdown(kRead) for a Read, end the wait at once.
//  * Close() lets a write that is under way go on at its rate, up to the
//    deadline of the Close(). A Read it lets pass at once.
//
// A Read returns at most half of a burst. A write is handed on in such parts,
// with nothing copied. Calls can start if those of `flow` can. One that waits
// for a limit is pending, in the same queue.
std::unique_ptr<Flow> LimitRate(std::unique_ptr<Flow> flow, RateLimits limits);

}  // namespace flow

#endif  // FLOW_RATE_LIMIT_H_
