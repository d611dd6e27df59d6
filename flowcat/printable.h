// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: printable.h
//
// Text from outside (names of files and peers, messages of others) made safe to
// print on one line of a terminal.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOWCAT_PRINTABLE_H_
#define FLOWCAT_PRINTABLE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace flowcat {

// Printable()
//
// Returns `text` with escapes, such as `\n`, `\033` or `\u202e`, for all that
// does more than to print a character:
//
//  * control characters: line breaks, escape sequences, bytes of 0, also those
//    beyond ASCII (U+0080 to U+009F);
//  * bytes that are not UTF-8, which some terminals take for such;
//  * characters that break lines (U+2028, U+2029) or change the order of others
//    (U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069).
//
// A backslash stays as it is, and so does what has escapes already. So the
// result is for people: what it was made from cannot be told for certain.
std::string Printable(absl::string_view text);

}  // namespace flowcat

#endif  // FLOWCAT_PRINTABLE_H_
