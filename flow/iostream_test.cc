// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/iostream.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ios>
#include <iostream>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/byte_pattern.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Fault;
using ::flow::testing::HoldsData;
using ::flow::testing::IsEof;
using ::flow::testing::MakeFaultFlow;
using ::flow::testing::PatternString;
using ::flow::testing::SameData;
using ::flow::testing::WriteByte;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr size_t kPutSize = 4096;  // what is collected before it is written
constexpr size_t kLarge = size_t{1} << 20;

std::unique_ptr<Flow> InPieces(std::vector<absl::Cord> pieces) {
  return MakeInputFlow(InputCords(std::move(pieces)));
}

// Logs the size of each write that comes through.
class LoggingTransport final : public ForwardingTransport {
 public:
  LoggingTransport(std::unique_ptr<Transport> inner, std::vector<size_t>* log)
      : ForwardingTransport(std::move(inner)), log_(log) {}

  absl::Status Write(Outgoing& data) override {
    log_->push_back(data.size());
    return ForwardingTransport::Write(data);
  }

 private:
  std::vector<size_t>* const log_;
};

std::unique_ptr<Flow> Logged(std::unique_ptr<Flow> flow,
                             std::vector<size_t>* log) {
  return DecorateFlow(
      std::move(flow), [log](std::unique_ptr<Transport> underneath) {
        return std::make_unique<LoggingTransport>(std::move(underneath), log);
      });
}

// --- Reading

TEST(FlowStreamReadTest, GetlineAndExtractionGoAcrossPieces) {
  auto flow = InPieces({absl::Cord("first "), absl::Cord("line\n1"),
                        absl::Cord("2 3"), absl::Cord(".5 word")});
  FlowStream stream(*flow);
  std::string line;
  ASSERT_TRUE(std::getline(stream, line));
  EXPECT_EQ(line, "first line");
  int n = 0;
  double d = 0;
  std::string word;
  ASSERT_TRUE(stream >> n >> d >> word);
  EXPECT_EQ(n, 12);
  EXPECT_EQ(d, 3.5);
  EXPECT_EQ(word, "word");
  EXPECT_TRUE(stream.eof());
  EXPECT_FALSE(stream.bad());
  EXPECT_THAT(stream.status(), IsOk());
}

TEST(FlowStreamReadTest, BytesAbove127AreNotAnEnd) {
  auto flow = InPieces({absl::Cord("\xff"), absl::Cord("\xfe\xff")});
  FlowStreambuf buffer(*flow);
  std::istream in(&buffer);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}),
            "\xff\xfe\xff");
}

TEST(FlowStreamReadTest, ALargeReadIsWholeHoweverItComes) {
  const std::string sent = PatternString(0, kLarge);
  std::vector<absl::Cord> pieces;
  for (size_t at = 0, n = 1; at < sent.size(); at += n, n = n * 3 / 2 + 1) {
    pieces.push_back(absl::Cord(sent.substr(at, n)));
  }
  auto flow = InPieces(std::move(pieces));
  FlowStream stream(*flow);
  std::string received(kLarge + 1, '\0');
  stream.read(received.data(), static_cast<std::streamsize>(received.size()));
  EXPECT_EQ(stream.gcount(), kLarge);
  received.pop_back();
  EXPECT_TRUE(SameData(absl::Cord(received), absl::Cord(sent)));
  EXPECT_TRUE(stream.eof());
  EXPECT_FALSE(stream.bad());
}

TEST(FlowStreamReadTest, WhatIsThereCanBeAskedFor) {
  absl::Cord two(std::string(kPutSize, 'a'));
  two.Append(absl::Cord(std::string(kPutSize, 'b')));
  auto flow = InPieces({two});
  FlowStreambuf buffer(*flow);
  EXPECT_EQ(buffer.in_avail(), 0);
  EXPECT_EQ(buffer.sbumpc(), 'a');
  const std::streamsize in_chunk = buffer.in_avail();
  EXPECT_GT(in_chunk, 0);
  EXPECT_LT(in_chunk, 2 * kPutSize);
  std::string rest(in_chunk, '\0');
  ASSERT_EQ(buffer.sgetn(rest.data(), in_chunk), in_chunk);
  EXPECT_EQ(buffer.in_avail(), 2 * kPutSize - 1 - in_chunk);
}

