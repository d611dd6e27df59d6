// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/decorate_input.h
//
// DecorateFlow() for a decorator whose input ends elsewhere than that of the
// flow underneath. Not for users of the library.

#ifndef FLOW_INTERNAL_DECORATE_INPUT_H_
#define FLOW_INTERNAL_DECORATE_INPUT_H_

#include <memory>

#include "flow/flow.h"
#include "flow/transport.h"

namespace flow::internal {

// DecorateInput()
//
// As DecorateFlow(). But if reading `flow` has come to the end or to an error,
// the inbound direction is open again, and the decorator gets that end or error
// from the transport underneath.
std::unique_ptr<Flow> DecorateInput(std::unique_ptr<Flow> flow,
                                    TransportDecorator decorate);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DECORATE_INPUT_H_
