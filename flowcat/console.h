// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: console.h
//
// What flowcat prints on standard error: whole lines, in order, from any
// thread, and a line of progress that they do not get mixed up with.
//
// Standard error can block: a pipe that nobody reads, a terminal that is
// stopped. So a thread of its own prints, from StartPrinting() on. It is a
// nuisance to lose a line, and a fault to stop carrying bytes, or not to end,
// for the sake of one:
//
//  * Lines wait for it, up to 64 KiB of them. Whoever prints more waits as long
//    as some of it is being taken, so whoever only reads slowly gets every
//    line.
//  * When nothing was taken for a second, further lines are left out until
//    something is. How many, a line says then.
//
// An error of standard error itself is nothing that could be told to anybody.
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
// Starts the thread; kResourceExhausted if there is none to be had. Without it
// a line is printed by whoever calls, who then waits.
//
// Precondition: called once.
absl::Status StartPrinting();

// HurryPrinting()
//
// The program has been asked to end: from here on nobody waits to print, and
// FinishPrinting() does not wait for long. Never blocks.
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
// Nothing but spaces and carriage returns is used, so any terminal will do.
void ShowProgress(absl::string_view text);
void EraseProgress();

}  // namespace flowcat

#endif  // FLOWCAT_CONSOLE_H_
