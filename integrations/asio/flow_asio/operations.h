// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/operations.h
//
// Reads, writes and closes of a flow with a completion token of Asio: a
// callback, asio::use_future, asio::use_awaitable (C++20), and so on.
//
//   absl::StatusOr<absl::Cord> data =
//       co_await flow_asio::async_read(*flow, asio::use_awaitable);
//   if (!data.ok() || data->empty()) co_return;
//   absl::Status status = co_await flow_asio::async_write(
//       *flow, *std::move(data), asio::use_awaitable);
//
// When a handler is called, and where: initiate.h. Reads and writes have the
// deadlines of the flow, and to cancel a call is to move its deadline into the
// past, or to Abort() the flow. The flow needs an engine first
// (Flow::SetEngine()). With that of asio_engine.h one io_context runs
// everything; with another one they work as well.
//
// When not to use it: for listeners and dials (socket.h), what a Channel reads
// and writes (channel.h), and copies (copy.h).
//
// Thread safety: as of Flow::StartRead() and its kin.

#ifndef FLOW_ASIO_OPERATIONS_H_
#define FLOW_ASIO_OPERATIONS_H_

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow_asio/initiate.h"

namespace flow_asio {
namespace internal {

struct ReadCall {
  using Operation = flow::Flow::ReadOperation;
  bool Start(Operation* operation) {
    return flow->StartRead(operation, max_bytes);
  }
  static absl::StatusOr<absl::Cord> Result(Operation& operation) {
    return std::move(operation.result);
  }
  flow::Flow* flow;
  size_t max_bytes;
};

struct WriteCall {
  using Operation = flow::Flow::WriteOperation;
  bool Start(Operation* operation) {
    operation->rest = std::move(data);
    return flow->StartWrite(operation);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  flow::Flow* flow;
  absl::Cord data;
};

struct RefusalCall {
  using Operation = flow::Flow::RefusalOperation;
  bool Start(Operation* operation) {
    return flow->StartAwaitRefusal(operation, deadline);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  flow::Flow* flow;
  absl::Time deadline;
};

struct CloseCall {
  using Operation = flow::Flow::CloseOperation;
  bool Start(Operation* operation) {
    return flow->StartClose(operation, deadline);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  flow::Flow* flow;
  absl::Time deadline;
};

struct PatientCloseCall {
  using Operation = flow::Flow::CloseOperation;
  bool Start(Operation* operation) {
    return flow->StartPatientClose(operation, idle_timeout);
  }
  static absl::Status Result(Operation& operation) {
    return std::move(operation.status);
  }
  flow::Flow* flow;
  absl::Duration idle_timeout;
};

}  // namespace internal

// async_read()
//
// Flow::Read(). The signature of the handler is
// void(absl::StatusOr<absl::Cord>)
template <typename Token>
auto async_read(flow::Flow& flow, size_t max_bytes, Token&& token) {
  return internal::Begin<void(absl::StatusOr<absl::Cord>)>(
      flow.engine(), internal::ReadCall{&flow, max_bytes},
      std::forward<Token>(token));
}
template <typename Token>
auto async_read(flow::Flow& flow, Token&& token) {
  return flow_asio::async_read(flow, flow::kNoLimit,
                               std::forward<Token>(token));
}

// async_write()
//
// Flow::Write(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_write(flow::Flow& flow, absl::Cord data, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow.engine(), internal::WriteCall{&flow, std::move(data)},
      std::forward<Token>(token));
}

// async_await_refusal()
//
// Flow::AwaitRefusal(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_await_refusal(flow::Flow& flow, absl::Time deadline, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow.engine(), internal::RefusalCall{&flow, deadline},
      std::forward<Token>(token));
}

// async_close()
//
// Flow::Close(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_close(flow::Flow& flow, absl::Time deadline, Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow.engine(), internal::CloseCall{&flow, deadline},
      std::forward<Token>(token));
}

// async_patient_close()
//
// Flow::PatientClose(). The signature of the handler is void(absl::Status).
template <typename Token>
auto async_patient_close(flow::Flow& flow, absl::Duration idle_timeout,
                         Token&& token) {
  return internal::Begin<void(absl::Status)>(
      flow.engine(), internal::PatientCloseCall{&flow, idle_timeout},
      std::forward<Token>(token));
}

}  // namespace flow_asio

#endif  // FLOW_ASIO_OPERATIONS_H_
