// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: options.h
//
// The command line of flowcat.

#ifndef FLOWCAT_OPTIONS_H_
#define FLOWCAT_OPTIONS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flowcat/endpoint_spec.h"

namespace flowcat {

// What `flowcat --help` prints.
extern const absl::string_view kHelp;

// CommandLine
struct CommandLine {
  enum class Stats { kNone, kText, kJson };

  // If either is true, nothing else is meant.
  bool help = false;
  bool version = false;

  bool both_ways = false;
  bool keep_listening = false;
  bool progress = false;
  bool quiet = false;
  bool trace = false;
  Stats stats = Stats::kNone;
  int max_connections = 100;
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration idle_timeout = absl::InfiniteDuration();
  EndpointSpec a;
  EndpointSpec b;
};

// ParseCommandLine()
//
// Returns what the arguments of main() say, or kInvalidArgument in words for
// the user. Nothing is opened; but whether the descriptors that fd: names are
// open is looked up, before others take their numbers.
//
// Not thread-safe: it uses getopt_long(3), which reorders `argv`.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv);

}  // namespace flowcat

#endif  // FLOWCAT_OPTIONS_H_
