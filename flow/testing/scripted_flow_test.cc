// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/scripted_flow.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;

// --- Scripts that are followed

TEST(ScriptedFlowTest, AnswersAsTheScriptSays) {
  auto flow = MakeScriptedFlow({
      Expect::Write("GET /\n"),
      Expect::ShutdownWrite(),
      Expect::Read("hello"),
      Expect::ReadEof(),
      Expect::Close(),
  });
  EXPECT_THAT(flow->Write("GET /\n"), IsOk());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("hello"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(), IsOk());
}

TEST(ScriptedFlowTest, AWriteMayHaveAnyForm) {
  auto flow = MakeScriptedFlow({Expect::Write("abc"), Expect::Write("abc"),
                                Expect::Write("abc"), Expect::Write("abc")});
  EXPECT_THAT(flow->Write("abc"), IsOk());
  EXPECT_THAT(flow->Write(absl::Cord("abc")), IsOk());
  EXPECT_THAT(flow->Writev({"a", "", "bc"}), IsOk());
  EXPECT_THAT(flow->Writev({absl::Cord("ab"), absl::Cord("c")}), IsOk());
}

TEST(ScriptedFlowTest, AReadOfLessThanItsDataIsAnsweredOverSeveral) {
  auto flow = MakeScriptedFlow({Expect::Read("abcde")});
  EXPECT_THAT(flow->Read(2), HoldsData("ab"));
  EXPECT_THAT(flow->Read(2), HoldsData("cd"));
  EXPECT_THAT(flow->Read(2), HoldsData("e"));
}

TEST(ScriptedFlowTest, ErrorsAreWhatTheBaseMakesOfThem) {
  auto flow = MakeScriptedFlow({
      Expect::ReadError(absl::DeadlineExceededError("late")),
      Expect::Read("x"),
      Expect::ReadError(absl::DataLossError("disk")),
      Expect::WriteError("abc", 1, absl::DeadlineExceededError("late")),
      Expect::Write("bc"),
      Expect::WriteError("def", 2, absl::UnavailableError("reset")),
  });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Read(), HoldsData("x"));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  absl::Cord source("abc");
  EXPECT_THAT(flow->WriteFrom(&source),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->WriteFrom(&source), IsOk());
  EXPECT_THAT(flow->Write("def"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(flow->bytes_written(), 5);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), Not(IsOk()));
}

TEST(ScriptedFlowTest, CloseCoversTheEndThatItSends) {
  auto end_by_close = MakeScriptedFlow({Expect::Write("x"), Expect::Close()});
  EXPECT_THAT(end_by_close->Write("x"), IsOk());
  EXPECT_THAT(end_by_close->Close(), IsOk());
  EXPECT_THAT(end_by_close->Close(), IsOk());  // not seen
  auto end_by_itself =
      MakeScriptedFlow({Expect::ShutdownWrite(), Expect::Close()});
  EXPECT_THAT(end_by_itself->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(end_by_itself->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(end_by_itself->Close(), IsOk());
}

TEST(ScriptedFlowTest, ShutdownAndCloseReturnWhatTheScriptSays) {
  auto flow = MakeScriptedFlow(
      {Expect::ShutdownWrite(absl::DataLossError("f")), Expect::Close()});
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  auto closing = MakeScriptedFlow({Expect::Close(absl::DataLossError("c"))});
  EXPECT_THAT(closing->Close(), StatusIs(absl::StatusCode::kDataLoss));
}

TEST(ScriptedFlowTest, ShutdownReadWriteIsReadThenWrite) {
  auto flow = MakeScriptedFlow(
      {Expect::ShutdownRead(), Expect::ShutdownWrite(), Expect::Close()});
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kReadWrite), IsOk());
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(), IsOk());
}

