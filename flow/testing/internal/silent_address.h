// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/silent_address.h
//
// An address that does not answer who connects. Only for our own tests.

#ifndef FLOW_TESTING_INTERNAL_SILENT_ADDRESS_H_
#define FLOW_TESTING_INTERNAL_SILENT_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/log/absl_check.h"

namespace flow::testing {

// SilentAddress
//
// A TCP socket on 127.0.0.1 that listens, but with no room for more who wait to
// be accepted: the kernel drops what they send.
class SilentAddress {
 public:
  SilentAddress() {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    auto* const address = reinterpret_cast<struct sockaddr*>(&address_);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ABSL_PCHECK(::bind(listener_, address, size) == 0);
    ABSL_PCHECK(::listen(listener_, 0) == 0);
    ABSL_PCHECK(::getsockname(listener_, address, &size) == 0);
    for (int& fd : waiting_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      ::connect(fd, address, size);
    }
  }
  SilentAddress(const SilentAddress&) = delete;
  SilentAddress& operator=(const SilentAddress&) = delete;
  ~SilentAddress() {
    for (const int fd : waiting_) ::close(fd);
    ::close(listener_);
  }

  const struct sockaddr_in& address() const { return address_; }
  int port() const { return ntohs(address_.sin_port); }

 private:
  struct sockaddr_in address_ = {};
  int listener_;
  int waiting_[4];  // more than there is room for
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_SILENT_ADDRESS_H_
