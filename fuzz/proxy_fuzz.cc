// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Puts Proxy() between the ends of two pipes, with faults in both of its flows,
// while a thread at each far end writes, reads, ends, refuses, aborts and
// closes. If the environment has FLOW_START_PROXY, it is StartProxy(). No two
// runs need to have the same order, so what is checked holds in every order
// (flow/proxy.h; docs/semantics.md, "Proxy"):
//
//  * what a far end receives is a prefix of what the other one has sent, and
//    all that was accepted for it;
//  * each byte that was read was accepted or is `unwritten`, and the statistics
//    say how many;
//  * a far end sees end-of-file only behind a whole stream;
//  * the status is Ok if nothing has failed, and otherwise a reason that is in
//    the script; both flows are aborted then;
//  * it returns.
//
// What comes before `start` happens before Proxy() begins. A far end that has
// nothing left to do ends its direction. One that hangs does not: it leaves
// that to the idle timeout, or stops Proxy() if there is none.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/status.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/run_proxy.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

using ::flow::testing::Fault;
using ::flow::testing::FaultOperation;
using ::flow::testing::FaultOptions;
using ::flow::testing::FaultPlace;
using Side = CopyResult::Side;

constexpr size_t kCapacities[] = {0, 1, 16, kNoLimit};
// No far end sends more bytes than this, to keep runs short.
constexpr size_t kMaxTotal = 20000;
constexpr absl::Duration kIdleTimeout = absl::Milliseconds(2);
// If this has passed, Proxy() will never return. One far end waits for longer
// than the other one, so that only one says so.
constexpr absl::Duration kPatience = absl::Seconds(20);

enum Word {
  kMaxRead,
  kPieces,
  kFaultAtRead,
  kFaultAtWrite,
  kFaultAtByteRead,
  kFaultAtByteWritten,
  kWrite,
  kRead,
  kEnd,
  kRefuse,
  kAbort,
  kClose,
  kHang,
  kStart,
};

enum FaultKind { kBreaks, kCloses, kIsLate, kResets };

Grammar Words() {
  Grammar grammar;
  grammar.settings =
      "0|1|16|unbounded no_idle_timeout|idle_timeout leave_open|close";
  grammar.words = {
      {kMaxRead, "max_read SIZE"},
      {kPieces, "pieces a|b SIZE SIZE"},
      {kFaultAtRead, "at_read a|b SIZE breaks|closes|is_late|resets"},
      {kFaultAtWrite, "at_write a|b SIZE breaks|closes|is_late|resets"},
      {kFaultAtByteRead, "at_byte_read a|b SIZE breaks|closes|is_late|resets"},
      {kFaultAtByteWritten,
       "at_byte_written a|b SIZE breaks|closes|is_late|resets"},
      {kWrite, "write a|b SIZE"},
      {kRead, "read a|b SIZE"},
      {kEnd, "end a|b"},
      {kRefuse, "refuse a|b"},
      {kAbort, "abort a|b"},
      {kClose, "close a|b"},
      {kHang, "hang a|b"},
      {kStart, "start"},
  };
  grammar.large_sizes = {100, 511, 4097};
  grammar.max_operations = 40;
  return grammar;
}

// The codes tell where an error comes from.
constexpr absl::StatusCode kBroken = absl::StatusCode::kUnavailable;
constexpr absl::StatusCode kReset = absl::StatusCode::kDataLoss;
constexpr absl::StatusCode kAborted = absl::StatusCode::kCancelled;
constexpr absl::StatusCode kStopped = absl::StatusCode::kUnauthenticated;

Fault ToFault(FaultPlace place, size_t kind) {
  switch (static_cast<FaultKind>(kind)) {
    case kBreaks:
      return Fault::Error(place, absl::Status(kBroken, "broken"));
    case kCloses:
      return Fault::Error(place, ClosedError("closed"));
    case kIsLate:
      return Fault::Error(place, absl::DeadlineExceededError("late"));
    case kResets:
      break;
  }
  return Fault::Abort(place, absl::Status(kReset, "reset"));
}

// The end of a pipe behind one of the flows of Proxy(), and what it has done.
class FarEnd {
 public:
  // `first` is where in the pattern its bytes begin.
  void Init(std::unique_ptr<Flow> flow, size_t first) {
    flow_ = std::move(flow);
    first_ = first;
    flow_->SetReadDeadline(absl::InfinitePast());
    flow_->SetWriteDeadline(absl::InfinitePast());
  }

