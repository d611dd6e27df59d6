// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/outgoing.h"

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/cord.h"

namespace flow {

absl::Cord Buffer::TakeAsCord() const {
  switch (kind_) {
    case Kind::kString:
      // Not const: it was given as an rvalue.
      return absl::Cord(std::move(const_cast<std::string&>(string())));
    case Kind::kCord:
      return cord();
    case Kind::kMovedCord:
      return std::move(const_cast<absl::Cord&>(cord()));
    default:
      return absl::Cord(bytes());
  }
}

bool Outgoing::AreBorrowed() const {
  for (size_t i = 0; i < count(); ++i) {
    if (!(*this)[i].is_borrowed()) return false;
  }
  return true;
}

absl::Cord Outgoing::JoinAll() {
  if (count() == 1) return (*this)[0].TakeCord();
  absl::Cord all;
  for (size_t i = 0; i < count(); ++i) all.Append((*this)[i].TakeCord());
  return all;
}

}  // namespace flow
