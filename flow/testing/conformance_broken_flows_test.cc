// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests the conformance suite itself: each of the flows below breaks the
// contract in one way, and the checks that are meant for it must fail.
//
// Some rules cannot be broken below class Flow, which keeps them for all: that
// end-of-file and errors stay, that writes after Shutdown() or Close() are
// Closed, that Close() frees once and its result stays, that a Read returns no
// more than was asked for (see ReadsMoreThanAsked), that a second reader or
// writer is refused, and what empty writes do. The checks of these hold the
// class to them.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

// Hooks of another flow that nothing public does alone. A class may take the
// address of a protected member that it inherits, and calls through it are
// virtual.
class HooksOf : public Flow {
 public:
  static absl::Status EndWrite(Flow& flow, const absl::Status& outcome) {
    return (flow.*&HooksOf::DoEndWrite)(outcome);
  }
  static absl::Status AwaitRemoteEnd(Flow& flow, absl::Time deadline) {
    return (flow.*&HooksOf::DoAwaitRemoteEnd)(deadline);
  }
};

// Forwards every call, and has no defect.
class ForwardingFlow : public Flow {
 public:
  explicit ForwardingFlow(std::unique_ptr<Flow> inner)
      : inner_(std::move(inner)) {}

 protected:
  Flow& inner() { return *inner_; }

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    return inner().Read(max_bytes);
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    return Count(accepted, [&] { return inner().Write(std::move(buffer)); });
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    return Count(accepted, [&] { return inner().Write(buffer); });
  }
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    return Count(accepted, [&] { return inner().Writev(buffers); });
  }
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    return Count(accepted, [&] { return inner().Writev(buffers); });
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok()) return inner().Shutdown(ShutdownMode::kWrite);
    return HooksOf::EndWrite(inner(), outcome);
  }
  void DoShutdownRead() override {
    inner().Shutdown(ShutdownMode::kRead).IgnoreError();
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    return HooksOf::AwaitRemoteEnd(inner(), deadline);
  }
  void DoAbort(const absl::Status& reason) override { inner().Abort(reason); }
  absl::Status DoFree() override {
    // The base has waited for the remote already.
    return inner().Close(absl::InfinitePast());
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
  }
  void DoSetWriteDeadline(absl::Time deadline) override {
    inner().SetWriteDeadline(deadline);
  }
  std::string DoDescribe() const override { return "forwarding flow"; }

 private:
  template <typename Write>
  absl::Status Count(size_t* accepted, Write write) {
    const int64_t before = inner().bytes_written();
    absl::Status status = write();
    *accepted += inner().bytes_written() - before;
    return status;
  }

  const std::unique_ptr<Flow> inner_;
};

// The final class that every kind of flow needs.
template <typename Base>
class Final final : public Base {
 public:
  using Base::Base;
  ~Final() override { this->Destroy(); }
};

using Plant = std::function<std::unique_ptr<Flow>(std::unique_ptr<Flow>)>;

template <typename Defective>
Plant Planting() {
  return [](std::unique_ptr<Flow> inner) {
    return std::make_unique<Final<Defective>>(std::move(inner));
  };
}

// --- Defects of data

class ChangesBuffersThatWereRead : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        ForwardingFlow::DoRead(std::min(max_bytes, memory_->size()));
    if (!data.ok() || data->empty()) return data;
    // The same memory each time.
    size_t size = 0;
    for (absl::string_view chunk : data->Chunks()) {
      chunk.copy(memory_->data() + size, chunk.size());
      size += chunk.size();
    }
    return absl::MakeCordFromExternal(absl::string_view(memory_->data(), size),
                                      [memory = memory_] {});
  }
  std::shared_ptr<std::string> memory_ =
      std::make_shared<std::string>(4096, '\0');
};

class ReadsMoreThanAsked : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (data.ok() && data->size() == max_bytes && max_bytes == 511) {
      data->Append("x");
    }
    return data;
  }
};

class ReadsNothingInMidStream : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (++reads_ == 200) return absl::Cord();
    return ForwardingFlow::DoRead(max_bytes);
  }
  int reads_ = 0;
};

class LosesAByteBetweenChunks : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (buffer.size() <= 65536) {
      return ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    }
    absl::Status status =
        ForwardingFlow::DoWriteBorrowed(buffer.substr(0, 65536), accepted);
    if (!status.ok()) return status;
    return ForwardingFlow::DoWriteBorrowed(buffer.substr(65537), accepted);
  }
};

class RepeatsAByteBetweenChunks : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (buffer.size() <= 4096) return ForwardingFlow::DoWrite(buffer, accepted);
    absl::Status status =
        ForwardingFlow::DoWrite(buffer.Subcord(0, 4096), accepted);
    if (!status.ok()) return status;
    buffer.RemovePrefix(4095);
    return ForwardingFlow::DoWrite(std::move(buffer), accepted);
  }
};

