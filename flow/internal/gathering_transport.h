// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/gathering_transport.h
//
// The base of transports that write to a descriptor: turns buffers of any form
// into lists for one gathering system call. Not for users of the library.

#ifndef FLOW_INTERNAL_GATHERING_TRANSPORT_H_
#define FLOW_INTERNAL_GATHERING_TRANSPORT_H_

#include <sys/uio.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::internal {

// GatheringTransport
//
// Implements Write() by a gathering system call.
class GatheringTransport : public Transport {
 public:
  absl::Status Write(Outgoing& data) final;

 protected:
  // Writes at least one byte from the front of `list`, and returns how many
  // bytes it wrote. The list has 1 to IOV_MAX pieces, none of them empty.
  virtual absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) = 0;

 private:
  // Lists of up to `kSize` pieces.
  template <size_t kSize>
  class Pieces;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_GATHERING_TRANSPORT_H_