TEST(ScriptedFlowTest, CloseAfterAbortMayBeScriptedOrNot) {
  auto with = MakeScriptedFlow({Expect::Abort(), Expect::Close()});
  with->Abort(absl::CancelledError("stop"));
  EXPECT_THAT(with->Close(), StatusIs(absl::StatusCode::kCancelled));
  auto without =
      MakeScriptedFlow({Expect::Abort(absl::StatusCode::kCancelled)});
  without->Abort(absl::CancelledError("stop"));
  EXPECT_THAT(without->Close(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(ScriptedFlowTest, DeadlinesAreAnyOrExact) {
  auto flow = MakeScriptedFlow({Expect::SetReadDeadline(),
                                Expect::SetReadDeadline(absl::UnixEpoch()),
                                Expect::SetWriteDeadline(absl::InfinitePast()),
                                Expect::SetWriteDeadline()});
  flow->SetReadDeadline(absl::InfiniteFuture());
  flow->SetReadDeadline(absl::UnixEpoch());
  flow->SetWriteDeadline(absl::InfinitePast());
  flow->SetWriteDeadline(absl::InfinitePast());
}

TEST(ScriptedFlowTest, ItNeedNotBeClosed) {
  auto flow = MakeScriptedFlow({Expect::Read("x")});
  EXPECT_THAT(flow->Read(), HoldsData("x"));
}

// --- Scripts that are not

TEST(ScriptedFlowTest, AnotherOperationIsAFailureThatShowsTheRest) {
  auto flow = MakeScriptedFlow({Expect::Read("a"), Expect::Write("b"),
                                Expect::ReadEof(), Expect::Close()});
  EXPECT_THAT(flow->Read(), HoldsData("a"));
  absl::StatusOr<absl::Cord> data;
  EXPECT_NONFATAL_FAILURE(data = flow->Read(7),
                          "Expected entry 2 of 4, Write(\"b\")\n"
                          "Actual: Read(7)\n"
                          "The rest of the script:\n"
                          "  2: Write(\"b\")\n"
                          "  3: ReadEof()\n"
                          "  4: Close()");
  EXPECT_THAT(data, StatusIs(absl::StatusCode::kInternal,
                             HasSubstr("expected entry 2 of 4, Write(\"b\"); "
                                       "there was Read(7)")));
}

TEST(ScriptedFlowTest, AfterAFailureEverythingFailsWithoutFurtherOnes) {
  auto flow = MakeScriptedFlow({Expect::Write("b"), Expect::Close()});
  EXPECT_NONFATAL_FAILURE(flow->Read().IgnoreError(), "Actual: Read(kNoLimit)");
  EXPECT_THAT(flow->Write("b"), StatusIs(absl::StatusCode::kInternal));
  flow->SetReadDeadline(absl::InfinitePast());
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kRead),
              StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kInternal));
}

// A script that was left is not taken up again.
TEST(ScriptedFlowTest, AfterAFailureEvenWhatTheScriptSaysFails) {
  const struct {
    Expect entry;
    std::function<absl::Status(Flow&)> operation;
  } kKinds[] = {
      {Expect::Read("x"), [](Flow& f) { return f.Read().status(); }},
      {Expect::Write("x"), [](Flow& f) { return f.Write("x"); }},
      {Expect::ShutdownWrite(),
       [](Flow& f) { return f.Shutdown(ShutdownMode::kWrite); }},
      {Expect::Close(), [](Flow& f) { return f.Close(); }},
  };
  for (const auto& kind : kKinds) {
    auto flow = MakeScriptedFlow({kind.entry, Expect::Read("never")});
    EXPECT_NONFATAL_FAILURE(flow->SetReadDeadline(absl::InfinitePast()),
                            "Actual: SetReadDeadline(infinite-past)");
    EXPECT_THAT(kind.operation(*flow), StatusIs(absl::StatusCode::kInternal));
  }
  // These return nothing that could fail.
  const struct {
    Expect entry;
    std::function<void(Flow&)> operation;
  } kQuiet[] = {
      {Expect::ShutdownRead(),
       [](Flow& f) { f.Shutdown(ShutdownMode::kRead).IgnoreError(); }},
      {Expect::Abort(), [](Flow& f) { f.Abort(absl::AbortedError("")); }},
      {Expect::SetWriteDeadline(),
       [](Flow& f) { f.SetWriteDeadline(absl::InfinitePast()); }},
  };
  for (const auto& kind : kQuiet) {
    auto flow = MakeScriptedFlow({kind.entry, Expect::Read("never")});
    EXPECT_NONFATAL_FAILURE(flow->SetReadDeadline(absl::InfinitePast()),
                            "Actual: SetReadDeadline(infinite-past)");
    kind.operation(*flow);
    EXPECT_THAT(flow->Close(), Not(IsOk()));
  }
}

