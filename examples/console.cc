// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>

#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace flowcat {
namespace {

ABSL_CONST_INIT absl::Mutex mu(absl::kConstInit);
ABSL_CONST_INIT size_t shown ABSL_GUARDED_BY(mu) = 0;  // columns in use

// The text must stay on one line, or a carriage return does not lead back to
// its beginning. The last column is left free, as some terminals wrap there.
size_t Columns() {
  struct winsize window = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
    return 79;
  }
  return window.ws_col - size_t{1};
}

void Show(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
  text.resize(std::min(text.size(), Columns()));
  const size_t columns = text.size();
  // Over what is left of a longer one.
  text.resize(std::max(columns, shown), ' ');
  std::fputs(absl::StrCat("\r", text).c_str(), stderr);
  shown = columns;
}

void Erase() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) {
  if (shown == 0) return;
  Show("");
  std::fputc('\r', stderr);
}

}  // namespace

void PrintLine(absl::string_view text) {
  std::string line;
  for (const char& c : text) {
    if (absl::ascii_iscntrl(c)) {
      line += absl::CEscape(absl::string_view(&c, 1));
    } else {
      line += c;
    }
  }
  line += '\n';
  absl::MutexLock lock(&mu);
  Erase();
  std::fputs(line.c_str(), stderr);
}

void PrintMessage(absl::string_view text) {
  PrintLine(absl::StrCat("flowcat: ", text));
}

void ShowProgress(absl::string_view text) {
  absl::MutexLock lock(&mu);
  Show(std::string(text));
}

void EraseProgress() {
  absl::MutexLock lock(&mu);
  Erase();
}

}  // namespace flowcat
