// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// DecorateFlow(): the flow goes on as it was, with another transport; and what
// a decorator does by itself (an error, an end) has the consequences that it
// has in any transport.

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Blocker;
using ::flow::testing::HoldsData;
using ::flow::testing::HookFlow;
using ::flow::testing::IsClosed;
using ::flow::testing::IsEof;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Log = std::vector<std::string>;

// Logs what reaches it, under a name.
class LoggingTransport final : public ForwardingTransport {
 public:
  LoggingTransport(std::unique_ptr<Transport> inner, std::string name, Log* log)
      : ForwardingTransport(std::move(inner)),
        name_(std::move(name)),
        log_(log) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    Note("read");
    return data;
  }
  absl::Status Write(Outgoing& data) override {
    Note("write");
    return ForwardingTransport::Write(data);
  }
  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    Note(outcome.ok() ? "end" : "broken");
    return ForwardingTransport::EndWrite(outcome, deadline);
  }
  void Abort(const absl::Status& reason) override {
    Note("abort");
    ForwardingTransport::Abort(reason);
  }
  absl::Status Free() override {
    Note("free");
    return ForwardingTransport::Free();
  }
  void SetReadDeadline(absl::Time deadline) override {
    Note("read deadline");
    ForwardingTransport::SetReadDeadline(deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    Note("write deadline");
    ForwardingTransport::SetWriteDeadline(deadline);
  }
  std::string Describe() const override {
    return absl::StrCat(name_, " on ", ForwardingTransport::Describe());
  }

 private:
  void Note(absl::string_view what) {
    log_->push_back(absl::StrCat(name_, ": ", what));
  }

  const std::string name_;
  Log* const log_;
};

std::unique_ptr<Flow> Logged(std::unique_ptr<Flow> flow, std::string name,
                             Log* log) {
  return DecorateFlow(std::move(flow),
                      [&](std::unique_ptr<Transport> underneath) {
                        return std::make_unique<LoggingTransport>(
                            std::move(underneath), name, log);
                      });
}

// --- The flow goes on

TEST(DecorateFlowTest, KeepsCountersAndDeadlines) {
  Log log;
  Pipe pipe = MakePipe(/*capacity=*/4);
  ASSERT_THAT(pipe.left->Write("abc"), IsOk());
  ASSERT_THAT(pipe.right->Write("de"), IsOk());
  ASSERT_THAT(pipe.left->Read(), HoldsData("de"));
  pipe.left->SetReadDeadline(absl::InfinitePast());
  pipe.left->SetWriteDeadline(absl::InfinitePast());

  const auto flow = Logged(std::move(pipe.left), "top", &log);
  EXPECT_THAT(log, ElementsAre("top: read deadline", "top: write deadline"));
  EXPECT_EQ(flow->bytes_read(), 2);
  EXPECT_EQ(flow->bytes_written(), 3);
  EXPECT_EQ(flow->bytes_in_transit(), 3);
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Write("xy"), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(flow->bytes_written(), 4);
}

TEST(DecorateFlowTest, DeadlinesThatWereNeverSetAreNotSet) {
  Log log;
  const auto flow = Logged(MakePipe().left, "top", &log);
  EXPECT_THAT(log, IsEmpty());
}

TEST(DecorateFlowTest, KeepsAnEndOfEitherDirection) {
  Log log;
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Shutdown(ShutdownMode::kReadWrite), IsOk());
  const auto flow = Logged(std::move(pipe.left), "top", &log);
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("x"), IsClosed());
  EXPECT_THAT(pipe.right->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("x"), IsClosed());
  EXPECT_THAT(flow->Close(), IsOk());
  // The end was told before there was a decorator.
  EXPECT_THAT(log, ElementsAre("top: free"));
}

TEST(DecorateFlowTest, KeepsAnEndOfFileAndGoesOnWithTheOtherDirection) {
  Log log;
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(pipe.left->Read(), IsEof());
  const auto flow = Logged(std::move(pipe.left), "top", &log);
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Write("x"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("x"));
}

