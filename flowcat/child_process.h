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
// Whoever started it ends it; nothing of it is left then, no zombie either. It
// takes no thread, and while nobody waits for its end no descriptors but its
// pipes.
//
// Its exit status is unknown, which is an error, if somebody else in this
// process waits for all children, or SIGCHLD is ignored.
class ChildProcess {
 public:
  // Which of its standard streams are pipes to this program. The other one is
  // /dev/null if it is the input, this program's own if it is the output.
  enum class Streams { kOutput, kInput, kBoth };

  // ChildProcess::Start()
  //
  // Runs `/bin/sh -c COMMAND` in a process group of its own, with no signal
  // blocked and SIGPIPE, SIGXFSZ and SIGCHLD not ignored, and with no other
  // descriptor than its standard streams (and those that this program leaves
  // open on purpose).
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(
      const std::string& command, Streams streams);

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Kills it if it has not ended.
  ~ChildProcess();

  // ChildProcess::TakePipes()
  //
  // Returns, once, our ends of the pipes as one flow: what it prints is read,
  // what it reads is written. Aborting the flow, or destroying it before it was
  // closed, Terminate()s the process before that can see an end-of-file.
  // Precondition: this outlives the flow.
  absl::StatusOr<std::unique_ptr<flow::Flow>> TakePipes();

  // ChildProcess::Terminate()
  //
  // Sends SIGTERM to the process group, and has End() not be patient any more.
  void Terminate();

  // ChildProcess::End()
  //
  // Waits until it has exited; after `patience`, Terminate()s it, and kills it
  // if that does not help. Returns Ok if it has exited with 0, otherwise words
  // such as `exit status 1`.
  absl::Status End(absl::Duration patience);

  // ChildProcess::ended_by_sigpipe()
  //
  // Returns whether it was because of that signal (or a shell says so) that it
  // has ended. Precondition: End() was called.
  bool ended_by_sigpipe() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void Signal(int signal);

  // Returns whether it has exited.
  bool HasExited() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // Waits until it has exited, or until Terminate() if that is looked for, and
  // returns whether either is so; false after `timeout`.
  bool AwaitExit(absl::Duration timeout, bool or_terminated);

  const pid_t pid_;
  int read_fd_ = -1;
  int write_fd_ = -1;

  mutable absl::Mutex mu_;
  bool terminated_ ABSL_GUARDED_BY(mu_) = false;
  // The process number is not ours any more.
  bool reaped_ ABSL_GUARDED_BY(mu_) = false;
  // Of wait(2), once it was reaped; nothing if somebody else has done that.
  std::optional<int> wait_status_ ABSL_GUARDED_BY(mu_);
  // What wakes the thread in AwaitExit(); -1 if there is none.
  int wake_fd_ ABSL_GUARDED_BY(mu_) = -1;
};

}  // namespace flowcat

#endif  // FLOWCAT_CHILD_PROCESS_H_
