// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/fork_generation.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "gtest/gtest.h"

namespace flow::internal {
namespace {

TEST(ForkGenerationTest, StaysInOneProcess) {
  EXPECT_EQ(ForkGeneration(), ForkGeneration());
}

TEST(ForkGenerationTest, DiffersInAChildAndInItsChild) {
  const uint32_t parent = ForkGeneration();
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const uint32_t child = ForkGeneration();
    if (child == parent) ::_exit(1);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) ::_exit(ForkGeneration() == child ? 2 : 0);
    int status = 0;
    ::waitpid(grandchild, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(ForkGeneration(), parent);
}

}  // namespace
}  // namespace flow::internal
