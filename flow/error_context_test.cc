// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Texts of errors: NAME [STATE]: TRIED: CAUSE, where a decorator's name is
// `X on Y`. So each thing is said once, however many decorators there are.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/internal/hook_flow.h"
#include "flow/transport.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::HookFlow;

class NamedTransport final : public ForwardingTransport {
 public:
  NamedTransport(std::unique_ptr<Transport> inner, std::string name)
      : ForwardingTransport(std::move(inner)), name_(std::move(name)) {}
  std::string Describe() const override {
    return absl::StrCat(name_, " on ", ForwardingTransport::Describe());
  }

 private:
  const std::string name_;
};

std::unique_ptr<Flow> Named(std::unique_ptr<Flow> flow, std::string name) {
  return DecorateFlow(
      std::move(flow), [&](std::unique_ptr<Transport> underneath) {
        return std::make_unique<NamedTransport>(std::move(underneath), name);
      });
}

std::unique_ptr<HookFlow> Broken() {
  auto flow = std::make_unique<HookFlow>();
  flow->hooks.read = [](size_t) {
    return absl::UnavailableError("recv: reset");
  };
  flow->hooks.write = [](absl::Cord, size_t*) {
    return absl::UnavailableError("send: reset");
  };
  flow->hooks.end_write = [](absl::Time) {
    return absl::UnavailableError("flush: reset");
  };
  return flow;
}

constexpr char kState[] = " [in: open, 0 bytes; out: open, 0 bytes]: ";

TEST(ErrorContextTest, OfOneFlowIsNameStateWhatWasTriedAndCause) {
  const auto flow = Broken();
  EXPECT_EQ(flow->Read().status().message(),
            absl::StrCat("hook flow", kState, "Read at byte 0: recv: reset"));
}

TEST(ErrorContextTest, OfADecoratedFlowNamesBothOnce) {
  const auto flow = Named(Broken(), "top");
  EXPECT_EQ(
      flow->Read().status().message(),
      absl::StrCat("top on hook flow", kState, "Read at byte 0: recv: reset"));
  const auto writer = Named(Broken(), "top");
  EXPECT_EQ(writer->Write("x").message(),
            absl::StrCat("top on hook flow", kState,
                         "Write of 1 bytes at byte 0, 0 of them accepted: "
                         "send: reset"));
}

TEST(ErrorContextTest, OfManyLayersNamesEachOnce) {
  const auto flow = Named(MakeChannel(Named(Broken(), "low")), "top");
  EXPECT_EQ(flow->Read().status().message(),
            absl::StrCat("top on channel on low on hook flow", kState,
                         "Read at byte 0: recv: reset"));
}

TEST(ErrorContextTest, OfTheEndAndOfFreeingSaysWhichItWas) {
  const auto ending = Named(Broken(), "top");
  EXPECT_EQ(ending->Shutdown(ShutdownMode::kWrite).message(),
            absl::StrCat("top on hook flow", kState,
                         "ending the outbound direction: flush: reset"));
  auto freeing = std::make_unique<HookFlow>();
  freeing->hooks.free = [] { return absl::UnavailableError("close: reset"); };
  EXPECT_EQ(Named(std::move(freeing), "top")->Close().message(),
            "top on hook flow [in: open, 0 bytes; out: ended, 0 bytes]: "
            "closing: close: reset");
}

// Each of the two flows has a state of its own, and says it.
TEST(ErrorContextTest, OfAFunctionThatReadsAnotherFlowHasThatOfBoth) {
  const std::shared_ptr<HookFlow> below = Broken();
  FunctionFlowOptions options;
  options.name = "lines";
  options.input = Input::Buffers([below] { return below->Read(); });
  const auto flow = MakeFunctionFlow(std::move(options));
  EXPECT_EQ(flow->Read().status().message(),
            absl::StrCat("function flow \"lines\"", kState,
                         "Read at byte 0: hook flow", kState,
                         "Read at byte 0: recv: reset"));
}

TEST(ErrorContextTest, OfAClosedFlowSaysWhatCameTooLate) {
  auto closed = std::make_unique<HookFlow>();
  ASSERT_TRUE(closed->Close().ok());
  EXPECT_EQ(Named(std::move(closed), "top")->Read().status().message(),
            "top on hook flow [in: closed, 0 bytes; out: closed, 0 bytes]: "
            "Read after Close()");
}

// A Unix peer may be called anything.
TEST(ErrorContextTest, OfANameFromOutsideStaysOnItsLine) {
  const auto flow = Named(Broken(), "unix @a\nb\x1b[2J");
  EXPECT_EQ(flow->DebugString(),
            "unix @a\\nb\\x1b[2J on hook flow "
            "[in: open, 0 bytes; out: open, 0 bytes]");
  const auto top = Named(Named(Broken(), "a\nb"), "top");
  EXPECT_EQ(top->Read().status().message(),
            absl::StrCat("top on a\\nb on hook flow", kState,
                         "Read at byte 0: recv: reset"));
}

TEST(ErrorContextTest, OfACauseThatQuotesAFlowKeepsAllOfIt) {
  const std::string text =
      "tcp x [in: open, 1 bytes; out: ended, 2 bytes]: bad header: X";
  HookFlow flow;
  flow.hooks.read = [&](size_t) { return absl::DataLossError(text); };
  EXPECT_EQ(flow.Read().status().message(),
            absl::StrCat("hook flow", kState, "Read at byte 0: ", text));
}

}  // namespace
}  // namespace flow