class ReversesTheBuffersOfAWritev : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    const std::vector<absl::string_view> reversed(buffers.rbegin(),
                                                  buffers.rend());
    return ForwardingFlow::DoWritevBorrowed(reversed, accepted);
  }
};

class DropsBuffersBeyondIovMax : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    return ForwardingFlow::DoWritev(buffers.subspan(0, 1024), accepted);
  }
};

// Sends some borrowed bytes only at the next call: those of 1 to 2 KiB, since
// keeping all of them would hang every check that waits for an answer.
class KeepsBorrowedMemory : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    if (buffer.size() / 1024 != 1) {
      return ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    }
    kept_ = buffer;
    return absl::OkStatus();
  }
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return ForwardingFlow::DoWrite(std::move(buffer), accepted);
  }
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return ForwardingFlow::DoWritev(buffers, accepted);
  }
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return ForwardingFlow::DoWritevBorrowed(buffers, accepted);
  }
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (absl::Status status = SendKept(); !status.ok()) return status;
    return ForwardingFlow::DoEndWrite(outcome);
  }
  absl::Status SendKept() {
    if (kept_.empty()) return absl::OkStatus();
    size_t accepted = 0;
    return ForwardingFlow::DoWriteBorrowed(
        std::exchange(kept_, absl::string_view()), &accepted);
  }
  absl::string_view kept_;
};

class CountsTooMuch : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    if (!status.ok() && *accepted < buffer.size()) ++*accepted;
    return status;
  }
};

class CountsNothingOfAnUnfinishedWrite : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    if (!status.ok()) *accepted = 0;
    return status;
  }
};

// So that WriteFrom() writes it again.
class AcceptsAPartOfACordInSecret : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (buffer.size() < 2) {
      return ForwardingFlow::DoWrite(std::move(buffer), accepted);
    }
    const size_t half = buffer.size() / 2;
    size_t ignored = 0;
    absl::Status status =
        ForwardingFlow::DoWrite(buffer.Subcord(0, half), &ignored);
    if (!status.ok()) return status;
    buffer.RemovePrefix(half);
    return ForwardingFlow::DoWrite(std::move(buffer), &ignored);
  }
};

class HasOneLockForBothDirections : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::MutexLock lock(&mu_);
    return ForwardingFlow::DoRead(max_bytes);
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::MutexLock lock(&mu_);
    return ForwardingFlow::DoWriteBorrowed(buffer, accepted);
  }
  absl::Mutex mu_;
};

// --- Defects of ends

class ForgetsAnEndWithoutData : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok() && bytes_written() == 0) return absl::OkStatus();
    return ForwardingFlow::DoEndWrite(outcome);
  }
};

// Keeps the end of some streams until it is closed: those of 1000 bytes, since
// most checks need an end.
class KeepsItsEndUntilClose : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (outcome.ok() && bytes_written() == 1000) return absl::OkStatus();
    return ForwardingFlow::DoEndWrite(outcome);
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    ForwardingFlow::DoEndWrite(absl::OkStatus()).IgnoreError();
    return ForwardingFlow::DoAwaitRemoteEnd(deadline);
  }
};

// As shutdown(2) of a socket whose peer has gone.
class CannotEndAfterTheRemote : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    const bool remote_has_ended =
        ForwardingFlow::DoAwaitRemoteEnd(absl::InfinitePast()).ok();
    absl::Status status = ForwardingFlow::DoEndWrite(outcome);
    return remote_has_ended ? absl::UnknownError("ENOTCONN") : status;
  }
};

class EndsBothDirectionsAtOnce : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoEndWrite(const absl::Status& outcome) override {
    DoShutdownRead();
    return ForwardingFlow::DoEndWrite(outcome);
  }
};

class TakesTheRemoteEndForItsOwn : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (data.ok() && data->empty()) {
      inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    }
    return data;
  }
};

class EndsWellAfterAWriteThatFailed : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoEndWrite(const absl::Status&) override {
    return ForwardingFlow::DoEndWrite(absl::OkStatus());
  }
};

// Looks between its pieces whether the flow is being closed.
class DropsTheRestOfAWriteAtTheEnd : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    for (; !buffer.empty();
         buffer.remove_prefix(std::min<size_t>(buffer.size(), 1024))) {
      if (!Write("").ok()) break;
      absl::Status status =
          ForwardingFlow::DoWriteBorrowed(buffer.substr(0, 1024), accepted);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

class ClosesWithoutTheRemote : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time) override {
    return absl::OkStatus();
  }
  absl::Status DoFree() override { return absl::OkStatus(); }
};

class IgnoresTheDeadlineOfClose : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time) override {
    return ForwardingFlow::DoAwaitRemoteEnd(absl::InfiniteFuture());
  }
};

class TakesAnyDeadlineOfCloseForPast : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    if (deadline != absl::InfiniteFuture()) deadline = absl::InfinitePast();
    return ForwardingFlow::DoAwaitRemoteEnd(deadline);
  }
};

