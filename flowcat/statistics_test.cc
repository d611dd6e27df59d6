// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/statistics.h"

#include <cstdint>

#include "absl/time/time.h"
#include "flowcat/relay.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::testing::ElementsAre;

RelayResult Result(int64_t there, int64_t back) {
  RelayResult result;
  result.a_to_b.bytes = there;
  result.a_to_b.reads = 1;
  result.a_to_b.writes = 2;
  result.a_to_b.duration = absl::Seconds(1);
  result.b_to_a.bytes = back;
  result.b_to_a.reads = 3;
  result.b_to_a.writes = 4;
  result.b_to_a.duration = absl::Seconds(2);
  return result;
}

Ending At(Mode mode) {
  Ending ending;
  ending.mode = mode;
  ending.exit_code = 143;
  ending.signal = 15;
  ending.elapsed = absl::Microseconds(1234567);
  return ending;
}

TEST(StatisticsTest, CountsAndAddsUp) {
  Statistics statistics;
  statistics.Begin();
  statistics.Begin();
  EXPECT_EQ(statistics.open(), 2);
  RelayResult failed = Result(10, 20);
  failed.error = "why";
  statistics.End(failed);
  EXPECT_EQ(statistics.open(), 1);
  statistics.End(Result(1, 2));
  const Totals totals = statistics.totals();
  EXPECT_EQ(totals.connections, 2);
  EXPECT_EQ(totals.failed, 1);
  EXPECT_EQ(totals.a_to_b.bytes, 11);
  EXPECT_EQ(totals.b_to_a.bytes, 22);
  EXPECT_EQ(totals.b_to_a.reads, 6);
  EXPECT_EQ(totals.b_to_a.writes, 8);
}

TEST(FormatTextTest, DependsOnTheMode) {
  Totals totals;
  totals.connections = 1;
  totals.a_to_b = Result(1, 2).a_to_b;
  totals.b_to_a = Result(1, 2).b_to_a;
  EXPECT_THAT(FormatText(totals, At(Mode::kCopy)),
              ElementsAre("1 byte in 1s (1.0 B/s), 1 read, 2 writes"));
  EXPECT_THAT(FormatText(totals, At(Mode::kRelay)),
              ElementsAre("A to B: 1 byte in 1s (1.0 B/s), 1 read, 2 writes",
                          "B to A: 2 bytes in 2s (1.0 B/s), 3 reads, 4 "
                          "writes"));
  EXPECT_THAT(FormatText(totals, At(Mode::kServe)),
              ElementsAre("1 connection (0 failed) in 1.234s; A to B: 1 byte; "
                          "B to A: 2 bytes"));
}

TEST(FormatJsonTest, HasAllFields) {
  Totals totals;
  totals.connections = 7;
  totals.failed = 5;
  totals.a_to_b = Result(10, 20).a_to_b;
  totals.b_to_a = Result(10, 20).b_to_a;
  EXPECT_EQ(FormatJson(totals, At(Mode::kServe)),
            "{\"mode\":\"serve\",\"exit_code\":143,\"signal\":15,"
            "\"seconds\":1.234567,\"connections\":7,\"failed\":5,"
            "\"a_to_b\":{\"bytes\":10,\"reads\":1,\"writes\":2},"
            "\"b_to_a\":{\"bytes\":20,\"reads\":3,\"writes\":4}}");
}

}  // namespace
}  // namespace flowcat
