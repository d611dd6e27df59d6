// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite with every call that can start a started operation:
// a call of a check starts one, and waits until it is over. On pipes, channels,
// limits, halves, joined flows and sockets, with one thread of the engine and
// with two. The tests of other decorators run it, too, where they start
// (testing/internal/ start_calls.h).

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "flow/channel.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/join.h"
#include "flow/limit.h"
#include "flow/pipe.h"
#include "flow/prepend.h"
#include "flow/testing/conformance.h"
#include "flow/testing/internal/engine_threads.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::internal::FlowAccess;
using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::EngineThreads;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowOf;
using ::flow::testing::FlowPair;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;

// They serve all checks.
Engine* EngineOf(int threads) {
  static EngineThreads* const one = new EngineThreads(1);
  static EngineThreads* const two = new EngineThreads(2);
  return (threads == 1 ? one : two)->engine();
}

// A channel has the engine of its flow.
std::unique_ptr<Flow> StartedChannel(std::unique_ptr<Flow> flow, int threads) {
  flow->SetEngine(EngineOf(threads));
  std::unique_ptr<Flow> channel = MakeChannel(std::move(flow));
  FlowAccess::BlockByStarting(*channel);
  return channel;
}

std::unique_ptr<Flow> Started(std::unique_ptr<Flow> flow, int threads) {
  flow->SetEngine(EngineOf(threads));
  FlowAccess::BlockByStarting(*flow);
  return flow;
}

FlowPair StartedPair(FlowPair pair, int threads) {
  return {Started(std::move(pair.left), threads),
          Started(std::move(pair.right), threads)};
}

FlowPair PipePair(size_t capacity, int threads) {
  Pipe pipe = MakePipe(capacity);
  return StartedPair({std::move(pipe.left), std::move(pipe.right)}, threads);
}

ConformanceOptions Pipes(size_t capacity, int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat(
      "pipe_", capacity == kNoLimit ? "unlimited" : absl::StrCat(capacity),
      "_on_", threads);
  options.make_pair = [=] { return PipePair(capacity, threads); };
  // A started write is a Cord, of which a pipe with any room accepts all.
  options.make_full = [=] { return PipePair(0, threads); };
  options.more_than_full = 16 << 10;
  return options;
}

// Pipes with a decorator that changes nothing of what the suite sees.
ConformanceOptions Decorated(
    std::string name, std::unique_ptr<Flow> (*decorate)(std::unique_ptr<Flow>),
    int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat(name, "_on_", threads);
  const auto make = [=](size_t capacity) {
    Pipe pipe = MakePipe(capacity);
    // Halves have the engine of what is split.
    pipe.left->SetEngine(EngineOf(threads));
    pipe.right->SetEngine(EngineOf(threads));
    return StartedPair(
        {decorate(std::move(pipe.left)), decorate(std::move(pipe.right))},
        threads);
  };
  options.make_pair = [=] { return make(4096); };
  options.make_full = [=] { return make(0); };
  options.more_than_full = 16 << 10;
  return options;
}

std::unique_ptr<Flow> LimitedAndPrepended(std::unique_ptr<Flow> inner) {
  return PrependInput(
      absl::Cord(),
      LimitInput(std::move(inner), std::numeric_limits<int64_t>::max()));
}

std::unique_ptr<Flow> SplitAndJoined(std::unique_ptr<Flow> inner) {
  SplitHalves halves = SplitFlow(std::move(inner));
  return JoinFlow(std::move(halves.reader), std::move(halves.writer));
}

// Each direction is a pipe of its own.
ConformanceOptions Joined(int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat("joined_on_", threads);
  const auto make = [threads](size_t capacity) {
    Pipe there = MakePipe(capacity);
    Pipe back = MakePipe(capacity);
    return StartedPair(
        {JoinFlow(std::move(back.left), std::move(there.left)),
         JoinFlow(std::move(there.right), std::move(back.right))},
        threads);
  };
  options.make_pair = [=] { return make(4096); };
  options.make_full = [=] { return make(0); };
  options.more_than_full = 16 << 10;
  return options;
}

