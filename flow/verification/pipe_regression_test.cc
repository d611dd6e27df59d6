// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Orders of calls that have a story, as //fuzz:close_order_fuzz prints them.
// One that shows a bug is put here before the bug is fixed.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_ends_checker.h"
#include "flow/verification/pipe_operation.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::verification {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;

// Runs `text` at both levels; at the real ends without what needs calls to
// wait.
void Check(size_t capacity, absl::string_view text) {
  const absl::StatusOr<std::vector<PipeOperation>> operations =
      ParsePipeOperations(text);
  ASSERT_THAT(operations, IsOk());
  EXPECT_EQ(ToString(*operations), text);
  PipeChecker state(capacity);
  PipeEndsChecker ends(capacity);
  for (PipeOperation operation : *operations) {
    ASSERT_TRUE(state.IsLegal(operation)) << text;
    ASSERT_THAT(state.Apply(operation), IsOk()) << text;
    if (ends.IsLegal(operation)) {
      ASSERT_THAT(ends.Apply(operation), IsOk()) << text;
    }
  }
}

// The first deadline of Close() that passed was forgotten by the model.
TEST(PipeRegressionTest, ACloseThatPassesItsDeadlineFrees) {
  Check(1, "left.close left.late_close");
}

// After that, a Read that was waiting is Closed, and so are all later ones.
TEST(PipeRegressionTest, AReadThatWaitedUnderAFailedCloseIsClosed) {
  Check(1, "left.read1 left.close left.late_close left.read1");
}

// The reason of the inbound direction comes before that of lost data.
TEST(PipeRegressionTest, TwoReasonsAtOnce) {
  Check(1,
        "left.write1 left.shutdown_write right.write2 right.shutdown_write "
        "right.late_write right.destroy left.close");
}

TEST(PipeRegressionTest, TextThatIsNoOperationIsAnError) {
  for (absl::string_view text : {"left", "middle.read", "left.sing", "."}) {
    EXPECT_THAT(ParsePipeOperations(text),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         ::testing::HasSubstr(std::string(text))));
  }
}

}  // namespace
}  // namespace flow::verification
