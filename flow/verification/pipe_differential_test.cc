// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernel as judge: random sequences of operations on a pipe of ours and on
// a Unix socket pair, side by side. They must do the same, except for the table
// "Pipe and Unix socket" in docs/semantics.md, which is written down here as
// code: what cannot differ before an abort, and what may after one.
//
// In one thread: deadlines are in the past, so what would block gives up.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace flow::verification {
namespace {

using ::flow::testing::FlowOf;
using ::flow::testing::PatternString;
using ::flow::testing::RawPair;
using ::flow::testing::RawUnix;

// Neither transport is ever full.
constexpr size_t kMostAtOnce = 2000;
constexpr int kSteps = 30;

struct Step {
  enum Kind {
    kRead,
    kWrite,
    kWritev,
    kAwaitRefusal,
    kShutdownRead,
    kShutdownWrite,
    kClose,
    kAbort,
    kDestroy
  };
  int end;  // 0 or 1
  Kind kind;
  size_t size;  // of reads and writes
};

std::string ToString(const std::vector<Step>& steps) {
  static constexpr const char* kNames[] = {
      "read",           "write", "writev", "await refusal", "shutdown read",
      "shutdown write", "close", "abort",  "destroy"};
  std::string text;
  for (const Step& step : steps) {
    absl::StrAppend(&text, step.end == 0 ? "left " : "right ",
                    kNames[step.kind]);
    if (step.kind <= Step::kWritev) absl::StrAppend(&text, " ", step.size);
    absl::StrAppend(&text, "\n");
  }
  return text;
}

// What a call came to, as far as the two can be compared.
struct Outcome {
  enum Kind { kData, kEof, kOk, kClosed, kLate, kReason, kError };
  Kind kind;
  std::string data;
  std::string message;
};

constexpr absl::string_view kReasonText = "the reason of this end";

Outcome OutcomeOf(const absl::Status& status) {
  Outcome outcome;
  outcome.message = std::string(status.message());
  if (status.ok()) {
    outcome.kind = Outcome::kOk;
  } else if (IsClosed(status)) {
    outcome.kind = Outcome::kClosed;
  } else if (absl::IsDeadlineExceeded(status)) {
    outcome.kind = Outcome::kLate;
  } else if (status.message() == kReasonText) {
    outcome.kind = Outcome::kReason;
  } else {
    outcome.kind = Outcome::kError;
  }
  return outcome;
}

// Two connected flows of one kind.
class Ends {
 public:
  Ends(std::unique_ptr<Flow> left, std::unique_ptr<Flow> right) {
    ends_[0] = std::move(left);
    ends_[1] = std::move(right);
    for (auto& end : ends_) {
      end->SetReadDeadline(absl::InfinitePast());
      end->SetWriteDeadline(absl::InfinitePast());
    }
  }

  Flow* end(int i) { return ends_[i].get(); }

  Outcome Take(const Step& step) {
    Flow* const flow = ends_[step.end].get();
    switch (step.kind) {
      case Step::kRead: {
        const absl::StatusOr<absl::Cord> data = flow->Read(step.size);
        if (!data.ok()) return OutcomeOf(data.status());
        Outcome outcome;
        outcome.kind = data->empty() ? Outcome::kEof : Outcome::kData;
        outcome.data = std::string(*data);
        return outcome;
      }
      case Step::kWrite:
        return OutcomeOf(flow->Write(Bytes(step)));
      case Step::kWritev: {
        const std::string bytes = Bytes(step);
        const absl::string_view all = bytes;
        const size_t half = all.size() / 2;
        return OutcomeOf(
            flow->Writev({all.substr(0, half), "", all.substr(half)}));
      }
      case Step::kAwaitRefusal:
        return OutcomeOf(flow->AwaitRefusal(absl::InfinitePast()));
      case Step::kShutdownRead:
        return OutcomeOf(flow->Shutdown(ShutdownMode::kRead));
      case Step::kShutdownWrite:
        return OutcomeOf(flow->Shutdown(ShutdownMode::kWrite));
      case Step::kClose:
        return OutcomeOf(flow->Close(absl::InfinitePast()));
      case Step::kAbort:
        flow->Abort(absl::DataLossError(kReasonText));
        return OutcomeOf(absl::OkStatus());
      case Step::kDestroy:
        ends_[step.end] = nullptr;
        return OutcomeOf(absl::OkStatus());
    }
    return OutcomeOf(absl::InternalError("no such step"));
  }

 private:
  std::string Bytes(const Step& step) const {
    return PatternString(ends_[step.end]->bytes_written(), step.size,
                         static_cast<uint32_t>(step.end));
  }

