// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/options.h"

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flowcat/endpoint_spec.h"

namespace flowcat {

// At most 23 lines of 80 columns, so that a prompt fits under it.
const absl::string_view kHelp =
    R"(Usage: flowcat [OPTION]... A B
Relays bytes between A and B: both ways if both allow it, else from A to B.

  tcp:HOST:PORT, tcp-listen:[HOST:]PORT    connect, or wait for a connection
  unix:PATH, unix-listen:PATH              the same on a Unix socket
  exec:COMMAND, fd:N, -                    a command, a descriptor, stdin/stdout
  PATH, file:PATH, null:                   a file, or nothing; read as A,
                                           written as B (and emptied first)
  string:TEXT, zero:SIZE                   only as A; SIZE like 4096, 1MB, 1KiB

  -u, --one-way            copy from A to B only
  -k, --keep-listening     serve each connection to A with a B of its own
      --max-connections=N  serve at most N at once (default 100)
      --connect-timeout=D  give up connecting after D (default 10s)
      --idle-timeout=D     fail if no byte passes for D; like 10, 500ms, 1m30s
  -s, --stats[=json]       print statistics at the end, even after a failure
  -p, --progress           show progress, even without a terminal
  -q, --quiet              print only errors
  -t, --trace              print each operation
  -h, --help, --version    print this text, or the version

Exit status: 0 if all was relayed; 1 if not, and a line on standard error says
why; 2 for bad usage; 128+n after signal n. Everything else: docs/flowcat.md
)";

namespace {

using Kind = EndpointSpec::Kind;

constexpr int kMaxConnections = 10000;

constexpr char kLetters[] = "hkpqstu";
enum LongOption {  // those without a letter
  kVersion = 256,
  kStats,
  kMax,
  kConnectTimeout,
  kIdleTimeout
};
constexpr struct option kOptions[] = {
    {"connect-timeout", required_argument, nullptr, kConnectTimeout},
    {"help", no_argument, nullptr, 'h'},
    {"idle-timeout", required_argument, nullptr, kIdleTimeout},
    {"keep-listening", no_argument, nullptr, 'k'},
    {"max-connections", required_argument, nullptr, kMax},
    {"one-way", no_argument, nullptr, 'u'},
    {"progress", no_argument, nullptr, 'p'},
    {"quiet", no_argument, nullptr, 'q'},
    {"stats", optional_argument, nullptr, kStats},
    {"trace", no_argument, nullptr, 't'},
    {"version", no_argument, nullptr, kVersion},
    {nullptr, 0, nullptr, 0},
};

// Returns the error for the option that getopt_long() has just refused, named
// as it was written.
absl::Status Refused(char** argv) {
  // `optopt` is the letter if there is no such one; 0 or that of a known option
  // if it was a long one, which is then the last word that was looked at.
  if (optopt == kMax || optopt == kConnectTimeout || optopt == kIdleTimeout) {
    return absl::InvalidArgumentError(
        absl::StrCat("option ", argv[optind - 1], " needs a value"));
  }
  const bool is_word = optopt == 0 || optopt > 255 ||
                       absl::StrContains(kLetters, static_cast<char>(optopt));
  return absl::InvalidArgumentError(absl::StrCat(
      "unknown option ", is_word
                             ? std::string(argv[optind - 1])
                             : std::string{'-', static_cast<char>(optopt)}));
}

absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view option,
                                            absl::string_view text) {
  absl::Duration duration;
  double seconds;
  if (absl::SimpleAtod(text, &seconds)) {
    duration = seconds > 0 ? absl::Seconds(seconds) : absl::ZeroDuration();
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::ZeroDuration();
  }
  if (duration > absl::ZeroDuration()) return duration;
  return absl::InvalidArgumentError(
      absl::StrCat(option, ": '", text,
                   "' is not a duration; write one like 10, 500ms, or 1m30s"));
}

absl::Status SetStats(const char* format, CommandLine* result) {
  const absl::string_view text = format == nullptr ? "text" : format;
  if (text == "text") {
    result->stats = CommandLine::Stats::kText;
  } else if (text == "json") {
    result->stats = CommandLine::Stats::kJson;
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("--stats is text or json, not '", text, "'"));
  }
  return absl::OkStatus();
}

