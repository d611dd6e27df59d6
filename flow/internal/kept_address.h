// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/kept_address.h
//
// An address that a flow keeps as long as it lives, in little memory: that of
// an IP connection needs no block. Not for users of the library.
//
// Thread safety: as of a const object.

#ifndef FLOW_INTERNAL_KEPT_ADDRESS_H_
#define FLOW_INTERNAL_KEPT_ADDRESS_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>

#include "flow/internal/kernel_address.h"

namespace flow::internal {

// KeptAddress
class KeptAddress {
 public:
  explicit KeptAddress(const KernelAddress& address);
  KeptAddress(const KeptAddress&) = delete;
  KeptAddress& operator=(const KeptAddress&) = delete;
  ~KeptAddress();

  // Returns an address that ToString() gives the same text.
  KernelAddress Get() const;

 private:
  const sa_family_t family_;
  in_port_t port_ = 0;  // in the order of the network, as are the bytes
  uint32_t scope_ = 0;  // of IPv6
  union {
    struct in_addr v4;
    struct in6_addr v6;
    KernelAddress* other;  // of any other family; null if it has no name
  } bytes_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_KEPT_ADDRESS_H_
