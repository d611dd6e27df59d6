// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: process.h
//
// Runs the program flowcat beside a test, which can talk to it, send it signals
// and wait for what it says.

#ifndef FLOWCAT_PROCESS_H_
#define FLOWCAT_PROCESS_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flowcat/fixture.h"

namespace flowcat {

// For a machine under load; not what is waited for usually.
inline constexpr absl::Duration kPatience = absl::Seconds(30);
inline absl::Time Patience() { return absl::Now() + kPatience; }

// FlowcatProcess
//
// Ends the test program if it cannot be started.
class FlowcatProcess {
 public:
  struct Options {
    // What runs `"$@"`, the program with its arguments.
    std::string shell = "exec \"$@\"";

    // What is descriptor 3 of the program; closed here. Negative: nothing.
    int descriptor_3 = -1;
  };

  // Starts it in the folder that the test is in, with pipes as its standard
  // streams.
  explicit FlowcatProcess(const std::vector<std::string>& arguments);
  FlowcatProcess(const std::vector<std::string>& arguments,
                 const Options& options);
  FlowcatProcess(const FlowcatProcess&) = delete;
  FlowcatProcess& operator=(const FlowcatProcess&) = delete;

  // Kills it if Wait() was not called.
  ~FlowcatProcess();

  // Its standard input and output.
  flow::Flow& streams() { return *streams_; }

  // Waits for the next line on standard error that contains `words` and returns
  // it, or what there was if there is none.
  std::string AwaitLine(absl::string_view words);

  // Waits until it listens; returns the address to dial.
  std::string AwaitListening();

  void Signal(int signal);

  // Waits until it has ended, but not for commands that it has left behind.
  void AwaitExit();

  // Waits until it has ended, and what it has left behind; returns the exit
  // code, 128 + n if signal n ended it or it says so.
  int Wait();

  // Whether a signal has ended it. Precondition: Wait() was called.
  bool killed() const { return killed_; }

  // All that it has written to standard error so far (after Wait(): all).
  const std::string& err() const { return err_; }

  pid_t pid() const { return pid_; }

 private:
  // Reads more of standard error; false at its end.
  bool ReadSome();

  pid_t pid_ = -1;
  std::unique_ptr<flow::Flow> streams_;
  std::unique_ptr<flow::Flow> errors_;
  std::string err_;
  size_t seen_ = 0;  // of err_, by AwaitLine()
  bool killed_ = false;
};

// FlowcatProcessFixture
//
// Its tests are in a folder of their own, so that names of sockets are short.
class FlowcatProcessFixture : public FlowcatFixture {
 protected:
  FlowcatProcessFixture();
};

// Functions that a test cannot do without, and that should not fail.
std::unique_ptr<flow::Flow> DialOrDie(absl::string_view address);
std::unique_ptr<flow::Listener> ListenOrDie(absl::string_view address);
std::unique_ptr<flow::Flow> AcceptOrDie(flow::Listener& listener);

// Expects that whoever dials `address` is accepted and reset at once. Dial()
// may be so late to look that it finds the reset.
void ExpectReset(absl::string_view address);

// Returns all that comes, or the error that ends it.
absl::StatusOr<std::string> ReadToEnd(flow::Flow& flow);

// Returns `size` bytes, or fewer if it ends before.
std::string ReadSize(flow::Flow& flow, size_t size);

// Waits until `condition` holds; returns whether it does, in the end.
bool Eventually(absl::FunctionRef<bool()> condition);

// Returns how many descriptors a process has open.
int OpenDescriptors(pid_t pid);

}  // namespace flowcat

#endif  // FLOWCAT_PROCESS_H_
