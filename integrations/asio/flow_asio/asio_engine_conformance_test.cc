// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite with every read, write and close a started operation on
// an AsioEngine: on pipes and sockets, with one thread that runs the io_context
// and with two.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/conformance.h"
#include "flow/testing/internal/block_by_starting.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow_asio/context_threads.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::BlockByStarting;
using ::flow::testing::ConformanceName;
using ::flow::testing::ConformanceOptions;
using ::flow::testing::FlowConformanceTest;
using ::flow::testing::FlowOf;
using ::flow::testing::FlowPair;
using ::flow::testing::RawPair;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;
using ::flow_asio::ContextThreads;

// They serve all checks.
Engine* EngineOf(int threads) {
  static ContextThreads* const one = new ContextThreads(1);
  static ContextThreads* const two = new ContextThreads(2);
  return (threads == 1 ? one : two)->engine();
}

std::unique_ptr<Flow> Started(std::unique_ptr<Flow> flow, int threads) {
  flow->SetEngine(EngineOf(threads));
  BlockByStarting(*flow);
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

std::vector<ConformanceOptions> All() {
  std::vector<ConformanceOptions> all;
  for (const int threads : {1, 2}) {
    for (const size_t capacity :
         {size_t{0}, size_t{1}, size_t{4096}, size_t{256} << 10, kNoLimit}) {
      all.push_back(Pipes(capacity, threads));
    }
    all.push_back(UnixSockets(threads));
    all.push_back(TcpSockets(threads));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Asio, FlowConformanceTest, ::testing::ValuesIn(All()),
                         ConformanceName);

}  // namespace
}  // namespace flow
