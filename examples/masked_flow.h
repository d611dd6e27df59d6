// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: masked_flow.h
//
// An example of a flow of your own, on top of another one: every byte is
// changed by a key on its way, as a cipher would do it. (This is no cipher.)
// The suite of flow/testing/conformance.h holds it to the contract, in
// masked_flow_test.cc.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_EXAMPLES_MASKED_FLOW_H_
#define FLOW_EXAMPLES_MASKED_FLOW_H_

#include <memory>

#include "flow/flow.h"

namespace flow::examples {

// MakeMaskedFlow()
//
// Returns a flow whose bytes go over `inner`, which it owns, each one combined
// with `key` by exclusive or. The other end must use the same key.
std::unique_ptr<Flow> MakeMaskedFlow(std::unique_ptr<Flow> inner, char key);

}  // namespace flow::examples

#endif  // FLOW_EXAMPLES_MASKED_FLOW_H_
