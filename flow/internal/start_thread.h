// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/start_thread.h
//
// Starts a thread, and returns a status where std::thread throws. Not for users
// of the library.
//
// Thread safety: that of a function.

#ifndef FLOW_INTERNAL_START_THREAD_H_
#define FLOW_INTERNAL_START_THREAD_H_

#include <functional>
#include <thread>  // NOLINT(build/c++11)

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// StartThread()
//
// Runs `function` on a thread of its own, which the caller joins or detaches.
//
// kResourceExhausted: the system has no thread for it. The text is `what`, and
// what the system says; ErrnoOf() tells the errno.
absl::StatusOr<std::thread> StartThread(
    std::function<void()> function,
    absl::string_view what = "no thread available");

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_START_THREAD_H_
