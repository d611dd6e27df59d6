// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What clients ask a store for. The protocol:
//
//   GET KEY             VALUE SIZE, then SIZE bytes and a newline; or NONE
//   SET KEY SIZE,       STORED
//     then SIZE bytes and a newline
//   DELETE KEY          DELETED; or NONE
//
// Each line ends in a newline. A request that is none of these is answered with
// ERROR and a text, and ends the connection.

#ifndef REQUEST_H_
#define REQUEST_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// The longest line, key and value. Whoever sends more is refused, so a client
// cannot make the server keep what it likes.
inline constexpr size_t kMaxLine = 512;
inline constexpr size_t kMaxKey = 250;
inline constexpr size_t kMaxValue = size_t{1} << 20;

// The first line of a request.
struct Request {
  enum class Verb { kGet, kSet, kDelete };
  Verb verb = Verb::kGet;
  std::string key;
  size_t size = 0;  // of the value of a SET
};

// Returns what `line`, without its newline, asks for. kInvalidArgument: nothing
// that the protocol knows.
absl::StatusOr<Request> ParseRequest(absl::string_view line);

// Whether `key` may be one: visible characters of ASCII, and not too many.
bool IsKey(absl::string_view key);

// Reads the size of a value, in decimal digits. Returns false if `text` is
// none, or more than kMaxValue.
bool ParseSize(absl::string_view text, size_t* size);

#endif  // REQUEST_H_