class ClosesBeyondItsDeadlineInSecret : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "passed its deadline")) {
      inner().Shutdown(ShutdownMode::kReadWrite).IgnoreError();
    } else {
      ForwardingFlow::DoAbort(reason);
    }
  }
};

class IsSpoiledByUnreadData : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    absl::Status status = ForwardingFlow::DoAwaitRemoteEnd(deadline);
    inner().SetReadDeadline(absl::InfinitePast());
    const absl::StatusOr<absl::Cord> data = inner().Read();
    if (data.ok() && !data->empty()) return absl::DataLossError("unread data");
    return status;
  }
};

class RefusesNothing : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoShutdownRead() override {}
};

class RefusesAndEnds : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoShutdownRead() override {
    inner().Shutdown(ShutdownMode::kReadWrite).IgnoreError();
  }
};

class RefusesInSecret : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoShutdownRead() override {
    refused_ = true;
    inner().SetReadDeadline(absl::InfinitePast());  // to wake it
  }
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (refused_) return absl::Cord();
    return ForwardingFlow::DoRead(max_bytes);
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    if (refused_) return absl::OkStatus();
    return ForwardingFlow::DoAwaitRemoteEnd(deadline);
  }
  std::atomic<bool> refused_{false};
};

// --- Defects of aborts

class AbortsWithEndOfFile : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status& reason) override {
    inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    ForwardingFlow::DoAbort(reason);
  }
};

class IsDestroyedWithEndOfFile : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (absl::StrContains(reason.message(), "destroyed")) {
      inner().Shutdown(ShutdownMode::kWrite).IgnoreError();
    }
    ForwardingFlow::DoAbort(reason);
  }
};

class LosesTheReason : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status&) override {
    ForwardingFlow::DoAbort(absl::AbortedError("somehow"));
  }
};

class AbortsOnlyItsWrites : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status& reason) override {
    HooksOf::EndWrite(inner(), reason).IgnoreError();
    DoShutdownRead();
  }
};

// An error overtakes the data that came before it.
class ReadsErrorsFirst : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data =
        ahead_.empty() ? ForwardingFlow::DoRead(max_bytes) : ahead_;
    ahead_.Clear();
    if (!data.ok() || data->empty()) return data;
    if (data->size() <= max_bytes) {
      absl::MutexLock lock(&mu_);
      inner().SetReadDeadline(absl::InfinitePast());
      absl::StatusOr<absl::Cord> more = inner().Read(100);
      inner().SetReadDeadline(deadline_);
      if (more.ok()) {
        data->Append(*more);
      } else if (!absl::IsDeadlineExceeded(more.status())) {
        return more;
      }
    }
    absl::Cord front = data->Subcord(0, max_bytes);
    ahead_ = data->Subcord(front.size(), data->size());
    return front;
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    deadline_ = deadline;
    inner().SetReadDeadline(deadline);
  }
  absl::Cord ahead_;
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

// Knows which calls are under way.
class WatchingFlow : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;

 protected:
  std::atomic<bool> reading_{false};
  std::atomic<bool> writing_{false};
  std::atomic<bool> awaiting_{false};

  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    reading_ = true;
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    reading_ = false;
    return data;
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    writing_ = true;
    absl::Status status = ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    writing_ = false;
    return status;
  }
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override {
    awaiting_ = true;
    absl::Status status = ForwardingFlow::DoAwaitRemoteEnd(deadline);
    awaiting_ = false;
    return status;
  }
};

class AbortWakesNoRead : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!reading_) WatchingFlow::DoAbort(reason);
  }
};

class AbortWakesNoWrite : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!writing_) WatchingFlow::DoAbort(reason);
  }
};

class AbortWakesNoClose : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  void DoAbort(const absl::Status& reason) override {
    if (!awaiting_) WatchingFlow::DoAbort(reason);
  }
};

// Wakes a read that has begun to wait, but leaves no mark for one that is about
// to; which takes a while here, so that no luck is needed.
class LeavesNoMark : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (bytes_read() == 0) {
      about_to_read_ = true;
      absl::SleepFor(absl::Milliseconds(1));
      about_to_read_ = false;
    }
    return ForwardingFlow::DoRead(max_bytes);
  }
  void DoAbort(const absl::Status& reason) override {
    if (!about_to_read_) ForwardingFlow::DoAbort(reason);
  }
  void DoShutdownRead() override {
    if (!about_to_read_) ForwardingFlow::DoShutdownRead();
  }
  std::atomic<bool> about_to_read_{false};
};

// --- Defects of deadlines

class IgnoresReadDeadlines : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoSetReadDeadline(absl::Time) override {}
};

class IgnoresWriteDeadlines : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoSetWriteDeadline(absl::Time) override {}
};

