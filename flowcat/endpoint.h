// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint.h
//
// What an operand of flowcat names, opened as a flow:
//
//   absl::StatusOr<EndpointSpec> spec = ParseSource("zero:1GiB");
//   absl::StatusOr<Endpoint> source = OpenSource(*spec);
//   ... source->flow->Read() ...
//
// Errors of opening, and of the flows, have words for the user: CauseOf() in
// explained_flow.h.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOWCAT_ENDPOINT_H_
#define FLOWCAT_ENDPOINT_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/child_process.h"
#include "flowcat/endpoint_spec.h"
#include "flowcat/stop.h"

namespace flowcat {

// Endpoint
//
// A flow and what flowcat must know about it.
struct Endpoint {
  // Endpoint::Abort()
  //
  // Aborts the flow. A command gets SIGTERM first, because its pipe can only
  // end. From any thread.
  void Abort(const absl::Status& reason);

  // Endpoint::Discard()
  //
  // Aborts the flow and frees it. When this returns, a command has ended.
  void Discard(const absl::Status& reason);

  // Of exec: only. Declared before the flow, so that it ends after it.
  std::unique_ptr<ChildProcess> child;

  std::unique_ptr<flow::Flow> flow;

  // For messages.
  std::string name;

  // How many bytes there are to read, where that is known.
  std::optional<int64_t> size;

  bool is_terminal = false;

  // Whether it may send something although it is only written.
  bool two_way = false;

  // Device and number; of regular files only.
  std::optional<std::pair<dev_t, ino_t>> regular_file;
};

// OpenOptions
struct OpenOptions {
  // How long to try to connect.
  absl::Duration connect_timeout = absl::Seconds(10);

  // What interrupts that, and the opening of a FIFO. May be null.
  Stop* stop = nullptr;

  // The soft limit of descriptors for a command, if not that of this process. A
  // program that uses select(2) does not work with a high one.
  std::optional<int64_t> descriptors_of_commands;
};

// OpenSource(), OpenSink(), OpenBothWays()
//
// Open `spec` for reading, for writing, or for both. What was opened is closed
// with the flow, standard streams too.
//
//  * OpenSink() creates a regular file, or empties it if there is one, but only
//    after it is known not to be that of `source`. Standard output and fd: are
//    not emptied.
//  * OpenBothWays() is for a spec that is two_way().
//  * kListen is kInvalidArgument; see below.
absl::StatusOr<Endpoint> OpenSource(const EndpointSpec& spec,
                                    const OpenOptions& options = {});
absl::StatusOr<Endpoint> OpenSink(const EndpointSpec& spec,
                                  const Endpoint& source,
                                  const OpenOptions& options = {});
absl::StatusOr<Endpoint> OpenBothWays(const EndpointSpec& spec,
                                      const OpenOptions& options = {});

// ListenOn()
//
// Listens as `spec`, which is of the kind kListen, says.
absl::StatusOr<std::unique_ptr<flow::Listener>> ListenOn(
    const EndpointSpec& spec);

// AcceptOne()
//
// Waits for a connection, then stops listening.
absl::StatusOr<Endpoint> AcceptOne(std::unique_ptr<flow::Listener> listener,
                                   Stop* stop);

// Accepted()
//
// Returns the endpoint of a connection that a Listener has accepted.
Endpoint Accepted(std::unique_ptr<flow::Flow> flow);

// NameOfAccepted(), ErrorOfDial()
//
// For whoever accepts and dials without an Endpoint: how messages call a
// connection that was accepted, and the words for an `error` of a dial to
// `address` with `options`.
std::string NameOfAccepted(const flow::Flow& flow);
absl::Status ErrorOfDial(const absl::Status& error, const std::string& address,
                         const OpenOptions& options);

}  // namespace flowcat

#endif  // FLOWCAT_ENDPOINT_H_
