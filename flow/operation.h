// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: operation.h
//
// What whoever starts a call on a flow keeps until it is over: `ReadOperation`,
// `WriteOperation`, `RefusalOperation`, `CloseOperation`. Flow has them as
// Flow::ReadOperation and so on; Flow::StartRead() and its kin say what they
// mean.
//
//   struct Reader final : flow::Flow::ReadOperation {
//     void Done() override { Use(result); }
//   };
//
// Thread safety: an operation belongs to the flow from a Start that returns
// false until Done(). At all other times it is its owner's. Nobody checks that
// it is in no second Start meanwhile.

#ifndef FLOW_OPERATION_H_
#define FLOW_OPERATION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"

namespace flow {

// Operation
class Operation {
 public:
  // The call is over. The flow does not touch the operation any more, so this
  // may destroy it, use it for the next call, and destroy the flow if no other
  // call is pending. It does not throw.
  virtual void Done() = 0;

 protected:
  ~Operation() = default;
};

// ReadOperation
struct ReadOperation : Operation {
  // What Flow::Read() would have returned.
  absl::StatusOr<absl::Cord> result;

 protected:
  ~ReadOperation() = default;
};

// WriteOperation
struct WriteOperation : Operation {
  // What is to be written; afterwards what was not accepted, as of WriteFrom(),
  // which is nothing after Ok.
  absl::Cord rest;
  absl::Status status;

 protected:
  ~WriteOperation() = default;
};

// RefusalOperation
struct RefusalOperation : Operation {
  // What Flow::AwaitRefusal() would have returned.
  absl::Status status;

 protected:
  ~RefusalOperation() = default;
};

// CloseOperation
struct CloseOperation : Operation {
  // What Flow::Close() would have returned.
  absl::Status status;

 protected:
  ~CloseOperation() = default;
};

}  // namespace flow

#endif  // FLOW_OPERATION_H_
