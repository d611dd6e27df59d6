// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flow/status.h"

namespace flowcat {
namespace {

// From SIGTERM to SIGKILL.
constexpr absl::Duration kLastGrace = absl::Seconds(2);

// Closes its descriptors, unless they were released.
struct PipeEnds {
  PipeEnds() = default;
  PipeEnds(const PipeEnds&) = delete;
  PipeEnds& operator=(const PipeEnds&) = delete;
  ~PipeEnds() {
    for (int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }

  // Neither end reaches a child by accident.
  bool Open() { return ::pipe2(fds, O_CLOEXEC) == 0; }
  int Release(int end) { return std::exchange(fds[end], -1); }

  int fds[2] = {-1, -1};
};

// Runs `command`; what is negative of the descriptors is not a pipe. Returns an
// errno. Not fork(), as there are other threads.
int Spawn(const std::string& command, int input, int output, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  int error = ::posix_spawn_file_actions_init(&actions);
  if (error != 0) return error;
  error = ::posix_spawnattr_init(&attributes);
  if (error != 0) {
    ::posix_spawn_file_actions_destroy(&actions);
    return error;
  }
  const auto attempt = [&error](int result) {
    if (error == 0) error = result;
  };
  attempt(input >= 0 ? ::posix_spawn_file_actions_adddup2(&actions, input,
                                                          STDIN_FILENO)
                     : ::posix_spawn_file_actions_addopen(
                           &actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0));
  if (output >= 0) {
    attempt(
        ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO));
  }
  attempt(::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                                      POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF));
  attempt(::posix_spawnattr_setpgroup(&attributes, 0));
  attempt(::posix_spawnattr_setsigmask(&attributes, &none));
  attempt(::posix_spawnattr_setsigdefault(&attributes, &defaults));
  if (error == 0) {
    std::string words[] = {"sh", "-c", command};
    char* const argv[] = {words[0].data(), words[1].data(), words[2].data(),
                          nullptr};
    error = ::posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
  }
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The pipes of a child. A pipe cannot carry an abort; so that the child does
// not take what was cut for the whole, it gets SIGTERM before the pipe ends.
class PipesFlow final : public flow::ForwardingFlow {
 public:
  PipesFlow(std::unique_ptr<flow::Flow> inner, ChildProcess* child)
      : ForwardingFlow(std::move(inner)), child_(child) {}

  ~PipesFlow() override { Destroy(); }

 private:
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    // Closed is the child's own doing.
    if (!outcome.ok() && !flow::IsClosed(outcome)) child_->Terminate();
    return ForwardingFlow::DoEndWrite(outcome);
  }

  void DoAbort(const absl::Status& reason) override {
    child_->Terminate();
    ForwardingFlow::DoAbort(reason);
  }

  std::string DoDescribe() const override { return inner().DebugString(); }

  ChildProcess* const child_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& command, Streams streams) {
  PipeEnds input;
  PipeEnds output;
  if ((streams != Streams::kOutput && !input.Open()) ||
      (streams != Streams::kInput && !output.Open())) {
    return absl::ErrnoToStatus(errno, "pipe");
  }
  pid_t pid;
  const int error = Spawn(command, input.fds[0], output.fds[1], &pid);
  if (error != 0) return absl::ErrnoToStatus(error, "/bin/sh");
  // The constructor is private.
  std::unique_ptr<ChildProcess> child(new ChildProcess(pid));
  child->write_fd_ = input.Release(1);
  child->read_fd_ = output.Release(0);
  return child;
}

ChildProcess::ChildProcess(pid_t pid)
    : pid_(pid), waiter_([this] {
        siginfo_t info;
        // Left to be reaped, so that the number stays that of our process and
        // of its group, to which signals can be sent.
        while (::waitid(P_PID, pid_, &info, WEXITED | WNOWAIT) != 0) {
          ABSL_PCHECK(errno == EINTR) << "waitid";
        }
        absl::MutexLock lock(&mu_);
        exited_ = true;
      }) {}

ChildProcess::~ChildProcess() {
  Signal(SIGKILL);
  End(absl::InfiniteDuration()).IgnoreError();
  for (int fd : {read_fd_, write_fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

absl::StatusOr<std::unique_ptr<flow::Flow>> ChildProcess::TakePipes() {
  const int read_fd = std::exchange(read_fd_, -1);
  const int write_fd = std::exchange(write_fd_, -1);
  flow::FdFlowOptions options;
  options.name = absl::StrCat("pipes of process ", pid_);
  absl::StatusOr<std::unique_ptr<flow::Flow>> pipes = flow::MakeFdPairFlow(
      read_fd < 0 ? write_fd : read_fd, write_fd < 0 ? read_fd : write_fd,
      std::move(options));
  if (!pipes.ok()) return pipes;
  return std::make_unique<PipesFlow>(*std::move(pipes), this);
}

void ChildProcess::Signal(int signal) {
  absl::MutexLock lock(&mu_);
  if (!reaped_) ::kill(-pid_, signal);
}

void ChildProcess::Terminate() {
  Signal(SIGTERM);
  absl::MutexLock lock(&mu_);
  terminated_ = true;
}

bool ChildProcess::AwaitExit(absl::Duration timeout) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&exited_), timeout);
}

absl::Status ChildProcess::End(absl::Duration patience) {
  bool in_time;
  {
    absl::MutexLock lock(&mu_);
    const auto over = [this] {
      mu_.AssertReaderHeld();
      return exited_ || terminated_;
    };
    in_time = mu_.AwaitWithTimeout(absl::Condition(&over), patience);
  }
  if (!in_time) Terminate();
  if (!AwaitExit(kLastGrace)) Signal(SIGKILL);
  if (waiter_.joinable()) waiter_.join();
  absl::MutexLock lock(&mu_);
  if (!reaped_) {
    ABSL_PCHECK(::waitpid(pid_, &wait_status_, 0) == pid_) << "waitpid";
    reaped_ = true;
  }
  if (!in_time) {
    return absl::UnavailableError(absl::StrCat(
        "did not exit within ", absl::FormatDuration(patience), " and was ",
        "ended by ",
        WIFSIGNALED(wait_status_) && WTERMSIG(wait_status_) == SIGKILL
            ? "SIGKILL"
            : "SIGTERM"));
  }
  if (WIFSIGNALED(wait_status_)) {
    return absl::UnavailableError(
        absl::StrCat("ended by signal ", WTERMSIG(wait_status_), " (",
                     ::strsignal(WTERMSIG(wait_status_)), ")"));
  }
  if (WEXITSTATUS(wait_status_) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("exit status ", WEXITSTATUS(wait_status_)));
}

bool ChildProcess::ended_by_sigpipe() const {
  absl::MutexLock lock(&mu_);
  return WIFSIGNALED(wait_status_) ? WTERMSIG(wait_status_) == SIGPIPE
                                   : WEXITSTATUS(wait_status_) == 128 + SIGPIPE;
}

}  // namespace flowcat
