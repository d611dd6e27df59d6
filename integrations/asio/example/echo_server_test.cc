// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the server as a program, with clients that block.

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::IsEof;

// The program, until Stop().
class Program {
 public:
  Program() {
    int fds[2];
    ABSL_PCHECK(::pipe(fds) == 0);
    child_ = ::fork();
    ABSL_PCHECK(child_ >= 0);
    if (child_ == 0) {
      ::dup2(fds[1], STDOUT_FILENO);
      ::execl("example/echo_server", "echo_server", "0", nullptr);
      ::_exit(127);
    }
    ::close(fds[1]);
    FILE* const output = ::fdopen(fds[0], "r");
    char address[100] = "";
    ABSL_CHECK(::fscanf(output, "listening on %99s", address) == 1);
    ::fclose(output);
    address_ = address;
  }

  const std::string& address() const { return address_; }

  // Returns what waitpid(2) says.
  int Stop() {
    ::kill(child_, SIGTERM);
    int status = -1;
    ABSL_PCHECK(::waitpid(child_, &status, 0) == child_);
    return status;
  }

 private:
  pid_t child_;
  std::string address_;
};

std::unique_ptr<flow::Flow> Connect(const Program& program) {
  absl::StatusOr<std::unique_ptr<flow::Flow>> flow =
      flow::Dial(program.address(), absl::Now() + absl::Seconds(10));
  ABSL_CHECK_OK(flow.status());
  return *std::move(flow);
}

TEST(EchoServerTest, AnswersSeveralConnectionsAndEndsInGoodOrder) {
  Program program;
  const std::unique_ptr<flow::Flow> first = Connect(program);
  const std::unique_ptr<flow::Flow> second = Connect(program);
  for (const std::string word : {"one", "two", "three"}) {
    ASSERT_THAT(first->Write(word), IsOk());
    ASSERT_THAT(second->Write(word), IsOk());
    EXPECT_THAT(second->Read(), IsOkAndHolds(word));
    EXPECT_THAT(first->Read(), IsOkAndHolds(word));
  }
  ASSERT_THAT(first->Shutdown(flow::ShutdownMode::kWrite), IsOk());
  EXPECT_THAT(first->Read(), IsEof());
  EXPECT_THAT(first->Close(), IsOk());
  // The second one is still there.
  EXPECT_EQ(program.Stop(), 0);
  EXPECT_FALSE(second->Read().ok());
}

}  // namespace