ConformanceOptions Channels(size_t capacity, int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat("channel_", capacity, "_on_", threads);
  const auto make = [threads](size_t of) {
    Pipe pipe = MakePipe(of);
    return FlowPair{StartedChannel(std::move(pipe.left), threads),
                    StartedChannel(std::move(pipe.right), threads)};
  };
  options.make_pair = [=] { return make(capacity); };
  options.make_full = [=] { return make(0); };
  options.more_than_full = 16 << 10;
  return options;
}

FlowPair FlowsOf(const RawPair& pair) {
  return {FlowOf(pair.left), FlowOf(pair.right)};
}

ConformanceOptions UnixSockets(int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat("unix_on_", threads);
  options.make_pair = [=] { return StartedPair(FlowsOf(RawUnix()), threads); };
  options.make_full = [=] {
    const RawPair pair = RawUnix();
    ShrinkBuffers(pair.left);
    ShrinkBuffers(pair.right);
    return StartedPair(FlowsOf(pair), threads);
  };
  options.traits.carries_abort = false;
  return options;
}

ConformanceOptions TcpSockets(int threads) {
  ConformanceOptions options;
  options.name = absl::StrCat("tcp_on_", threads);
  options.make_pair = [=] {
    return StartedPair(FlowsOf(RawTcp(/*small=*/false)), threads);
  };
  options.make_full = [=] {
    return StartedPair(FlowsOf(RawTcp(/*small=*/true)), threads);
  };
  options.traits.carries_abort_reason = false;
  options.traits.keeps_accepted_before_abort = false;
  options.traits.reports_lost_data = false;
  options.traits.refuses = false;
  return options;
}

// The calls of a check start and block by turns.
ConformanceOptions ByTurns(ConformanceOptions options, FlowPair (*pair)(),
                           FlowPair (*full)()) {
  const auto by_turns = [](FlowPair made) {
    for (Flow* flow : {made.left.get(), made.right.get()}) {
      flow->SetEngine(EngineOf(1));
      FlowAccess::SometimesBlockByStarting(*flow);
    }
    return made;
  };
  absl::StrAppend(&options.name, "_by_turns");
  options.make_pair = [=] { return by_turns(pair()); };
  options.make_full = [=] { return by_turns(full()); };
  return options;
}

FlowPair BarePipe(size_t capacity) {
  Pipe pipe = MakePipe(capacity);
  return {std::move(pipe.left), std::move(pipe.right)};
}

std::vector<ConformanceOptions> All() {
  std::vector<ConformanceOptions> all;
  for (const int threads : {1, 2}) {
    for (const size_t capacity :
         {size_t{0}, size_t{1}, size_t{4096}, size_t{256} << 10, kNoLimit}) {
      all.push_back(Pipes(capacity, threads));
    }
    for (const size_t capacity : {size_t{0}, size_t{4096}}) {
      all.push_back(Channels(capacity, threads));
    }
    all.push_back(
        Decorated("limited_and_prepended", &LimitedAndPrepended, threads));
    all.push_back(Decorated("split_and_joined", &SplitAndJoined, threads));
    all.push_back(Joined(threads));
    all.push_back(UnixSockets(threads));
    all.push_back(TcpSockets(threads));
  }
  all.push_back(ByTurns(
      Pipes(4096, 1), [] { return BarePipe(4096); },
      [] { return BarePipe(0); }));
  all.push_back(ByTurns(
      Pipes(0, 1), [] { return BarePipe(0); }, [] { return BarePipe(0); }));
  all.push_back(ByTurns(
      TcpSockets(1), [] { return FlowsOf(RawTcp(/*small=*/false)); },
      [] { return FlowsOf(RawTcp(/*small=*/true)); }));
  return all;
}

INSTANTIATE_TEST_SUITE_P(Started, FlowConformanceTest,
                         ::testing::ValuesIn(All()), ConformanceName);

}  // namespace
}  // namespace flow
