// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/conformance.h
//
// Tests any transport against the contract of docs/semantics.md, on pairs of
// connected flows: once as they are made, and once with their ends swapped.
// Give it a factory of pairs, say what the transport cannot do, and link it
// into a test:
//
//   #include "flow/testing/conformance.h"
//
//   namespace my {
//   namespace {
//
//   using ::flow::testing::ConformanceName;
//   using ::flow::testing::ConformanceOptions;
//   using ::flow::testing::FlowConformanceTest;
//   using ::flow::testing::FlowPair;
//
//   ConformanceOptions Tunnels() {
//     ConformanceOptions options;
//     options.name = "tunnel";
//     options.make_pair = [] {
//       Tunnel tunnel;
//       return FlowPair{tunnel.Dial(), tunnel.Accept()};
//     };
//     options.traits.refuses = false;
//     return options;
//   }
//
//   INSTANTIATE_TEST_SUITE_P(Tunnel, FlowConformanceTest,
//                            ::testing::Values(Tunnels()), ConformanceName);
//
//   }  // namespace
//   }  // namespace my
//
// A check that hangs fails: after `hang_timeout` it is reported with the state
// of both ends, which are then aborted. If that does not end it within another
// 10 seconds, the program ends with a message.
//
// When not to use it: for a flow without another flow at its other end, such as
// a file. It does not see whether resources are freed, or what is copied. It
// does not see whether a decorator notices that the flow underneath was cut
// off; test that yourself (examples/deflate).
//
// Thread safety: a factory is called by one thread at a time.

#ifndef FLOW_TESTING_CONFORMANCE_H_
#define FLOW_TESTING_CONFORMANCE_H_

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "gtest/gtest.h"

namespace flow::testing {

// FlowPair
//
// Two ends: what is written to one is read from the other.
struct FlowPair {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

// ConformanceTraits
//
// What the transport between the two ends can do. By default everything, like
// the in-memory pipe. Clear what it cannot do, and the checks that need it are
// skipped. The header of such a flow should say so.
struct ConformanceTraits {
  // After Abort() or destruction of one end, the other one gets an error, in
  // its own time, and never end-of-file.
  bool carries_abort = true;

  // That error is the reason itself (kAborted after a destruction), and the
  // next write fails with it, too. One direction can break without the other.
  // Means something only with `carries_abort`.
  bool carries_abort_reason = true;

  // The remote reads all that was accepted before an abort. Without it, the
  // remote reads a prefix of that.
  bool keeps_accepted_before_abort = true;

  // Close() fails if the remote was destroyed before it had read everything,
  // even if both ends had shut their writes down by then. Means something only
  // with `carries_abort`.
  bool reports_lost_data = true;

  // Close() waits until the remote has ended its direction.
  bool awaits_remote_end = true;

  // After Shutdown(kRead), writes of the remote fail with Closed.
  bool refuses = true;

  // AwaitRefusal() of the remote notices that. Means something only with
  // `refuses`.
  bool tells_of_refusals = true;

  // Deadlines, Abort() and Shutdown(kRead) wake calls that are blocked.
  bool interruptible = true;

  // Shutdown(kWrite) does not wait, even if a write would have to. Without it,
  // the end needs room, as a trailer does, and waits for it up to the write
  // deadline; pairs of `make_pair` must have that room.
  bool ends_at_once = true;
};

// ConformanceOptions
struct ConformanceOptions {
  // Names the parameter in the names of tests: letters, digits, underscores.
  std::string name;

  // Returns a new pair.
  std::function<FlowPair()> make_pair;

  // Returns a new pair that fills up, so that a write of `more_than_full`
  // borrowed bytes blocks, in either direction, until the rest is read. It may
  // be the same as `make_pair`. The less it holds, the faster the checks are;
  // without `ends_at_once`, a few KiB, and at least as much as the end needs.
  // If it is null, checks of blocked writes are skipped.
  std::function<FlowPair()> make_full;

  // In bytes, at least 16 KiB.
  size_t more_than_full = 1 << 20;

  ConformanceTraits traits;

  // After how long a check counts as hung.
  absl::Duration hang_timeout = absl::Seconds(10);

  // How long a check waits before it takes a call for blocked. A call that
  // returns too early is caught if it returns within this time.
  absl::Duration blocked_wait = absl::Milliseconds(10);

  // Prints the name, for messages of GoogleTest.
  friend void PrintTo(const ConformanceOptions& options, std::ostream* out);
};

// ConformanceName()
//
// Names tests after their ConformanceOptions; the last argument of
// INSTANTIATE_TEST_SUITE_P().
std::string ConformanceName(
    const ::testing::TestParamInfo<ConformanceOptions>& info);

// FlowConformanceTest
//
// The suite; instantiate it as above. Each test is named after its rule.
class FlowConformanceTest
    : public ::testing::TestWithParam<ConformanceOptions> {};

// ConformanceCheckNames(), RunConformanceCheck()
//
// The names of all checks, which are those of the tests, and a function that
// runs one of them in a test of yours. Failures are reported to GoogleTest.
// Precondition: `check` is one of the names.
std::vector<std::string> ConformanceCheckNames();
void RunConformanceCheck(absl::string_view check,
                         const ConformanceOptions& options);

}  // namespace flow::testing

#endif  // FLOW_TESTING_CONFORMANCE_H_
