// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/fixture.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

struct Ends {
  int read;
  int write;
};

Ends NewPipe() {
  int fds[2];
  ABSL_PCHECK(::pipe2(fds, O_CLOEXEC) == 0);
  return {fds[0], fds[1]};
}

}  // namespace

FlowcatProcess::FlowcatProcess(const std::vector<std::string>& arguments)
    : FlowcatProcess(arguments, Options()) {}

FlowcatProcess::FlowcatProcess(const std::vector<std::string>& arguments,
                               const Options& options) {
  const Ends in = NewPipe();
  const Ends out = NewPipe();
  const Ends err = NewPipe();
  posix_spawn_file_actions_t actions;
  ABSL_CHECK_EQ(::posix_spawn_file_actions_init(&actions), 0);
  const auto becomes = [&](int fd, int number) {
    ABSL_CHECK_EQ(::posix_spawn_file_actions_adddup2(&actions, fd, number), 0);
  };
  // First, as one of the pipes may have that number.
  const int three = options.descriptor_3 < 0
                        ? -1
                        : ::fcntl(options.descriptor_3, F_DUPFD_CLOEXEC, 20);
  becomes(in.read, STDIN_FILENO);
  becomes(out.write, STDOUT_FILENO);
  becomes(err.write, STDERR_FILENO);
  if (three >= 0) becomes(three, 3);

  std::vector<std::string> words = {"sh", "-c", options.shell, "sh",
                                    FlowcatPath()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ABSL_CHECK_EQ(
      ::posix_spawn(&pid_, "/bin/sh", &actions, nullptr, argv.data(), environ),
      0);
  ::posix_spawn_file_actions_destroy(&actions);
  for (int fd : {in.read, out.write, err.write, three, options.descriptor_3}) {
    if (fd >= 0) ::close(fd);
  }
  streams_ = *flow::MakeFdPairFlow(out.read, in.write);
  errors_ = *flow::MakeFdFlow(err.read);
}

FlowcatProcess::~FlowcatProcess() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  Wait();
}

bool FlowcatProcess::ReadSome() {
  errors_->SetReadDeadline(Patience());
  const absl::StatusOr<absl::Cord> data = errors_->Read();
  if (!data.ok() || data->empty()) return false;
  absl::StrAppend(&err_, std::string(*data));
  return true;
}

std::string FlowcatProcess::AwaitLine(absl::string_view words) {
  while (true) {
    size_t end;
    while ((end = err_.find('\n', seen_)) != std::string::npos) {
      const std::string line = err_.substr(seen_, end - seen_);
      seen_ = end + 1;
      if (absl::StrContains(line, words)) return line;
    }
    if (!ReadSome()) {
      return absl::StrCat("no '", words, "' in: ", err_);
    }
  }
}

std::string FlowcatProcess::AwaitListening() {
  constexpr absl::string_view kWords = "listening on ";
  const std::string line = AwaitLine(kWords);
  return line.substr(line.find(kWords) + kWords.size());
}

void FlowcatProcess::Signal(int signal) {
  ABSL_PCHECK(::kill(pid_, signal) == 0);
}

void FlowcatProcess::AwaitExit() {
  siginfo_t info;
  ABSL_PCHECK(::waitid(P_PID, pid_, &info, WEXITED | WNOWAIT) == 0);
}

int FlowcatProcess::Wait() {
  while (ReadSome()) continue;
  int status;
  ABSL_PCHECK(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  killed_ = WIFSIGNALED(status);
  return ExitCode(status);
}

FlowcatProcessFixture::FlowcatProcessFixture() {
  ABSL_PCHECK(::chdir(directory().c_str()) == 0);
}

std::unique_ptr<flow::Flow> DialOrDie(absl::string_view address) {
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      flow::Dial(address, Patience());
  ABSL_CHECK_OK(flow.status());
  return *std::move(flow);
}

std::unique_ptr<flow::Listener> ListenOrDie(absl::string_view address) {
  absl::StatusOr<std::unique_ptr<flow::Listener>> listener =
      flow::Listen(address);
  ABSL_CHECK_OK(listener.status());
  return *std::move(listener);
}

std::unique_ptr<flow::Flow> AcceptOrDie(flow::Listener& listener) {
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      listener.Accept(Patience());
  ABSL_CHECK_OK(flow.status());
  return *std::move(flow);
}

void ExpectReset(absl::string_view address) {
  const absl::StatusOr<std::unique_ptr<flow::Flow>> client =
      flow::Dial(address, Patience());
  const absl::Status reset =
      client.ok() ? ReadToEnd(**client).status() : client.status();
  EXPECT_TRUE(absl::IsUnavailable(reset)) << reset;
  EXPECT_TRUE(absl::StrContains(reset.message(), "reset by peer")) << reset;
}

absl::StatusOr<std::string> ReadToEnd(flow::Flow& flow) {
  std::string all;
  while (true) {
    flow.SetReadDeadline(Patience());
    const absl::StatusOr<absl::Cord> data = flow.Read();
    if (!data.ok()) return data.status();
    if (data->empty()) return all;
    absl::StrAppend(&all, std::string(*data));
  }
}

std::string ReadSize(flow::Flow& flow, size_t size) {
  std::string all;
  while (all.size() < size) {
    flow.SetReadDeadline(Patience());
    const absl::StatusOr<absl::Cord> data = flow.Read(size - all.size());
    if (!data.ok() || data->empty()) break;
    absl::StrAppend(&all, std::string(*data));
  }
  return all;
}

bool Eventually(absl::FunctionRef<bool()> condition) {
  const absl::Time deadline = Patience();
  while (!condition()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

int OpenDescriptors(pid_t pid) {
  DIR* const directory = ::opendir(absl::StrCat("/proc/", pid, "/fd").c_str());
  ABSL_PCHECK(directory != nullptr);
  int count = 0;
  while (const struct dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') ++count;
  }
  ::closedir(directory);
  return count;
}

}  // namespace flowcat
