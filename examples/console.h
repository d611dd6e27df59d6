// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: console.h
//
// What flowcat prints on standard error: whole lines, from any thread, and a
// line of progress that they do not get mixed up with.
//
// Thread safety: the functions may be called from any thread. What two of them
// print is never mixed.

#ifndef EXAMPLES_CONSOLE_H_
#define EXAMPLES_CONSOLE_H_

#include "absl/strings/string_view.h"

namespace flowcat {

// PrintLine()
//
// Prints `text` as one line: control characters, which can be in names that it
// quotes, are escaped.
void PrintLine(absl::string_view text);

// PrintMessage()
//
// Prints `flowcat: ` and `text` as PrintLine() does.
void PrintMessage(absl::string_view text);

// ShowProgress(), EraseProgress()
//
// Shows `text`, cut to the width of the terminal, until it is replaced or
// erased. A line that is printed meanwhile comes before it.
//
// Nothing but spaces and carriage returns is used, so any terminal will do.
void ShowProgress(absl::string_view text);
void EraseProgress();

}  // namespace flowcat

#endif  // EXAMPLES_CONSOLE_H_
