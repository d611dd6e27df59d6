// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flow_asio/copy.h
//
// Copies and proxies with a completion token of Asio (initiate.h):
//
//   flow::ProxyResult result = co_await flow_asio::async_proxy(
//       *client, *server, options, asio::use_awaitable);
//
// To cancel one is to Abort() both flows.
//
// Thread safety: as of flow::StartCopy() and flow::StartProxy().

#ifndef FLOW_ASIO_COPY_H_
#define FLOW_ASIO_COPY_H_

#include <utility>

#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow_asio/initiate.h"

namespace flow_asio {
namespace internal {

struct CopyCall {
  using Operation = flow::CopyOperation;
  bool Start(Operation* operation) {
    return flow::StartCopy(operation, *source, *sink, options);
  }
  static flow::CopyResult Result(Operation& operation) {
    return std::move(operation.result);
  }
  flow::Flow* source;
  flow::Flow* sink;
  flow::CopyOptions options;
};

struct ProxyCall {
  using Operation = flow::ProxyOperation;
  bool Start(Operation* operation) {
    return flow::StartProxy(operation, *a, *b, options);
  }
  static flow::ProxyResult Result(Operation& operation) {
    return std::move(operation.result);
  }
  flow::Flow* a;
  flow::Flow* b;
  flow::ProxyOptions options;
};

}  // namespace internal

// async_copy()
//
// flow::Copy() to one sink. Both flows must live until the handler is called,
// whose signature is void(flow::CopyResult). One without an executor is called
// on the engine of `source`.
template <typename Token>
auto async_copy(flow::Flow& source, flow::Flow& sink,
                const flow::CopyOptions& options, Token&& token) {
  return internal::Begin<void(flow::CopyResult)>(
      source.engine(), internal::CopyCall{&source, &sink, options},
      std::forward<Token>(token));
}
template <typename Token>
auto async_copy(flow::Flow& source, flow::Flow& sink, Token&& token) {
  return flow_asio::async_copy(source, sink, flow::CopyOptions(),
                               std::forward<Token>(token));
}

// async_proxy()
//
// flow::Proxy(). Both flows must live until the handler is called, whose
// signature is void(flow::ProxyResult). One without an executor is called on
// the engine of one of the flows.
template <typename Token>
auto async_proxy(flow::Flow& a, flow::Flow& b,
                 const flow::ProxyOptions& options, Token&& token) {
  return internal::Begin<void(flow::ProxyResult)>(
      a.engine(), internal::ProxyCall{&a, &b, options},
      std::forward<Token>(token));
}
template <typename Token>
auto async_proxy(flow::Flow& a, flow::Flow& b, Token&& token) {
  return flow_asio::async_proxy(a, b, flow::ProxyOptions(),
                                std::forward<Token>(token));
}

}  // namespace flow_asio

#endif  // FLOW_ASIO_COPY_H_
