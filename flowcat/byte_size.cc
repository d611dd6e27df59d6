// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/byte_size.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace flowcat {
namespace {

// The n-th is the prefix of the n-th power of 1000, or with an `i` of 1024.
constexpr absl::string_view kPrefixes = "KMGTPE";

// Returns how many bytes `unit` stands for; 0 if it is not a unit.
int64_t BytesPerUnit(absl::string_view unit) {
  if (unit.empty() || absl::EqualsIgnoreCase(unit, "B")) return 1;
  const size_t power = kPrefixes.find(absl::ascii_toupper(unit.front()));
  if (power == absl::string_view::npos) return 0;
  const absl::string_view rest = unit.substr(1);
  const bool binary = absl::EqualsIgnoreCase(rest, "iB");
  if (!binary && !absl::EqualsIgnoreCase(rest, "B")) return 0;
  int64_t bytes = 1;
  for (size_t i = 0; i <= power; ++i) bytes *= binary ? 1024 : 1000;
  return bytes;
}

}  // namespace

absl::StatusOr<int64_t> ParseByteSize(absl::string_view text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  const int64_t unit = BytesPerUnit(text.substr(digits));
  if (digits == 0 || unit == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", text, "' is not a size; write one like 4096, 10MB or 64KiB"));
  }
  int64_t number = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &number) ||
      number > std::numeric_limits<int64_t>::max() / unit) {
    return absl::OutOfRangeError(
        absl::StrCat("'", text, "' is too large; the largest size is ",
                     std::numeric_limits<int64_t>::max(), " bytes"));
  }
  return number * unit;
}

std::string FormatByteSize(double bytes) {
  if (bytes < 1024) return absl::StrFormat("%.0f B", bytes);
  size_t power = 0;
  // 1023.95 is where one decimal would print the next unit as 1024.0.
  for (bytes /= 1024; bytes >= 1023.95 && power + 1 < kPrefixes.size(); ++power)
    bytes /= 1024;
  return absl::StrFormat("%.1f %ciB", bytes, kPrefixes[power]);
}

}  // namespace flowcat
