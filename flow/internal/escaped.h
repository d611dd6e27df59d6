// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/escaped.h
//
// Makes bytes from outside a safe part of a line that people read. Not for
// users of the library.

#ifndef FLOW_INTERNAL_ESCAPED_H_
#define FLOW_INTERNAL_ESCAPED_H_

#include <string>

#include "absl/strings/string_view.h"

namespace flow::internal {

// Escaped()
//
// Returns `text` in printable ASCII: `\n`, `\r` and `\t` as in C, and each
// other byte that is not printable ASCII as `\x` and two digits. So a name that
// a remote has chosen cannot begin a line, end a text, or command a terminal.
// (Bytes from 0x80 on can do so as well: U+009B begins a command, and U+202E
// turns a line around.)
//
// A backslash stays as it is. A name becomes a part of other names and of
// errors, and what was escaped already must not change.
std::string Escaped(absl::string_view text);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_ESCAPED_H_
