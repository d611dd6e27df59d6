// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/framing.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/fault_points.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::FaultMode;
using ::flow::testing::FaultPlan;
using ::flow::testing::ForEachFaultPoint;
using ::flow::testing::HoldsData;
using ::flow::testing::Pattern;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr size_t kLimit = 100;  // of blocks, where it does not matter
constexpr auto kNone = std::nullopt;

// Two ends, of which the left one is a channel.
struct Ends {
  Ends() {
    Pipe pipe = MakePipe(kNoLimit);
    channel = MakeChannel(std::move(pipe.left));
    remote = std::move(pipe.right);
  }
  // The remote sends `bytes`, which may have zeros.
  void Receive(const std::string& bytes) const {
    EXPECT_THAT(remote->Write(bytes), IsOk());
  }
  void EndOfInput() const {
    EXPECT_THAT(remote->Shutdown(ShutdownMode::kWrite), IsOk());
  }
  std::unique_ptr<Channel> channel;
  std::unique_ptr<Flow> remote;
};

std::string Bytes(std::initializer_list<int> bytes) {
  return std::string(bytes.begin(), bytes.end());
}

// --- Integers

// What the functions take; anything else does not compile.
enum class Number : uint8_t { kOne };
static_assert(internal::IsWireInteger<int8_t>());
static_assert(internal::IsWireInteger<uint64_t>());
static_assert(!internal::IsWireInteger<bool>());
static_assert(!internal::IsWireInteger<double>());
static_assert(!internal::IsWireInteger<Number>());
static_assert(!internal::IsWireInteger<const char*>());

TEST(IntegerTest, IsWrittenAndReadInTheOrderOfTheName) {
  Ends ends;
  ASSERT_THAT(WriteBigEndian<uint32_t>(*ends.channel, 0x01020384u), IsOk());
  ASSERT_THAT(WriteLittleEndian<uint32_t>(*ends.channel, 0x01020384u), IsOk());
  ASSERT_THAT(WriteBigEndian<uint8_t>(*ends.channel, 5), IsOk());
  ASSERT_THAT(WriteBigEndian<int16_t>(*ends.channel, -2), IsOk());
  EXPECT_EQ(ends.remote->bytes_read(), 0);
  ASSERT_THAT(ends.channel->Flush(), IsOk());
  EXPECT_THAT(ends.remote->Read(),
              HoldsData(Bytes({1, 2, 3, 0x84, 0x84, 3, 2, 1, 5, 0xff, 0xfe})));

  ends.Receive(Bytes({1, 2, 3, 0x84, 0x84, 3, 2, 1, 5, 0xff, 0xfe}));
  EXPECT_THAT(ReadBigEndian<uint32_t>(*ends.channel),
              IsOkAndHolds(0x01020384u));
  EXPECT_THAT(ReadLittleEndian<uint32_t>(*ends.channel),
              IsOkAndHolds(0x01020384u));
  EXPECT_THAT(ReadLittleEndian<uint8_t>(*ends.channel), IsOkAndHolds(5));
  EXPECT_THAT(ReadBigEndian<int16_t>(*ends.channel), IsOkAndHolds(-2));
}

template <typename Integer>
void ComesBack(Channel& out, Channel& in) {
  using Limits = std::numeric_limits<Integer>;
  for (const Integer value :
       {Limits::min(), Integer{0}, Integer{1}, Integer{100}, Limits::max()}) {
    ASSERT_THAT(WriteBigEndian<Integer>(out, value), IsOk());
    ASSERT_THAT(WriteLittleEndian<Integer>(out, value), IsOk());
    ASSERT_THAT(out.Flush(), IsOk());
    EXPECT_THAT(ReadBigEndian<Integer>(in), IsOkAndHolds(value));
    EXPECT_THAT(ReadLittleEndian<Integer>(in), IsOkAndHolds(value));
  }
}

TEST(IntegerTest, OfEverySizeComesBackAsItWas) {
  Ends ends;
  const auto in = MakeChannel(std::move(ends.remote));
  ComesBack<int8_t>(*ends.channel, *in);
  ComesBack<uint8_t>(*ends.channel, *in);
  ComesBack<int16_t>(*ends.channel, *in);
  ComesBack<uint16_t>(*ends.channel, *in);
  ComesBack<int32_t>(*ends.channel, *in);
  ComesBack<uint32_t>(*ends.channel, *in);
  ComesBack<int64_t>(*ends.channel, *in);
  ComesBack<uint64_t>(*ends.channel, *in);
}