class AppliesReadDeadlinesToWrites : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoSetReadDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class AppliesWriteDeadlinesToReads : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoSetWriteDeadline(absl::Time deadline) override {
    inner().SetReadDeadline(deadline);
    inner().SetWriteDeadline(deadline);
  }
};

class IsLateForEver : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (!late_.ok()) return late_;
    absl::StatusOr<absl::Cord> data = ForwardingFlow::DoRead(max_bytes);
    if (absl::IsDeadlineExceeded(data.status())) late_ = data.status();
    return data;
  }
  absl::Status late_;
};

// Takes a deadline for a reason to break.
class BreaksAtTheWriteDeadline : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    absl::Status status = ForwardingFlow::DoWriteBorrowed(buffer, accepted);
    if (!absl::IsDeadlineExceeded(status)) return status;
    return absl::UnavailableError(status.message());
  }
};

class IsLateWithoutTrying : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (past_) return absl::DeadlineExceededError("late");
    return ForwardingFlow::DoRead(max_bytes);
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    past_ = deadline < absl::Now();
    ForwardingFlow::DoSetReadDeadline(deadline);
  }
  std::atomic<bool> past_{false};
};

class IsLateTooEarly : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoSetReadDeadline(absl::Time deadline) override {
    ForwardingFlow::DoSetReadDeadline(deadline - absl::Hours(1));
  }
};

class SetsDeadlinesOfTheNextReadOnly : public WatchingFlow {
  using WatchingFlow::WatchingFlow;
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    {
      absl::MutexLock lock(&mu_);
      inner().SetReadDeadline(deadline_);
      reading_ = true;
    }
    return WatchingFlow::DoRead(max_bytes);
  }
  void DoSetReadDeadline(absl::Time deadline) override {
    absl::MutexLock lock(&mu_);
    deadline_ = deadline;
  }
  absl::Mutex mu_;
  absl::Time deadline_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
};

class IgnoresAborts : public ForwardingFlow {
  using ForwardingFlow::ForwardingFlow;
  void DoAbort(const absl::Status&) override {}
};

// --- The tests

struct Defect {
  std::string name;
  Plant plant;

  // The checks that fail, by an assertion or because they hang, and no others.
  // The first is the one that is meant for the defect.
  std::vector<std::string> fail;
  std::vector<std::string> hang;
  // Those that also fail sometimes, by luck.
  std::vector<std::string> may_fail;

  friend void PrintTo(const Defect& defect, std::ostream* out) {
    *out << defect.name;
  }
};

