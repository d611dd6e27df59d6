// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/conformance/check.h
//
// What the checks of conformance.h are written with. A check is the body that
// follows FLOW_CONFORMANCE_CHECK(); it is given a `check` to connect Ends with,
// and makes calls that may block as Tasks. It must hold for a transport that
// holds no byte at all: a write may block until it is read.
//
// Only for the .cc files of the suite.

#ifndef FLOW_TESTING_CONFORMANCE_CHECK_H_
#define FLOW_TESTING_CONFORMANCE_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/testing/conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing::conformance {

class Watchdog;

// The type of the payload by which checks know their statuses.
inline constexpr absl::string_view kPayload = "flow.testing/conformance";

// What a check needs of the transport, beyond connected ends.
enum Needs : unsigned {
  kNothing = 0,
  kFull = 1 << 0,  // make_full
  kAbort = 1 << 1,
  kAcceptedKept = 1 << 2,
  kAwait = 1 << 3,
  kRefusal = 1 << 4,
  kInterruption = 1 << 5,
  kLostDataReported = 1 << 6,
  kRefusalTold = 1 << 7,
};

// One run of a check.
class Check {
 public:
  Check(const ConformanceOptions& options, bool swapped, Watchdog& watchdog)
      : options_(options), swapped_(swapped), watchdog_(watchdog) {}

  const ConformanceTraits& traits() const { return options_.traits; }

  // How long to wait before a call is believed to be blocked.
  absl::Duration blocked_wait() const { return options_.blocked_wait; }

  // More bytes than a pair that fills up holds.
  size_t more_than_full() const { return options_.more_than_full; }

  // Whether the watchdog has given this run up. Loops that ask for something
  // again and again end then.
  bool hung() const;

  // Matches the error that an end gets when the other one was aborted with
  // `reason`.
  ::testing::Matcher<absl::Status> Carries(const absl::Status& reason) const;

 private:
  friend class Ends;

  const ConformanceOptions& options_;
  const bool swapped_;
  Watchdog& watchdog_;
};

// A new pair of connected flows. The watchdog aborts it if the check hangs.
class Ends {
 public:
  enum Kind { kRoomy, kFillsUp };  // of `make_pair` or of `make_full`

  explicit Ends(Check& check, Kind kind = kRoomy);
  ~Ends();

  Flow& local() const { return *local_; }
  Flow& remote() const { return *remote_; }

  // Precondition: no call is under way on this end, and none comes.
  void DestroyLocal() { Destroy(local_); }
  void DestroyRemote() { Destroy(remote_); }

  // Aborts those that are left.
  void Abort(const absl::Status& reason);

 private:
  friend class Watchdog;

  void Destroy(std::unique_ptr<Flow>& end);
  std::string DebugString();

  Watchdog& watchdog_;
  // Change only while the watchdog is held off.
  std::unique_ptr<Flow> local_;
  std::unique_ptr<Flow> remote_;
};

// A call on a thread of its own. If it is still under way when the check is
// over, the ends are aborted and it is waited for.
template <typename Result>
class Task {
 public:
  template <typename Call>
  Task(Ends& ends, Call call)
      : ends_(ends), thread_([this, call = std::move(call)]() mutable {
          {
            flow::internal::MutexLock lock(mu_);
            started_ = true;
          }
          Result result = call();
          flow::internal::MutexLock lock(mu_);
          result_ = std::move(result);
        }) {}

  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  ~Task() {
    if (!DoneWithin(absl::ZeroDuration())) {
      ends_.Abort(absl::AbortedError("the check is over"));
    }
    thread_.join();
  }

  // Returns when the call is about to be made.
  void WaitUntilStarted() {
    flow::internal::MutexLock lock(mu_);
    mu_.Await(absl::Condition(&started_));
  }

  // Returns whether the call returns within this time from now.
  bool DoneWithin(absl::Duration time) {
    flow::internal::MutexLock lock(mu_);
    const auto done = [this] {
      mu_.AssertReaderHeld();
      return result_.has_value();
    };
    return mu_.AwaitWithTimeout(absl::Condition(&done), time);
  }

  // Waits for the call and returns its result. Not inline: of
  // `(c ? one : other).Wait()` clang would load both results and select one,
  // which ThreadSanitizer takes for a race with the other.
  ABSL_ATTRIBUTE_NOINLINE Result Wait() {
    DoneWithin(absl::InfiniteDuration());
    flow::internal::MutexLock lock(mu_);
    return *result_;
  }

 private:
  Ends& ends_;
  absl::Mutex mu_;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<Result> result_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

template <typename Call>
Task(Ends&, Call) -> Task<std::invoke_result_t<Call&>>;

// --- Bytes

// Returns bytes in which any loss, repetition or exchange is visible; those of
// another seed are different.
std::string Bytes(size_t size, uint32_t seed = 1);

// What was read, and how it ended: Ok is end-of-file, or that there was enough.
struct Received {
  std::string bytes;
  absl::Status outcome;
};

// Reads to the end, or until there are `size` bytes: an end before that is
// kOutOfRange. Every Read asks for at most `max_bytes`.
Received ReadToEnd(Flow& flow, size_t max_bytes = kNoLimit);
Received ReadBytes(Flow& flow, size_t size);

// Returns whether all is well with `received` and it is `expected`; if not, it
// says where they differ.
::testing::AssertionResult Same(const Received& received,
                                absl::string_view expected);

// Returns whether `received` is a prefix of `expected`, however it ended.
::testing::AssertionResult PrefixOf(absl::string_view expected,
                                    const Received& received);

// Returns `status`; if it is an error, aborts `flow` with it, so that the
// reader of what could not be written does not wait for it.
absl::Status OrAbort(Flow& flow, absl::Status status);

// Reads by Read() or, if `into`, by ReadInto() memory that is not touched
// beyond. At most 64 KiB.
absl::StatusOr<absl::Cord> ReadAs(bool into, Flow& flow,
                                  size_t max_bytes = 64 << 10);

// Writes, all at once or in pieces, then shuts the direction down.
absl::Status WriteAndEnd(Flow& flow, absl::string_view bytes,
                         size_t piece = kNoLimit);

// --- Registration

using CheckFunction = void (*)(Check& check);

// Adds a check to the table; returns true.
bool AddCheck(const char* name, unsigned needs, CheckFunction function);

#define FLOW_CONFORMANCE_CHECK(name, needs)                            \
  static void name(Check& check);                                      \
  [[maybe_unused]] static const bool name##_added =                    \
      ::flow::testing::conformance::AddCheck(#name, (needs), &(name)); \
  TEST_P(FlowConformanceTest, name) {                                  \
    RunConformanceCheck(#name, GetParam());                            \
  }                                                                    \
  static void name([[maybe_unused]] Check& check)

}  // namespace flow::testing::conformance

#endif  // FLOW_TESTING_CONFORMANCE_CHECK_H_