TEST(IntegerTest, ThatTheTypeCannotHoldIsInvalidAndNotWritten) {
  Ends ends;
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(WriteBigEndian<uint8_t>(*ends.channel, 256), invalid);
  EXPECT_THAT(WriteBigEndian<int8_t>(*ends.channel, 128), invalid);
  EXPECT_THAT(WriteBigEndian<uint32_t>(*ends.channel, -1), invalid);
  EXPECT_THAT(WriteBigEndian<uint64_t>(*ends.channel, -1), invalid);
  EXPECT_THAT(WriteBigEndian<int32_t>(*ends.channel, 0x80000000u), invalid);
  EXPECT_THAT(WriteLittleEndian<uint16_t>(*ends.channel, size_t{70000}),
              invalid);
  EXPECT_EQ(ends.channel->bytes_written(), 0);
  EXPECT_THAT(WriteBigEndian<uint8_t>(*ends.channel, size_t{255}), IsOk());
}

// What is sent would be right by its bits, and wrong as a number.
TEST(IntegerTest, OfTheOtherSignednessFitsIfItIsTheSameNumber) {
  Ends ends;
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  std::string bytes;
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  EXPECT_THAT(WriteBigEndian<int32_t>(*ends.channel, kMost), invalid);
  EXPECT_THAT(WriteBigEndian<int32_t>(*ends.channel, kMost / 2), invalid);
  EXPECT_THAT(WriteBigEndian<int32_t>(*ends.channel, uint64_t{1}), IsOk());
  EXPECT_THAT(WriteBigEndian<uint16_t>(*ends.channel, int16_t{-1}), invalid);
  EXPECT_THAT(WriteBigEndian<uint16_t>(*ends.channel, int16_t{2}), IsOk());
  EXPECT_THAT(AppendBigEndian<int32_t>(&bytes, kMost), invalid);
  EXPECT_THAT(AppendBigEndian<int32_t>(&bytes, kMost / 2), invalid);
  EXPECT_THAT(AppendBigEndian<int32_t>(&bytes, uint64_t{3}), IsOk());
  ASSERT_THAT(ends.channel->Flush(), IsOk());
  EXPECT_THAT(ends.remote->Read(), HoldsData(Bytes({0, 0, 0, 1, 0, 2})));
  EXPECT_EQ(bytes, Bytes({0, 0, 0, 3}));
}

