// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading through a channel: exact sizes, a look ahead, and all forms mixed.
// channel_lines_test.cc has ReadLine() and ReadUntil(), channel_write_test.cc
// the other direction.

#include "flow/channel.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::CopiedBytes;
using ::flow::testing::Fault;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::Pattern;
using ::flow::testing::ReadByte;
using ::flow::testing::SameData;
using ::testing::HasSubstr;

constexpr size_t kLimit = 100;  // of lines, where it does not matter
constexpr size_t kLarge = size_t{1} << 20;

// Returns `text` in pieces of `size` bytes, one for each Read.
std::vector<absl::Cord> Pieces(absl::string_view text, size_t size) {
  std::vector<absl::Cord> pieces;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    pieces.push_back(absl::Cord(text.substr(0, size)));
  }
  return pieces;
}

// A channel that reads `text` in pieces, then end-of-file.
std::unique_ptr<Channel> Reading(absl::string_view text, size_t piece = 3) {
  return MakeChannel(MakeInputFlow(InputCords(Pieces(text, piece))));
}

// A channel on a pipe that holds `text`, and what the test wants to look at.
struct OnPipe {
  explicit OnPipe(absl::string_view text, ChannelOptions options = {}) {
    Pipe pipe = MakePipe(kNoLimit);
    EXPECT_THAT(pipe.right->Write(text), IsOk());
    channel = MakeChannel(std::move(pipe.left), options);
    remote = std::move(pipe.right);
  }

  // How many bytes were read off the pipe, delivered or buffered.
  int64_t taken() const {
    return remote->bytes_written() - remote->bytes_in_transit();
  }

  // Waits for a read that has taken all there is, and then needs more.
  void WaitUntilReadingOn() const {
    while (!absl::StrContains(channel->DebugString(), "in Read()") ||
           remote->bytes_in_transit() > 0) {
      std::this_thread::yield();
    }
  }

  std::unique_ptr<Channel> channel;
  std::unique_ptr<Flow> remote;
};

// --- ReadExactly

TEST(ReadExactlyTest, ReturnsExactlyThatManyBytesHoweverTheyCome) {
  for (const size_t piece : {1, 2, 3, 100}) {
    auto channel = Reading("abcdefgh", piece);
    EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("ab"));
    EXPECT_THAT(channel->ReadExactly(5), IsOkAndHolds("cdefg"));
    EXPECT_EQ(channel->bytes_read(), 7);
  }
}

TEST(ReadExactlyTest, AnEndBeforeTheFirstByteIsOutOfRangeToo) {
  auto channel = Reading("ab");
  EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("ab"));
  EXPECT_THAT(channel->Peek(1), IsEof());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(
        channel->ReadExactly(2),
        StatusIs(absl::StatusCode::kOutOfRange,
                 HasSubstr("the stream ended before the first of 2 bytes")));
  }
  EXPECT_THAT(channel->Read(), IsEof());
  EXPECT_THAT(channel->ReadExactly(0), HoldsData(""));
}

TEST(ReadExactlyTest, AnEndInTheMiddleIsOutOfRangeAndLosesNothing) {
  auto channel = Reading("abcde", 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(channel->ReadExactly(6),
                StatusIs(absl::StatusCode::kOutOfRange,
                         HasSubstr("the stream ended after 5 of 6 bytes")));
  }
  EXPECT_EQ(channel->bytes_read(), 0);
  EXPECT_THAT(channel->ReadExactly(1), IsOkAndHolds("a"));
  EXPECT_THAT(channel->Read(), IsOkAndHolds("bcde"));
  EXPECT_THAT(channel->Read(), IsEof());
}

TEST(ReadExactlyTest, OfNothingIsEmptyAtOnce) {
  OnPipe pipe("");
  EXPECT_THAT(pipe.channel->ReadExactly(0), HoldsData(""));
  EXPECT_THAT(pipe.channel->Peek(0), HoldsData(""));
  ASSERT_THAT(pipe.remote->Write("x"), IsOk());
  EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("x"));
}

