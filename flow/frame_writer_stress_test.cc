// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A fault at every operation of the flow, and many threads: what arrives is
// what the calls say was sent.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/frame_writer.h"
#include "flow/framing.h"
#include "flow/pipe.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/fault_points.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultOptions;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::WriteByte;

// --- Faults

constexpr BlockFormat kBlocks(/*max_bytes=*/1000);

// Sends `block` in `writer` as a frame.
absl::Status Send(FrameWriter& writer, absl::string_view block,
                  absl::Time deadline = absl::InfiniteFuture()) {
  return writer.WriteBlock(kBlocks, block, deadline);
}

// Reads blocks until there are no more. Returns how that ended.
absl::Status Receive(Channel& channel, std::vector<std::string>& blocks) {
  while (true) {
    absl::StatusOr<std::optional<absl::Cord>> block =
        ReadBlock(channel, kBlocks);
    if (!block.ok()) return block.status();
    if (!block->has_value()) return absl::OkStatus();
    blocks.push_back(std::string(**block));
  }
}

TEST(FrameWriterFaultTest, ExactlyWhatItSaysWasSentArrivesAtEveryFault) {
  const std::vector<std::string> frames = {"one", "", "three", "4"};
  for (const size_t max_write : {1, 3, 100}) {
    const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
      Pipe pipe = MakePipe(kNoLimit);
      std::vector<std::string> sent;   // whole
      std::vector<std::string> begun;  // and finished, if the flow lives
      absl::Status finished;
      {
        const auto flow =
            plan.Wrap(std::move(pipe.left), /*max_read=*/kNoLimit, max_write);
        FrameWriter writer(*flow);
        bool posts = false;
        for (const std::string& frame : frames) {
          const absl::Status status =
              posts ? writer.PostBlock(kBlocks, frame) : Send(writer, frame);
          posts = !posts;
          if (status.ok()) sent.push_back(frame);
          if (IsFrameBegun(status)) begun.push_back(frame);
          if (!status.ok()) {
            EXPECT_THAT(status, StatusIs(plan.error().code()));
          }
        }
        finished = writer.Finish();
      }
      std::vector<std::string> received;
      const absl::Status end =
          Receive(*MakeChannel(std::move(pipe.right)), received);
      EXPECT_EQ(end.ok(), finished.ok());
      if (finished.ok()) {
        EXPECT_EQ(received, begun);
      } else {
        EXPECT_NE(plan.mode(), FaultMode::kDeadline);
        EXPECT_EQ(received, sent);
      }
      if (!plan.fired()) {
        EXPECT_EQ(received, frames);
      }
    });
    EXPECT_GT(points, 10);
  }
}

// --- Many threads

// What each thread has sent, in order, and what is known of it.
struct Sent {
  std::string block;
  bool whole;
  bool begun;
};

struct StressCase {
  std::string name;
  std::vector<Fault> faults;
};

class FrameWriterStressTest : public ::testing::TestWithParam<StressCase> {};

TEST_P(FrameWriterStressTest, EachFrameArrivesWholeAndInTheOrderOfItsThread) {
  constexpr int kThreads = 8;
  constexpr int kFrames = 150;
  Pipe pipe = MakePipe(/*capacity=*/64);
  FaultOptions options;
  options.max_write = 50;
  options.faults = GetParam().faults;
  const auto flow = MakeFaultFlow(std::move(pipe.left), std::move(options));
  FrameWriter writer(*flow);

  absl::Status end;
  std::vector<std::string> received;
  std::thread reader(
      [&] { end = Receive(*MakeChannel(std::move(pipe.right)), received); });
  std::vector<std::vector<Sent>> sent(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::minstd_rand dice(static_cast<uint32_t>(t + 1));
      for (int i = 0; i < kFrames; ++i) {
        const std::string block =
            absl::StrCat(t, " ", i, " ", std::string(dice() % 100, 'x'));
        const absl::Time deadline =
            dice() % 2 == 0 ? absl::InfiniteFuture()
                            : absl::Now() + absl::Microseconds(dice() % 300);
        const bool posts = dice() % 4 == 0;
        const absl::Status status = posts ? writer.PostBlock(kBlocks, block)
                                          : Send(writer, block, deadline);
        sent[t].push_back({block, status.ok() && !posts, IsFrameBegun(status)});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const absl::Status finished = writer.Finish();
  if (!finished.ok()) flow->Abort(finished);
  reader.join();

  EXPECT_EQ(end.ok(), finished.ok()) << end << finished;
  std::vector<std::vector<std::string>> from(kThreads);
  for (const std::string& block : received) {
    from[static_cast<size_t>(block[0] - '0')].push_back(block);
  }
  for (int t = 0; t < kThreads; ++t) {
    std::vector<std::string> expected;
    for (const Sent& frame : sent[t]) {
      // Of one that was begun and then cut by an error, no end can have come.
      if (finished.ok() ? frame.begun : frame.whole) {
        expected.push_back(frame.block);
      }
    }
    if (finished.ok()) {
      EXPECT_EQ(from[t], expected);
    } else {
      // One that was cut by its deadline was finished before the error.
      for (const std::string& block : expected) {
        EXPECT_TRUE(absl::c_linear_search(from[t], block)) << block;
      }
      for (const std::string& block : from[t]) {
        EXPECT_TRUE(std::any_of(sent[t].begin(), sent[t].end(),
                                [&](const Sent& frame) {
                                  return frame.begun && frame.block == block;
                                }))
            << block;
      }
    }
  }
}

std::vector<StressCase> StressCases() {
  const absl::Status late = absl::DeadlineExceededError("late");
  return {
      {"without_faults", {}},
      {"with_writes_that_are_late",
       {Fault::Error(WriteByte(1), late), Fault::Error(WriteByte(777), late),
        Fault::Error(WriteByte(778), late),
        Fault::Error(WriteByte(3000), late)}},
      {"with_an_error",
       {Fault::Error(WriteByte(5001), absl::UnavailableError("torn"))}},
      {"with_an_abort",
       {Fault::Abort(WriteByte(5001), absl::UnavailableError("torn"))}}};
}

INSTANTIATE_TEST_SUITE_P(, FrameWriterStressTest,
                         ::testing::ValuesIn(StressCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace flow
