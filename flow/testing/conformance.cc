// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/conformance.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/no_destructor.h"
#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/conformance/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace conformance {

// Reports a check that hangs, and aborts its flows. It must not need any of
// them to do as it should: what may block there has a thread of its own.
class Watchdog {
 public:
  Watchdog(std::string what, std::string hint, absl::Duration timeout)
      : what_(std::move(what)),
        hint_(std::move(hint)),
        timeout_(timeout),
        watcher_([this] { Watch(); }) {}

  ~Watchdog() {
    {
      flow::internal::MutexLock lock(mu_);
      over_ = true;
    }
    watcher_.join();
  }

  void Add(Ends* ends) {
    flow::internal::MutexLock lock(ends_mu_);
    ends_.push_back(ends);
    if (fired_) AbortBoth(*ends);
  }

  void Remove(Ends* ends) {
    flow::internal::MutexLock lock(ends_mu_);
    ends_.erase(std::find(ends_.begin(), ends_.end(), ends));
  }

  bool fired() const { return fired_; }

  // Holds the watchdog off while flows appear or disappear.
  absl::Mutex* ends_mu() ABSL_LOCK_RETURNED(ends_mu_) { return &ends_mu_; }

 private:
  static constexpr absl::Duration kGrace = absl::Seconds(10);

  void Watch() {
    flow::internal::MutexLock lock(mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&over_), timeout_)) return;
    bool aborted = false;
    std::thread aborter([this, &aborted] {
      ReportAndAbort();
      flow::internal::MutexLock lock(mu_);
      aborted = true;
    });
    const auto ended = [this, &aborted] {
      mu_.AssertReaderHeld();
      return over_ && aborted;
    };
    if (!mu_.AwaitWithTimeout(absl::Condition(&ended), kGrace)) {
      // Without a trace of this thread, which says nothing of the others.
      ABSL_LOG(QFATAL) << what_ << " has hung: " << kGrace
                       << " after both ends were aborted, a call has still not "
                          "returned. Does Transport::Abort() make every call "
                          "return, as transport.h asks?"
                       << report_;
    }
    aborter.join();
  }

  void ReportAndAbort() {
    flow::internal::MutexLock lock(ends_mu_);
    fired_ = true;
    std::string ends_now;
    for (Ends* ends : ends_) {
      absl::StrAppend(&ends_now, "\n", ends->DebugString());
    }
    {
      flow::internal::MutexLock reporting(mu_);
      report_ = ends_now;
    }
    ADD_FAILURE() << what_ << " has hung for " << timeout_ << hint_ << ends_now;
    for (Ends* ends : ends_) AbortBoth(*ends);
  }

  static void AbortBoth(Ends& ends) {
    ends.Abort(absl::AbortedError("aborted by the watchdog"));
  }

  const std::string what_;
  const std::string hint_;
  const absl::Duration timeout_;

  absl::Mutex mu_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::string report_ ABSL_GUARDED_BY(mu_);  // the ends when they hung

  // Held while flows are called on behalf of the watchdog; never with `mu_`.
  absl::Mutex ends_mu_;
  std::vector<Ends*> ends_ ABSL_GUARDED_BY(ends_mu_);
  std::atomic<bool> fired_{false};  // set while `ends_mu_` is held

  std::thread watcher_;
};

// --- Ends

Ends::Ends(Check& check, Kind kind) : watchdog_(check.watchdog_) {
  FlowPair pair = kind == kFillsUp ? check.options_.make_full()
                                   : check.options_.make_pair();
  if (check.swapped_) std::swap(pair.left, pair.right);
  local_ = std::move(pair.left);
  remote_ = std::move(pair.right);
  ABSL_CHECK(local_ != nullptr && remote_ != nullptr)
      << "the factory of " << check.options_.name << " returned no pair";
  watchdog_.Add(this);
}

Ends::~Ends() {
  DestroyLocal();
  DestroyRemote();
  watchdog_.Remove(this);
}

void Ends::Destroy(std::unique_ptr<Flow>& end) {
  std::unique_ptr<Flow> destroyed;
  flow::internal::MutexLock lock(*watchdog_.ends_mu());
  destroyed = std::move(end);
}

void Ends::Abort(const absl::Status& reason) {
  if (local_ != nullptr) local_->Abort(reason);
  if (remote_ != nullptr) remote_->Abort(reason);
}

std::string Ends::DebugString() {
  return absl::StrCat(
      "  local: ", local_ != nullptr ? local_->DebugString() : "destroyed",
      "\n  remote: ",
      remote_ != nullptr ? remote_->DebugString() : "destroyed");
}