std::vector<Defect> Defects() {
  return {
      Defect{"ChangesBuffersThatWereRead",
             Planting<ChangesBuffersThatWereRead>(),
             {"BuffersReadEarlierNeverChange"},
             {},
             {}},
      Defect{"ReadsMoreThanAsked",
             Planting<ReadsMoreThanAsked>(),
             {"EveryReadReturnsOneByteToTheMaximum",
              "SharedBorrowedAndMovedBuffersArriveTheSame",
              "CountersCountWhatWasWrittenAndRead"},
             {},
             {"CarriesBothDirectionsAtOnceInRandomPieces"}},
      Defect{
          "ReadsNothingInMidStream",
          Planting<ReadsNothingInMidStream>(),
          {"CarriesAMebibyteInPiecesOfAKibibyte", "CarriesAThousandPingPongs"},
          {},
          {"CarriesBothDirectionsAtOnceInRandomPieces",
           "SharedBorrowedAndMovedBuffersArriveTheSame"}},
      Defect{"LosesAByteBetweenChunks",
             Planting<LosesAByteBetweenChunks>(),
             {"SharedBorrowedAndMovedBuffersArriveTheSame",
              "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
              "EveryReadReturnsOneByteToTheMaximum"},
             {},
             {}},
      Defect{"RepeatsAByteBetweenChunks",
             Planting<RepeatsAByteBetweenChunks>(),
             {"SharedBorrowedAndMovedBuffersArriveTheSame",
              "CarriesBothDirectionsAtOnceInRandomPieces",
              "WriteFromAfterADeadlineNeitherLosesNorRepeats"},
             {},
             {}},
      Defect{"ReversesTheBuffersOfAWritev",
             Planting<ReversesTheBuffersOfAWritev>(),
             {"WritevIsTheConcatenationOfItsBuffers",
              "CarriesBothDirectionsAtOnceInRandomPieces",
              "CarriesTenThousandBuffersInOneWritev",
              "BorrowedMemoryIsFreeAfterTheWrite",
              "WhatALateWriteCountsIsWhatArrives"},
             {},
             {}},
      Defect{"DropsBuffersBeyondIovMax",
             Planting<DropsBuffersBeyondIovMax>(),
             {"CarriesTenThousandBuffersInOneWritev"},
             {},
             {}},
      Defect{"KeepsBorrowedMemory",
             Planting<KeepsBorrowedMemory>(),
             {"BorrowedMemoryIsFreeAfterTheWrite"},
             {},
             {}},
      Defect{"CountsTooMuch",
             Planting<CountsTooMuch>(),
             {"WhatALateWriteCountsIsWhatArrives",
              "WhatAnAbortedWriteCountsIsWhatArrives",
              "ShutdownReadClosesTheWritesOfTheRemote",
              "WritesGoOnAfterADeadline"},
             {"APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
              "AFutureWriteDeadlineIsWaitedFor"},
             {}},
      Defect{"CountsNothingOfAnUnfinishedWrite",
             Planting<CountsNothingOfAnUnfinishedWrite>(),
             {"WhatALateWriteCountsIsWhatArrives",
              "WhatAnAbortedWriteCountsIsWhatArrives",
              "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
              "AFutureWriteDeadlineIsWaitedFor", "WritesGoOnAfterADeadline"},
             {},
             {}},
      Defect{"AcceptsAPartOfACordInSecret",
             Planting<AcceptsAPartOfACordInSecret>(),
             {"WriteFromAfterADeadlineNeitherLosesNorRepeats"},
             {},
             {}},
      Defect{
          "HasOneLockForBothDirections",
          Planting<HasOneLockForBothDirections>(),
          {},
          {"ABlockedReadLeavesWritesFlowing", "ABlockedWriteLeavesReadsFlowing",
           "AReadDeadlineLeavesABlockedWriteAlone"},
          {}},
      Defect{"ForgetsAnEndWithoutData",
             Planting<ForgetsAnEndWithoutData>(),
             {},
             {"TheEndWakesABlockedRead", "AnAbortWakesABlockedCloseOfTheRemote",
              "ARepeatedShutdownIsOk", "WritesAfterShutdownAreClosed",
              "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
              "CloseReturnsAtOnceIfTheRemoteHasEndedItsDirection",
              "ClosesJoinAndReturnTheSame"},
             {}},
      Defect{"KeepsItsEndUntilClose",
             Planting<KeepsItsEndUntilClose>(),
             {"ADirectionThatHasEndedOutlivesAnAbort"},
             {"HalfCloseLeavesTheReverseDirectionToItsOwnEnd"},
             {}},
      Defect{"CannotEndAfterTheRemote",
             Planting<CannotEndAfterTheRemote>(),
             {"CloseReturnsAtOnceIfTheRemoteHasEndedItsDirection",
              "HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
              "ARepeatedShutdownIsOk",
              "ShutdownReadLeavesTheOtherDirectionFlowing",
              "CloseDoesNotWaitForARemoteThatIsRefused",
              "WhatWasSentBeforeCloseArrivesWhole",
              "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
              "DataThatIsLeftUnreadDoesNotSpoilClose",
              "CloseFinishesABlockedWriteFirst", "ReadsGoOnWhileCloseWaits",
              "ClosesJoinAndReturnTheSame", "CloseBeforeItsDeadlineIsOk"},
             {},
             {"BothEndsMayCloseAtTheSameTime",
              "AfterCloseReadsAndWritesAreClosed", "TheResultOfCloseStays",
              "CarriesBothDirectionsAtOnceInRandomPieces"}},
      Defect{"EndsBothDirectionsAtOnce",
             Planting<EndsBothDirectionsAtOnce>(),
             {"HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
              "AbortWakesABlockedClose", "AnAbortWakesABlockedCloseOfTheRemote",
              "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
              "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
              "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk"},
             {},
             {"AReaderThatIsDestroyedTooEarlySpoilsClose",
              "ClosesThatRaceWithAbortReturn",
              "CarriesBothDirectionsAtOnceInRandomPieces",
              "TheEarliestDeadlineOfSeveralClosesCounts"}},
      Defect{"TakesTheRemoteEndForItsOwn",
             Planting<TakesTheRemoteEndForItsOwn>(),
             {"HalfCloseLeavesTheReverseDirectionToItsOwnEnd",
              "AnAbortWakesABlockedCloseOfTheRemote",
              "NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
              "ClosesJoinAndReturnTheSame"},
             {},
             {"CarriesBothDirectionsAtOnceInRandomPieces"}},
      Defect{"EndsWellAfterAWriteThatFailed",
             Planting<EndsWellAfterAWriteThatFailed>(),
             {"AWriteThatFailsAfterShutdownIsNotEndedByIt"},
             {},
             {}},
      Defect{"DropsTheRestOfAWriteAtTheEnd",
             Planting<DropsTheRestOfAWriteAtTheEnd>(),
             {"CloseFinishesABlockedWriteFirst",
              "ShutdownDuringABlockedWriteSendsTheEndAfterIt"},
             {},
             {"AWriteThatFailsAfterShutdownIsNotEndedByIt"}},
      Defect{"ClosesWithoutTheRemote",
             Planting<ClosesWithoutTheRemote>(),
             {"NoCloseReturnsBeforeTheRemoteHasEndedItsDirection",
              "AbortWakesABlockedClose", "AnAbortWakesABlockedCloseOfTheRemote",
              "ReadsGoOnWhileCloseWaits", "ClosesJoinAndReturnTheSame",
              "CloseBeyondItsDeadlineAborts", "CloseBeforeItsDeadlineIsOk"},
             {},
             {"AReaderThatIsDestroyedTooEarlySpoilsClose",
              "ClosesThatRaceWithAbortReturn",
              "TheEarliestDeadlineOfSeveralClosesCounts"}},
      Defect{"IgnoresTheDeadlineOfClose",
             Planting<IgnoresTheDeadlineOfClose>(),
             {},
             {"CloseBeyondItsDeadlineAborts"},
             {}},
      Defect{"TakesAnyDeadlineOfCloseForPast",
             Planting<TakesAnyDeadlineOfCloseForPast>(),
             {"CloseBeforeItsDeadlineIsOk"},
             {},
             {"CloseBeyondItsDeadlineAborts"}},
      Defect{"ClosesBeyondItsDeadlineInSecret",
             Planting<ClosesBeyondItsDeadlineInSecret>(),
             {"CloseBeyondItsDeadlineAborts"},
             {"CloseBeyondItsDeadlineAbortsABlockedWrite"},
             {}},
      Defect{"IsSpoiledByUnreadData",
             Planting<IsSpoiledByUnreadData>(),
             {"DataThatIsLeftUnreadDoesNotSpoilClose"},
             {},
             {}},
      Defect{"RefusesNothing",
             Planting<RefusesNothing>(),
             {"ShutdownReadClosesTheWritesOfTheRemote",
              "CloseDoesNotWaitForARemoteThatIsRefused"},
             {"ShutdownReadWakesABlockedReadWithEndOfFile",
              "ReadsThatRaceWithShutdownReadReturn",
              "ShutdownReadWakesABlockedWriteOfTheRemote"},
             {}},
      Defect{"RefusesAndEnds",
             Planting<RefusesAndEnds>(),
             {"ShutdownReadLeavesTheOtherDirectionFlowing"},
             {},
             {}},
      Defect{"RefusesInSecret",
             Planting<RefusesInSecret>(),
             {"ShutdownReadClosesTheWritesOfTheRemote",
              "CloseDoesNotWaitForARemoteThatIsRefused"},
             {"ShutdownReadWakesABlockedWriteOfTheRemote"},
             {}},
      Defect{"AbortsWithEndOfFile",
             Planting<AbortsWithEndOfFile>(),
             {"AnAbortedStreamNeverEndsInEndOfFile",
              "AnAbortForAnOkOrDeadlineReasonIsAborted",
              "ADestroyedStreamNeverEndsInEndOfFile",
              "AcceptedBytesPrecedeTheReason", "ErrorsStay",
              "AnAbortWakesABlockedReadOfTheRemote",
              "AnAbortWakesABlockedCloseOfTheRemote"},
             {},
             {"AReaderThatIsDestroyedTooEarlySpoilsClose"}},
      Defect{"IsDestroyedWithEndOfFile",
             Planting<IsDestroyedWithEndOfFile>(),
             {"ADestroyedStreamNeverEndsInEndOfFile",
              "AcceptedBytesPrecedeTheReason",
              "AnAbortWakesABlockedReadOfTheRemote"},
             {},
             {"AReaderThatIsDestroyedTooEarlySpoilsClose"}},
      Defect{"LosesTheReason",
             Planting<LosesTheReason>(),
             {"AnAbortedStreamNeverEndsInEndOfFile",
              "AcceptedBytesPrecedeTheReason",
              "WhatAnAbortedWriteCountsIsWhatArrives", "ErrorsStay",
              "AnAbortEndsTheWritesOfTheRemote",
              "AnAbortWakesABlockedReadOfTheRemote",
              "AnAbortWakesABlockedWriteOfTheRemote",
              "AnAbortWakesABlockedCloseOfTheRemote"},
             {},
             {}},
      Defect{"AbortsOnlyItsWrites",
             Planting<AbortsOnlyItsWrites>(),
             {"AnAbortEndsTheWritesOfTheRemote",
              "AnAbortWakesABlockedWriteOfTheRemote",
              "CloseBeyondItsDeadlineAborts"},
             {},
             {}},
      Defect{"ReadsErrorsFirst",
             Planting<ReadsErrorsFirst>(),
             {"AcceptedBytesPrecedeTheReason",
              "WhatAnAbortedWriteCountsIsWhatArrives"},
             {},
             {}},
      Defect{"AbortWakesNoRead",
             Planting<AbortWakesNoRead>(),
             {},
             {"AbortWakesABlockedRead", "ReadsThatRaceWithAbortReturn"},
             {}},
      Defect{
          "AbortWakesNoWrite",
          Planting<AbortWakesNoWrite>(),
          {},
          {"AbortWakesABlockedWrite", "WhatAnAbortedWriteCountsIsWhatArrives",
           "WritesThatRaceWithAbortReturn",
           "CloseBeyondItsDeadlineAbortsABlockedWrite"},
          {}},
      Defect{"AbortWakesNoClose",
             Planting<AbortWakesNoClose>(),
             {},
             {"AbortWakesABlockedClose", "ClosesThatRaceWithAbortReturn",
              "TheEarliestDeadlineOfSeveralClosesCounts"},
             {}},
      Defect{"LeavesNoMark",
             Planting<LeavesNoMark>(),
             {},
             {"ReadsThatRaceWithAbortReturn",
              "ReadsThatRaceWithShutdownReadReturn"},
             {"AbortWakesABlockedRead",
              "ShutdownReadWakesABlockedReadWithEndOfFile"}},
      Defect{"IgnoresReadDeadlines",
             Planting<IgnoresReadDeadlines>(),
             {},
             {"ANewReadDeadlineAppliesToABlockedRead",
              "ReadsThatRaceWithANewDeadlineReturn",
              "APastReadDeadlineFailsOnlyReadsThatWouldBlock",
              "AFutureReadDeadlineIsWaitedFor", "ReadsGoOnAfterADeadline",
              "AReadDeadlineLeavesABlockedWriteAlone"},
             {}},
      Defect{"IgnoresWriteDeadlines",
             Planting<IgnoresWriteDeadlines>(),
             {},
             {"ANewWriteDeadlineAppliesToABlockedWrite",
              "AWriteThatFailsAfterShutdownIsNotEndedByIt",
              "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
              "AFutureWriteDeadlineIsWaitedFor", "WritesGoOnAfterADeadline",
              "WhatALateWriteCountsIsWhatArrives",
              "WriteFromAfterADeadlineNeitherLosesNorRepeats"},
             {}},
      Defect{"AppliesReadDeadlinesToWrites",
             Planting<AppliesReadDeadlinesToWrites>(),
             {"AReadDeadlineLeavesWritesAlone",
              "AReadDeadlineLeavesABlockedWriteAlone"},
             {},
             {}},
      Defect{"AppliesWriteDeadlinesToReads",
             Planting<AppliesWriteDeadlinesToReads>(),
             {"AWriteDeadlineLeavesReadsAlone"},
             {},
             {}},
      Defect{"IsLateForEver",
             Planting<IsLateForEver>(),
             {"ReadsGoOnAfterADeadline", "AFutureReadDeadlineIsWaitedFor"},
             {"APastReadDeadlineFailsOnlyReadsThatWouldBlock"},
             {}},
      Defect{"BreaksAtTheWriteDeadline",
             Planting<BreaksAtTheWriteDeadline>(),
             {"WritesGoOnAfterADeadline",
              "AWriteThatFailsAfterShutdownIsNotEndedByIt",
              "APastWriteDeadlineFailsOnlyWritesThatWouldBlock",
              "ANewWriteDeadlineAppliesToABlockedWrite",
              "AFutureWriteDeadlineIsWaitedFor",
              "WhatALateWriteCountsIsWhatArrives"},
             {},
             {}},
      Defect{"IsLateWithoutTrying",
             Planting<IsLateWithoutTrying>(),
             {},
             {"APastReadDeadlineFailsOnlyReadsThatWouldBlock"},
             {}},
      Defect{"IsLateTooEarly",
             Planting<IsLateTooEarly>(),
             {"AFutureReadDeadlineIsWaitedFor"},
             {},
             {}},
      Defect{"SetsDeadlinesOfTheNextReadOnly",
             Planting<SetsDeadlinesOfTheNextReadOnly>(),
             {},
             {"ANewReadDeadlineAppliesToABlockedRead",
              "ReadsThatRaceWithANewDeadlineReturn"},
             {}},
  };
}

