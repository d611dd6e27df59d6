// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/printable.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace flowcat {
namespace {

// A character and how many bytes it takes; of 0, if there is none.
struct Character {
  uint32_t code = 0;
  size_t size = 0;
};

// Returns the first character of `text`, which is not empty, if that is UTF-8
// (RFC 3629).
Character Decode(absl::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1};
  const size_t size = byte(0) >= 0xf0   ? 4
                      : byte(0) >= 0xe0 ? 3
                      : byte(0) >= 0xc0 ? 2
                                        : 0;
  if (size == 0 || size > text.size()) return {};
  uint32_t code = byte(0) & (0xffu >> (size + 1));
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = (code << 6) | (byte(i) & 0x3fu);
  }
  // What fewer bytes can say, surrogates, and what is no character.
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[size] || is_surrogate || code > 0x10ffff) return {};
  return {code, size};
}

bool DoesMoreThanPrint(uint32_t code) {
  const auto between = [code](uint32_t first, uint32_t last) {
    return first <= code && code <= last;
  };
  return between(0, 0x1f) || between(0x7f, 0x9f) || between(0x200e, 0x200f) ||
         between(0x2028, 0x202e) || between(0x2066, 0x2069);
}

}  // namespace

std::string Printable(absl::string_view text) {
  std::string printable;
  while (!text.empty()) {
    const Character first = Decode(text);
    const absl::string_view bytes =
        text.substr(0, first.size == 0 ? 1 : first.size);
    if (first.size == 0 ||
        (first.code < 0x80 && DoesMoreThanPrint(first.code))) {
      printable += absl::CEscape(bytes);
    } else if (DoesMoreThanPrint(first.code)) {
      absl::StrAppendFormat(&printable, "\\u%04x", first.code);
    } else {
      printable += std::string(bytes);
    }
    text.remove_prefix(bytes.size());
  }
  return printable;
}

}  // namespace flowcat
