// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Texts of errors: each thing is said once, however many flows lie on top of
// each other. The outermost one says its state and what was tried; those
// underneath say their names; then comes the cause.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/forwarding_flow.h"
#include "flow/function_flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::HookFlow;

class NamedFlow final : public ForwardingFlow {
 public:
  NamedFlow(std::unique_ptr<Flow> inner, std::string name)
      : ForwardingFlow(std::move(inner)), name_(std::move(name)) {}
  ~NamedFlow() override { Destroy(); }

 private:
  std::string DoDescribe() const override { return name_; }
  const std::string name_;
};

std::unique_ptr<HookFlow> Broken() {
  auto flow = std::make_unique<HookFlow>();
  flow->read = [](size_t) { return absl::UnavailableError("recv: reset"); };
  flow->write = [](absl::Cord, size_t*) {
    return absl::UnavailableError("send: reset");
  };
  flow->end_write = [] { return absl::UnavailableError("flush: reset"); };
  flow->free = [] { return absl::UnavailableError("close: reset"); };
  return flow;
}

constexpr char kState[] = " [in: open, 0 bytes; out: open, 0 bytes]: ";

TEST(ErrorContextTest, OfOneFlowIsNameStateWhatWasTriedAndCause) {
  const auto flow = Broken();
  EXPECT_EQ(flow->Read().status().message(),
            std::string("hook flow") + kState + "Read at byte 0: recv: reset");
}

TEST(ErrorContextTest, OfAFlowOnTopNamesTheOneUnderneathOnce) {
  NamedFlow flow(Broken(), "top");
  EXPECT_EQ(
      flow.Read().status().message(),
      std::string("top") + kState + "Read at byte 0: hook flow: recv: reset");
  NamedFlow writer(Broken(), "top");
  EXPECT_EQ(writer.Write("x").message(),
            std::string("top") + kState +
                "Write of 1 bytes at byte 0, 0 of them accepted: hook flow: "
                "send: reset");
}

TEST(ErrorContextTest, OfManyLayersNamesEachOnce) {
  NamedFlow flow(std::make_unique<NamedFlow>(MakeChannel(Broken()), "middle"),
                 "top");
  EXPECT_EQ(flow.Read().status().message(),
            std::string("top") + kState +
                "Read at byte 0: middle: channel: hook flow: recv: reset");
}

TEST(ErrorContextTest, OfFlowsOfOneNameSaysItOnce) {
  NamedFlow flow(Broken(), "hook flow");
  EXPECT_EQ(flow.Read().status().message(),
            std::string("hook flow") + kState + "Read at byte 0: recv: reset");
}

TEST(ErrorContextTest, OfTheEndAndOfFreeingIsSaidOnceToo) {
  NamedFlow flow(Broken(), "top");
  EXPECT_EQ(flow.Shutdown(ShutdownMode::kWrite).message(),
            std::string("top") + kState +
                "ending the outbound direction: hook flow: flush: reset");
}

TEST(ErrorContextTest, OfAFunctionThatReadsAnotherFlowIsSaidOnce) {
  const std::shared_ptr<HookFlow> below = Broken();
  FunctionFlowOptions options;
  options.name = "lines";
  options.input = Input::Buffers([below] { return below->Read(); });
  const auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_EQ(flow->Read().status().message(),
            std::string("function flow \"lines\"") + kState +
                "Read at byte 0: hook flow: recv: reset");
}

TEST(ErrorContextTest, OfAnErrorWithoutACauseKeepsWhatItSays) {
  auto inner = std::make_unique<HookFlow>();
  ASSERT_TRUE(inner->Close().ok());
  NamedFlow flow(std::move(inner), "top");
  EXPECT_EQ(flow.Read().status().message(),
            std::string("top") + kState +
                "Read at byte 0: hook flow: Read after "
                "Close()");
}

// A Unix peer may be called anything.
TEST(ErrorContextTest, OfANameFromOutsideStaysOnItsLine) {
  NamedFlow flow(Broken(), "unix @a\nb\x1b[2J");
  EXPECT_EQ(flow.DebugString(),
            "unix @a\\nb\\x1b[2J [in: open, 0 bytes; out: open, 0 bytes]");
  NamedFlow top(std::make_unique<NamedFlow>(Broken(), "a\nb"), "top");
  EXPECT_EQ(top.Read().status().message(),
            std::string("top") + kState +
                "Read at byte 0: a\\nb: hook flow: recv: reset");
}

// A user's text that looks a little like that of a flow is left alone.
TEST(ErrorContextTest, OfATextThatIsNoFlowsIsKeptWhole) {
  for (const char* text :
       {"row 3 [in: table t] has 7, wants 9 bytes]: key: a: truncated",
        "x [in: open, 1 bytes; out: shut, 2 bytes]: tried: cause",
        "x [in: open, 1 bytes; out: open, many bytes]: tried: cause"}) {
    HookFlow flow;
    flow.read = [text](size_t) { return absl::DataLossError(text); };
    EXPECT_EQ(flow.Read().status().message(),
              absl::StrCat("hook flow", kState, "Read at byte 0: ", text));
  }
}

// What was tried is dropped only if a flow has said it.
TEST(ErrorContextTest, OfAReasonThatQuotesAFlowKeepsTheReason) {
  auto inner = std::make_unique<HookFlow>();
  inner->read = [](size_t) {
    return absl::DataLossError(
        "tcp x [in: open, 1 bytes; out: ended, 2 bytes]: bad header: X");
  };
  NamedFlow flow(std::move(inner), "top");
  EXPECT_EQ(flow.Read().status().message(),
            absl::StrCat("top", kState,
                         "Read at byte 0: hook flow: tcp x: bad header: X"));
}

}  // namespace
}  // namespace flow