TEST(DecorateFlowTest, KeepsAnErrorOfEitherDirection) {
  Log log;
  auto broken = std::make_unique<HookFlow>();
  broken->hooks.read = [](size_t) { return absl::DataLossError("torn"); };
  broken->hooks.write = [](absl::Cord, size_t*) {
    return absl::UnavailableError("reset");
  };
  const absl::Status read = broken->Read().status();
  const absl::Status written = broken->Write("x");
  const auto flow = Logged(std::move(broken), "top", &log);
  EXPECT_EQ(flow->Read().status(), read);
  EXPECT_EQ(flow->Write("y"), written);
  EXPECT_EQ(flow->Close(), written);
  EXPECT_THAT(log, ElementsAre("top: free"));
}

TEST(DecorateFlowTest, KeepsAnAbort) {
  Log log;
  Pipe pipe = MakePipe();
  pipe.left->Abort(absl::CancelledError("enough"));
  const auto flow = Logged(std::move(pipe.left), "top", &log);
  const auto cancelled = StatusIs(absl::StatusCode::kCancelled);
  EXPECT_THAT(flow->Read(), cancelled);
  EXPECT_THAT(flow->Write("x"), cancelled);
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), cancelled);
  EXPECT_THAT(flow->Close(), cancelled);
  EXPECT_THAT(log, ElementsAre("top: free"));
}

TEST(DecorateFlowTest, KeepsACloseAndItsResult) {
  Log log;
  auto closed = std::make_unique<HookFlow>();
  closed->hooks.free = [] { return absl::DataLossError("close"); };
  closed->SetReadDeadline(absl::InfinitePast());
  const absl::Status result = closed->Close();
  {
    const auto flow = Logged(std::move(closed), "top", &log);
    EXPECT_THAT(flow->Read(), IsClosed());
    EXPECT_THAT(flow->Write("x"), IsClosed());
    EXPECT_EQ(flow->Close(), result);
    flow->Abort(absl::CancelledError("too late"));
    flow->SetReadDeadline(absl::InfiniteFuture());
    EXPECT_EQ(flow->bytes_in_transit(), 0);
  }
  // What was freed is not called again.
  EXPECT_THAT(log, IsEmpty());
}

TEST(DecorateFlowTest, IsTheSameFlow) {
  Log log;
  auto flow = MakePipe().left;
  Flow* const before = flow.get();
  flow = Logged(std::move(flow), "top", &log);
  EXPECT_EQ(flow.get(), before);
}

TEST(DecorateFlowDeathTest, OfABusyFlowEndsTheProgram) {
  auto flow = std::make_unique<HookFlow>();
  HookFlow& hook_flow = *flow;
  Log log;
  hook_flow.hooks.read = [&](size_t) {
    Logged(std::move(flow), "top", &log);
    return absl::Cord();
  };
  EXPECT_DEATH(hook_flow.Read().IgnoreError(),
               "hook flow .*: decorated while a call is under way");
}

TEST(DecorateFlowDeathTest, WithNothingEndsTheProgram) {
  EXPECT_DEATH(DecorateFlow(MakePipe().left,
                            [](std::unique_ptr<Transport>) {
                              return std::unique_ptr<Transport>();
                            }),
               "decorated with no transport");
  EXPECT_DEATH(DecorateFlow(nullptr,
                            [](std::unique_ptr<Transport> underneath) {
                              return underneath;
                            }),
               "no flow to decorate");
}

// --- Two decorators on top of each other

TEST(DecorateFlowTest, TheLastDecoratorIsTheFirstToBeAsked) {
  Log log;
  Pipe pipe = MakePipe();
  auto flow = Logged(Logged(std::move(pipe.left), "low", &log), "top", &log);
  ASSERT_THAT(pipe.right->Write("x"), IsOk());
  ASSERT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  ASSERT_THAT(flow->Read(), HoldsData("x"));
  ASSERT_THAT(flow->Write("y"), IsOk());
  flow->SetReadDeadline(absl::InfinitePast());
  ASSERT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(log, ElementsAre("low: read", "top: read",    //
                               "top: write", "low: write",  //
                               "top: read deadline", "low: read deadline",
                               "top: end", "low: end",  //
                               "top: free", "low: free"));
  EXPECT_TRUE(
      absl::StartsWith(flow->DebugString(), "top on low on pipe (left end) ["))
      << flow->DebugString();
}