  void Do(const Operation& operation) {
    const size_t size = operation.numbers[1];
    switch (static_cast<Word>(operation.word)) {
      case kWrite:
        // As a Cord, which is accepted whole.
        flow_->Write(absl::Cord(Bytes(sent(), budget_.Take(size))))
            .IgnoreError();
        break;
      case kRead:
        Read(std::max(size, size_t{1}));
        break;
      case kEnd:
        End();
        break;
      case kRefuse:
        refuses_ = true;
        flow_->Shutdown(ShutdownMode::kRead).IgnoreError();
        break;
      case kAbort:
        leaves_ = true;
        flow_->Abort(absl::Status(kAborted, "aborted by a far end"));
        break;
      case kClose:
        End();
        leaves_ = true;
        flow_->Close(absl::InfinitePast()).IgnoreError();
        break;
      case kHang:
        hangs_ = true;
        break;
      default:
        break;
    }
  }

  // Ends its direction in good order.
  void End() {
    if (!leaves_) ends_ = true;
    flow_->Shutdown(ShutdownMode::kWrite).IgnoreError();
  }

  void ReadToEnd(absl::Duration patience) {
    flow_->SetReadDeadline(absl::Now() + patience);
    while (Read(kNoLimit)) {
    }
    ABSL_CHECK(!absl::IsDeadlineExceeded(read_end_))
        << "waits for an end: " << flow_->DebugString();
  }

  // What it sends, from `offset` on.
  absl::string_view Bytes(int64_t offset, size_t size) const {
    return Pattern(first_ + static_cast<size_t>(offset), size);
  }
  bool hangs() const { return hangs_; }
  bool refuses() const { return refuses_; }
  bool leaves() const { return leaves_; }  // aborts or closes
  // Has ended its direction in good order.
  bool ends() const { return ends_; }
  int64_t sent() const { return flow_->bytes_written(); }
  const std::string& received() const { return received_; }
  // Ok: end-of-file.
  const absl::Status& read_end() const { return read_end_; }

 private:
  // Returns whether there was data.
  bool Read(size_t max_bytes) {
    const absl::StatusOr<absl::Cord> data = flow_->Read(max_bytes);
    read_end_ = data.status();
    if (!data.ok() || data->empty()) return false;
    received_ += std::string(*data);
    return true;
  }

  std::unique_ptr<Flow> flow_;
  size_t first_ = 0;
  Budget budget_{kMaxTotal};
  bool hangs_ = false;
  bool refuses_ = false;
  bool leaves_ = false;
  bool ends_ = false;
  std::string received_;
  absl::Status read_end_;
};

class Run {
 public:
  explicit Run(const Script& script)
      : capacity_(kCapacities[script.settings.numbers[0]]) {
    if (script.settings.numbers[1] != 0) {
      options_.idle_timeout = kIdleTimeout;
      causes_.insert(absl::StatusCode::kDeadlineExceeded);
    }
    if (script.settings.numbers[2] != 0) options_.close_timeout = kPatience / 2;
    options_.on_write = [this](ProxyDirection direction, int64_t bytes) {
      ABSL_CHECK(!reports_.exchange(true)) << "calls of on_write overlap";
      ABSL_CHECK_GT(bytes, 0);
      reported_[direction == ProxyDirection::kAToB ? 0 : 1] += bytes;
      reports_ = false;
    };
    Plan(script);
    for (size_t i : {0, 1}) {
      Pipe pipe = MakePipe(capacity_);
      far_[i].Init(std::move(pipe.left), i * kMaxTotal);
      faults_[i].observer = [this](const FaultOperation& operation) {
        if (operation.failed_here) has_failed_ = true;
      };
      near_[i] =
          testing::MakeFaultFlow(std::move(pipe.right), std::move(faults_[i]));
    }
    testing::BindForProxy(*near_[0], *near_[1]);
    for (const auto& [end, operation] : before_) far_[end].Do(operation);

    std::thread a([this] { Drive(0); });
    std::thread b([this] { Drive(1); });
    result_ = testing::RunProxy(*near_[0], *near_[1], options_);
    const bool has_failed = has_failed_;
    has_returned_.Notify();
    a.join();
    b.join();
    Check(has_failed);
  }

