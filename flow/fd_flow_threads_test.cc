// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A reader, a writer, a closer, an aborter and one who moves deadlines at each
// end of a socket or of two pipes of the kernel, all at once, doing what a seed
// tells them. Every run must end, what was read must be what was accepted, as
// far as the transport can promise it, and no descriptor may be left. Meant for
// ThreadSanitizer as well.

#include <fcntl.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/dice.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::Dice;
using ::flow::testing::FlowOf;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::ShrinkBuffers;

// More than shrunken buffers hold, so that writers wait.
constexpr int64_t kMostBytes = 40000;
constexpr int kMostPerCall = 6000;

enum class Transport { kUnix, kTcp, kPipes };

struct Ends {
  std::unique_ptr<Flow> left;
  std::unique_ptr<Flow> right;
};

Ends Connect(Transport transport) {
  switch (transport) {
    case Transport::kUnix: {
      const RawPair pair = RawUnix();
      for (const int fd : {pair.left, pair.right}) ShrinkBuffers(fd);
      return {FlowOf(pair.left), FlowOf(pair.right)};
    }
    case Transport::kTcp: {
      const RawPair pair = RawTcp(/*small=*/true);
      return {FlowOf(pair.left), FlowOf(pair.right)};
    }
    case Transport::kPipes:
      break;
  }
  const RawPair to_left = RawPipe();
  const RawPair to_right = RawPipe();
  for (const int fd : {to_left.right, to_right.right}) {
    ABSL_PCHECK(::fcntl(fd, F_SETPIPE_SZ, 4096) > 0);
  }
  return {FlowOf(to_left.left, to_right.right),
          FlowOf(to_right.left, to_left.right)};
}

// One end, and what its threads have seen.
struct End {
  std::unique_ptr<Flow> flow;
  int number = 0;
  uint32_t seed = 0;
  bool calm = false;  // aborts nothing, refuses nothing, and waits

  bool saw_eof = false;
  bool saw_wrong_byte = false;
  bool saw_wrong_status = false;
  absl::Status close_result;
  std::atomic<bool> read_all{false};  // the reader is through
  std::atomic<bool> refused{false};
  std::atomic<bool> ended{false};  // Shutdown(kWrite) or Close() was called
  std::atomic<bool> aborted{false};

  // What this end writes, from `begin` on.
  static std::string Bytes(int end, int64_t begin, size_t n) {
    return testing::PatternString(begin, n, static_cast<uint64_t>(end));
  }

  void Read() {
    Dice dice(seed + 1);
    int64_t at = 0;
    while (true) {
      if (!calm && dice.Roll(200) == 0) {
        refused = true;
        flow->Shutdown(ShutdownMode::kRead).IgnoreError();
      }
      if (dice.Roll(10) == 0) flow->SetReadDeadline(dice.DeadlineWithin(200));
      const size_t max = dice.Roll(2) == 0 ? kNoLimit : 1 + dice.Roll(600);
      const absl::StatusOr<absl::Cord> data = flow->Read(max);
      if (absl::IsDeadlineExceeded(data.status())) {
        flow->SetReadDeadline(absl::InfiniteFuture());
        continue;
      }
      if (absl::IsInvalidArgument(data.status())) saw_wrong_status = true;
      if (!data.ok()) break;
      if (data->empty()) {
        saw_eof = true;
        break;
      }
      if (data->size() > max || *data != Bytes(1 - number, at, data->size())) {
        saw_wrong_byte = true;
      }
      at += static_cast<int64_t>(data->size());
    }
    if (at > flow->bytes_read()) saw_wrong_byte = true;
    read_all = true;
  }

  void Write() {
    Dice dice(seed + 2);
    while (flow->bytes_written() < kMostBytes) {
      if (dice.Roll(10) == 0) flow->SetWriteDeadline(dice.DeadlineWithin(200));
      const std::string bytes =
          Bytes(number, flow->bytes_written(), 1 + dice.Roll(kMostPerCall));
      absl::Status status;
      switch (dice.Roll(4)) {
        case 0:
          status = flow->Write(absl::string_view(bytes));
          break;
        case 1:
          status = flow->Write(absl::Cord(bytes));
          break;
        case 2: {
          const size_t half = bytes.size() / 2;
          status = flow->Writev({absl::string_view(bytes).substr(0, half), "",
                                 absl::string_view(bytes).substr(half)});
          break;
        }
        default: {
          const int64_t before = flow->bytes_written();
          absl::Cord source(bytes);
          status = flow->WriteFrom(&source);
          if (flow->bytes_written() - before !=
              static_cast<int64_t>(bytes.size() - source.size())) {
            saw_wrong_status = true;
          }
          break;
        }
      }
      // What remains is written again, from bytes_written() on.
      if (absl::IsDeadlineExceeded(status)) {
        flow->SetWriteDeadline(absl::InfiniteFuture());
        // If Close() was waiting for this write, it was cut in the middle.
        if (ended) aborted = true;
      } else if (!status.ok()) {
        if (absl::IsInvalidArgument(status)) saw_wrong_status = true;
        return;
      }
      if (dice.Roll(100) == 0) return;
    }
    if (dice.Roll(2) == 0) {
      ended = true;
      flow->Shutdown(ShutdownMode::kWrite).IgnoreError();
    }
  }

