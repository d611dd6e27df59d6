// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/flowcat_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/byte_size.h"
#include "flow/flow.h"

namespace flowcat {
namespace {

constexpr absl::Duration kBeforeFirst = absl::Seconds(1);
constexpr absl::Duration kBetween = absl::Milliseconds(200);

// The text must stay on one line, or a carriage return does not lead back to
// its beginning. The last column is left free, as some terminals wrap there.
size_t Columns() {
  struct winsize window = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
    return 79;
  }
  return window.ws_col - size_t{1};
}

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

ProgressLine::ProgressLine(const flow::Flow& sink, std::optional<int64_t> size)
    : sink_(sink), size_(size), thread_([this] { Run(); }) {}

ProgressLine::~ProgressLine() {
  {
    absl::MutexLock lock(&mu_);
    done_ = true;
  }
  thread_.join();
}

void ProgressLine::Run() {
  const absl::Time start = absl::Now();
  absl::Duration wait = kBeforeFirst;
  absl::MutexLock lock(&mu_);
  while (!mu_.AwaitWithTimeout(absl::Condition(&done_), wait)) {
    Show(FormatProgress(sink_.bytes_written(), size_, absl::Now() - start));
    wait = kBetween;
  }
  if (shown_ > 0) {
    Show("");
    std::fputc('\r', stderr);
  }
}

void ProgressLine::Show(std::string line) {
  line.resize(std::min(line.size(), Columns()));
  const size_t columns = line.size();
  // Over what is left of a longer line.
  line.resize(std::max(columns, shown_), ' ');
  std::fputs(absl::StrCat("\r", line).c_str(), stderr);
  shown_ = columns;
}

}  // namespace flowcat