 private:
  // Sorts the script.
  void Plan(const Script& script) {
    bool has_started = false;
    for (const Operation& operation : script.operations) {
      const size_t end = operation.numbers[0];
      const auto at = static_cast<int64_t>(operation.numbers[1]);
      switch (static_cast<Word>(operation.word)) {
        case kMaxRead:
          options_.max_read = operation.numbers[0];
          break;
        case kPieces:
          faults_[end].max_read = operation.numbers[1];
          faults_[end].max_write = operation.numbers[2];
          break;
        case kFaultAtRead:
          AddFault(operation, testing::ReadOperation(at));
          break;
        case kFaultAtWrite:
          AddFault(operation, testing::WriteOperation(at));
          break;
        case kFaultAtByteRead:
          AddFault(operation, testing::ReadByte(at));
          break;
        case kFaultAtByteWritten:
          AddFault(operation, testing::WriteByte(at));
          break;
        case kAbort:
          causes_.insert(kAborted);
          break;
        case kClose:
          causes_.insert(absl::StatusCode::kAborted);
          break;
        case kHang:
          causes_.insert(kStopped);
          break;
        case kStart:
          has_started = true;
          continue;
        default:
          break;
      }
      if (operation.word < kWrite) continue;
      if (has_started) {
        during_[end].push_back(operation);
      } else {
        before_.emplace_back(end, operation);
      }
    }
  }

  void AddFault(const Operation& operation, FaultPlace place) {
    const auto kind = static_cast<FaultKind>(operation.numbers[2]);
    faults_[operation.numbers[0]].faults.push_back(ToFault(place, kind));
    switch (kind) {
      case kBreaks:
        causes_.insert(kBroken);
        break;
      case kCloses:
        can_be_closed_ = true;
        // It is an error of a source, and no error of a sink.
        if (place.side == FaultPlace::Side::kRead) {
          causes_.insert(absl::StatusCode::kFailedPrecondition);
        } else {
          can_be_closed_at_write_ = true;
        }
        break;
      case kIsLate:
        can_be_late_ = true;  // an idle timeout goes on after that
        causes_.insert(absl::StatusCode::kDeadlineExceeded);
        // The same in sending the end.
        causes_.insert(absl::StatusCode::kAborted);
        break;
      case kResets:
        causes_.insert(kReset);
        break;
    }
  }

  // What happens at a far end while Proxy() runs.
  void Drive(int end) {
    FarEnd& far = far_[end];
    for (const Operation& operation : during_[end]) far.Do(operation);
    if (!far.hangs()) {
      far.End();
    } else if (options_.idle_timeout == absl::InfiniteDuration()) {
      for (auto& flow : near_) flow->Abort(absl::Status(kStopped, "stopped"));
    }
    const absl::Duration patience = kPatience * (1 + end);
    far.ReadToEnd(patience);
    ABSL_CHECK(has_returned_.WaitForNotificationWithTimeout(patience))
        << "Proxy() does not return: " << near_[0]->DebugString() << "; "
        << near_[1]->DebugString();
  }

  // `has_failed`: a fault has happened.
  void Check(bool has_failed) {
    CheckDirection(0, 1, result_.a_to_b);
    CheckDirection(1, 0, result_.b_to_a);
    ABSL_CHECK_EQ(reported_[0], result_.a_to_b.statistics.bytes);
    ABSL_CHECK_EQ(reported_[1], result_.b_to_a.statistics.bytes);

    const absl::Status& status = result_.status;
    ABSL_CHECK(status.ok() || causes_.count(status.code()) != 0) << status;
    // A refusal can end a direction before its source fails.
    if (!can_be_closed_ && !far_[0].refuses() && !far_[1].refuses()) {
      for (const FarEnd& far : far_) {
        if (!far.ends()) ABSL_CHECK(!status.ok());
      }
      if (has_failed && !can_be_late_) ABSL_CHECK(!status.ok());
    }
    if (options_.close_timeout.has_value()) return CheckClosed();
    if (status.ok()) {
      // Otherwise it may have been stopped when it had just returned.
      if (!far_[0].hangs() && !far_[1].hangs()) CheckCarriedOver(has_failed);
    } else {
      ABSL_CHECK(!result_.a_to_b.status.ok() || !result_.b_to_a.status.ok())
          << status;
      CheckAborted();
    }
  }

