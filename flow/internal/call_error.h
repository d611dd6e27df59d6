// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/call_error.h
//
// Names the call that an error comes from. Not for users of the library.

#ifndef FLOW_INTERNAL_CALL_ERROR_H_
#define FLOW_INTERNAL_CALL_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/escaped.h"

namespace flow::internal {

// Returns the error `cause` with the message `call: CAUSE`. It has the payloads
// of `cause`, such as those of status.h.
inline absl::Status CallError(absl::string_view call,
                              const absl::Status& cause) {
  absl::Status error(cause.code(), absl::StrCat(call, ": ", cause.message()));
  cause.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    error.SetPayload(url, payload);
  });
  return error;
}

// The same with the message `function(argument): CAUSE`.
inline absl::Status CallError(absl::string_view function,
                              absl::string_view argument,
                              const absl::Status& cause) {
  return CallError(absl::StrCat(function, "(", Escaped(argument), ")"), cause);
}

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_CALL_ERROR_H_
