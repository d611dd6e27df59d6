// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat copies bytes from one endpoint to another: `flowcat --help`. It shows
// flow::Copy() on flows made of functions (endpoint.h), and how to be sure that
// all has arrived: the result of the copy, then that of Close().

#include <fcntl.h>
#include <getopt.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/endpoint.h"
#include "examples/flowcat_progress.h"
#include "flow/copy.h"
#include "flow/flow.h"

namespace flowcat {
namespace {

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

// At most 23 lines of 80 columns, for a prompt must fit under it.
constexpr absl::string_view kHelp =
    R"(Usage: flowcat [OPTION]... SOURCE SINK
Copies all bytes from SOURCE to SINK, each of which is one of:

  -            standard input (as SOURCE), standard output (as SINK)
  PATH         a file; as SINK, it is created, or emptied first if it exists
  file:PATH    the same, also if PATH is - or begins like one of these
  null:        no bytes (as SOURCE); takes and forgets them (as SINK)
  string:TEXT  the bytes of TEXT (only as SOURCE)
  zero:SIZE    bytes of zero (only as SOURCE), as many as SIZE says: 4096, 10MB
               (kB, MB, GB, TB: by 1000) or 64KiB (KiB, MiB, GiB, TiB: by 1024)

Options, before, between or after them (-- ends the options):

  -s, --stats  at the end, also after a failure, print on standard error how
               many bytes there were, in what time and in how many operations
  -h, --help   print this text
  --version    print the version

On a terminal, a copy that takes longer than a second shows its progress.
Exit status: 0 if all was copied; 1 if not, and then one line on standard error
says why, and SINK keeps what was written; 2 if the command line is wrong.
)";

// Prints one line, whatever is in the names that `text` quotes.
void PrintError(absl::string_view text) {
  std::string line = "flowcat: ";
  for (const char& c : text) {
    if (absl::ascii_iscntrl(c)) {
      line += absl::CEscape(absl::string_view(&c, 1));
    } else {
      line += c;
    }
  }
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

int Fail(absl::string_view text) {
  PrintError(text);
  return kFailure;
}

int BadUsage(absl::string_view text) {
  PrintError(text);
  PrintError("try 'flowcat --help'");
  return kBadUsage;
}

int Print(absl::string_view text) {
  std::fputs(std::string(text).c_str(), stdout);
  if (std::fflush(stdout) == 0) return EXIT_SUCCESS;
  return Fail(
      absl::ErrnoToStatus(errno, "cannot write standard output").message());
}

// A file that is opened while standard error is closed would take its number,
// and our messages. Gives such numbers to something that can be neither read
// nor written the wrong way round.
void OccupyStandardDescriptors() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// `bazel run` calls us in a directory of its own and names the user's.
absl::Status EnterUsersDirectory() {
  const char* directory = std::getenv("BUILD_WORKING_DIRECTORY");
  if (directory == nullptr || ::chdir(directory) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(
      errno, absl::StrCat("cannot enter BUILD_WORKING_DIRECTORY ", directory));
}

constexpr char kLetters[] = "hs";
constexpr int kVersion = 256;  // no letter
constexpr struct option kOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"stats", no_argument, nullptr, 's'},
    {"version", no_argument, nullptr, kVersion},
    {nullptr, 0, nullptr, 0},
};

struct CommandLine {
  bool help = false;
  bool version = false;
  bool stats = false;
  EndpointSpec source;
  EndpointSpec sink;
};

// Returns the option that getopt_long() has just refused, as it was written.
std::string RefusedOption(char** argv) {
  // `optopt` is the letter if there is no such one; 0 or that of a known option
  // if it was a long one, which is then the last word that was looked at.
  if (optopt == 0 || optopt == kVersion ||
      absl::StrContains(kLetters, static_cast<char>(optopt))) {
    return argv[optind - 1];
  }
  return {'-', static_cast<char>(optopt)};
}

absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv) {
  CommandLine result;
  opterr = 0;  // The messages of getopt begin with a long path under Bazel.
  int option;
  while ((option = ::getopt_long(argc, argv, kLetters, kOptions, nullptr)) !=
         -1) {
    switch (option) {
      case 'h':
        result.help = true;
        return result;
      case kVersion:
        result.version = true;
        return result;
      case 's':
        result.stats = true;
        break;
      default:
        return absl::InvalidArgumentError(
            absl::StrCat("unknown option ", RefusedOption(argv)));
    }
  }
  if (argc - optind != 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        "2 operands are needed, SOURCE and SINK, not ", argc - optind));
  }
  absl::StatusOr<EndpointSpec> source = ParseSource(argv[optind]);
  if (!source.ok()) return source.status();
  absl::StatusOr<EndpointSpec> sink = ParseSink(argv[optind + 1]);
  if (!sink.ok()) return sink.status();
  result.source = *std::move(source);
  result.sink = *std::move(sink);
  return result;
}

// Copies, and closes both ends. The status of the result is that of it all.
flow::CopyResult CopyAndClose(Endpoint& source, Endpoint& sink) {
  // Progress must not get between what passes through the terminal itself.
  std::optional<ProgressLine> progress;
  if (::isatty(STDERR_FILENO) == 1 && !source.is_terminal &&
      !sink.is_terminal) {
    progress.emplace(*sink.flow, source.size);
  }
  flow::CopyResult result = flow::Copy(*source.flow, *sink.flow);
  if (result.status.ok()) {
    // Only Close() makes it certain that everything was written.
    const absl::Time deadline = absl::Now() + absl::Seconds(10);
    result.status = sink.flow->Close(deadline);
    if (result.status.ok()) result.status = source.flow->Close(deadline);
  } else {
    sink.flow->Abort(result.status);
  }
  return result;
}

int Run(CommandLine command_line) {
  if (absl::Status s = EnterUsersDirectory(); !s.ok()) return Fail(s.message());
  absl::StatusOr<Endpoint> source = OpenSource(std::move(command_line.source));
  if (!source.ok()) return Fail(CauseOf(source.status()));
  absl::StatusOr<Endpoint> sink =
      OpenSink(std::move(command_line.sink), *source);
  if (!sink.ok()) return Fail(CauseOf(sink.status()));

  const flow::CopyResult result = CopyAndClose(*source, *sink);
  if (!result.status.ok()) {
    const std::string kept = sink->regular_file.has_value()
                                 ? absl::StrCat("bytes kept in ", sink->name)
                                 : "bytes written";
    PrintError(absl::StrCat(CauseOf(result.status), "; ", kept, ": ",
                            result.statistics.bytes));
  }
  if (command_line.stats) PrintError(result.statistics.ToString());
  return result.status.ok() ? EXIT_SUCCESS : kFailure;
}

int Main(int argc, char** argv) {
  OccupyStandardDescriptors();
  // So that a reader that is gone is an error like any other.
  std::signal(SIGPIPE, SIG_IGN);
  absl::StatusOr<CommandLine> command_line = ParseCommandLine(argc, argv);
  if (!command_line.ok()) return BadUsage(command_line.status().message());
  if (command_line->help) return Print(kHelp);
  if (command_line->version) return Print("flowcat " FLOWCAT_VERSION "\n");
  return Run(*std::move(command_line));
}

}  // namespace
}  // namespace flowcat

int main(int argc, char** argv) { return flowcat::Main(argc, argv); }
