// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: progress.h
//
// The line that says how far flowcat has come.
//
// Thread safety: that of a value; FormatProgress() may be called from any
// thread.

#ifndef FLOWCAT_PROGRESS_H_
#define FLOWCAT_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace flowcat {

// FormatProgress()
//
// Returns the text for one direction after `elapsed` with `bytes` carried of
// `size`, if that is known: `1.0 GiB of 4.0 GiB (25%), 512.0 MiB/s`.
std::string FormatProgress(int64_t bytes, std::optional<int64_t> size,
                           absl::Duration elapsed);

// ProgressLine
//
// Shows a text on standard error, from a thread of its own: on a terminal five
// times a second in one place after the first second, until the destructor
// erases it. Elsewhere it is a new line each second. If the thread cannot be
// started, it says so and shows nothing.
class ProgressLine {
 public:
  // Called on that thread with the time since the constructor.
  using Text = std::function<std::string(absl::Duration elapsed)>;

  explicit ProgressLine(Text text);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

 private:
  void Run();

  const Text text_;

  absl::Mutex mu_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace flowcat

#endif  // FLOWCAT_PROGRESS_H_
