// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "request.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

absl::StatusOr<Request> ParseRequest(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  Request request;
  size_t count = 2;
  if (words[0] == "GET") {
    request.verb = Request::Verb::kGet;
  } else if (words[0] == "SET") {
    request.verb = Request::Verb::kSet;
    count = 3;
  } else if (words[0] == "DELETE") {
    request.verb = Request::Verb::kDelete;
  } else {
    return absl::InvalidArgumentError("neither GET, SET nor DELETE");
  }
  if (words.size() != count) {
    return absl::InvalidArgumentError("the wrong number of words");
  }
  if (!IsKey(words[1])) return absl::InvalidArgumentError("no key");
  request.key = std::string(words[1]);
  if (count == 3 && !ParseSize(words[2], &request.size)) {
    return absl::InvalidArgumentError("no size that a value may have");
  }
  return request;
}

bool IsKey(absl::string_view key) {
  if (key.empty() || key.size() > kMaxKey) return false;
  for (const char c : key) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

bool ParseSize(absl::string_view text, size_t* size) {
  // SimpleAtoi() takes a sign and white space as well.
  return !text.empty() && absl::ascii_isdigit(text.front()) &&
         absl::SimpleAtoi(text, size) && *size <= kMaxValue;
}