TEST(ScriptedFlowTest, OtherBytesAreShownWithTheFirstThatDiffers) {
  auto flow = MakeScriptedFlow({Expect::Write("hello, world")});
  EXPECT_NONFATAL_FAILURE(
      EXPECT_THAT(flow->Writev({"hello", " world"}), Not(IsOk())),
      "Expected entry 1 of 1, Write(\"hello, world\")\n"
      "Actual: Write(\"hello world\")\n"
      "The data has 11 bytes and differs from the 12 expected at byte 5: "
      "\"hello world\" instead of \"hello, world\"\n"
      "The rest of the script:\n"
      "  1: Write(\"hello, world\")");
  EXPECT_EQ(flow->bytes_written(), 0);
}

TEST(ScriptedFlowTest, AnOperationAfterTheEndOfTheScriptIsAFailure) {
  auto flow = MakeScriptedFlow({Expect::Read("a")});
  EXPECT_THAT(flow->Read(), IsOk());
  EXPECT_NONFATAL_FAILURE(flow->Close().IgnoreError(),
                          "Expected the end of the script\n"
                          "Actual: ShutdownWrite()\n"
                          "The script has ended.");
}

TEST(ScriptedFlowTest, EveryKindOfOperationIsCompared) {
  const auto differs = [](Flow& flow, const char* actual, auto operation) {
    EXPECT_NONFATAL_FAILURE(operation(flow), absl::StrCat("Actual: ", actual));
  };
  const auto flow = [] { return MakeScriptedFlow({Expect::Read("x")}); };
  differs(*flow(), "Write(\"y\")", [](Flow& f) { f.Write("y").IgnoreError(); });
  differs(*flow(), "ShutdownWrite()",
          [](Flow& f) { f.Shutdown(ShutdownMode::kWrite).IgnoreError(); });
  differs(*flow(), "ShutdownRead()",
          [](Flow& f) { f.Shutdown(ShutdownMode::kRead).IgnoreError(); });
  differs(*flow(), "ShutdownWrite()", [](Flow& f) { f.Close().IgnoreError(); });
  differs(*flow(), "Abort(CANCELLED: stop)",
          [](Flow& f) { f.Abort(absl::CancelledError("stop")); });
  differs(*flow(), "SetReadDeadline(infinite-past)",
          [](Flow& f) { f.SetReadDeadline(absl::InfinitePast()); });
  differs(*flow(), "SetWriteDeadline(infinite-past)",
          [](Flow& f) { f.SetWriteDeadline(absl::InfinitePast()); });
  auto ended = MakeScriptedFlow({Expect::ShutdownWrite(), Expect::Read("x")});
  EXPECT_THAT(ended->Shutdown(ShutdownMode::kWrite), IsOk());
  differs(*ended, "Close()", [](Flow& f) { f.Close().IgnoreError(); });
  auto over = MakeScriptedFlow(
      {Expect::ShutdownRead(), Expect::ShutdownWrite(), Expect::Read("x")});
  EXPECT_THAT(over->Shutdown(ShutdownMode::kReadWrite), IsOk());
  differs(*over, "Close()", [](Flow& f) { f.Close().IgnoreError(); });
}

TEST(ScriptedFlowTest, ArgumentsAreCompared) {
  auto max = MakeScriptedFlow({Expect::Read("x").AskingFor(10)});
  EXPECT_NONFATAL_FAILURE(max->Read(9).IgnoreError(), "Actual: Read(9)");
  auto code = MakeScriptedFlow({Expect::Abort(absl::StatusCode::kAborted)});
  EXPECT_NONFATAL_FAILURE(code->Abort(absl::CancelledError("stop")),
                          "Actual: Abort(CANCELLED: stop)");
  auto time = MakeScriptedFlow({Expect::SetReadDeadline(absl::UnixEpoch())});
  EXPECT_NONFATAL_FAILURE(time->SetReadDeadline(absl::InfiniteFuture()),
                          "Actual: SetReadDeadline(infinite-future)");
  auto right = MakeScriptedFlow({Expect::Read("x").AskingFor(10)});
  EXPECT_THAT(right->Read(10), HoldsData("x"));
}