absl::Status SetTimeout(absl::string_view option, absl::Duration* timeout) {
  const absl::StatusOr<absl::Duration> value = ParseTimeout(option, optarg);
  if (value.ok()) *timeout = *value;
  return value.status();
}

absl::Status SetOption(int option, char** argv, CommandLine* result) {
  switch (option) {
    case 'h':
      result->help = true;
      break;
    case kVersion:
      result->version = true;
      break;
    case 'k':
      result->keep_listening = true;
      break;
    case 'p':
      result->progress = true;
      break;
    case 'q':
      result->quiet = true;
      break;
    case 's':
      return SetStats(nullptr, result);
    case kStats:
      return SetStats(optarg, result);
    case 't':
      result->trace = true;
      break;
    case 'u':
      result->both_ways = false;
      break;
    case kConnectTimeout:
      return SetTimeout("--connect-timeout", &result->connect_timeout);
    case kIdleTimeout:
      return SetTimeout("--idle-timeout", &result->idle_timeout);
    case kMax:
      if (!absl::SimpleAtoi(optarg, &result->max_connections) ||
          result->max_connections < 1 ||
          result->max_connections > kMaxConnections) {
        return absl::InvalidArgumentError(
            absl::StrCat("--max-connections is a number from 1 to ",
                         kMaxConnections, ", not '", optarg, "'"));
      }
      break;
    default:
      return Refused(argv);
  }
  return absl::OkStatus();
}

absl::Status CheckKeepListening(const CommandLine& result) {
  if (result.a.kind != Kind::kListen) {
    return absl::InvalidArgumentError(
        absl::StrCat("with -k, A must be tcp-listen: or unix-listen:, not ",
                     result.a.operand));
  }
  switch (result.b.kind) {
    case Kind::kDial:
    case Kind::kExec:
    case Kind::kNull:
      return absl::OkStatus();
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("with -k, B must be tcp:, unix:, exec: or null:, one "
                       "for each connection, not ",
                       result.b.operand));
  }
}

absl::Status CheckDescriptors(const CommandLine& result) {
  // Numbers that are taken, so that none is closed twice.
  std::set<int> taken;
  const EndpointSpec* const specs[] = {&result.a, &result.b};
  for (const EndpointSpec* spec : specs) {
    std::set<int> wanted;
    if (spec->kind == Kind::kDescriptor) {
      if (::fcntl(spec->descriptor, F_GETFD) < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat(spec->operand, " is not open"));
      }
      wanted = {spec->descriptor};
    } else if (spec->kind == Kind::kStandardStream) {
      if (result.both_ways || spec == &result.a) wanted.insert(STDIN_FILENO);
      if (result.both_ways || spec == &result.b) wanted.insert(STDOUT_FILENO);
    }
    for (int fd : wanted) {
      if (taken.insert(fd).second) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("A and B are both descriptor ", fd));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv) {
  CommandLine result;
  result.both_ways = true;  // unless -u says otherwise, or the operands do
  opterr = 0;  // The messages of getopt begin with a long path under Bazel.
  int option;
  while ((option = ::getopt_long(argc, argv, kLetters, kOptions, nullptr)) !=
         -1) {
    const absl::Status status = SetOption(option, argv, &result);
    if (!status.ok()) return status;
    if (result.help || result.version) return result;
  }
  if (argc - optind != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("2 operands are needed, A and B, not ", argc - optind));
  }
  absl::StatusOr<EndpointSpec> a = ParseSource(argv[optind]);
  if (!a.ok()) return a.status();
  absl::StatusOr<EndpointSpec> b = ParseSink(argv[optind + 1]);
  if (!b.ok()) return b.status();
  result.a = *std::move(a);
  result.b = *std::move(b);
  if (!result.a.two_way() || !result.b.two_way() ||
      (result.a.kind == Kind::kStandardStream &&
       result.b.kind == Kind::kStandardStream)) {
    result.both_ways = false;
  }
  absl::Status status = CheckDescriptors(result);
  if (status.ok() && result.keep_listening) status = CheckKeepListening(result);
  if (!status.ok()) return status;
  return result;
}

}  // namespace flowcat
