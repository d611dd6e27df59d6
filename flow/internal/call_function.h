// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/call_function.h
//
// Calls a function that a user has given. Not for users of the library.

#ifndef FLOW_INTERNAL_CALL_FUNCTION_H_
#define FLOW_INTERNAL_CALL_FUNCTION_H_

#include <utility>

namespace flow::internal {

// CallFunction()
//
// Calls `function`. An exception that left it would leave the flow busy
// forever, so it ends the program here, where the cause is on the stack.
template <typename Function, typename... Args>
auto CallFunction(Function& function, Args&&... args) noexcept {
  return function(std::forward<Args>(args)...);
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CALL_FUNCTION_H_
