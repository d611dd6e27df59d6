// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: numeric_dial.h
//
// Connects to a TCP address that is all numbers: then there is no name to look
// up, and a Stop can interrupt it without a thread of its own. flow::Dial() can
// be given a deadline, but not be interrupted.
//
// Thread safety: the functions may be called from any thread.

#ifndef EXAMPLES_NUMERIC_DIAL_H_
#define EXAMPLES_NUMERIC_DIAL_H_

#include <sys/socket.h>

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "examples/stop.h"
#include "flow/flow.h"

namespace flowcat {

// NumericAddress
//
// One that connect(2) takes.
struct NumericAddress {
  struct sockaddr_storage storage = {};
  socklen_t size = 0;
};

// ParseNumericAddress()
//
// Returns what `tcp:HOST:PORT` says, if HOST is an IPv4 address, or an IPv6
// address in brackets, and PORT is a number. What is none of these, or not an
// address at all, is for flow::Dial().
std::optional<NumericAddress> ParseNumericAddress(absl::string_view text);

// DialNumeric()
//
// Does what flow::Dial() does; or returns the reason of a request to `stop`
// that comes first. kDeadlineExceeded: there was no answer within `timeout`.
absl::StatusOr<std::unique_ptr<flow::Flow>> DialNumeric(
    const NumericAddress& address, absl::Duration timeout, Stop& stop);

}  // namespace flowcat

#endif  // EXAMPLES_NUMERIC_DIAL_H_