TEST(ScriptedFlowTest, ALeftoverScriptIsAFailure) {
  auto flow = MakeScriptedFlow(
      {Expect::Read("abc"), Expect::ReadEof(), Expect::Close()});
  EXPECT_THAT(flow->Read(1), HoldsData("a"));
  EXPECT_NONFATAL_FAILURE(
      flow.reset(),
      "The flow was destroyed before the end of its script.\n"
      "The rest of the script:\n"
      "  1: Read(\"bc\")\n"
      "  2: ReadEof()\n"
      "  3: Close()");
}

TEST(ScriptedFlowTest, DestructionIsNeitherAbortNorClose) {
  auto abort = MakeScriptedFlow({Expect::Abort()});
  EXPECT_NONFATAL_FAILURE(abort.reset(), "1: Abort()");
  auto close = MakeScriptedFlow({Expect::Close()});
  EXPECT_NONFATAL_FAILURE(close.reset(), "1: Close()");
}

TEST(ScriptedFlowTest, AFailureIsAtTheLineOfItsEntry) {
  ::testing::TestPartResultArray failures;
  const int line = __LINE__ + 2;
  auto flow = MakeScriptedFlow({
      Expect::Write("x"),
  });
  {
    const ::testing::ScopedFakeTestPartResultReporter reporter(&failures);
    flow->Read().IgnoreError();
  }
  ASSERT_EQ(failures.size(), 1);
  EXPECT_EQ(failures.GetTestPartResult(0).line_number(), line);
  EXPECT_TRUE(absl::EndsWith(failures.GetTestPartResult(0).file_name(),
                             "scripted_flow_test.cc"));
}

TEST(ExpectTest, IsPrintedAsItIsWritten) {
  EXPECT_EQ(Expect::Read("a\n").ToString(), "Read(\"a\\n\")");
  EXPECT_EQ(Expect::Read("a").AskingFor(3).ToString(),
            "Read(\"a\").AskingFor(3)");
  EXPECT_EQ(Expect::ReadEof().AskingFor(kNoLimit).ToString(),
            "ReadEof().AskingFor(kNoLimit)");
  EXPECT_EQ(Expect::ReadError(absl::AbortedError("x")).ToString(),
            "ReadError(ABORTED: x)");
  EXPECT_EQ(
      Expect::Write(std::string(100, 'x')).ToString(),
      absl::StrCat("Write(\"", std::string(48, 'x'), "\"... (100 bytes))"));
  EXPECT_EQ(Expect::WriteError("abc", 2, absl::AbortedError("x")).ToString(),
            "WriteError(\"abc\", 2, ABORTED: x)");
  EXPECT_EQ(Expect::ShutdownWrite().ToString(), "ShutdownWrite()");
  EXPECT_EQ(Expect::ShutdownRead().ToString(), "ShutdownRead()");
  EXPECT_EQ(Expect::Close(absl::AbortedError("x")).ToString(),
            "Close(ABORTED: x)");
  EXPECT_EQ(Expect::Abort().ToString(), "Abort()");
  EXPECT_EQ(Expect::Abort(absl::StatusCode::kAborted).ToString(),
            "Abort(ABORTED)");
  EXPECT_EQ(Expect::SetReadDeadline().ToString(), "SetReadDeadline()");
  EXPECT_EQ(Expect::SetWriteDeadline(absl::InfinitePast()).ToString(),
            "SetWriteDeadline(infinite-past)");
}

TEST(ExpectDeathTest, AnImpossibleEntryEndsTheProgram) {
  EXPECT_DEATH(Expect::Read(""), "did you mean ReadEof");
  EXPECT_DEATH(Expect::Write(""), "never reaches the flow");
  EXPECT_DEATH(Expect::ReadError(absl::OkStatus()), "Ok status");
  EXPECT_DEATH(Expect::WriteError("a", 2, absl::AbortedError("")), "accepted");
  EXPECT_DEATH(Expect::Close().AskingFor(1), "asks for nothing");
}

}  // namespace
}  // namespace flow::testing
