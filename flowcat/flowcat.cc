// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// flowcat connects two endpoints and carries bytes between them:
// `flowcat --help`, docs/flowcat.md. It shows flow::Proxy() and flow::Copy() on
// sockets, descriptors, commands and flows made of functions (endpoint.h), and
// how to be sure that all has arrived (relay.h).

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/canceller.h"
#include "flowcat/console.h"
#include "flowcat/options.h"
#include "flowcat/run.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

int Print(absl::string_view text) {
  std::fputs(std::string(text).c_str(), stdout);
  if (std::fflush(stdout) == 0) return EXIT_SUCCESS;
  PrintMessage(
      absl::ErrnoToStatus(errno, "cannot write standard output").message());
  return kFailure;
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

int Main(int argc, char** argv) {
  OccupyStandardDescriptors();
  // So that a reader that is gone, and a file that may not grow, are errors
  // like any other.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  // A process that ignores it gets no exit codes of commands.
  std::signal(SIGCHLD, SIG_DFL);
  absl::StatusOr<CommandLine> command_line = ParseCommandLine(argc, argv);
  if (!command_line.ok()) {
    PrintMessage(command_line.status().message());
    PrintMessage("try 'flowcat --help'");
    return kBadUsage;
  }
  if (command_line->help) return Print(kHelp);
  if (command_line->version) return Print("flowcat " FLOWCAT_VERSION "\n");
  if (absl::Status s = EnterUsersDirectory(); !s.ok()) {
    PrintMessage(s.message());
    return kFailure;
  }
  const absl::StatusOr<Stop*> stop = StopOnSignals();
  absl::Status status = stop.status();
  if (status.ok()) status = StartPrinting();
  if (!status.ok()) {
    PrintMessage(absl::StrCat("cannot start: ", status.message()));
    return kFailure;
  }
  // Comes before everything else that a request does, some of which prints.
  flow::AtCancel hurry((*stop)->canceller(),
                       [](const absl::Status&) { HurryPrinting(); });
  const int exit_code = RunFlowcat(*std::move(command_line), **stop);
  FinishPrinting();
  return exit_code;
}

}  // namespace
}  // namespace flowcat

int main(int argc, char** argv) { return flowcat::Main(argc, argv); }