// --- Check

bool Check::hung() const { return watchdog_.fired(); }

::testing::Matcher<absl::Status> Check::Carries(
    const absl::Status& reason) const {
  if (traits().carries_abort_reason) {
    const auto payload = [](const absl::Status& status) {
      return std::string(status.GetPayload(kPayload).value_or(absl::Cord()));
    };
    return ::testing::AllOf(
        ::absl_testing::StatusIs(
            reason.code(), ::testing::HasSubstr(std::string(reason.message()))),
        ::testing::ResultOf("the payload of", payload, payload(reason)));
  }
  return ::testing::Not(::testing::AnyOf(
      ::absl_testing::IsOk(),
      ::absl_testing::StatusIs(absl::StatusCode::kDeadlineExceeded)));
}

// --- Bytes

std::string Bytes(size_t size, uint32_t seed) {
  return PatternString(0, size, seed);
}

Received ReadToEnd(Flow& flow, size_t max_bytes) {
  Received received;
  while (true) {
    absl::StatusOr<absl::Cord> data = flow.Read(max_bytes);
    if (!data.ok()) {
      received.outcome = std::move(data).status();
      return received;
    }
    if (data->empty()) return received;
    absl::AppendCordToString(*data, &received.bytes);
  }
}

Received ReadBytes(Flow& flow, size_t size) {
  Received received;
  while (received.bytes.size() < size) {
    absl::StatusOr<absl::Cord> data = flow.Read(size - received.bytes.size());
    if (data.ok() && data->empty()) {
      data = absl::OutOfRangeError(
          absl::StrCat("end-of-file instead of ", size, " bytes"));
    }
    if (!data.ok()) {
      received.outcome = std::move(data).status();
      return received;
    }
    absl::AppendCordToString(*data, &received.bytes);
  }
  return received;
}