  void Close() {
    Dice dice(seed + 3);
    for (int i = dice.Roll(30); i > 0; --i) dice.Pause();
    ended = true;
    close_result = flow->Close(
        calm || dice.Roll(3) != 0 ? Patience() : dice.DeadlineWithin(500));
    if (absl::IsDeadlineExceeded(close_result)) aborted = true;
  }

  void Abort() {
    Dice dice(seed + 4);
    if (calm || dice.Roll(3) != 0) return;
    for (int i = dice.Roll(30); i > 0; --i) dice.Pause();
    aborted = true;
    flow->Abort(absl::DataLossError("enough"));
  }

  // Those of calls that wait, too. A call that this makes late is tried again.
  void MoveDeadlines() {
    Dice dice(seed + 5);
    for (int i = dice.Roll(20); i > 0; --i) {
      dice.Pause();
      const absl::Time deadline =
          dice.Roll(2) == 0 ? absl::InfinitePast() : dice.DeadlineWithin(1000);
      if (dice.Roll(2) == 0) {
        flow->SetReadDeadline(deadline);
      } else if (!ended) {
        flow->SetWriteDeadline(deadline);
      }
    }
  }
};

class FdFlowThreadsTest : public ::testing::TestWithParam<Transport> {
 protected:
  // An abort arrives as an error, and not as an end.
  bool CarriesAborts() const { return GetParam() == Transport::kTcp; }
  bool HasRemoteEnd() const { return GetParam() != Transport::kPipes; }

  // What the bytes from `writer` to `reader` must look like after a run.
  void CheckDirection(const End& writer, const End& reader) const {
    const int64_t accepted = writer.flow->bytes_written();
    const int64_t read = reader.flow->bytes_read();
    EXPECT_FALSE(reader.saw_wrong_byte);
    EXPECT_FALSE(reader.saw_wrong_status);
    EXPECT_FALSE(writer.saw_wrong_status);
    EXPECT_LE(read, accepted);
    if (reader.saw_eof && !reader.refused &&
        (CarriesAborts() || !writer.aborted)) {
      EXPECT_EQ(read, accepted) << "cut, and looks whole";
      EXPECT_TRUE(writer.ended);
    }
    if (!writer.aborted && !reader.aborted && HasRemoteEnd()) {
      EXPECT_TRUE(reader.close_result.ok() || IsClosed(reader.close_result))
          << reader.close_result;
      if (reader.close_result.ok() && !reader.refused && reader.saw_eof) {
        EXPECT_EQ(read, accepted);
      }
    }
  }

  void Run(uint32_t run, bool calm) const {
    Ends pair = Connect(GetParam());
    std::array<End, 2> ends;
    ends[0].flow = std::move(pair.left);
    ends[1].flow = std::move(pair.right);
    std::vector<std::thread> threads;
    for (int number : {0, 1}) {
      End& end = ends[number];
      end.number = number;
      end.seed = run * 16 + static_cast<uint32_t>(number) * 8;
      end.calm = calm;
      threads.emplace_back([&end] { end.Read(); });
      threads.emplace_back([&end, calm] {
        end.Write();
        // To close when all is written and read loses nothing.
        if (!calm) return;
        end.ended = true;
        end.flow->Shutdown(ShutdownMode::kWrite).IgnoreError();
        while (!end.read_all) std::this_thread::yield();
        end.Close();
      });
      if (calm) continue;
      threads.emplace_back([&end] { end.Close(); });
      threads.emplace_back([&end] { end.Abort(); });
      threads.emplace_back([&end] { end.MoveDeadlines(); });
    }
    for (std::thread& thread : threads) thread.join();
    CheckDirection(ends[0], ends[1]);
    CheckDirection(ends[1], ends[0]);
    if (!calm) return;
    for (const End& end : ends) {
      EXPECT_TRUE(end.saw_eof);
      EXPECT_TRUE(end.close_result.ok()) << end.close_result;
    }
  }
};

