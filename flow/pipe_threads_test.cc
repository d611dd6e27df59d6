// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A reader, a writer, a closer and an aborter at each end of a pipe, all at
// once, doing what a seed tells them. Every run must end, and what was read
// must be what was accepted, as far as the contract promises it. Meant for
// ThreadSanitizer as well.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/dice.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::Dice;

constexpr int64_t kMostBytes = 3000;

// What `end` writes, from `begin` on.
std::string Bytes(int end, int64_t begin, size_t n) {
  return testing::PatternString(begin, n, static_cast<uint64_t>(end));
}

// One end, and what its threads have seen.
struct End {
  std::unique_ptr<Flow> flow;
  int number = 0;
  uint32_t seed = 0;

  bool saw_eof = false;
  bool saw_wrong_byte = false;
  bool after_read = false;  // it was closed by CloseAfterRead()
  absl::Status close_result;
  std::atomic<bool> refused{false};
  std::atomic<bool> ended{false};  // Shutdown(kWrite) or Close() was called
  std::atomic<bool> aborted{false};

  void Read() {
    Dice dice(seed + 1);
    int64_t at = 0;
    while (true) {
      if (dice.Roll(200) == 0) {
        refused = true;
        flow->Shutdown(ShutdownMode::kRead).IgnoreError();
      }
      if (dice.Roll(10) == 0) {
        flow->SetReadDeadline(dice.DeadlineWithin(200));
      }
      const size_t max = dice.Roll(2) == 0 ? kNoLimit : 1 + dice.Roll(600);
      const absl::StatusOr<absl::Cord> data = flow->Read(max);
      if (absl::IsDeadlineExceeded(data.status())) {
        flow->SetReadDeadline(absl::InfiniteFuture());
        continue;
      }
      if (!data.ok()) return;
      if (data->empty()) {
        saw_eof = true;
        return;
      }
      if (*data != Bytes(1 - number, at, data->size()) || data->size() > max) {
        saw_wrong_byte = true;
      }
      at += static_cast<int64_t>(data->size());
    }
  }

  void Write() {
    Dice dice(seed + 2);
    while (flow->bytes_written() < kMostBytes) {
      if (dice.Roll(10) == 0) {
        flow->SetWriteDeadline(dice.DeadlineWithin(200));
      }
      const std::string bytes =
          Bytes(number, flow->bytes_written(), 1 + dice.Roll(600));
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
          absl::Cord source(bytes);
          status = flow->WriteFrom(&source);
          break;
        }
      }
      // What remains is written again, from bytes_written() on.
      if (absl::IsDeadlineExceeded(status)) {
        flow->SetWriteDeadline(absl::InfiniteFuture());
        // If Close() was waiting for this write, it was cut in the middle.
        if (ended) aborted = true;
      } else if (!status.ok()) {
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
    dice.Pause();
    // To wait without end is safe here: the readers read on, and both ends
    // close.
    const bool patient = dice.Roll(3) != 0;
    const absl::Time deadline =
        patient ? absl::InfiniteFuture() : dice.DeadlineWithin(500);
    after_read = dice.Roll(2) == 0;
    ended = true;
    close_result =
        after_read ? flow->CloseAfterRead(deadline) : flow->Close(deadline);
    if (absl::IsDeadlineExceeded(close_result)) aborted = true;
  }

  void Abort() {
    Dice dice(seed + 4);
    if (dice.Roll(4) != 0) return;
    dice.Pause();
    aborted = true;
    flow->Abort(absl::DataLossError("enough"));
  }
};

// What the bytes from `writer` to `reader` must look like after a run.
void CheckDirection(const End& writer, const End& reader) {
  const int64_t accepted = writer.flow->bytes_written();
  const int64_t read = reader.flow->bytes_read();
  EXPECT_FALSE(reader.saw_wrong_byte);
  EXPECT_LE(read, accepted);
  if (reader.saw_eof && !reader.refused) {
    // Nothing is missing, and the writer wanted to end here.
    EXPECT_EQ(read, accepted);
    EXPECT_TRUE(writer.ended);
  }
  if (reader.after_read && reader.close_result.ok()) {
    EXPECT_TRUE(reader.saw_eof || reader.refused);
  }
  if (!writer.aborted && !reader.aborted) {
    EXPECT_TRUE(reader.close_result.ok() || IsClosed(reader.close_result))
        << reader.close_result;
  }
}

class PipeThreadsTest : public ::testing::TestWithParam<size_t> {};

TEST_P(PipeThreadsTest, EveryRunEndsAndEveryByteIsAccountedFor) {
  constexpr uint32_t kRuns = 500;
  for (uint32_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(absl::StrCat("run ", run));
    Pipe pipe = MakePipe(GetParam());
    std::array<End, 2> ends;
    ends[0].flow = std::move(pipe.left);
    ends[1].flow = std::move(pipe.right);
    std::vector<std::thread> threads;
    for (int number : {0, 1}) {
      End& end = ends[number];
      end.number = number;
      end.seed = run * 16 + static_cast<uint32_t>(number) * 8;
      threads.emplace_back([&end] { end.Read(); });
      threads.emplace_back([&end] { end.Write(); });
      threads.emplace_back([&end] { end.Close(); });
      threads.emplace_back([&end] { end.Abort(); });
    }
    for (std::thread& thread : threads) thread.join();
    CheckDirection(ends[0], ends[1]);
    CheckDirection(ends[1], ends[0]);
    if (HasFailure()) return;
  }
}

// As above, but the ends are destroyed while the other one is in use.
TEST_P(PipeThreadsTest, AnEndMayVanishUnderTheOther) {
  constexpr uint32_t kRuns = 500;
  for (uint32_t run = 0; run < kRuns; ++run) {
    SCOPED_TRACE(absl::StrCat("run ", run));
    Pipe pipe = MakePipe(GetParam());
    End stays;
    stays.flow = std::move(pipe.left);
    stays.seed = run * 16;
    std::thread reader([&] { stays.Read(); });
    std::thread writer([&] { stays.Write(); });
    Dice dice(run);
    dice.Pause();
    int64_t read = 0;
    for (int i = dice.Roll(4); i > 0; --i) {
      pipe.right->SetReadDeadline(absl::Now() + absl::Microseconds(50));
      absl::StatusOr<absl::Cord> data = pipe.right->Read(1 + dice.Roll(2000));
      if (!data.ok()) break;
      EXPECT_EQ(*data, Bytes(0, read, data->size()));
      read += static_cast<int64_t>(data->size());
    }
    pipe.right.reset();
    reader.join();
    writer.join();
    EXPECT_FALSE(stays.saw_eof && !stays.refused);
    const absl::Status closed = stays.flow->Close();
    EXPECT_FALSE(closed.ok() && stays.flow->bytes_written() != read &&
                 !stays.refused)
        << "lost data, and a clean close";
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Capacity, PipeThreadsTest,
                         ::testing::Values(0, 1, 100, 4096, kNoLimit),
                         [](const auto& info) {
                           return info.param == kNoLimit
                                      ? "unbounded"
                                      : absl::StrCat(info.param);
                         });

}  // namespace
}  // namespace flow