// One end has the defect, so that it is tried in both roles, and so that the
// watchdog can abort the other end.
ConformanceOptions PipesWith(const std::string& name, const Plant& plant) {
  ConformanceOptions options;
  options.name = name;
  options.make_pair = [plant] {
    Pipe pipe = MakePipe(4096);
    return FlowPair{plant(std::move(pipe.left)), std::move(pipe.right)};
  };
  options.make_full = options.make_pair;
  options.more_than_full = 16 << 10;
  return options;
}

struct Report {
  std::string outcome = "passed";  // or "failed" or "hung"
  std::string messages;
};

// Runs a check whose failures are not those of this test.
Report RunAside(const std::string& check, const ConformanceOptions& options) {
  ::testing::TestPartResultArray results;
  {
    using Reporter = ::testing::ScopedFakeTestPartResultReporter;
    Reporter reporter(Reporter::INTERCEPT_ALL_THREADS, &results);
    RunConformanceCheck(check, options);
  }
  Report report;
  for (int i = 0; i < results.size(); ++i) {
    const ::testing::TestPartResult& result = results.GetTestPartResult(i);
    absl::StrAppend(&report.messages, result.message(), "\n");
    if (!result.failed()) continue;
    if (absl::StrContains(result.message(), "has hung for")) {
      report.outcome = "hung";
    } else if (report.outcome == "passed") {
      report.outcome = "failed";
    }
  }
  return report;
}