TEST(IntegerTest, InMemoryIsAppendedByTheSameRules) {
  std::string bytes = "+";
  EXPECT_THAT(AppendBigEndian<uint32_t>(&bytes, 0x01020384u), IsOk());
  EXPECT_THAT(AppendLittleEndian<uint32_t>(&bytes, 0x01020384u), IsOk());
  EXPECT_THAT(AppendBigEndian<int16_t>(&bytes, -2), IsOk());
  EXPECT_THAT(AppendBigEndian<uint8_t>(&bytes, 256),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(AppendLittleEndian<uint64_t>(&bytes, -1),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(bytes, "+" + Bytes({1, 2, 3, 0x84, 0x84, 3, 2, 1, 0xff, 0xfe}));
}

TEST(IntegerTest, ThatIsCutIsOutOfRangeAndLosesNothing) {
  Ends ends;
  ends.Receive("abc");
  ends.EndOfInput();
  EXPECT_THAT(ReadBigEndian<uint32_t>(*ends.channel),
              StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(ReadBigEndian<uint16_t>(*ends.channel), IsOkAndHolds(0x6162));
  EXPECT_THAT(ends.channel->Read(), HoldsData("c"));
  EXPECT_THAT(ReadBigEndian<uint8_t>(*ends.channel),
              StatusIs(absl::StatusCode::kOutOfRange));
}

// --- Blocks

TEST(BlockTest, HasItsLengthBeforeItInTheFormOfThePrefix) {
  const struct {
    LengthPrefix prefix;
    std::string length;
  } kForms[] = {
      {LengthPrefix::k8Bit, Bytes({3})},
      {LengthPrefix::kBigEndian16, Bytes({0, 3})},
      {LengthPrefix::kBigEndian32, Bytes({0, 0, 0, 3})},
      {LengthPrefix::kBigEndian64, Bytes({0, 0, 0, 0, 0, 0, 0, 3})},
      {LengthPrefix::kLittleEndian16, Bytes({3, 0})},
      {LengthPrefix::kLittleEndian32, Bytes({3, 0, 0, 0})},
      {LengthPrefix::kLittleEndian64, Bytes({3, 0, 0, 0, 0, 0, 0, 0})},
  };
  for (const auto& form : kForms) {
    Ends ends;
    const BlockFormat format(kLimit, form.prefix);
    ASSERT_THAT(WriteBlock(*ends.channel, format, "abc"), IsOk());
    EXPECT_THAT(ends.remote->Read(), HoldsData(form.length + "abc"));
    EXPECT_THAT(BlockHeader(format, 3), IsOkAndHolds(form.length));
    ends.Receive(form.length + "xyz");
    EXPECT_THAT(ReadBlock(*ends.channel, format), IsOkAndHolds("xyz"));
  }
}

TEST(BlockTest, IsTheConcatenationOfWhatWasWrittenAndMayBeEmpty) {
  Ends ends;
  const auto remote = MakeChannel(std::move(ends.remote));
  const std::string name = "name";
  ASSERT_THAT(ends.channel->WriteBuffered("+"), IsOk());
  ASSERT_THAT(WriteBlock(*ends.channel, kLimit, {name, "=", absl::Cord("x")}),
              IsOk());
  ASSERT_THAT(WriteBlock(*ends.channel, kLimit, ""), IsOk());
  ASSERT_THAT(WriteBlock(*ends.channel, kLimit, {}), IsOk());
  ASSERT_THAT(ends.channel->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(remote->ReadExactly(1), IsOkAndHolds("+"));
  EXPECT_THAT(ReadBlock(*remote, kLimit), IsOkAndHolds("name=x"));
  EXPECT_THAT(ReadBlock(*remote, kLimit), IsOkAndHolds(""));
  EXPECT_THAT(ReadBlock(*remote, kLimit), IsOkAndHolds(""));
  EXPECT_THAT(ReadBlock(*remote, kLimit), IsOkAndHolds(kNone));
}

TEST(BlockTest, WhereTheStreamMayNotEndItsEndIsOutOfRange) {
  Ends ends;
  ends.Receive(Bytes({0, 0, 0, 1, 'a'}));
  ends.EndOfInput();
  EXPECT_THAT(NotAtEnd(ReadBlock(*ends.channel, kLimit)), IsOkAndHolds("a"));
  EXPECT_THAT(NotAtEnd(ReadBlock(*ends.channel, kLimit)),
              StatusIs(absl::StatusCode::kOutOfRange));
  ends.channel->Abort(absl::DataLossError("no"));
  EXPECT_THAT(NotAtEnd(ReadBlock(*ends.channel, kLimit)),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST(BlockTest, ThatIsCutIsOutOfRangeAndLosesNothing) {
  const std::string block = Bytes({0, 3, 'a', 'b', 'c'});
  for (size_t size = 1; size < block.size(); ++size) {
    Ends ends;
    ends.Receive(block.substr(0, size));
    ends.EndOfInput();
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(
          ReadBlock(*ends.channel, {kLimit, LengthPrefix::kBigEndian16}),
          StatusIs(absl::StatusCode::kOutOfRange));
    }
    EXPECT_THAT(ends.channel->Read(), HoldsData(block.substr(0, size)));
  }
}

TEST(BlockTest, ThatIsTooLargeIsResourceExhaustedAndNotBegun) {
  Ends ends;
  const auto too_large = StatusIs(absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(WriteBlock(*ends.channel, 3, "abcd"), too_large);
  EXPECT_THAT(WriteBlock(*ends.channel, 3, {"ab", "cd"}), too_large);
  EXPECT_THAT(BlockHeader(3, 4), too_large);
  EXPECT_EQ(ends.channel->bytes_written(), 0);
  EXPECT_THAT(WriteBlock(*ends.channel, 3, "abc"), IsOk());

  ends.Receive(Bytes({0, 0, 0, 4, 'a', 'b', 'c', 'd'}));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(ReadBlock(*ends.channel, 3), too_large);
  }
  EXPECT_EQ(ends.channel->bytes_read(), 0);
  EXPECT_THAT(ReadBlock(*ends.channel, 4), IsOkAndHolds("abcd"));
}

TEST(BlockTest, ThatThePrefixCannotExpressIsTooLarge) {
  Ends ends;
  const std::string text(256, 'x');
  EXPECT_THAT(WriteBlock(*ends.channel, {kNoLimit, LengthPrefix::k8Bit}, text),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(WriteBlock(*ends.channel, {kNoLimit, LengthPrefix::k8Bit},
                         text.substr(1)),
              IsOk());
}

// A length of the remote is not trusted, even without a limit.
TEST(BlockTest, ALengthThatOverflowsIsTooLarge) {
  for (const int last : {0xff, 0xf8}) {
    Ends ends;
    ends.Receive(
        Bytes({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last, 'a', 'b'}));
    EXPECT_THAT(
        ReadBlock(*ends.channel, {kNoLimit, LengthPrefix::kBigEndian64}),
        StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

TEST(BlockTest, ADeadlineAnywhereInABlockLosesNothing) {
  Ends ends;
  ends.channel->SetReadDeadline(absl::InfinitePast());
  for (const char byte : Bytes({0, 3, 'a', 'b', 'c'})) {
    EXPECT_THAT(ReadBlock(*ends.channel, {kLimit, LengthPrefix::kBigEndian16}),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    ends.Receive(std::string(1, byte));
  }
  EXPECT_THAT(ReadBlock(*ends.channel, {kLimit, LengthPrefix::kBigEndian16}),
              IsOkAndHolds("abc"));
}

TEST(BlockTest, OfALargeCordIsNotCopied) {
  constexpr size_t kLarge = size_t{1} << 20;
  const absl::Cord sent = Pattern(0, kLarge);
  Ends ends;
  const auto remote = MakeChannel(std::move(ends.remote));
  ASSERT_THAT(WriteBlock(*ends.channel, kLarge, sent), IsOk());
  const auto received = ReadBlock(*remote, kLarge);
  ASSERT_THAT(received, IsOkAndHolds(sent));
  EXPECT_EQ(CopiedBytes(sent, **received), 0);
}

// --- Faults

// Reads all blocks, again after a deadline. Returns how that ended.
absl::Status ReadAllBlocks(Channel& channel, std::vector<std::string>& blocks) {
  while (true) {
    absl::StatusOr<std::optional<absl::Cord>> block =
        ReadBlock(channel, kLimit);
    if (absl::IsDeadlineExceeded(block.status())) continue;
    if (!block.ok()) return block.status();
    if (!block->has_value()) return absl::OkStatus();
    blocks.push_back(std::string(**block));
  }
}

TEST(BlockFaultTest, BlocksAreReadWholeOrNotAtAllAtEveryFault) {
  const std::string stream =
      Bytes({0, 0, 0, 3, 'o', 'n', 'e', 0, 0, 0, 0, 0, 0, 0, 2, 't', 'w'});
  for (const size_t max_read : {1, 3, 100}) {
    const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
      Pipe pipe = MakePipe(kNoLimit);
      ASSERT_THAT(pipe.left->Write(stream), IsOk());
      ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
      std::vector<std::string> blocks;
      const absl::Status status = ReadAllBlocks(
          *MakeChannel(plan.Wrap(std::move(pipe.right), max_read)), blocks);
      const std::vector<std::string> all = {"one", "", "tw"};
      if (!plan.fired() || plan.mode() == FaultMode::kDeadline) {
        EXPECT_THAT(status, IsOk());
        EXPECT_EQ(blocks, all);
        return;
      }
      EXPECT_THAT(status, StatusIs(plan.error().code()));
      ASSERT_LE(blocks.size(), all.size());
      for (size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(blocks[i], all[i]);
    });
    EXPECT_GT(points, 3);
  }
}

TEST(BlockFaultTest, ABlockThatWasCutByAFaultNeverLooksWhole) {
  const size_t points = ForEachFaultPoint([&](FaultPlan& plan) {
    Pipe pipe = MakePipe(kNoLimit);
    {
      const auto flow = plan.Wrap(std::move(pipe.left));
      absl::Status status = WriteBlock(*flow, kLimit, {"o", "ne"});
      if (status.ok()) status = WriteBlock(*flow, kLimit, "two");
      if (status.ok()) status = flow->Shutdown(ShutdownMode::kWrite);
      EXPECT_EQ(status.ok(), !plan.fired());
    }
    std::vector<std::string> blocks;
    const absl::Status read =
        ReadAllBlocks(*MakeChannel(std::move(pipe.right)), blocks);
    if (!plan.fired()) {
      EXPECT_THAT(read, IsOk());
      EXPECT_THAT(blocks, ElementsAre("one", "two"));
    } else {
      EXPECT_THAT(read, Not(IsOk()));
      for (const std::string& block : blocks) {
        EXPECT_TRUE(block == "one" || block == "two") << block;
      }
    }
  });
  EXPECT_GT(points, 6);
}

}  // namespace
}  // namespace flow