  std::array<std::unique_ptr<Flow>, 2> ends_;
};

// Whether the socket may say `socket` where the pipe says `pipe`, at an end
// whose peer was aborted or destroyed before, or has closed too late.
bool MayDiffer(Step::Kind kind, const Outcome& pipe, const Outcome& socket) {
  switch (kind) {
    case Step::kRead:
      // The same bytes; then, for the reason, an end or an error of its own, or
      // nothing until the peer is gone. An end can become an error, if the peer
      // had not read everything.
      return pipe.kind != Outcome::kData && socket.kind != Outcome::kData;
    case Step::kWrite:
    case Step::kWritev:
      // Ok until the peer is gone; then Closed, or an error of its own. An end
      // that aborts itself meanwhile keeps the error that it had first.
      return socket.kind != Outcome::kLate;
    case Step::kAwaitRefusal:
      // The same, but it waits where a write is Ok.
      return socket.kind != Outcome::kOk;
    case Step::kShutdownRead:
    case Step::kShutdownWrite:
    case Step::kClose:
      return true;
    default:
      return false;
  }
}

// `aborts`: also closes that come too late.
Step NextStep(std::mt19937& random, bool aborts) {
  Step step;
  step.end = static_cast<int>(random() % 2);
  const size_t most = random() % 3 == 0 ? kMostAtOnce : 10;
  step.size = 1 + random() % most;
  const unsigned dice = random() % 100;
  if (dice < 40) {
    step.kind = Step::kRead;
  } else if (dice < 70) {
    step.kind = Step::kWrite;
  } else if (dice < 80) {
    step.kind = Step::kWritev;
  } else if (dice < 84) {
    step.kind = Step::kAwaitRefusal;
  } else if (dice < 88) {
    step.kind = Step::kShutdownRead;
  } else if (dice < 93) {
    step.kind = Step::kShutdownWrite;
  } else if (dice < 97 || !aborts) {
    step.kind = Step::kClose;
  } else {
    step.kind = dice < 99 ? Step::kAbort : Step::kDestroy;
  }
  return step;
}

class PipeDifferentialTest : public ::testing::TestWithParam<bool> {};

TEST_P(PipeDifferentialTest, APipeDoesWhatAUnixSocketPairDoes) {
  constexpr uint32_t kRuns = 10000;
  int same = 0;
  int different = 0;
  for (uint32_t seed = 0; seed < kRuns; ++seed) {
    std::mt19937 random(seed);
    Pipe pipe = MakePipe();
    const RawPair raw = RawUnix();
    Ends ours(std::move(pipe.left), std::move(pipe.right));
    Ends kernels(FlowOf(raw.left), FlowOf(raw.right));
    bool ended[2] = {false, false};  // that end has shut its writes down
    bool cut[2] = {false, false};    // ... was aborted, or closed too late
    std::vector<Step> steps;
    for (int i = 0; i < kSteps; ++i) {
      const Step step = NextStep(random, GetParam());
      if (ours.end(step.end) == nullptr) continue;
      if (step.kind == Step::kClose && !GetParam() && !ended[1 - step.end]) {
        continue;
      }
      steps.push_back(step);
      const Outcome a = ours.Take(step);
      const Outcome b = kernels.Take(step);
      if (step.kind == Step::kShutdownWrite || step.kind == Step::kClose) {
        ended[step.end] = true;
      }
      if (step.kind == Step::kAbort || step.kind == Step::kDestroy ||
          (step.kind == Step::kClose &&
           (a.kind == Outcome::kLate || b.kind == Outcome::kLate))) {
        cut[step.end] = true;
      }
      const bool equal = a.kind == b.kind && a.data == b.data;
      const bool peer_was_cut = cut[1 - step.end];
      ++(equal ? same : different);
      ASSERT_TRUE(equal || (peer_was_cut && MayDiffer(step.kind, a, b)))
          << "seed " << seed << ", after\n"
          << ToString(steps) << "pipe: " << a.kind << " " << a.message << " ("
          << a.data.size() << " bytes)\nsocket: " << b.kind << " " << b.message
          << " (" << b.data.size() << " bytes)";
      Flow* const our = ours.end(step.end);
      if (our == nullptr) continue;
      ASSERT_EQ(our->bytes_read(), kernels.end(step.end)->bytes_read());
      if (!peer_was_cut) {
        ASSERT_EQ(our->bytes_written(), kernels.end(step.end)->bytes_written());
      }
    }
  }
  std::printf("%d steps the same, %d different as documented\n", same,
              different);
  if (!GetParam()) {
    EXPECT_EQ(different, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Aborts, PipeDifferentialTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "with_aborts" : "without_aborts";
                         });

}  // namespace
}  // namespace flow::verification
