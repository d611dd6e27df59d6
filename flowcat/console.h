// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: console.h
//
// What flowcat prints on standard error: whole lines, in order, from any
// thread, and a line of progress that stays apart from them.
//
// Standard error can block: a pipe that nobody reads, a terminal that is
// stopped. So a thread of its own prints, once StartPrinting() was called.
// Losing a line is a nuisance; not carrying bytes, or not ending, because of a
// line would be a fault:
//
//  * Up to 64 KiB of lines wait for the thread. A caller with more waits while
//    some of them are being taken, so a slow reader gets every line.
//  * When nothing was taken for a second, further lines are dropped until
//    something is. Then a line says how many.
//
// An error of standard error itself is ignored: there is nowhere to report it.
//
// Thread safety: the functions may be called from any thread. What two of them
// print is never mixed.

#ifndef FLOWCAT_CONSOLE_H_
#define FLOWCAT_CONSOLE_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace flowcat {

// StartPrinting()
//
// Starts the thread; kResourceExhausted if that fails. Without it the caller
// prints, and waits.
//
// Precondition: called once.
absl::Status StartPrinting();

// HurryPrinting()
//
// Says that the program was asked to end: from now on no caller waits to print,
// and FinishPrinting() does not wait for long. Never blocks.
void HurryPrinting();

// FinishPrinting()
//
// Waits until all is printed; after HurryPrinting() at most two seconds.
void FinishPrinting();

// PrintLine()
//
// Prints `text` as one line, as Printable() (printable.h) makes it safe.
void PrintLine(absl::string_view text);

// PrintMessage()
//
// Prints `flowcat: ` and `text` as PrintLine() does.
void PrintMessage(absl::string_view text);

// ShowProgress(), EraseProgress()
//
// Shows `text`, cut to the width of the terminal, until it is replaced or
// erased. A line that is printed meanwhile comes before it. If the terminal is
// behind, ShowProgress() does nothing.
//
// It uses only spaces and carriage returns, so any terminal will do.
void ShowProgress(absl::string_view text);
void EraseProgress();

}  // namespace flowcat

#endif  // FLOWCAT_CONSOLE_H_