TEST(ReadExactlyTest, GrowsBeyondTheReadAheadAndThenReadsNoFurther) {
  ChannelOptions options;
  options.max_buffered_read = 10;
  OnPipe pipe("", options);
  ASSERT_THAT(pipe.remote->Write(Pattern(0, kLarge + 1)), IsOk());
  EXPECT_TRUE(SameData(pipe.channel->ReadExactly(kLarge), Pattern(0, kLarge)));
  EXPECT_EQ(pipe.taken(), kLarge);
}

TEST(ReadExactlyTest, ADeadlineLosesNothing) {
  OnPipe pipe("ab");
  pipe.channel->SetReadDeadline(absl::InfinitePast());
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(pipe.channel->ReadExactly(3),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  ASSERT_THAT(pipe.remote->Write("cd"), IsOk());
  EXPECT_THAT(pipe.channel->ReadExactly(3), IsOkAndHolds("abc"));
  EXPECT_THAT(pipe.channel->ReadExactly(2),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("d"));
}

// --- Peek

TEST(PeekTest, ReturnsTheNextBytesAndLeavesThem) {
  auto channel = Reading("abcdef", 2);
  EXPECT_THAT(channel->Peek(3), IsOkAndHolds("abc"));
  EXPECT_THAT(channel->Peek(1), IsOkAndHolds("a"));
  EXPECT_EQ(channel->bytes_read(), 0);
  EXPECT_THAT(channel->ReadExactly(2), IsOkAndHolds("ab"));
  EXPECT_THAT(channel->Peek(3), IsOkAndHolds("cde"));
}

TEST(PeekTest, ReturnsFewerOnlyAtTheEnd) {
  auto channel = Reading("abc", 2);
  EXPECT_THAT(channel->Peek(4), IsOkAndHolds("abc"));
  EXPECT_THAT(channel->Read(), IsOkAndHolds("abc"));
  EXPECT_THAT(channel->Peek(4), IsEof());
  EXPECT_THAT(channel->Peek(4), IsEof());

  OnPipe pipe("abc");
  pipe.channel->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(pipe.channel->Peek(4),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(pipe.channel->Peek(3), IsOkAndHolds("abc"));
}

// --- All of them

TEST(ChannelReadTest, ReadReturnsWhatIsBufferedFirst) {
  OnPipe pipe("abcdef");
  ASSERT_THAT(pipe.channel->Peek(1), IsOk());
  ASSERT_THAT(pipe.remote->Write("ghi"), IsOk());
  EXPECT_THAT(pipe.channel->Read(2), IsOkAndHolds("ab"));
  EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("cdef"));
  EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("ghi"));
}

// What came before it can be read in any way, and then it comes again.
TEST(ChannelReadTest, AnErrorComesAfterTheDataBeforeIt) {
  const auto make = [] {
    OnPipe pipe("abcd");
    pipe.remote->Abort(absl::DataLossError("torn"));
    return pipe;
  };
  const auto failed = StatusIs(absl::StatusCode::kDataLoss, HasSubstr("torn"));
  {
    OnPipe pipe = make();
    EXPECT_THAT(pipe.channel->ReadExactly(5), failed);
    EXPECT_THAT(pipe.channel->ReadExactly(3), IsOkAndHolds("abc"));
    EXPECT_THAT(pipe.channel->ReadExactly(3), failed);
    EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("d"));
    EXPECT_THAT(pipe.channel->ReadExactly(3), failed);
    EXPECT_THAT(pipe.channel->Read(), failed);
  }
  {
    OnPipe pipe = make();
    EXPECT_THAT(pipe.channel->ReadLine(kLimit), failed);
    EXPECT_THAT(pipe.channel->Peek(5), failed);
    EXPECT_THAT(pipe.channel->Peek(4), IsOkAndHolds("abcd"));
    EXPECT_THAT(pipe.channel->Read(), IsOkAndHolds("abcd"));
    EXPECT_THAT(pipe.channel->ReadLine(kLimit), failed);
  }
}