TEST_P(FdFlowThreadsTest, EveryRunEndsAndEveryByteIsAccountedFor) {
  constexpr uint32_t kRuns = 400;
  const size_t before = OpenDescriptors();
  for (uint32_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(absl::StrCat("run ", run));
    Run(run, /*calm=*/false);
    if (HasFailure()) return;
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_P(FdFlowThreadsTest, WithoutAnAbortAllArrivesAndCloseIsOk) {
  constexpr uint32_t kRuns = 100;
  const size_t before = OpenDescriptors();
  for (uint32_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(absl::StrCat("run ", run));
    Run(run, /*calm=*/true);
    if (HasFailure()) return;
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// As the first, but one end is destroyed while the other one is in use.
TEST_P(FdFlowThreadsTest, AnEndMayVanishUnderTheOther) {
  constexpr uint32_t kRuns = 200;
  const size_t before = OpenDescriptors();
  for (uint32_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(absl::StrCat("run ", run));
    Ends pair = Connect(GetParam());
    End stays;
    stays.flow = std::move(pair.left);
    stays.seed = run * 16;
    std::thread reader([&] { stays.Read(); });
    std::thread writer([&] { stays.Write(); });
    // A thread that waits has a descriptor to be woken by until it ends.
    std::thread vanisher([&] {
      Dice dice(run);
      dice.Pause();
      int64_t read = 0;
      for (int i = dice.Roll(4); i > 0; --i) {
        pair.right->SetReadDeadline(absl::Now() + absl::Microseconds(50));
        const absl::StatusOr<absl::Cord> data =
            pair.right->Read(1 + dice.Roll(2000));
        if (!data.ok()) break;
        EXPECT_EQ(*data, End::Bytes(0, read, data->size()));
        read += static_cast<int64_t>(data->size());
      }
      pair.right.reset();
    });
    vanisher.join();
    reader.join();
    writer.join();
    EXPECT_FALSE(stays.saw_wrong_status);
    const absl::Status closed = stays.flow->Close(Patience());
    EXPECT_FALSE(absl::IsDeadlineExceeded(closed)) << closed;
    if (CarriesAborts()) {
      EXPECT_FALSE(stays.saw_eof && !stays.refused);
      EXPECT_FALSE(closed.ok()) << "a reset, and Ok";
    }
    if (HasFailure()) return;
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(Over, FdFlowThreadsTest,
                         ::testing::Values(Transport::kUnix, Transport::kTcp,
                                           Transport::kPipes),
                         [](const auto& info) {
                           switch (info.param) {
                             case Transport::kUnix:
                               return "UnixSockets";
                             case Transport::kTcp:
                               return "Tcp";
                             case Transport::kPipes:
                               break;
                           }
                           return "KernelPipes";
                         });

// Many accept and dial while the listener is closed.
TEST(ListenerThreadsTest, CloseEndsEveryAcceptAndLeavesNoDescriptor) {
  constexpr uint32_t kRuns = 100;
  const size_t before = OpenDescriptors();
  for (uint32_t run = 0; run < kRuns; ++run) {
    absl::StatusOr<std::unique_ptr<Listener>> listener =
        Listen("tcp:127.0.0.1:0");
    ABSL_CHECK_OK(listener.status());
    const std::string address = (*listener)->address();
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] {
        Dice dice(run * 16 + i);
        while (true) {
          const absl::StatusOr<std::unique_ptr<Flow>> flow =
              (*listener)->Accept(dice.Roll(2) == 0 ? Patience()
                                                    : dice.DeadlineWithin(100));
          if (IsClosed(flow.status())) return;
          EXPECT_TRUE(flow.ok() || absl::IsDeadlineExceeded(flow.status()))
              << flow.status();
        }
      });
      threads.emplace_back([&] {
        while (Dial(address, Patience()).ok()) {
        }
      });
    }
    std::vector<std::thread> closers;
    for (uint32_t i = 0; i < 2; ++i) {
      closers.emplace_back([&, i] {
        Dice dice(run * 16 + 8 + i);
        for (int pauses = dice.Roll(30); pauses > 0; --pauses) dice.Pause();
        (*listener)->Close();
      });
    }
    for (std::thread& thread : closers) thread.join();
    for (std::thread& thread : threads) thread.join();
    if (HasFailure()) return;
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace flow