TEST(FlowStreamReadTest, WhatWasReadCanBePutBackAlsoAcrossPieces) {
  auto flow = InPieces({absl::Cord("ab"), absl::Cord("cd")});
  FlowStreambuf buffer(*flow);
  EXPECT_EQ(buffer.sungetc(), EOF) << "nothing was read";
  EXPECT_EQ(buffer.sbumpc(), 'a');
  EXPECT_EQ(buffer.sbumpc(), 'b');
  EXPECT_EQ(buffer.sgetc(), 'c');
  EXPECT_EQ(buffer.sputbackc('b'), 'b');
  EXPECT_EQ(buffer.sungetc(), EOF) << "only one is kept";
  EXPECT_EQ(buffer.in_avail(), 1);
  EXPECT_EQ(buffer.sbumpc(), 'b');
  EXPECT_EQ(buffer.in_avail(), 2) << "the piece behind it";
  EXPECT_EQ(buffer.sbumpc(), 'c');
  EXPECT_EQ(buffer.sungetc(), 'c');
  EXPECT_EQ(buffer.sungetc(), 'b');
  EXPECT_EQ(buffer.sbumpc(), 'b');
  EXPECT_EQ(buffer.sbumpc(), 'c');
  EXPECT_EQ(buffer.sbumpc(), 'd');
  EXPECT_EQ(buffer.sbumpc(), EOF);
  EXPECT_EQ(buffer.sungetc(), 'd');
  EXPECT_EQ(buffer.sbumpc(), 'd');
  EXPECT_EQ(buffer.sbumpc(), EOF);
}

// A Cord is shared: what another one sees of it must not change.
TEST(FlowStreamReadTest, AnotherCharacterIsNotPutBack) {
  const std::string text(kPutSize, 'x');
  const absl::Cord shared(text);
  auto flow = InPieces({shared, absl::Cord("y")});
  FlowStreambuf buffer(*flow);
  EXPECT_EQ(buffer.sbumpc(), 'x');
  EXPECT_EQ(buffer.sputbackc('z'), EOF);
  EXPECT_EQ(buffer.sputbackc('x'), 'x');
  std::string rest(kPutSize, '\0');
  ASSERT_EQ(buffer.sgetn(rest.data(), kPutSize), kPutSize);
  EXPECT_EQ(buffer.sgetc(), 'y');
  EXPECT_EQ(buffer.sputbackc('z'), EOF);
  EXPECT_EQ(buffer.sgetc(), 'y');
  EXPECT_EQ(shared, text);
}