::testing::AssertionResult PrefixOf(absl::string_view expected,
                                    const Received& received) {
  const std::string& bytes = received.bytes;
  const auto differs = std::mismatch(bytes.begin(), bytes.end(),
                                     expected.begin(), expected.end());
  const auto same = static_cast<size_t>(differs.first - bytes.begin());
  if (same == bytes.size()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "of " << bytes.size() << " bytes read, with " << expected.size()
         << " expected, byte " << same << " is the first wrong one";
}

::testing::AssertionResult Same(const Received& received,
                                absl::string_view expected) {
  if (!received.outcome.ok()) {
    return ::testing::AssertionFailure()
           << "after " << received.bytes.size() << " of " << expected.size()
           << " bytes: " << received.outcome;
  }
  ::testing::AssertionResult prefix = PrefixOf(expected, received);
  if (prefix && received.bytes.size() < expected.size()) {
    return ::testing::AssertionFailure()
           << "only " << received.bytes.size() << " bytes of "
           << expected.size() << " were read";
  }
  return prefix;
}

absl::Status OrAbort(Flow& flow, absl::Status status) {
  if (!status.ok()) flow.Abort(status);
  return status;
}

absl::StatusOr<absl::Cord> ReadAs(bool into, Flow& flow, size_t max_bytes) {
  max_bytes = std::min<size_t>(max_bytes, 64 << 10);
  if (!into) return flow.Read(max_bytes);
  constexpr char kUntouched = '\x5a';
  std::string memory(max_bytes + 16, kUntouched);
  const absl::StatusOr<size_t> size =
      flow.ReadInto(absl::MakeSpan(memory).first(max_bytes));
  EXPECT_EQ(memory.substr(max_bytes), std::string(16, kUntouched));
  if (!size.ok()) return size.status();
  if (*size > max_bytes) {
    return absl::InternalError(
        absl::StrCat("ReadInto() of ", max_bytes, " bytes returned ", *size));
  }
  return absl::Cord(absl::string_view(memory).substr(0, *size));
}

absl::Status WriteAndEnd(Flow& flow, absl::string_view bytes, size_t piece) {
  while (!bytes.empty()) {
    const absl::string_view front = bytes.substr(0, piece);
    absl::Status status = OrAbort(flow, flow.Write(front));
    if (!status.ok()) return status;
    bytes.remove_prefix(front.size());
  }
  return flow.Shutdown(ShutdownMode::kWrite);
}

// --- The table

namespace {

struct Entry {
  const char* name;
  unsigned needs;
  CheckFunction function;
};

std::vector<Entry>& Table() {
  static absl::NoDestructor<std::vector<Entry>> table;
  return *table;
}

// A trait that checks may need.
struct Trait {
  Needs need;
  bool ConformanceTraits::* can;
  const char* name;
  const char* cannot;
};

constexpr Trait kTraits[] = {
    {kAbort, &ConformanceTraits::carries_abort,
     "carries_abort, or at least carries_abort_reason",
     "The transport does not carry an abort."},
    {kAcceptedKept, &ConformanceTraits::keeps_accepted_before_abort,
     "keeps_accepted_before_abort", "An abort may overtake what was accepted."},
    {kLostDataReported, &ConformanceTraits::reports_lost_data,
     "reports_lost_data", "Data that a reader has left is not reported."},
    {kAwait, &ConformanceTraits::awaits_remote_end, "awaits_remote_end",
     "Close() does not wait for the remote."},
    {kRefusal, &ConformanceTraits::refuses, "refuses",
     "The transport does not tell the remote that it is refused."},
    {kRefusalTold, &ConformanceTraits::tells_of_refusals, "tells_of_refusals",
     "AwaitRefusal() cannot tell."},
    {kInterruption, &ConformanceTraits::interruptible, "interruptible",
     "Calls that are blocked cannot be interrupted."},
};

// Returns why a check that needs `needs` means nothing here; empty if it does.
absl::string_view WhyNot(unsigned needs, const ConformanceOptions& options) {
  if ((needs & kFull) != 0 && options.make_full == nullptr) {
    return "There is no pair that fills up.";
  }
  for (const Trait& trait : kTraits) {
    if ((needs & trait.need) != 0 && !(options.traits.*trait.can)) {
      return trait.cannot;
    }
  }
  return "";
}

// Returns which traits to clear if the transport cannot do what a check needs.
std::string Hint(unsigned needs) {
  std::string hint;
  for (const Trait& trait : kTraits) {
    if ((needs & trait.need) == 0) continue;
    absl::StrAppend(&hint, hint.empty() ? "" : "; ", "traits.", trait.name);
  }
  if (hint.empty()) return "";
  return absl::StrCat(
      "\nIf the transport cannot do what this check needs, clear ", hint, ".");
}

// Whether a write of `more_than_full` bytes waits, as checks need it.
bool FillsUp(Check& check) {
  const std::string bytes = Bytes(check.more_than_full());
  Ends ends(check, Ends::kFillsUp);
  Task writer(ends,
              [&] { return ends.local().Write(absl::string_view(bytes)); });
  return !writer.DoneWithin(check.blocked_wait());
}

}  // namespace

bool AddCheck(const char* name, unsigned needs, CheckFunction function) {
  Table().push_back({name, needs, function});
  return true;
}

}  // namespace conformance

// --- Public

void PrintTo(const ConformanceOptions& options, std::ostream* out) {
  *out << options.name;
}

std::string ConformanceName(
    const ::testing::TestParamInfo<ConformanceOptions>& info) {
  return info.param.name;
}

std::vector<std::string> ConformanceCheckNames() {
  std::vector<std::string> names;
  for (const conformance::Entry& entry : conformance::Table()) {
    names.push_back(entry.name);
  }
  return names;
}

void RunConformanceCheck(absl::string_view check,
                         const ConformanceOptions& options) {
  const std::vector<conformance::Entry>& table = conformance::Table();
  const auto entry =
      std::find_if(table.begin(), table.end(),
                   [check](const auto& e) { return check == e.name; });
  ABSL_CHECK(entry != table.end()) << "no check is named " << check;
  const absl::string_view why_not = conformance::WhyNot(entry->needs, options);
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  const std::string hint = conformance::Hint(entry->needs);
  for (const bool swapped : {false, true}) {
    const std::string what = absl::StrCat(
        check, " on ", options.name, swapped ? ", with its ends swapped," : "");
    SCOPED_TRACE(what + hint);
    conformance::Watchdog watchdog(what, hint, options.hang_timeout);
    conformance::Check run(options, swapped, watchdog);
    if ((entry->needs & conformance::kFull) != 0 && !swapped &&
        options.traits.interruptible && !conformance::FillsUp(run)) {
      ADD_FAILURE()
          << "make_full: a write of " << options.more_than_full
          << " borrowed bytes did not wait, so the pair does not fill up. (A "
             "transport on top of a pipe: does it hand borrowed bytes on as a "
             "Cord, which a pipe accepts whole? Hand the Outgoing on as it "
             "is.)";
      return;
    }
    entry->function(run);
    if (run.hung()) return;  // and would once more
  }
}

}  // namespace flow::testing