TEST(DecorateFlowTest, EachIsToldDeadlinesThatWereSetBeforeOrBetween) {
  Log log;
  Pipe pipe = MakePipe();
  pipe.left->SetReadDeadline(absl::InfinitePast());
  auto flow = Logged(std::move(pipe.left), "low", &log);
  flow->SetWriteDeadline(absl::InfinitePast());
  flow = Logged(std::move(flow), "top", &log);
  EXPECT_THAT(log, ElementsAre("low: read deadline", "low: write deadline",
                               "top: read deadline", "low: read deadline",
                               "top: write deadline", "low: write deadline"));
}

// --- A decorator that fails

// Does what the test says.
class OddTransport final : public ForwardingTransport {
 public:
  using ReadHook = std::function<absl::StatusOr<absl::Cord>(size_t)>;
  using WriteHook = std::function<absl::Status(Outgoing&)>;

  OddTransport(std::unique_ptr<Transport> inner, ReadHook read, WriteHook write)
      : ForwardingTransport(std::move(inner)),
        read_(std::move(read)),
        write_(std::move(write)) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (!read_) return ForwardingTransport::Read(max_bytes);
    absl::StatusOr<absl::Cord> data = read_(max_bytes);
    if (!data.ok()) read_error_ = data.status();
    // An end that the transport underneath does not know of.
    if (data.ok() && data->empty()) RefuseRead();
    return data;
  }
  absl::Status Write(Outgoing& data) override {
    return write_ ? write_(data) : ForwardingTransport::Write(data);
  }
  absl::Status Free() override {
    if (!read_error_.ok()) Abort(read_error_);
    return ForwardingTransport::Free();
  }

 private:
  const ReadHook read_;
  const WriteHook write_;
  absl::Status read_error_;
};

std::unique_ptr<Flow> Odd(std::unique_ptr<Flow> flow,
                          OddTransport::ReadHook read,
                          OddTransport::WriteHook write = nullptr) {
  return DecorateFlow(std::move(flow),
                      [&](std::unique_ptr<Transport> underneath) {
                        return std::make_unique<OddTransport>(
                            std::move(underneath), read, write);
                      });
}

TEST(FailingDecoratorTest, AWriteThatFailsBreaksTheOutboundDirectionAlone) {
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.left->Write("before"), IsOk());
  const auto flow = Odd(std::move(pipe.left), nullptr, [](Outgoing&) {
    return absl::DataLossError("no cipher");
  });
  const auto failed = StatusIs(absl::StatusCode::kDataLoss);
  EXPECT_THAT(flow->Write("x"), failed);
  EXPECT_THAT(flow->Write("y"), failed);
  EXPECT_THAT(pipe.right->Read(), HoldsData("before"));
  EXPECT_THAT(pipe.right->Read(), failed);
  // The other direction goes on, and ends in good order.
  EXPECT_THAT(pipe.right->Write("still"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("still"));
  EXPECT_THAT(pipe.right->Write("here"), IsOk());
  EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("here"));
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(flow->Close(), failed);
}

// Its write deadline passes after Shutdown(kWrite) has marked the end.
TEST(FailingDecoratorTest, AWriteThatIsCutShortBreaksTheOutboundAlone) {
  Pipe pipe = MakePipe();
  Blocker blocker;
  const auto flow = Odd(std::move(pipe.left), nullptr, [&](Outgoing&) {
    blocker.Block();
    return absl::DeadlineExceededError("late");
  });
  std::thread writer([&] {
    EXPECT_THAT(flow->Write("x"),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  blocker.WaitUntilEntered();
  EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), IsOk());
  blocker.Leave();
  writer.join();
  EXPECT_THAT(pipe.right->Read(), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Write("still here"), IsOk());
  EXPECT_THAT(flow->Read(), HoldsData("still here"));
}

TEST(FailingDecoratorTest, AReadThatFailsBreaksTheInboundDirectionAlone) {
  Pipe pipe = MakePipe();
  const auto flow = Odd(std::move(pipe.left), [](size_t) {
    return absl::DataLossError("no cipher");
  });
  const auto failed = StatusIs(absl::StatusCode::kDataLoss);
  EXPECT_THAT(flow->Read(), failed);
  EXPECT_THAT(flow->Read(), failed);
  EXPECT_THAT(flow->Write("still here"), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("still here"));
  // Close() does not wait for an end that nobody wants, and the remote learns
  // that not all was read.
  EXPECT_THAT(flow->Close(), failed);
  EXPECT_THAT(pipe.right->Write("more"), failed);
  EXPECT_THAT(pipe.right->Read(), IsEof());
}

// Fails, and tells nobody why.
class SilentTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
  absl::StatusOr<absl::Cord> Read(size_t) override {
    return absl::DataLossError("no cipher");
  }
};

