// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/console.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/base/no_destructor.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flowcat/mutex_lock.h"
#include "flowcat/printable.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

// Of lines that wait; after HurryPrinting() twice as much, so that the last
// ones have a place.
constexpr size_t kMostWaiting = size_t{64} << 10;

// How long nothing may be taken before lines are left out.
constexpr absl::Duration kStall = absl::Seconds(1);

// How long a program that was asked to end tries to say so.
constexpr absl::Duration kLastWords = absl::Seconds(2);

// As much as any pipe takes at once, so that it is seen to go on.
constexpr size_t kPiece = 4096;

// Blocks. The flags of the file, which others share, may be anything.
void WriteToStandardError(absl::string_view text) {
  while (!text.empty()) {
    const ssize_t size =
        ::write(STDERR_FILENO, text.data(), std::min(text.size(), kPiece));
    if (size >= 0) {
      text.remove_prefix(static_cast<size_t>(size));
    } else if (errno == EAGAIN) {
      struct pollfd writable = {STDERR_FILENO, POLLOUT, 0};
      // Fails if no descriptors are allowed any more.
      if (::poll(&writable, 1, -1) < 0) absl::SleepFor(absl::Milliseconds(10));
    } else if (errno != EINTR) {
      return;
    }
  }
}

// The text must stay on one line, or a carriage return does not lead back to
// its beginning. The last column is left free, as some terminals wrap there.
size_t Columns() {
  struct winsize window = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) {
    return 79;
  }
  return window.ws_col - size_t{1};
}

class Console {
 public:
  absl::Status Start() {
    MutexLock lock(mu_);
    try {
      std::thread([this] { Run(); }).detach();
    } catch (const std::system_error& error) {
      return NoThread(error);
    }
    has_thread_ = true;
    return absl::OkStatus();
  }

  void Hurry() {
    MutexLock lock(mu_);
    hurried_ = true;
  }

  void Finish() {
    MutexLock lock(mu_);
    const auto all_printed = [this] {
      mu_.AssertReaderHeld();
      return waiting_ == 0;
    };
    const auto all_printed_or_hurried = [this] {
      mu_.AssertReaderHeld();
      return waiting_ == 0 || hurried_;
    };
    mu_.Await(absl::Condition(&all_printed_or_hurried));
    if (HasRoom()) SayWhatWasLeftOut();
    mu_.Await(absl::Condition(&all_printed_or_hurried));
    mu_.AwaitWithTimeout(absl::Condition(&all_printed), kLastWords);
  }

  void PrintLine(absl::string_view text) {
    std::string line = Printable(text);
    line += '\n';
    MutexLock lock(mu_);
    AwaitRoom();
    if (!HasRoom()) {
      ++left_out_;
      return;
    }
    SayWhatWasLeftOut();
    EraseLocked();
    Put(line);
  }

  void Show(absl::string_view text) {
    MutexLock lock(mu_);
    if (waiting_ == 0) ShowLocked(text);
  }

  void Erase() {
    MutexLock lock(mu_);
    EraseLocked();
  }

 private:
  [[noreturn]] void Run() {
    Lock(mu_);
    while (true) {
      const auto is_wanted = [this] {
        mu_.AssertReaderHeld();
        return waiting_ != 0;
      };
      mu_.Await(absl::Condition(&is_wanted));
      const std::string text = std::exchange(queue_, "");
      for (absl::string_view rest = text; !rest.empty();) {
        const absl::string_view piece = rest.substr(0, kPiece);
        Unlock(mu_);
        WriteToStandardError(piece);
        Lock(mu_);
        rest.remove_prefix(piece.size());
        waiting_ -= piece.size();
        printed_ += static_cast<int64_t>(piece.size());
        is_stalled_ = false;
      }
    }
  }

  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return waiting_ < (hurried_ ? 2 * kMostWaiting : kMostWaiting);
  }

  // Waits for room, unless there may be none for long.
  void AwaitRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    while (!HasRoom() && !hurried_ && !is_stalled_) {
      const auto goes_on = [this, before = printed_] {
        mu_.AssertReaderHeld();
        return printed_ != before || hurried_;
      };
      if (!mu_.AwaitWithTimeout(absl::Condition(&goes_on), kStall)) {
        is_stalled_ = true;
      }
    }
  }

  void SayWhatWasLeftOut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const int64_t lines = std::exchange(left_out_, 0);
    if (lines == 0) return;
    EraseLocked();
    Put(absl::StrCat("flowcat: ", lines,
                     lines == 1 ? " line was" : " lines were",
                     " dropped here because standard error took none\n"));
  }

  void Put(absl::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!has_thread_) return WriteToStandardError(text);
    absl::StrAppend(&queue_, text);
    waiting_ += text.size();
  }

  void ShowLocked(absl::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    std::string line(text.substr(0, Columns()));
    const size_t columns = line.size();
    // Over what is left of a longer one.
    line.resize(std::max(columns, shown_), ' ');
    Put(absl::StrCat("\r", line));
    shown_ = columns;
  }

  void EraseLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (shown_ == 0) return;
    ShowLocked("");
    Put("\r");
  }

  absl::Mutex mu_;
  bool has_thread_ ABSL_GUARDED_BY(mu_) = false;
  bool hurried_ ABSL_GUARDED_BY(mu_) = false;
  std::string queue_ ABSL_GUARDED_BY(mu_);
  size_t waiting_ ABSL_GUARDED_BY(mu_) = 0;  // in queue_, and being printed
  int64_t printed_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_stalled_ ABSL_GUARDED_BY(mu_) = false;
  int64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;  // lines
  size_t shown_ ABSL_GUARDED_BY(mu_) = 0;      // columns of progress in use
};

// The thread may print while the program ends.
Console& TheConsole() {
  static absl::NoDestructor<Console> console;
  return *console;
}

}  // namespace

absl::Status StartPrinting() { return TheConsole().Start(); }
void HurryPrinting() { TheConsole().Hurry(); }
void FinishPrinting() { TheConsole().Finish(); }

void PrintLine(absl::string_view text) { TheConsole().PrintLine(text); }

void PrintMessage(absl::string_view text) {
  PrintLine(absl::StrCat("flowcat: ", text));
}

void ShowProgress(absl::string_view text) { TheConsole().Show(text); }
void EraseProgress() { TheConsole().Erase(); }

}  // namespace flowcat
