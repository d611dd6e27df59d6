// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/progress.h"

#include <unistd.h>

#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flowcat/byte_size.h"
#include "flowcat/console.h"
#include "flowcat/mutex_lock.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

constexpr absl::Duration kBeforeFirst = absl::Seconds(1);
constexpr absl::Duration kOnTerminal = absl::Milliseconds(200);
constexpr absl::Duration kElsewhere = absl::Seconds(1);

}  // namespace

std::string FormatProgress(int64_t bytes, std::optional<int64_t> size,
                           absl::Duration elapsed) {
  std::string line = FormatByteSize(static_cast<double>(bytes));
  // A file can have grown since it was opened.
  if (size.has_value() && *size > 0 && bytes <= *size) {
    const double part = static_cast<double>(bytes) / static_cast<double>(*size);
    absl::StrAppendFormat(&line, " of %s (%d%%)",
                          FormatByteSize(static_cast<double>(*size)),
                          static_cast<int>(100 * part));
  }
  const double seconds = absl::ToDoubleSeconds(elapsed);
  if (seconds > 0) {
    absl::StrAppend(&line, ", ",
                    FormatByteSize(static_cast<double>(bytes) / seconds), "/s");
  }
  return line;
}

ProgressLine::ProgressLine(Text text) : text_(std::move(text)) {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    PrintMessage(
        absl::StrCat("cannot show progress: ", NoThread(error).message()));
  }
}

ProgressLine::~ProgressLine() {
  {
    MutexLock lock(mu_);
    done_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void ProgressLine::Run() {
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  // Not the wall clock, which can be set meanwhile.
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  absl::Duration wait = kBeforeFirst;
  MutexLock lock(mu_);
  while (!mu_.AwaitWithTimeout(absl::Condition(&done_), wait)) {
    const std::string text = text_(absl::FromChrono(Clock::now() - start));
    if (is_terminal) {
      ShowProgress(text);
    } else {
      PrintMessage(text);
    }
    wait = is_terminal ? kOnTerminal : kElsewhere;
  }
  if (is_terminal) EraseProgress();
}

}  // namespace flowcat