class BrokenFlowTest : public ::testing::TestWithParam<Defect> {};

TEST_P(BrokenFlowTest, FailsTheChecksMeantForItAndNoOthers) {
  const Defect& defect = GetParam();
  for (const std::string& check : ConformanceCheckNames()) {
    ConformanceOptions options = PipesWith(defect.name, defect.plant);
    const bool fails = absl::c_linear_search(defect.fail, check);
    const bool hangs = absl::c_linear_search(defect.hang, check);
    const bool may_fail = absl::c_linear_search(defect.may_fail, check);
    // Patient where a thread has to get somewhere for the defect to show, and
    // quick where time is known to be lost.
    if (fails || hangs) options.blocked_wait = absl::Milliseconds(50);
    if (hangs || may_fail) options.hang_timeout = absl::Milliseconds(400);
    const Report report = RunAside(check, options);
    if (may_fail) continue;
    EXPECT_EQ(report.outcome, hangs   ? "hung"
                              : fails ? "failed"
                                      : "passed")
        << check << ":\n"
        << report.messages;
  }
}

INSTANTIATE_TEST_SUITE_P(Defects, BrokenFlowTest,
                         ::testing::ValuesIn(Defects()),
                         [](const auto& info) { return info.param.name; });

TEST(ConformanceTest, EveryCheckFailsForADefectUnlessTheBaseKeepsItsRule) {
  std::vector<std::string> kept_by_the_base = {
      "AReadOfAtMostZeroBytesIsInvalidAndChangesNothing",
      "ASecondReaderIsRefusedAndDisturbsNothing",
      "ASecondWriterIsRefusedAndDisturbsNothing",
      "AfterAbortEveryOperationReturnsTheReason",
      "AfterCloseReadsAndWritesAreClosed",
      "EmptyWritesDoNothing",
      "EndOfFileStays",
      "ShutdownReadDiscardsWhatWasNotRead",
      "TheResultOfCloseStays",
  };
  std::vector<std::string> by_luck = {
      "AReaderThatIsDestroyedTooEarlySpoilsClose",
      "BothEndsMayCloseAtTheSameTime"};
  absl::btree_set<std::string> tested(kept_by_the_base.begin(),
                                      kept_by_the_base.end());
  tested.insert(by_luck.begin(), by_luck.end());
  for (const Defect& defect : Defects()) {
    tested.insert(defect.fail.begin(), defect.fail.end());
    tested.insert(defect.hang.begin(), defect.hang.end());
  }
  EXPECT_THAT(ConformanceCheckNames(),
              ::testing::UnorderedElementsAreArray(tested));
}

