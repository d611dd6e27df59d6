// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: child_process.h
//
// A shell command that runs beside this program, with the ends of pipes as its
// standard streams.
//
// Thread safety: Terminate() may be called from any thread at any time, the
// others by one at a time.

#ifndef FLOWCAT_CHILD_PROCESS_H_
#define FLOWCAT_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flowcat {

// ChildProcess
//
// A process that its owner ends: the destructor leaves nothing of it, not even
// a zombie. It takes no thread, and no descriptors except its pipes, unless a
// thread waits for its end.
//
// If other code in this process waits for all children, or SIGCHLD is ignored,
// its exit status is unknown, which is an error.
class ChildProcess {
 public:
  // Which of its standard streams are pipes to this program. Otherwise its
  // input is /dev/null, and its output is that of this program.
  enum class Streams { kOutput, kInput, kBoth };

  // ChildProcess::Start()
  //
  // Runs `/bin/sh -c COMMAND` in a process group of its own, with no signal
  // blocked and SIGPIPE, SIGXFSZ and SIGCHLD not ignored. It inherits only
  // its standard streams, and what this program leaves open on purpose.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::string& command, Streams streams);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Kills it if it has not ended.
  ~ChildProcess();

  // ChildProcess::TakePipes()
  //
  // Returns our ends of the pipes as one flow, which reads what the process
  // prints and writes what it reads. If the flow is aborted, or destroyed
  // without Close(), the process is Terminate()d before it can see end-of-file.
  // Preconditions: called once; this outlives the flow.
  absl::StatusOr<std::unique_ptr<flow::Flow>> TakePipes();

  // ChildProcess::Terminate()
  //
  // Sends SIGTERM to the process group, and ends the patience of End().
  void Terminate();

  // ChildProcess::End()
  //
  // Waits until it exits. After `patience`, Terminate()s it, and kills it if
  // that does not help. Returns Ok if it exited with 0, and otherwise an error
  // such as `exit status 1`.
  absl::Status End(absl::Duration patience);

  // ChildProcess::ended_by_sigpipe()
  //
  // Returns whether that signal ended it, or ended a command of its shell.
  // Precondition: End() was called.
  bool ended_by_sigpipe() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void Signal(int signal);

  // Returns whether it has exited.
  bool HasExited() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Waits until it has exited or, if `or_terminated`, until Terminate().
  // Returns false after `timeout`.
  bool AwaitExit(absl::Duration timeout, bool or_terminated);

  const pid_t pid_;
  int read_fd_ = -1;
  int write_fd_ = -1;

  mutable absl::Mutex mu_;
  bool terminated_ ABSL_GUARDED_BY(mu_) = false;
  // The process number is no longer ours.
  bool reaped_ ABSL_GUARDED_BY(mu_) = false;
  // Of wait(2), once it was reaped; nothing if other code has done that.
  std::optional<int> wait_status_ ABSL_GUARDED_BY(mu_);
  // What wakes the thread in AwaitExit(); -1 if there is none.
  int wake_fd_ ABSL_GUARDED_BY(mu_) = -1;
};

}  // namespace flowcat

#endif  // FLOWCAT_CHILD_PROCESS_H_
