// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/status.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace flow {
namespace {

// The payload says all by being there; its value is empty.
constexpr absl::string_view kClosedPayload = "flow/closed";
// Its value is the number, in digits.
constexpr absl::string_view kErrnoPayload = "flow/errno";

}  // namespace

absl::Status ClosedError(absl::string_view what) {
  absl::Status status = absl::FailedPreconditionError(what);
  status.SetPayload(kClosedPayload, absl::Cord());
  return status;
}

bool IsClosed(const absl::Status& status) {
  return absl::IsFailedPrecondition(status) &&
         status.GetPayload(kClosedPayload).has_value();
}

bool IsEof(const absl::StatusOr<absl::Cord>& data) {
  return data.ok() && data->empty();
}

std::optional<int> ErrnoOf(const absl::Status& status) {
  const std::optional<absl::Cord> payload = status.GetPayload(kErrnoPayload);
  int error;
  if (!payload.has_value() ||
      !absl::SimpleAtoi(std::string(*payload), &error)) {
    return std::nullopt;
  }
  return error;
}

absl::Status WithErrno(absl::Status status, int error) {
  status.SetPayload(kErrnoPayload, absl::Cord(absl::StrCat(error)));
  return status;
}

}  // namespace flow
