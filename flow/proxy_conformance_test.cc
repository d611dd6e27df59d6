// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite on two ends with a Proxy() in between: pipes on both
// sides, and what is written to one end is read from the other by way of the
// proxy. Nearly all of the contract holds through it. What does not is listed
// below, check by check, with the reason.

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"
#include "flow/testing/conformance.h"
#include "flow/testing/internal/run_proxy.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::BindForProxy;
using ::flow::testing::ConformanceCheckNames;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowPair;
using ::flow::testing::RunConformanceCheck;
using ::flow::testing::RunProxy;

// Pairs of ends, each with a thread that connects them. Destroying both ends
// aborts what the thread works on, so that it can be joined.
class Relays {
 public:
  ~Relays() {
    for (std::thread& thread : threads_) thread.join();
  }

  FlowPair MakePair(size_t capacity) {
    Pipe near = MakePipe(capacity);
    Pipe far = MakePipe(capacity);
    BindForProxy(*near.right, *far.left);
    threads_.emplace_back([a = std::move(near.right), b = std::move(far.left)] {
      RunProxy(*a, *b);
      // After an error both are aborted already.
      const absl::Time deadline = absl::Now() + absl::Seconds(10);
      a->Close(deadline).IgnoreError();
      b->Close(deadline).IgnoreError();
    });
    return {std::move(near.left), std::move(far.right)};
  }

 private:
  std::vector<std::thread> threads_;
};

// Makes a check one that must hold through a proxy, or returns why it cannot.
std::string Adapt(absl::string_view check, size_t capacity,
                  ConformanceOptions* options) {
  // A proxy notices at once that an end was refused or aborted. Until its
  // thread has run, the other end can be written to.
  if (check == "ShutdownReadClosesTheWritesOfTheRemote" ||
      check == "ADirectionThatHasEndedOutlivesAnAbort") {
    return "The first write after it may be accepted before all is told.";
  }
  if (check == "AnAbortEndsTheWritesOfTheRemote") {
    // Then it writes until it hears of the abort.
    options->traits.carries_abort_reason = false;
  }
  if (check == "CloseBeyondItsDeadlineAborts") {
    // The end comes before the abort, and the other end may close in between.
    // This end still does all that it must.
    options->traits.carries_abort = false;
  }
  if (check == "AWriteThatFailsAfterShutdownIsNotEndedByIt") {
    // An error of one direction aborts both.
    options->traits.carries_abort_reason = false;
  }
  if (check == "DataThatADestroyedReaderLeftSpoilsClose") {
    return "Both directions have been carried over to their ends by then.";
  }
  if (check == "APastWriteDeadlineFailsOnlyWritesThatWouldBlock" ||
      check == "AFutureWriteDeadlineIsWaitedFor") {
    return "An end that is full need not stay so, as the proxy takes some.";
  }
  if (check == "DataThatIsLeftUnreadDoesNotSpoilClose" && capacity == 0) {
    return "The proxy has taken what the pipe cannot hold, and waits with it.";
  }
  return "";
}

class ProxyConformanceTest
    : public ::testing::TestWithParam<std::tuple<size_t, std::string>> {};

TEST_P(ProxyConformanceTest, Holds) {
  const auto& [capacity, check] = GetParam();
  Relays relays;
  ConformanceOptions options;
  options.name = absl::StrCat("relay_", capacity);
  options.make_pair = [&, n = capacity] { return relays.MakePair(n); };
  if (capacity != kNoLimit) options.make_full = options.make_pair;
  const std::string why_not = Adapt(check, capacity, &options);
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  RunConformanceCheck(check, options);
}

INSTANTIATE_TEST_SUITE_P(
    Capacities, ProxyConformanceTest,
    ::testing::Combine(::testing::Values(size_t{0}, size_t{4096}, kNoLimit),
                       ::testing::ValuesIn(ConformanceCheckNames())),
    [](const auto& info) {
      return absl::StrCat(std::get<1>(info.param), "_",
                          std::get<0>(info.param));
    });

// The suite's own tests, which take all checks alike.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FlowConformanceTest);

}  // namespace
}  // namespace flow