TEST(ChannelReadTest, ADeadlineInTheMiddleOfAnythingLosesNothing) {
  for (const int at : {0, 1, 2, 3}) {
    OnPipe pipe("");
    auto source = MakePipe(kNoLimit);
    ASSERT_THAT(source.right->Write("ab\ncd"), IsOk());
    ASSERT_THAT(source.right->Shutdown(ShutdownMode::kWrite), IsOk());
    testing::FaultOptions options;
    options.max_read = 1;
    options.faults = {
        Fault::Error(ReadByte(at), absl::DeadlineExceededError("late"))};
    auto channel =
        MakeChannel(MakeFaultFlow(std::move(source.left), std::move(options)));
    absl::StatusOr<std::optional<std::string>> line = channel->ReadLine(kLimit);
    if (at < 3) {
      EXPECT_THAT(line, StatusIs(absl::StatusCode::kDeadlineExceeded));
      line = channel->ReadLine(kLimit);
    }
    EXPECT_THAT(line, IsOkAndHolds("ab"));
    absl::StatusOr<absl::Cord> rest = channel->ReadExactly(2);
    if (at == 3) {
      EXPECT_THAT(rest, StatusIs(absl::StatusCode::kDeadlineExceeded));
      rest = channel->ReadExactly(2);
    }
    EXPECT_THAT(rest, IsOkAndHolds("cd"));
  }
}

