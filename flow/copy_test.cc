// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/copy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/string_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Side = CopyResult::Side;

std::unique_ptr<Flow> Source(std::vector<std::string> pieces) {
  return MakeStringFlow(std::move(pieces), std::vector<absl::Span<char>>());
}

TEST(CopyTest, MovesEverythingAndCountsIt) {
  auto source = Source({"one ", "two ", "three"});
  std::string out;
  auto sink = MakeStringFlow("", &out);
  const CopyResult result = Copy(*source, *sink);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.failed, Side::kNone);
  EXPECT_EQ(out, "one two three");
  EXPECT_EQ(result.statistics.bytes, 13);
  EXPECT_EQ(result.statistics.reads, 3);
  EXPECT_EQ(result.statistics.writes, 3);
  EXPECT_EQ(result.unwritten, "");
  EXPECT_GE(result.statistics.duration, absl::ZeroDuration());
}

TEST(CopyTest, AnEmptySourceIsNoOperationAtAll) {
  auto source = Source({});
  auto sink = MakeFunctionFlow({});  // any write would be Closed
  const CopyResult result = Copy(*source, *sink);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.statistics.bytes, 0);
  EXPECT_EQ(result.statistics.reads, 0);
  EXPECT_EQ(result.statistics.writes, 0);
}

TEST(CopyTest, ShutsNothingDown) {
  auto source = Source({"x"});
  std::string out;
  auto sink = MakeStringFlow("answer", &out);
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_THAT(sink->Write("y"), IsOk());
  EXPECT_THAT(sink->Read(), IsOkAndHolds("answer"));
  EXPECT_EQ(out, "xy");
}

TEST(CopyTest, ReadsWithTheLimit) {
  auto source = Source({std::string(10, 'x')});
  std::string out;
  auto sink = MakeStringFlow("", &out);
  CopyOptions options;
  options.max_read = 4;
  const CopyResult result = Copy(*source, *sink, options);
  EXPECT_EQ(result.statistics.reads, 3);
  EXPECT_EQ(out.size(), 10);
}

TEST(CopyTest, StopsAfterMaxBytesAndLeavesTheRestToBeRead) {
  auto source = Source({"abcdef"});
  std::string out;
  auto sink = MakeStringFlow("", &out);
  CopyOptions options;
  options.max_bytes = 4;
  const CopyResult result = Copy(*source, *sink, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(out, "abcd");
  EXPECT_THAT(source->Read(), IsOkAndHolds("ef"));
}

TEST(CopyTest, ASourceThatEndsBeforeMaxBytesIsFineUnlessExactly) {
  for (const bool exactly : {false, true}) {
    auto source = Source({"ab", "cde"});
    std::string out;
    auto sink = MakeStringFlow("", &out);
    CopyOptions options;
    options.max_bytes = 100;
    options.exactly = exactly;
    const CopyResult result = Copy(*source, *sink, options);
    if (exactly) {
      EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kOutOfRange,
                                          HasSubstr("5 of 100 bytes")));
      EXPECT_EQ(result.failed, Side::kSource);
    } else {
      EXPECT_THAT(result.status, IsOk());
      EXPECT_EQ(result.failed, Side::kNone);
    }
    EXPECT_EQ(out, "abcde");
    EXPECT_EQ(result.statistics.bytes, 5);
    EXPECT_EQ(result.statistics.reads, 2);
    EXPECT_EQ(result.statistics.writes, 2);
    EXPECT_EQ(result.unwritten, "");
    EXPECT_THAT(source->Read(), IsEof());
    EXPECT_THAT(sink->Write("+"), IsOk());
  }
}

TEST(CopyTest, ExactlyAsManyBytesAreOkAndNoEndIsWaitedFor) {
  Pipe pipe = MakePipe();
  EXPECT_THAT(pipe.left->Write("abcdef"), IsOk());
  std::string out;
  auto sink = MakeStringFlow("", &out);
  CopyOptions options;
  options.max_bytes = 5;
  options.exactly = true;
  EXPECT_THAT(Copy(*pipe.right, *sink, options).status, IsOk());
  EXPECT_EQ(out, "abcde");
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("f"));
}

