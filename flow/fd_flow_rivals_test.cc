// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Deadlines and Abort() while somebody else reads or writes the same pipe, FIFO
// or terminal, and takes the data or the room that the flow was told of. The
// rivals wait for each other's bytes, so that a call which waits for them is
// late without an end; the test then ends it, and fails.

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::FlowOf;
using ::flow::testing::Patience;
using ::flow::testing::RawFifo;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTerminal;
using ::flow::testing::RawWrite;

enum class Kind { kPipe, kFifo, kTerminal };

constexpr int kRounds = 200;
constexpr absl::Duration kShort = absl::Milliseconds(1);

// Returns whether `counter` comes to `value`.
bool Await(const std::atomic<int>& counter, int value) {
  const absl::Time late = Patience();
  while (counter < value) {
    if (absl::Now() > late) return false;
    std::this_thread::yield();
  }
  return true;
}

class RivalsTest : public ::testing::TestWithParam<Kind> {
 protected:
  ~RivalsTest() override {
    ::close(pair_.left);
    ::close(pair_.right);
  }

  static RawPair Make() {
    switch (GetParam()) {
      case Kind::kPipe:
        return RawPipe();
      case Kind::kFifo:
        return RawFifo();
      case Kind::kTerminal:
        break;
    }
    return RawTerminal();
  }

  const RawPair pair_ = Make();  // left is read, right is written
  std::atomic<bool> stop_{false};
};

TEST_P(RivalsTest, AReadObeysItsDeadline) {
  std::atomic<int> taken{0};
  std::atomic<int> calls{0};
  std::thread rival([&] {
    for (char byte; !stop_ && ::read(pair_.left, &byte, 1) == 1;) ++taken;
  });
  auto flow = FlowOf(::dup(pair_.left));
  std::thread reader([&] {
    for (; !stop_; ++calls) {
      flow->SetReadDeadline(absl::Now() + kShort);
      const absl::StatusOr<absl::Cord> data = flow->Read(1);
      if (data.ok()) ++taken;
      EXPECT_TRUE(data.ok() || absl::IsDeadlineExceeded(data.status()))
          << data.status();
    }
  });
  for (int round = 1; round <= kRounds && !HasFailure(); ++round) {
    RawWrite(pair_.right, "x");
    EXPECT_TRUE(Await(taken, round));
    EXPECT_TRUE(Await(calls, calls + 2)) << "waits, in round " << round;
  }
  stop_ = true;
  RawWrite(pair_.right, "ends what waits");
  rival.join();
  reader.join();
}

TEST_P(RivalsTest, AReadIsEndedByAbort) {
  std::atomic<int> taken{0};
  std::thread rival([&] {
    for (char byte; !stop_ && ::read(pair_.left, &byte, 1) == 1;) ++taken;
  });
  for (int round = 1; round <= kRounds && !HasFailure(); ++round) {
    auto flow = FlowOf(::dup(pair_.left));
    std::atomic<int> ended{0};
    std::thread reader([&] {
      while (flow->Read(1).ok()) ++taken;
      ended = 1;
    });
    while (flow->DebugString().find("in Read()") == std::string::npos) {
      std::this_thread::yield();
    }
    RawWrite(pair_.right, "x");
    EXPECT_TRUE(Await(taken, round));
    flow->Abort(absl::AbortedError("enough"));
    EXPECT_TRUE(Await(ended, 1)) << "waits, in round " << round;
    if (HasFailure()) RawWrite(pair_.right, "ends what waits");
    reader.join();
  }
  stop_ = true;
  RawWrite(pair_.right, "ends what waits");
  rival.join();
}

TEST_P(RivalsTest, AWriteObeysItsDeadline) {
  // What is written to a terminal is read by its master.
  const bool is_terminal = GetParam() == Kind::kTerminal;
  const int write_fd = is_terminal ? pair_.left : pair_.right;
  const int read_fd = is_terminal ? pair_.right : pair_.left;
  const std::string page(4096, 'x');
  std::atomic<int> calls{0};
  std::atomic<int> threads{2};
  std::thread rival([&] {
    while (!stop_) RawWrite(write_fd, page);
    --threads;
  });
  auto flow = FlowOf(::dup(write_fd));
  std::thread writer([&] {
    for (; !stop_; ++calls) {
      flow->SetWriteDeadline(absl::Now() + kShort);
      const absl::Status status = flow->Write(page);
      EXPECT_TRUE(status.ok() || absl::IsDeadlineExceeded(status)) << status;
    }
    --threads;
  });
  std::vector<char> bytes(page.size());
  for (int round = 1; round <= kRounds && !HasFailure(); ++round) {
    EXPECT_GT(::read(read_fd, bytes.data(), bytes.size()), 0);
    EXPECT_TRUE(Await(calls, calls + 2)) << "waits, in round " << round;
  }
  stop_ = true;
  while (threads > 0) {  // ends what waits
    struct pollfd readable = {read_fd, POLLIN, 0};
    if (::poll(&readable, 1, 1) == 1) {
      EXPECT_GT(::read(read_fd, bytes.data(), bytes.size()), 0);
    }
  }
  rival.join();
  writer.join();
}

INSTANTIATE_TEST_SUITE_P(Of, RivalsTest,
                         ::testing::Values(Kind::kPipe, Kind::kFifo,
                                           Kind::kTerminal),
                         [](const auto& info) {
                           switch (info.param) {
                             case Kind::kPipe:
                               return "APipe";
                             case Kind::kFifo:
                               return "AFifo";
                             case Kind::kTerminal:
                               break;
                           }
                           return "ATerminal";
                         });

}  // namespace
}  // namespace flow
