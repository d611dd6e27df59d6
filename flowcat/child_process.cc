// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>  // NOLINT(build/c++11)
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/status.h"
#include "flow/transport.h"
#include "flowcat/mutex_lock.h"

namespace flowcat {
namespace {

// From SIGTERM to SIGKILL.
constexpr absl::Duration kLastGrace = absl::Seconds(2);

// How often to look whether a process has exited, where nothing tells.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// A descriptor that is readable once process `pid` has exited; -1 if that
// fails.
int PidFd([[maybe_unused]] pid_t pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
#else
  return -1;
#endif
}

// Waits until either may be readable, but not longer than `timeout`.
void PollUntilReadable(int a, int b, absl::Duration timeout) {
  // Where one cannot tell, somebody must look.
  timeout = std::min(timeout, a < 0 || b < 0 ? kBlindWait : absl::Hours(24));
  struct pollfd polled[] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
  const int milliseconds = static_cast<int>(
      absl::ToInt64Milliseconds(absl::Ceil(timeout, absl::Milliseconds(1))));
  // EINVAL: fewer descriptors are allowed now than it is given.
  if (::poll(polled, 2, milliseconds) < 0 && errno != EINTR) {
    absl::SleepFor(kBlindWait);
  }
}

// Closes its descriptors, unless they were released.
struct FdPair {
  FdPair() = default;
  FdPair(const FdPair&) = delete;
  FdPair& operator=(const FdPair&) = delete;
  ~FdPair() {
    for (int fd : fds) {
      if (fd >= 0) ::close(fd);
    }
  }

  // As the ends of a pipe, neither of which reaches a child by accident.
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
  // What this program ignores for itself; and no shell can do without SIGCHLD.
  for (int signal : {SIGPIPE, SIGXFSZ, SIGCHLD}) {
    ::sigaddset(&defaults, signal);
  }
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
class PipesTransport final : public flow::ForwardingTransport {
 public:
  PipesTransport(std::unique_ptr<flow::Transport> inner, ChildProcess* child)
      : ForwardingTransport(std::move(inner)), child_(child) {}

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    // Closed is the child's own doing.
    if (!outcome.ok() && !flow::IsClosed(outcome)) child_->Terminate();
    return ForwardingTransport::EndWrite(outcome, deadline);
  }

  void Abort(const absl::Status& reason) override {
    child_->Terminate();
    ForwardingTransport::Abort(reason);
  }

  flow::internal::KernelEnd* kernel_end() override {
    return inner().kernel_end();
  }

 private:
  ChildProcess* const child_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(
    const std::string& command, Streams streams) {
  FdPair input;
  FdPair output;
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
  return flow::DecorateFlow(
      *std::move(pipes), [this](std::unique_ptr<flow::Transport> underneath) {
        return std::make_unique<PipesTransport>(std::move(underneath), this);
      });
}

void ChildProcess::Signal(int signal) {
  MutexLock lock(mu_);
  HasExited();  // other code may have reaped it
  if (!reaped_) ::kill(-pid_, signal);
}

void ChildProcess::Terminate() {
  Signal(SIGTERM);
  MutexLock lock(mu_);
  terminated_ = true;
  if (wake_fd_ < 0) return;
  const uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(wake_fd_, &one, sizeof(one));
}

bool ChildProcess::HasExited() {
  if (reaped_) return true;
  siginfo_t info = {};
  // Left to be reaped, so that the number stays that of our process and of its
  // group, to which signals can be sent.
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info,
               WEXITED | WNOWAIT | WNOHANG) == 0) {
    return info.si_pid != 0;
  }
  reaped_ = true;  // ECHILD: by somebody else
  return true;
}

bool ChildProcess::AwaitExit(absl::Duration timeout, bool or_terminated) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  const auto is_over = [&] {
    mu_.AssertHeld();
    return HasExited() || (or_terminated && terminated_);
  };
  MutexLock lock(mu_);
  if (is_over()) return true;
  FdPair own;
  own.fds[0] = PidFd(pid_);
  own.fds[1] = ::eventfd(0, EFD_CLOEXEC);
  if (or_terminated) wake_fd_ = own.fds[1];
  while (!is_over()) {
    const absl::Duration left =
        timeout - absl::FromChrono(Clock::now() - start);
    if (left <= absl::ZeroDuration()) break;
    Unlock(mu_);
    PollUntilReadable(own.fds[0], own.fds[1], left);
    Lock(mu_);
  }
  wake_fd_ = -1;
  return is_over();
}

absl::Status ChildProcess::End(absl::Duration patience) {
  const bool in_time = AwaitExit(patience, /*or_terminated=*/true);
  if (!in_time) Terminate();
  if (!AwaitExit(kLastGrace, /*or_terminated=*/false)) {
    Signal(SIGKILL);
    AwaitExit(absl::InfiniteDuration(), /*or_terminated=*/false);
  }
  MutexLock lock(mu_);
  if (!reaped_) {
    int status;
    if (::waitpid(pid_, &status, 0) == pid_) wait_status_ = status;
    reaped_ = true;
  }
  if (!wait_status_.has_value()) {
    return absl::UnavailableError(
        "its exit status is unknown: something else waited for it, or SIGCHLD "
        "is ignored");
  }
  if (!in_time) {
    return absl::UnavailableError(absl::StrCat(
        "did not exit within ", absl::FormatDuration(patience), " and was ",
        "ended by ",
        WIFSIGNALED(*wait_status_) && WTERMSIG(*wait_status_) == SIGKILL
            ? "SIGKILL"
            : "SIGTERM"));
  }
  if (WIFSIGNALED(*wait_status_)) {
    return absl::UnavailableError(
        absl::StrCat("ended by signal ", WTERMSIG(*wait_status_), " (",
                     ::strsignal(WTERMSIG(*wait_status_)), ")"));
  }
  if (WEXITSTATUS(*wait_status_) == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("exit status ", WEXITSTATUS(*wait_status_)));
}

bool ChildProcess::ended_by_sigpipe() const {
  MutexLock lock(mu_);
  if (!wait_status_.has_value()) return false;
  return WIFSIGNALED(*wait_status_)
             ? WTERMSIG(*wait_status_) == SIGPIPE
             : WEXITSTATUS(*wait_status_) == 128 + SIGPIPE;
}

}  // namespace flowcat
