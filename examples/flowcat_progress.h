// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: flowcat_progress.h
//
// The line on a terminal that says how far a copy has come.

#ifndef EXAMPLES_FLOWCAT_PROGRESS_H_
#define EXAMPLES_FLOWCAT_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flowcat {

// FormatProgress()
//
// Returns the line's text after `elapsed` with `bytes` copied of `size`, if
// that is known: `1.0 GiB of 4.0 GiB (25%), 512.0 MiB/s`.
std::string FormatProgress(int64_t bytes, std::optional<int64_t> size,
                           absl::Duration elapsed);

// ProgressLine
//
// Shows on standard error how much has been written to a flow, from a thread of
// its own: five times a second, but not during the first second. While it
// lives, nothing else should be printed. The destructor erases the line.
//
// Nothing but spaces and carriage returns is used, so any terminal will do.
class ProgressLine {
 public:
  // `sink` must outlive this; `size` as in FormatProgress().
  ProgressLine(const flow::Flow& sink, std::optional<int64_t> size);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

 private:
  void Run();
  void Show(std::string line);

  const flow::Flow& sink_;
  const std::optional<int64_t> size_;

  absl::Mutex mu_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;

  size_t shown_ = 0;  // columns in use; of the thread
  std::thread thread_;
};

}  // namespace flowcat

#endif  // EXAMPLES_FLOWCAT_PROGRESS_H_
