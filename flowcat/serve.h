// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: serve.h
//
// Serves each connection of a listener on a thread, up to a limit at once.
//
// Thread safety: that of a function.

#ifndef FLOWCAT_SERVE_H_
#define FLOWCAT_SERVE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/stop.h"

namespace flowcat {

// ServeOptions
struct ServeOptions {
  // Called for each connection on a thread of its own, with its number, from 1.
  std::function<void(int64_t number, std::unique_ptr<flow::Flow> connection)>
      serve;

  // Called instead, on the thread of Serve(), if there is no thread for it:
  // with kResourceExhausted in words for the user.
  std::function<void(int64_t number, std::unique_ptr<flow::Flow> connection,
                     const absl::Status& why)>
      refuse;

  // Called with a line when the machine runs short of something, and not again
  // before that is over.
  std::function<void(absl::string_view)> on_shortage;

  // The most connections at once; at least 1. Others wait to be accepted.
  int max_connections = 100;
};

// Serve()
//
// Accepts and serves until there is a request to `stop`, and returns Ok; or
// until `listener` fails for good, and returns its error. Closes it then, and
// waits until all connections have been served: interrupting them is up to
// `options.serve`.
absl::Status Serve(flow::Listener& listener, const ServeOptions& options,
                   Stop& stop);

}  // namespace flowcat

#endif  // FLOWCAT_SERVE_H_
