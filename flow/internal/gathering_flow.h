// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/gathering_flow.h
//
// The base of flows that write to a descriptor: they are given buffers of any
// form as lists for one gathering system call. Not for users of the library.

#ifndef FLOW_INTERNAL_GATHERING_FLOW_H_
#define FLOW_INTERNAL_GATHERING_FLOW_H_

#include <sys/uio.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"

namespace flow::internal {

// GatheringFlow
//
// Has the write hooks of flow.h, by means of one.
class GatheringFlow : public Flow {
 protected:
  // Writes a part of `list`, of a byte at least, and returns how many bytes
  // that was. The list has 1 to IOV_MAX pieces, none of them empty.
  virtual absl::StatusOr<size_t> Send(absl::Span<const struct iovec> list) = 0;

 private:
  class Pieces;

  template <typename Buffer>
  absl::Status SendAll(absl::Span<const Buffer> buffers, size_t* accepted);

  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) final;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) final;
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) final;
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) final;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_GATHERING_FLOW_H_
