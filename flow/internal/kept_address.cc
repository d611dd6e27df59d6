// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/kept_address.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

#include "flow/internal/kernel_address.h"

namespace flow::internal {

KeptAddress::KeptAddress(const KernelAddress& address)
    : family_(address.storage.ss_family) {
  if (family_ == AF_INET) {
    const auto& in =
        reinterpret_cast<const struct sockaddr_in&>(address.storage);
    port_ = in.sin_port;
    bytes_.v4 = in.sin_addr;
  } else if (family_ == AF_INET6) {
    const auto& in6 =
        reinterpret_cast<const struct sockaddr_in6&>(address.storage);
    port_ = in6.sin6_port;
    scope_ = in6.sin6_scope_id;
    bytes_.v6 = in6.sin6_addr;
  } else if (address.ToString().empty()) {
    bytes_.other = nullptr;
  } else {
    bytes_.other = new KernelAddress(address);
  }
}

KeptAddress::~KeptAddress() {
  if (family_ != AF_INET && family_ != AF_INET6) delete bytes_.other;
}

KernelAddress KeptAddress::Get() const {
  KernelAddress address;
  if (family_ == AF_INET) {
    auto& in = reinterpret_cast<struct sockaddr_in&>(address.storage);
    in.sin_port = port_;
    in.sin_addr = bytes_.v4;
    address.size = sizeof(in);
  } else if (family_ == AF_INET6) {
    auto& in6 = reinterpret_cast<struct sockaddr_in6&>(address.storage);
    in6.sin6_port = port_;
    in6.sin6_scope_id = scope_;
    in6.sin6_addr = bytes_.v6;
    address.size = sizeof(in6);
  } else if (bytes_.other != nullptr) {
    return *bytes_.other;
  } else {
    address.size = sizeof(family_);
  }
  address.storage.ss_family = family_;
  return address;
}

}  // namespace flow::internal