  void CheckDirection(int source, int sink, const CopyResult& copy) {
    const FarEnd& sender = far_[source];
    const FarEnd& receiver = far_[sink];
    const int64_t read = near_[source]->bytes_read();
    const int64_t written = near_[sink]->bytes_written();
    const auto unwritten = static_cast<int64_t>(copy.unwritten.size());
    const CopyStatistics& statistics = copy.statistics;
    ABSL_CHECK_LE(read, sender.sent());
    ABSL_CHECK_EQ(read, written + unwritten) << copy.status;
    ABSL_CHECK(copy.unwritten == sender.Bytes(written, copy.unwritten.size()));
    ABSL_CHECK_EQ(statistics.bytes, written);
    ABSL_CHECK_LE(statistics.reads, read);
    ABSL_CHECK_GE(statistics.reads * static_cast<int64_t>(std::max(
                                         options_.max_read, size_t{1})),
                  read);
    ABSL_CHECK_GE(statistics.writes, statistics.reads);

    const auto received = static_cast<int64_t>(receiver.received().size());
    ABSL_CHECK(receiver.received() ==
               sender.Bytes(0, receiver.received().size()));
    ABSL_CHECK_LE(received, written);
    const bool leaves_some = receiver.refuses() || receiver.leaves();
    if (!leaves_some) {
      ABSL_CHECK_EQ(received, written);
      if (receiver.read_end().ok()) {
        ABSL_CHECK(sender.ends()) << "a false end";
        ABSL_CHECK_EQ(received, sender.sent()) << "a truncated stream";
      }
    }
    if (!receiver.read_end().ok() && !receiver.leaves()) {
      CheckHeard(receiver.read_end());
    }

    ABSL_CHECK_EQ(copy.status.ok(), copy.failed == Side::kNone);
    if (copy.status.ok()) {
      ABSL_CHECK(sender.ends());
      ABSL_CHECK_EQ(written, sender.sent());
      if (!leaves_some) ABSL_CHECK_OK(receiver.read_end());
    } else if (copy.failed == Side::kSink && IsClosed(copy.status)) {
      ABSL_CHECK(receiver.refuses() || can_be_closed_) << copy.status;
    }
    if (result_.status.ok() && !copy.status.ok()) {
      ABSL_CHECK(copy.failed == Side::kSink && IsClosed(copy.status))
          << copy.status;
    }
  }

  // The reason that a far end reads after the data.
  void CheckHeard(const absl::Status& reason) const {
    switch (reason.code()) {
      case absl::StatusCode::kAborted:
        // Of a deadline, or of a source that is Closed.
        ABSL_CHECK(causes_.count(absl::StatusCode::kDeadlineExceeded) != 0 ||
                   causes_.count(absl::StatusCode::kAborted) != 0 ||
                   can_be_closed_)
            << reason;
        break;
      case absl::StatusCode::kDeadlineExceeded:
        ABSL_LOG(FATAL) << reason;
        break;
      case absl::StatusCode::kFailedPrecondition:
        // The fault has broken the direction. An abort does not say so.
        ABSL_CHECK(IsClosed(reason) && can_be_closed_at_write_) << reason;
        break;
      default:
        ABSL_CHECK(causes_.count(reason.code()) != 0) << reason;
    }
  }

  // Both directions of both flows are over in good order.
  void CheckCarriedOver(bool has_failed) {
    for (auto& flow : near_) {
      const absl::StatusOr<absl::Cord> end = flow->Read();
      ABSL_CHECK(IsEof(end)) << end.status();
      const absl::Status status = flow->AwaitRefusal(absl::InfinitePast());
      // A fault can come in the end of what was refused before.
      ABSL_CHECK(IsClosed(status) || has_failed) << status;
    }
  }

  void CheckAborted() {
    for (auto& flow : near_) {
      ABSL_CHECK(!flow->Read().ok()) << flow->DebugString();
      ABSL_CHECK(!flow->Write("x").ok()) << flow->DebugString();
      ABSL_CHECK(!flow->Close(absl::InfinitePast()).ok());
    }
  }

  void CheckClosed() {
    for (auto& flow : near_) {
      const absl::Status closed = flow->Close();
      if (result_.status.ok()) {
        ABSL_CHECK(closed.ok() || IsClosed(closed)) << closed;
      }
      ABSL_CHECK(!flow->Write("x").ok());
    }
  }

  const size_t capacity_;
  ProxyOptions options_;
  std::array<FaultOptions, 2> faults_;
  // What the far ends do before Proxy() begins, and meanwhile.
  std::vector<std::pair<size_t, Operation>> before_;
  std::array<std::vector<Operation>, 2> during_;
  // The codes that the status of the whole can have.
  std::set<absl::StatusCode> causes_;
  bool can_be_closed_ = false;
  bool can_be_closed_at_write_ = false;
  bool can_be_late_ = false;

  std::array<FarEnd, 2> far_;
  std::array<std::unique_ptr<Flow>, 2> near_;
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> reports_{false};
  std::array<int64_t, 2> reported_ = {};
  absl::Notification has_returned_;
  ProxyResult result_;
};

void RunProxy(const Script& script) { const Run run(script); }

const Registration kTarget("proxy_fuzz", Words(), RunProxy);

}  // namespace
}  // namespace flow::fuzz
