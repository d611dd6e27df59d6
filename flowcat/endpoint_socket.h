// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint_socket.h
//
// The endpoints of flowcat that are sockets: for endpoint.cc, together with
// ListenOn() and what is accepted, which endpoint.h declares.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOWCAT_ENDPOINT_SOCKET_H_
#define FLOWCAT_ENDPOINT_SOCKET_H_

#include <string>

#include "absl/status/statusor.h"
#include "flowcat/endpoint.h"

namespace flowcat {

// OpenDialed()
//
// Connects to `address`, as flow::Dial() understands it.
absl::StatusOr<Endpoint> OpenDialed(const std::string& address,
                                    const OpenOptions& options);

}  // namespace flowcat

#endif  // FLOWCAT_ENDPOINT_SOCKET_H_
