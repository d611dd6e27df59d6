// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What a child of fork(2) does to a listener of its parent.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::flow::testing::Exists;
using ::flow::testing::ExpectConversation;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;

// Runs `code` in a child, which is killed if it hangs, and returns what
// waitpid(2) says of it. The code returns whether all is well.
int InChild(absl::FunctionRef<bool()> code) {
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    ::alarm(20);
    ::_exit(code() ? 0 : 1);
  }
  int status;
  ABSL_PCHECK(::waitpid(child, &status, 0) == child);
  return status;
}

TEST(ListenerForkTest, AChildThatEndsItsCopyDoesNothingToTheParent) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:0"), absl::StrCat("unix:", path)}) {
    for (const bool destroy : {true, false}) {
      SCOPED_TRACE(absl::StrCat(address, destroy ? " destroyed" : " closed"));
      auto listener = ListenOn(address);
      std::atomic<bool> is_accepted{false};
      absl::StatusOr<std::unique_ptr<Flow>> accepted;
      std::thread accepter([&] {
        accepted = listener->Accept();
        is_accepted = true;
      });
      EXPECT_EQ(InChild([&] {
                  const size_t before = OpenDescriptors();
                  if (destroy) {
                    listener.reset();
                  } else {
                    listener->Close();
                    if (!IsClosed(listener->Accept().status())) return false;
                  }
                  return OpenDescriptors() < before;
                }),
                0);
      absl::SleepFor(absl::Milliseconds(50));
      EXPECT_FALSE(is_accepted);
      EXPECT_EQ(Exists(path), address[0] == 'u');
      const auto flow = Dial(listener->address(), Patience());
      EXPECT_THAT(flow, IsOk());
      accepter.join();
      EXPECT_THAT(accepted, IsOk());
      ExpectConversation(*listener, listener->address());
    }
  }
}

TEST(ListenerForkTest, AChildOfABusyParentDoesNotHang) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (!IsClosed(
          listener->Accept(absl::Now() + absl::Microseconds(10)).status())) {
      }
    });
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(InChild([&] {
                listener.reset();
                return true;
              }),
              0);
  }
  listener->Close();
  for (std::thread& thread : threads) thread.join();
}

TEST(ListenerForkTest, AChildMayAcceptForItself) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    ::alarm(20);
    absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept(Patience());
    ABSL_CHECK_OK(flow.status());
    ABSL_CHECK_OK((*flow)->Write("the child"));
    ABSL_CHECK_OK((*flow)->Close(Patience()));
    ::_exit(0);
  }
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      Dial(listener->address(), Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->Read(), IsOkAndHolds("the child"));
  EXPECT_THAT((*flow)->Close(Patience()), IsOk());
  int status;
  ABSL_PCHECK(::waitpid(child, &status, 0) == child);
  EXPECT_EQ(status, 0);
  ExpectConversation(*listener, listener->address());
}

}  // namespace
}  // namespace flow