TEST(FailingDecoratorTest, AReadThatFailsIsAnAbortForTheRemoteIfNothingIsSaid) {
  Pipe pipe = MakePipe();
  const auto flow = DecorateFlow(
      std::move(pipe.left), [](std::unique_ptr<Transport> underneath) {
        return std::make_unique<SilentTransport>(std::move(underneath));
      });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(flow->Close(), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(pipe.right->Write("more"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(pipe.right->Read(), IsEof());
}

TEST(FailingDecoratorTest, AnEndOfItsOwnIsARefusalForTheRemote) {
  Pipe pipe = MakePipe();
  const auto flow =
      Odd(std::move(pipe.left), [](size_t) { return absl::Cord(); });
  EXPECT_THAT(flow->Read(), IsEof());
  EXPECT_THAT(pipe.right->Write("more"), IsClosed());
  EXPECT_THAT(flow->Write("still here"), IsOk());
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_THAT(pipe.right->Read(), HoldsData("still here"));
  EXPECT_THAT(pipe.right->Read(), IsEof());
}

// A late error leaves the flow as it is, wherever it comes from.
TEST(FailingDecoratorTest, ADeadlineOfItsOwnDoesNotStay) {
  Pipe pipe = MakePipe();
  bool late = true;
  const auto flow =
      Odd(std::move(pipe.left), [&](size_t) -> absl::StatusOr<absl::Cord> {
        if (std::exchange(late, false)) {
          return absl::DeadlineExceededError("late");
        }
        return absl::Cord("data");
      });
  EXPECT_THAT(flow->Read(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(flow->Read(), HoldsData("data"));
}

// --- Close

// A reader on another thread is never Closed early: what is underneath is freed
// when no call is under way.
TEST(DecorateFlowTest, NothingIsFreedWhileAReadIsUnderWay) {
  Log log;
  auto inner = std::make_unique<HookFlow>();
  Blocker blocker;
  inner->hooks.read = [&](size_t) {
    blocker.Block();
    return absl::Cord("the last");
  };
  const auto flow = Logged(std::move(inner), "top", &log);
  std::thread reader(
      [&] { EXPECT_THAT(flow->Read(), IsOkAndHolds("the last")); });
  blocker.WaitUntilEntered();
  std::thread closer([&] { EXPECT_THAT(flow->Close(), IsOk()); });
  while (!absl::StrContains(flow->DebugString(),
                            "in Close() waiting for a call")) {
    std::this_thread::yield();
  }
  blocker.Leave();
  reader.join();
  closer.join();
  EXPECT_THAT(log, ElementsAre("top: end", "top: read", "top: free"));
}

TEST(DecorateFlowTest, OfAChannelKeepsWhatIsBuffered) {
  Log log;
  Pipe pipe = MakePipe();
  ASSERT_THAT(pipe.right->Write("line\nrest"), IsOk());
  auto channel = MakeChannel(std::move(pipe.left));
  ASSERT_THAT(channel->ReadLine(100), IsOkAndHolds("line"));
  const auto flow = Logged(std::move(channel), "top", &log);
  EXPECT_THAT(flow->Read(), HoldsData("rest"));
  EXPECT_EQ(flow->bytes_read(), 9);
}

}  // namespace
}  // namespace flow
