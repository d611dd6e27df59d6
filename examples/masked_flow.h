// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: masked_flow.h
//
// An example of a decorator: it changes every byte on its way by a key, as a
// cipher does. (This is no cipher.) masked_flow_test.cc holds it to the
// contract with the suite of flow/testing/conformance.h.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_EXAMPLES_MASKED_FLOW_H_
#define FLOW_EXAMPLES_MASKED_FLOW_H_

#include <memory>

#include "flow/flow.h"

namespace flow::examples {

// MakeMaskedFlow()
//
// Returns `flow` with each byte, in both directions, combined with `key` by
// exclusive or. The other end must use the same key.
std::unique_ptr<Flow> MakeMaskedFlow(std::unique_ptr<Flow> flow, char key);

}  // namespace flow::examples

#endif  // FLOW_EXAMPLES_MASKED_FLOW_H_
