// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/copy.h
//
// Copies and proxies to await in a coroutine of any type: StartCopy() (copy.h)
// and StartProxy() (proxy.h), whose Done() resumes it. Needs C++20.
//
//   flow::CopyOptions options;
//   options.close_timeout = absl::Seconds(10);
//   const flow::CopyResult result =
//       co_await flow::async::Copy(*source, *sink, options);
//
// To cancel one, Abort() both flows. To destroy a coroutine while it waits ends
// the program with a message.
//
// When not to use it: on a thread that may wait. Copy() and Proxy() need no
// engine.
//
// Thread safety: as of StartCopy() and StartProxy().

#ifndef FLOW_ASYNC_COPY_H_
#define FLOW_ASYNC_COPY_H_

#include <coroutine>
#include <utility>

#include "flow/async/operations.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"

namespace flow::async {

// CopyAwaitable
class [[nodiscard]] CopyAwaitable final
    : public internal::Awaitable<CopyOperation> {
 public:
  CopyAwaitable(Flow& source, Flow& sink, const CopyOptions& options)
      : source_(source), sink_(sink), options_(options) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting,
                 [this] { return StartCopy(this, source_, sink_, options_); });
  }
  CopyResult await_resume() { return std::move(result); }

 private:
  Flow& source_;
  Flow& sink_;
  const CopyOptions options_;
};

// ProxyAwaitable
class [[nodiscard]] ProxyAwaitable final
    : public internal::Awaitable<ProxyOperation> {
 public:
  ProxyAwaitable(Flow& a, Flow& b, const ProxyOptions& options)
      : a_(a), b_(b), options_(options) {}
  bool await_suspend(std::coroutine_handle<> awaiting) {
    return Await(awaiting,
                 [this] { return StartProxy(this, a_, b_, options_); });
  }
  ProxyResult await_resume() { return std::move(result); }

 private:
  Flow& a_;
  Flow& b_;
  const ProxyOptions options_;
};

// Copy(), Proxy()
//
// What flow::Copy() and flow::Proxy() do, for a coroutine. Await their results
// at once. Both flows must live until the call is over.
inline CopyAwaitable Copy(Flow& source, Flow& sink,
                          const CopyOptions& options = {}) {
  return CopyAwaitable(source, sink, options);
}
inline ProxyAwaitable Proxy(Flow& a, Flow& b,
                            const ProxyOptions& options = {}) {
  return ProxyAwaitable(a, b, options);
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_COPY_H_
