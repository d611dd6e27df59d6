// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: async/copy.h
//
// Copies to await in a coroutine of any type: StartCopy() (copy.h), whose
// Done() resumes it. Needs C++20.
//
//   flow::CopyOptions options;
//   options.close_timeout = absl::Seconds(10);
//   const flow::CopyResult result =
//       co_await flow::async::Copy(*source, *sink, options);
//
// To cancel one, Abort() both flows. To destroy a coroutine while it waits ends
// the program with a message.
//
// When not to use it: on a thread that may wait. Copy() needs no engine, and
// moves bytes inside the kernel.
//
// Thread safety: as of StartCopy().

#ifndef FLOW_ASYNC_COPY_H_
#define FLOW_ASYNC_COPY_H_

#include <coroutine>
#include <utility>

#include "flow/async/operations.h"
#include "flow/copy.h"
#include "flow/flow.h"

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

// Copy()
//
// What flow::Copy() does, for a coroutine. Await its result at once. `source`
// and `sink` must live until the copy is over.
inline CopyAwaitable Copy(Flow& source, Flow& sink,
                          const CopyOptions& options = {}) {
  return CopyAwaitable(source, sink, options);
}

}  // namespace flow::async

#endif  // FLOW_ASYNC_COPY_H_