TEST(CopyTest, NoBytesAreThereAlsoInASourceThatHasEnded) {
  auto source = Source({});
  auto sink = MakeFunctionFlow({});
  CopyOptions options;
  options.exactly = true;
  options.max_bytes = 0;
  EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
  options.max_bytes = 1;
  EXPECT_THAT(Copy(*source, *sink, options).status,
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(CopyTest, ExactlyWithoutASizeIsInvalidAndDoesNothing) {
  auto source = Source({"abc"});
  auto sink = MakeFunctionFlow({});
  CopyOptions options;
  options.exactly = true;
  EXPECT_THAT(Copy(*source, *sink, options).status,
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(source->Read(), IsOkAndHolds("abc"));
}

TEST(CopyTest, ExactlyKeepsTheErrorOfASinkThatFailsFirst) {
  auto source = Source({"abc"});
  auto sink = MakeFunctionFlow({});
  CopyOptions options;
  options.exactly = true;
  options.max_bytes = 100;
  const CopyResult result = Copy(*source, *sink, options);
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(result.unwritten, "abc");
}

TEST(CopyTest, AFailingSourceIsNamedAndWhatCameBeforeIsDelivered) {
  int calls = 0;
  FunctionFlowOptions options;
  options.input = Input::Buffers([&]() -> absl::StatusOr<absl::Cord> {
    if (++calls <= 2) return absl::Cord("ab");
    return absl::UnavailableError("reset");
  });
  auto source = MakeFunctionFlow(std::move(options));
  std::string out;
  auto sink = MakeStringFlow("", &out);
  const CopyResult result = Copy(*source, *sink);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(result.failed, Side::kSource);
  EXPECT_EQ(out, "abab");
  EXPECT_EQ(result.statistics.bytes, 4);
  EXPECT_EQ(result.unwritten, "");
}

// Upstream loses the statistics on an error.
TEST(CopyTest, AFailingSinkIsNamedAndTheStatisticsAndTheRestAreKept) {
  auto source = Source({"abcd", "efgh", "ijkl"});
  std::string memory(6, '-');
  auto sink = MakeStringFlow("", absl::MakeSpan(memory));
  const CopyResult result = Copy(*source, *sink);
  EXPECT_THAT(result.status, IsClosed());
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(memory, "abcdef");
  EXPECT_EQ(result.unwritten, "gh");
  EXPECT_EQ(result.statistics.bytes, 6);
  EXPECT_EQ(result.statistics.reads, 2);
  EXPECT_EQ(result.statistics.writes, 2);
  EXPECT_THAT(source->Read(), IsOkAndHolds("ijkl"));
}

TEST(CopyTest, CanBeResumedAfterADeadline) {
  auto source = Source({"abcd", "efgh"});
  std::string out;
  bool late = true;
  FunctionFlowOptions options;
  options.output = Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        if (out.size() == 6 && std::exchange(late, false)) {
          return absl::DeadlineExceededError("late");
        }
        const size_t n = std::min<size_t>(bytes.size(), 2);
        out.append(bytes.data(), n);
        return n;
      });
  auto sink = MakeFunctionFlow(std::move(options));
  CopyResult result = Copy(*source, *sink);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(sink->WriteFrom(&result.unwritten), IsOk());
  EXPECT_THAT(Copy(*source, *sink).status, IsOk());
  EXPECT_EQ(out, "abcdefgh");
}

TEST(CopyTest, OnWriteIsToldWhatWasAcceptedWriteByWrite) {
  auto source = Source({"abcd", "efgh", "ijkl"});
  std::string memory(6, '-');
  auto sink = MakeStringFlow("", absl::MakeSpan(memory));
  std::vector<int64_t> told;
  CopyOptions options;
  options.on_write = [&](int64_t bytes) { told.push_back(bytes); };
  EXPECT_THAT(Copy(*source, *sink, options).status, IsClosed());
  EXPECT_THAT(told, ElementsAre(4, 2));
  // This one accepts nothing, so there is nothing to be told.
  EXPECT_THAT(Copy(*source, *sink, options).status, IsClosed());
  EXPECT_THAT(told, ElementsAre(4, 2));
}

// A source and a sink that are late at every other call.
class CopyDeadlineTest : public ::testing::Test {
 protected:
  CopyDeadlineTest() {
    FunctionFlowOptions from;
    from.input = Input::Buffers([this]() -> absl::StatusOr<absl::Cord> {
      if (reads_++ % 2 == 0) return absl::DeadlineExceededError("late");
      return absl::Cord(reads_ < 6 ? "abcd" : "");
    });
    source_ = MakeFunctionFlow(std::move(from));
    FunctionFlowOptions to;
    to.output = Output::Bytes(
        [this](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          if (writes_++ % 2 == 1) return absl::DeadlineExceededError("late");
          const size_t n = std::min<size_t>(bytes.size(), 3);
          out_.append(bytes.data(), n);
          return n;
        });
    sink_ = MakeFunctionFlow(std::move(to));
  }

  int reads_ = 0;
  int writes_ = 0;
  std::string out_;
  std::unique_ptr<Flow> source_;
  std::unique_ptr<Flow> sink_;
};

TEST_F(CopyDeadlineTest, OnDeadlineLetsItGoOnAndNothingIsLostOrMiscounted) {
  int late = 0;
  std::vector<int64_t> told;
  CopyOptions options;
  int late_reads = 0;
  options.on_deadline = [&](Flow& flow) {
    ++late;
    if (&flow == source_.get()) ++late_reads;
    return true;
  };
  options.on_write = [&](int64_t bytes) { told.push_back(bytes); };
  const CopyResult result = Copy(*source_, *sink_, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(out_, "abcdabcd");
  EXPECT_EQ(late, 3 + 3);
  EXPECT_EQ(late_reads, 3);
  EXPECT_THAT(told, ElementsAre(3, 1, 3, 1));
  EXPECT_EQ(result.statistics.bytes, 8);
  EXPECT_EQ(result.statistics.reads, 2);
  EXPECT_EQ(result.statistics.writes, 5);  // one of them of nothing
  EXPECT_EQ(result.unwritten, "");
}

TEST_F(CopyDeadlineTest, OnDeadlineCanEndIt) {
  int late = 0;
  CopyOptions options;
  options.on_deadline = [&](Flow&) { return ++late < 2; };
  const CopyResult result = Copy(*source_, *sink_, options);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(out_, "abc");
  EXPECT_EQ(result.unwritten, "d");
  EXPECT_EQ(result.statistics.bytes, 3);
}

TEST(CopyTest, OnDeadlineIsNotAskedAboutOtherErrors) {
  auto source = Source({"abcd"});
  auto sink = MakeFunctionFlow({});
  CopyOptions options;
  options.on_deadline = [](Flow&) {
    ADD_FAILURE() << "nothing was late";
    return false;
  };
  EXPECT_THAT(Copy(*source, *sink, options).status, IsClosed());
}

TEST(CopyTest, ATimeoutSaysWhichSideWasLateAndLeavesNoDeadline) {
  Pipe from = MakePipe();
  Pipe to = MakePipe(/*capacity=*/1);
  CopyOptions options;
  options.read_timeout = absl::Milliseconds(5);
  CopyResult result = Copy(*from.right, *to.left, options);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.failed, Side::kSource);

  ASSERT_THAT(to.left->Write("x"), IsOk());
  ASSERT_THAT(from.left->Write("ab"), IsOk());
  std::vector<Flow*> late;
  options = CopyOptions();
  options.write_timeout = absl::Milliseconds(5);
  options.on_deadline = [&](Flow& flow) {
    late.push_back(&flow);
    return false;
  };
  result = Copy(*from.right, *to.left, options);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(result.failed, Side::kSink);
  EXPECT_EQ(result.unwritten, "ab");
  EXPECT_THAT(late, ElementsAre(to.left.get()));

  // Both would fail at once if they had a deadline that has passed.
  std::thread remote([&] {
    EXPECT_THAT(from.left->Write("c"), IsOk());
    EXPECT_THAT(to.right->Read(), IsOkAndHolds("x"));
  });
  EXPECT_THAT(from.right->Read(), IsOkAndHolds("c"));
  EXPECT_THAT(to.left->Write("y"), IsOk());
  remote.join();
}

TEST(CopyTest, ReadsOfAtMostNothingAreOfOneByte) {
  Pipe from = MakePipe(kNoLimit);
  Pipe to = MakePipe(kNoLimit);
  ASSERT_THAT(from.left->Write("ab"), IsOk());
  ASSERT_THAT(from.left->Shutdown(ShutdownMode::kWrite), IsOk());
  CopyOptions options;
  options.max_read = 0;
  const CopyResult result = Copy(*from.right, *to.left, options);
  EXPECT_THAT(result.status, IsOk());
  EXPECT_EQ(result.statistics.reads, 2);
  EXPECT_EQ(result.statistics.bytes, 2);
}

TEST(CopyTest, ATimeoutReplacesADeadline) {
  Pipe from = MakePipe();
  Pipe to = MakePipe(/*capacity=*/1);
  ASSERT_THAT(to.left->Write("x"), IsOk());
  to.left->SetWriteDeadline(absl::InfinitePast());
  from.right->SetReadDeadline(absl::InfinitePast());
  CopyOptions options;
  options.read_timeout = absl::Hours(1);
  options.write_timeout = absl::Hours(1);
  std::thread remote([&] {
    EXPECT_THAT(from.left->Write("abc"), IsOk());
    EXPECT_THAT(from.left->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT(to.right->Read(), IsOkAndHolds("x"));
  });
  EXPECT_THAT(Copy(*from.right, *to.left, options).status, IsOk());
  remote.join();
  EXPECT_THAT(to.right->Read(), IsOkAndHolds("abc"));
}

// Notes calls in `log`: (r)ead and (w)rite, each in capitals for its deadline.
class NotingTransport final : public ForwardingTransport {
 public:
  NotingTransport(std::unique_ptr<Transport> inner, std::string& log)
      : ForwardingTransport(std::move(inner)), log_(log) {}
  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    log_ += 'r';
    return ForwardingTransport::Read(max_bytes);
  }
  absl::Status Write(Outgoing& data) override {
    log_ += 'w';
    return ForwardingTransport::Write(data);
  }
  void SetReadDeadline(absl::Time) override { log_ += 'R'; }
  void SetWriteDeadline(absl::Time) override { log_ += 'W'; }

 private:
  std::string& log_;
};

// So the wait for a slow source does not count against its sink.
TEST(CopyTest, ATimeoutBeginsWithEachReadAndEachWrite) {
  std::string log;
  const auto noting = [&log](std::unique_ptr<Flow> flow) {
    return DecorateFlow(
        std::move(flow), [&log](std::unique_ptr<Transport> inner) {
          return std::make_unique<NotingTransport>(std::move(inner), log);
        });
  };
  auto source = noting(Source({"a", "b"}));
  std::string out;
  auto sink = noting(MakeStringFlow("", &out));
  CopyOptions options;
  EXPECT_THAT(Copy(*noting(Source({"a"})), *sink, options).status, IsOk());
  EXPECT_EQ(std::exchange(log, ""), "rwr");
  options.read_timeout = options.write_timeout = absl::Hours(1);
  EXPECT_THAT(Copy(*source, *sink, options).status, IsOk());
  EXPECT_EQ(log, "RrWwRrWwRrRW");
}

TEST(CopyTest, WithoutATimeoutTheDeadlinesOfTheFlowsHold) {
  Pipe from = MakePipe();
  from.right->SetReadDeadline(absl::InfinitePast());
  std::string out;
  auto sink = MakeStringFlow("", &out);
  CopyOptions options;
  options.write_timeout = absl::Hours(1);
  for (int calls = 0; calls < 2; ++calls) {
    EXPECT_THAT(Copy(*from.right, *sink, options).status,
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

// Upstream divides by a zero duration.
TEST(CopyStatisticsTest, ARateOverNoTimeIsZero) {
  CopyStatistics statistics;
  statistics.bytes = 100;
  EXPECT_EQ(statistics.BytesPerSecond(), 0);
  statistics.duration = absl::Seconds(2);
  EXPECT_EQ(statistics.BytesPerSecond(), 50);
}

TEST(CopyStatisticsTest, PrintsOneLine) {
  CopyStatistics statistics;
  EXPECT_EQ(statistics.ToString(), "0 bytes in 0 (0.0 B/s), 0 reads, 0 writes");
  statistics.bytes = statistics.reads = statistics.writes = 1;
  EXPECT_EQ(statistics.ToString(), "1 byte in 0 (0.0 B/s), 1 read, 1 write");
  statistics.bytes = 3 << 20;
  statistics.reads = 12;
  statistics.writes = 13;
  statistics.duration = absl::Milliseconds(1500);
  EXPECT_EQ(statistics.ToString(),
            "3145728 bytes in 1.5s (2.0 MiB/s), 12 reads, 13 writes");
  statistics.bytes = 1536;
  EXPECT_EQ(statistics.ToString(),
            "1536 bytes in 1.5s (1.0 KiB/s), 12 reads, 13 writes");
  // The largest unit is that of TiB.
  statistics.bytes = int64_t{5} << 40;
  statistics.duration = absl::Milliseconds(1);
  EXPECT_EQ(statistics.ToString(),
            "5497558138880 bytes in 1ms (5000.0 TiB/s), 12 reads, 13 writes");
}

}  // namespace
}  // namespace flow