TEST(ChannelReadTest, NeverBuffersMoreThanTheReadAheadOrWhatWasAskedFor) {
  ChannelOptions options;
  options.max_buffered_read = 10;
  OnPipe pipe(std::string(kLimit, 'x'), options);
  ASSERT_THAT(pipe.channel->Peek(1), IsOk());
  EXPECT_EQ(pipe.taken(), 10);
  EXPECT_THAT(pipe.channel->ReadLine(10),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(pipe.taken(), 10);
  EXPECT_THAT(pipe.channel->ReadLine(25),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(pipe.taken(), 25);
  ASSERT_THAT(pipe.channel->Peek(30), IsOk());
  EXPECT_EQ(pipe.taken(), 30);
}

TEST(ChannelReadTest, WithoutReadAheadItReadsNoMoreThanItNeeds) {
  ChannelOptions options;
  options.max_buffered_read = 0;
  OnPipe pipe("ab\ncdefg", options);
  EXPECT_THAT(pipe.channel->ReadLine(kLimit), IsOkAndHolds("ab"));
  EXPECT_EQ(pipe.taken(), 3);
  EXPECT_THAT(pipe.channel->ReadExactly(2), IsOkAndHolds("cd"));
  EXPECT_EQ(pipe.taken(), 5);
}

TEST(ChannelReadTest, ASecondReaderOfAnyFormIsRefused) {
  OnPipe pipe("ab");
  std::thread reader([&] {
    EXPECT_THAT(pipe.channel->ReadLine(kLimit), IsOkAndHolds("abc"));
  });
  pipe.WaitUntilReadingOn();
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("another Read is under way"));
  EXPECT_THAT(pipe.channel->Read(), refused);
  EXPECT_THAT(pipe.channel->ReadExactly(1), refused);
  EXPECT_THAT(pipe.channel->ReadLine(kLimit), refused);
  EXPECT_THAT(pipe.channel->ReadUntil("|", kLimit), refused);
  EXPECT_THAT(pipe.channel->Peek(1), refused);
  ASSERT_THAT(pipe.remote->Write("c\n"), IsOk());
  reader.join();
}

TEST(ChannelReadTest, AbortAndRefusalWakeEveryFormAndDropWhatIsBuffered) {
  for (const bool abort : {true, false}) {
    for (int form = 0; form < 4; ++form) {
      OnPipe pipe("ab");
      absl::StatusOr<absl::Cord> result;
      const auto set_result = [&](const auto& read) {
        if (read.ok()) {
          result = read->has_value() ? absl::Cord(**read) : absl::Cord();
        } else {
          result = read.status();
        }
      };
      std::thread reader([&] {
        if (form == 0) result = pipe.channel->ReadExactly(3);
        if (form == 1) result = pipe.channel->Peek(3);
        if (form == 2) set_result(pipe.channel->ReadLine(kLimit));
        if (form == 3) set_result(pipe.channel->ReadUntil("\r\n", kLimit));
      });
      pipe.WaitUntilReadingOn();
      if (abort) {
        pipe.channel->Abort(absl::CancelledError("enough"));
      } else {
        ASSERT_THAT(pipe.channel->Shutdown(ShutdownMode::kRead), IsOk());
      }
      reader.join();
      const absl::StatusOr<absl::Cord> after = pipe.channel->Read();
      if (abort) {
        EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
        EXPECT_THAT(after, StatusIs(absl::StatusCode::kCancelled));
      } else {
        if (form == 0) {
          EXPECT_THAT(result, StatusIs(absl::StatusCode::kOutOfRange));
        } else {
          EXPECT_THAT(result, IsEof());
        }
        EXPECT_THAT(after, IsEof());
      }
    }
  }
}

TEST(ChannelReadTest, EveryFormIsClosedAfterClose) {
  auto channel = Reading("ab\ncd");
  ASSERT_THAT(channel->Peek(5), IsOk());
  ASSERT_THAT(channel->Close(), IsOk());
  EXPECT_THAT(channel->Read(), IsClosed());
  EXPECT_THAT(channel->ReadExactly(1), IsClosed());
  EXPECT_THAT(channel->ReadLine(kLimit), IsClosed());
  EXPECT_THAT(channel->ReadUntil("|", kLimit), IsClosed());
  EXPECT_THAT(channel->Peek(1), IsClosed());
}

TEST(ChannelReadTest, ALargeCordPassesWithoutBytesCopied) {
  const absl::Cord sent = Pattern(0, kLarge);
  OnPipe pipe("");
  auto remote = MakeChannel(std::move(pipe.remote));
  ASSERT_THAT(remote->Write(sent), IsOk());
  ASSERT_THAT(pipe.channel->Peek(1), IsOk());
  absl::Cord received = pipe.channel->Read().value();
  received.Append(pipe.channel->Read().value());
  ASSERT_EQ(received.size(), sent.size());
  EXPECT_EQ(CopiedBytes(sent, received), 0);

  ASSERT_THAT(remote->WriteBuffered(sent), IsOk());
  EXPECT_EQ(CopiedBytes(sent, pipe.channel->ReadExactly(kLarge).value()), 0);
}

TEST(HandOverTest, NoByteIsLostIfTheRestIsCopiedAfterAHeaderWasSniffed) {
  const std::string text = "GET /\nHost: x\n\n" + std::string(300, 'b');
  for (const size_t piece : {1, 7, 64, 1000}) {
    for (int header = 0; header < 4; ++header) {
      auto channel = Reading(text, piece);
      absl::Cord all;
      if (header >= 1) {
        ASSERT_THAT(channel->Peek(5), IsOkAndHolds("GET /"));
      }
      if (header >= 2) {
        all.Append(channel->ReadLine(kLimit)->value() + "\n");
      }
      if (header >= 3) {
        all.Append(channel->ReadExactly(8).value());
      }
      absl::Cord rest;
      auto sink = MakeCordFlow(absl::Cord(), &rest);
      const CopyResult result = Copy(*channel, *sink);
      EXPECT_THAT(result.status, IsOk());
      all.Append(rest);
      EXPECT_EQ(all, text);
      EXPECT_EQ(channel->bytes_read(), text.size());
    }
  }
}

}  // namespace
}  // namespace flow