TEST(FlowStreamReadTest, AStreamThatBrokeDoesNotLookLikeOneThatEnded) {
  for (const bool separate : {false, true}) {
    Pipe pipe = MakePipe();
    ASSERT_THAT(pipe.right->Write("whole\ntrunc"), IsOk());
    pipe.right->Abort(absl::DataLossError("torn"));
    FlowStream stream(*pipe.left);
    FlowStreambuf buffer(*pipe.left);
    std::istream other(&buffer);
    buffer.ReportReadErrorsTo(&other);
    std::istream& in = separate ? other : stream;
    std::string line;
    EXPECT_TRUE(std::getline(in, line));
    EXPECT_EQ(line, "whole");
    EXPECT_FALSE(std::getline(in, line)) << "not the truncated line";
    EXPECT_TRUE(in.bad());
    EXPECT_THAT(separate ? buffer.status() : stream.status(),
                StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST(FlowStreamReadTest, ADeadlineIsAnErrorThatCanBeCleared) {
  Pipe pipe = MakePipe();
  FlowStream stream(*pipe.left);
  ASSERT_THAT(pipe.right->Write("one "), IsOk());
  pipe.left->SetReadDeadline(absl::InfinitePast());
  std::string word;
  ASSERT_TRUE(stream >> word);
  EXPECT_FALSE(stream >> word);
  EXPECT_TRUE(stream.bad());
  EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  ASSERT_THAT(pipe.right->Write("two "), IsOk());
  stream.clear();
  EXPECT_TRUE(stream >> word);
  EXPECT_EQ(word, "two");
  EXPECT_THAT(stream.status(), IsOk());
}

// --- Writing

TEST(FlowStreamWriteTest, SmallPiecesAreCollectedUntilTheyAreFlushed) {
  std::vector<size_t> log;
  Pipe pipe = MakePipe();
  auto flow = Logged(std::move(pipe.left), &log);
  FlowStream stream(*flow);
  stream << "n = " << 42 << '\n';
  EXPECT_THAT(log, IsEmpty());
  stream << std::flush << std::flush;
  EXPECT_THAT(log, ElementsAre(7));
  EXPECT_THAT(pipe.right->Read(), HoldsData("n = 42\n"));
}

TEST(FlowStreamWriteTest, OneByOneTheyAreWrittenABufferAtATime) {
  std::vector<size_t> log;
  Pipe pipe = MakePipe();
  auto flow = Logged(std::move(pipe.left), &log);
  FlowStream stream(*flow);
  const std::string sent = PatternString(0, 2 * kPutSize + 1);
  for (const char c : sent) stream.put(c);
  EXPECT_THAT(log, ElementsAre(kPutSize, kPutSize));
  stream.flush();
  EXPECT_THAT(pipe.right->Read(), HoldsData(sent));
}

TEST(FlowStreamWriteTest, ALargePieceIsWrittenThroughWithWhatWasCollected) {
  std::vector<size_t> log;
  Pipe pipe = MakePipe(kNoLimit);
  auto flow = Logged(std::move(pipe.left), &log);
  FlowStream stream(*flow);
  const std::string large = PatternString(0, kLarge);
  stream << "head ";
  stream << large;
  EXPECT_THAT(log, ElementsAre(5 + kLarge));
  EXPECT_TRUE(SameData(pipe.right->Read(), absl::Cord("head " + large)));
}

TEST(FlowStreamWriteTest, DestructionFlushes) {
  Pipe pipe = MakePipe();
  {
    FlowStream stream(*pipe.left);
    stream << "bye";
  }
  EXPECT_THAT(pipe.right->Read(), HoldsData("bye"));
}

TEST(FlowStreamWriteTest, AnErrorMakesTheStreamBadAndIsKept) {
  Pipe pipe = MakePipe();
  auto flow =
      MakeFaultFlow(std::move(pipe.left),
                    {Fault::Error(WriteByte(2), absl::DataLossError("torn"))});
  FlowStream stream(*flow);
  stream << "abcd";
  EXPECT_TRUE(stream.good());
  stream.flush();
  EXPECT_TRUE(stream.bad());
  EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(FlowStreamWriteTest, ADeadlineLosesAndRepeatsNothing) {
  const std::string large = PatternString(0, kPutSize);
  for (const size_t at : {0, 2, 4, 1000}) {
    Pipe pipe = MakePipe();
    auto flow = MakeFaultFlow(
        std::move(pipe.left),
        {Fault::Error(WriteByte(at), absl::DeadlineExceededError(""))});
    FlowStreambuf buffer(*flow);
    ASSERT_EQ(buffer.sputn("abcd", 4), 4);
    const auto accepted =
        static_cast<size_t>(buffer.sputn(large.data(), large.size()));
    EXPECT_EQ(accepted, at < 4 ? 0 : at - 4);
    EXPECT_THAT(buffer.write_status(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    buffer.sputn(large.data() + accepted, large.size() - accepted);
    EXPECT_EQ(buffer.pubsync(), 0);
    EXPECT_THAT(buffer.status(), IsOk());
    EXPECT_THAT(pipe.right->Read(), HoldsData("abcd" + large));
  }
}

TEST(FlowStreamWriteTest, AFullBufferThatCannotBeFlushedTakesNoMore) {
  Pipe pipe = MakePipe(0);
  pipe.left->SetWriteDeadline(absl::InfinitePast());
  FlowStream stream(*pipe.left);
  for (size_t i = 0; i < kPutSize; ++i) stream.put('x');
  EXPECT_TRUE(stream.good());
  stream.put('y');
  EXPECT_TRUE(stream.bad());
  EXPECT_THAT(stream.status(), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

// --- Both

TEST(FlowStreamTest, AfterAHalfCloseTheAnswerCanBeRead) {
  Pipe pipe = MakePipe();
  FlowStream stream(*pipe.left);
  stream << "question" << std::flush;
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("question"));
  EXPECT_THAT(pipe.right->Read(), IsEof());
  ASSERT_THAT(pipe.right->Write("answer"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  std::string word;
  stream >> word;
  EXPECT_EQ(word, "answer");
  EXPECT_TRUE(stream.eof());
  EXPECT_FALSE(stream.bad());
  stream.clear();
  stream << "late" << std::flush;
  EXPECT_TRUE(stream.bad());
}

TEST(FlowStreambufTest, OneThreadMayReadWhileAnotherOneWrites) {
  constexpr int kLines = 10000;
  Pipe pipe = MakePipe(kPutSize);
  const auto talk = [](Flow& flow) {
    FlowStreambuf buffer(flow);
    std::thread writer([&] {
      std::ostream out(&buffer);
      for (int i = 0; i < kLines; ++i) out << i << '\n';
      out.flush();
      EXPECT_TRUE(out.good());
    });
    std::istream in(&buffer);
    buffer.ReportReadErrorsTo(&in);
    int64_t sum = 0;
    for (int i = 0, n = 0; i < kLines && in >> n; ++i) sum += n;
    EXPECT_EQ(sum, int64_t{kLines} * (kLines - 1) / 2);
    EXPECT_THAT(buffer.status(), IsOk());
    writer.join();
  };
  std::thread other([&] { talk(*pipe.right); });
  talk(*pipe.left);
  other.join();
}

}  // namespace
}  // namespace flow
