// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// The Abseil and the GoogleTest of flow are those of this repository.
TEST(WorkspaceTest, FlowsAndMatchersAreThere) {
  flow::Pipe pipe = flow::MakePipe();
  EXPECT_THAT(pipe.left->Write(absl::Cord("hello")), absl_testing::IsOk());
  EXPECT_THAT(pipe.right->Read(), flow::testing::HoldsData("hello"));
  EXPECT_THAT(pipe.left->Shutdown(flow::ShutdownMode::kWrite),
              absl_testing::IsOk());
  EXPECT_THAT(pipe.right->Read(), flow::testing::IsEof());
}

}  // namespace
