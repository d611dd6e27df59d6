// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/attempts.h
//
// How those with more ways to read and write (Channel, KernelCopy) make them
// started calls. Not for users of the library.
//
// Thread safety: for the call that is under way.

#ifndef FLOW_INTERNAL_ATTEMPTS_H_
#define FLOW_INTERNAL_ATTEMPTS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/operation.h"
#include "flow/transport.h"

namespace flow::internal {

// ReadAttempt
//
// A started read of its own kind, which makes something else of the bytes.
class ReadAttempt : public Operation {
 protected:
  ~ReadAttempt() = default;

  // What has come for it.
  absl::StatusOr<absl::Cord> read;

 private:
  friend class StartedCalls;
  // As Transport::TryRead(). Sets `*passes` as a function of Flow::ReadWith().
  virtual std::optional<absl::StatusOr<absl::Cord>> Try(Retry* retry,
                                                        bool* passes) = 0;
  // The call is over, with `read`. The flow still lives.
  virtual void Finish() = 0;
};

// WriteAttempt
//
// A kind of started writes.
class WriteAttempt {
 public:
  // As Transport::TryWrite(). `*rest` may be empty.
  virtual std::optional<absl::Status> Try(absl::Cord* rest, Retry* retry) = 0;
  // How many bytes are not accepted yet, if they are not all in `rest`.
  virtual size_t Left(const absl::Cord& rest) const { return rest.size(); }

 protected:
  ~WriteAttempt() = default;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_ATTEMPTS_H_