TEST(ConformanceTest, AHangIsReportedWithTheStateOfBothEnds) {
  ConformanceOptions options = PipesWith("deaf", Planting<AbortWakesNoRead>());
  options.hang_timeout = absl::Milliseconds(100);
  const Report report = RunAside("AbortWakesABlockedRead", options);
  EXPECT_EQ(report.outcome, "hung");
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("AbortWakesABlockedRead on deaf has hung"));
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("local: forwarding flow [in: aborted"));
  EXPECT_THAT(report.messages,
              ::testing::HasSubstr("remote: pipe (right end) [in: open"));
}

TEST(ConformanceDeathTest, AHangThatNoAbortEndsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  ConformanceOptions options;
  options.name = "dead";
  options.make_pair = [] {
    Pipe pipe = MakePipe();
    const Plant plant = Planting<IgnoresAborts>();
    return FlowPair{plant(std::move(pipe.left)), plant(std::move(pipe.right))};
  };
  options.hang_timeout = absl::Milliseconds(100);
  EXPECT_DEATH(RunConformanceCheck("AbortWakesABlockedRead", options),
               "AbortWakesABlockedRead on dead has hung for 100ms, and "
               "aborting both ends has not ended it");
}

TEST(ConformanceTest, WhatTheTransportCannotDoIsSkippedWithASentence) {
  ConformanceOptions options = PipesWith("full", Planting<ForwardingFlow>());
  options.make_full = nullptr;
  EXPECT_THAT(RunAside("AbortWakesABlockedWrite", options).messages,
              ::testing::HasSubstr("There is no pair that fills up."));
  options.traits.carries_abort = false;
  EXPECT_THAT(RunAside("AnAbortedStreamNeverEndsInEndOfFile", options).messages,
              ::testing::HasSubstr("The transport does not carry an abort."));
}

INSTANTIATE_TEST_SUITE_P(
    WithoutDefect, FlowConformanceTest,
    ::testing::Values(PipesWith("forwarding", Planting<ForwardingFlow>())),
    ConformanceName);

}  // namespace
}  // namespace flow::testing
