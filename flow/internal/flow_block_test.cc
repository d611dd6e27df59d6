// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/flow_block.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/testing/allocation_counter.h"
#include "flow/testing/internal/manual_engine.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::AllocationCounter;
using ::flow::testing::ManualEngine;

// Always has some data. Says when it is destroyed.
class Source : public Transport {
 public:
  Source(char letter, int* destroyed)
      : letter_(letter), destroyed_(destroyed) {}
  ~Source() override { ++*destroyed_; }

  absl::StatusOr<absl::Cord> Read(size_t) override {
    return absl::Cord(std::string(1, letter_));
  }
  absl::Status Write(Outgoing& data) override {
    data.Accept(data.size());
    return absl::OkStatus();
  }
  std::string Describe() const override { return "source"; }

  bool CanStart() const override { return true; }
  std::optional<absl::StatusOr<absl::Cord>> TryRead(size_t max_bytes,
                                                    Retry*) override {
    return Read(max_bytes);
  }
  std::optional<absl::Status> TryAwaitRemoteEnd(Retry*) override {
    return absl::OkStatus();
  }

 private:
  const char letter_;
  int* const destroyed_;
};

struct Reader final : ReadOperation {
  void Done() override {}
};

TEST(FlowBlockTest, IsOneBlock) {
  int destroyed = 0;
  const AllocationCounter counter;
  std::unique_ptr<Flow> flow =
      FlowBlock<Source>::Make(/*engine=*/nullptr, 'x', &destroyed);
  EXPECT_EQ(counter.blocks(), 1);
  EXPECT_EQ(flow->engine(), nullptr);
  EXPECT_THAT(flow->Read(), IsOkAndHolds("x"));
  flow.reset();
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(counter.live_blocks(), 0);
}

TEST(FlowBlockTest, HoldsTheStartedCallsOfItsEngine) {
  ManualEngine engine;
  int destroyed = 0;
  const AllocationCounter counter;
  std::unique_ptr<Flow> flow =
      FlowBlock<Source>::Make(&engine, 'x', &destroyed);
  flow->SetEngine(&engine);  // which it has already
  EXPECT_EQ(counter.blocks(), 1);
  EXPECT_EQ(flow->engine(), &engine);
  Reader reader;
  EXPECT_TRUE(flow->StartRead(&reader));
  EXPECT_THAT(reader.result, IsOkAndHolds("x"));
  reader.result = absl::Cord();
  EXPECT_THAT(flow->Close(), IsOk());
  flow.reset();
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(counter.live_blocks(), 0);
}

TEST(FlowBlockTest, AnEngineThatComesLaterNeedsABlock) {
  ManualEngine engine;
  int destroyed = 0;
  std::unique_ptr<Flow> flow =
      FlowBlock<Source>::Make(/*engine=*/nullptr, 'x', &destroyed);
  const AllocationCounter counter;
  flow->SetEngine(&engine);
  EXPECT_EQ(counter.blocks(), 1);
  Reader reader;
  EXPECT_TRUE(flow->StartRead(&reader));
  EXPECT_THAT(reader.result, IsOkAndHolds("x"));
}

TEST(FlowBlockTest, ItsTransportCanOutliveItsFlow) {
  ManualEngine engine;
  for (Engine* const each :
       {static_cast<Engine*>(nullptr), static_cast<Engine*>(&engine)}) {
    int destroyed = 0;
    const AllocationCounter counter;
    std::unique_ptr<Channel> channel =
        MakeChannel(FlowBlock<Source>::Make(each, 'x', &destroyed));
    EXPECT_EQ(channel->engine(), each);
    EXPECT_THAT(channel->ReadExactly(3), IsOkAndHolds("xxx"));
    EXPECT_EQ(destroyed, 0);
    channel.reset();
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(counter.live_blocks(), 0);
  }
}

}  // namespace
}  // namespace flow::internal
