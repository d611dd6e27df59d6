// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: run.h
//
// A run of flowcat, from its command line to its exit code.

#ifndef FLOWCAT_RUN_H_
#define FLOWCAT_RUN_H_

#include "flowcat/options.h"
#include "flowcat/stop.h"

namespace flowcat {

// RunFlowcat()
//
// Does what `command_line` says (neither help nor version), prints messages and
// statistics, and returns the exit code. A request to `stop` ends it in order.
//
// Precondition: called once; SIGPIPE and SIGXFSZ are ignored, SIGCHLD is not.
int RunFlowcat(CommandLine command_line, Stop& stop);

}  // namespace flowcat

#endif  // FLOWCAT_RUN_H_
