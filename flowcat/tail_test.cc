// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The tail of what flowcat carries: how long it waits for those who take it,
// and how soon who sends in vain is told.

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flowcat/process.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::testing::HasSubstr;

using FlowcatTailTest = FlowcatProcessFixture;

constexpr char kTcp[] = "tcp-listen:127.0.0.1:0";

// A client that knows no flows, and whose kernel takes little ahead of it.
int DialRaw(absl::string_view address) {
  struct sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string port(address.substr(address.rfind(':') + 1));
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(port.c_str())));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int size = 32 << 10;
  ABSL_PCHECK(::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) ==
              0);
  ABSL_PCHECK(::connect(fd, reinterpret_cast<const struct sockaddr*>(&to),
                        sizeof(to)) == 0);
  return fd;
}

// Reads to the end, 20 kB ten times a second; returns how much that was, or -1
// after an error.
int64_t ReadSlowly(int fd) {
  int64_t size = 0;
  while (true) {
    char buffer[20000];
    const ssize_t n = ::recv(fd, buffer, sizeof(buffer), MSG_WAITALL);
    if (n < 0) return -1;
    if (n == 0) return size;
    size += n;
    absl::SleepFor(absl::Milliseconds(100));
  }
}

// The kernel has taken all of it long before, and sends it for 14 seconds.
TEST_F(FlowcatTailTest, ASlowReceiverGetsAll) {
  const std::vector<std::vector<std::string>> commands = {
      {"zero:2800000", kTcp},
      {"--idle-timeout=3s", "zero:2800000", kTcp},
      {"--idle-timeout=3s", kTcp, "exec:exec head -c 2800000 /dev/zero"}};
  std::vector<std::thread> threads;
  for (const std::vector<std::string>& arguments : commands) {
    threads.emplace_back([arguments] {
      FlowcatProcess flowcat(arguments);
      const int client = DialRaw(flowcat.AwaitListening());
      EXPECT_EQ(ReadSlowly(client), 2800000);
      ::close(client);
      EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(FlowcatTailTest, WhoTakesNothingForTheIdleTimeoutIsAnError) {
  FlowcatProcess flowcat({"--idle-timeout=500ms", "zero:10000", kTcp});
  const int client = DialRaw(flowcat.AwaitListening());
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_THAT(flowcat.err(),
              HasSubstr("took nothing and did not end for 500ms"));
  // And what had been sent is there.
  EXPECT_EQ(ReadSlowly(client), 10000);
  ::close(client);
}

TEST_F(FlowcatTailTest, ASenderIsToldThatNobodyReadsAndKeepsItsAnswer) {
  FlowcatProcess flowcat({kTcp, "exec:exec head -n 1"});
  const int client = DialRaw(flowcat.AwaitListening());
  const std::string lines(size_t{1} << 16, '\n');
  // It reads nothing before it has failed. There is no deadline that could have
  // ended this.
  while (::send(client, lines.data(), lines.size(), MSG_NOSIGNAL) > 0) {
  }
  EXPECT_EQ(ReadSlowly(client), 1);
  ::close(client);
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
}

TEST_F(FlowcatTailTest, ACommandIsWaitedForAsInAPipeline) {
  FlowcatProcess flowcat(
      {"string:text", "exec:cat > copy; sleep 11; mv copy done"});
  EXPECT_EQ(flowcat.Wait(), 0) << flowcat.err();
  EXPECT_EQ(FileContent("done"), "text");
}

TEST_F(FlowcatTailTest, AnIdleTimeoutEndsACommandThatGoesOn) {
  FlowcatProcess flowcat(
      {"--idle-timeout=500ms", "string:text", "exec:exec sleep 1000"});
  EXPECT_EQ(flowcat.Wait(), 1);
  EXPECT_THAT(flowcat.err(),
              HasSubstr("did not exit within 500ms and was ended by SIGTERM"));
}

TEST_F(FlowcatTailTest, ASignalEndsACommandThatGoesOn) {
  FlowcatProcess flowcat(
      {"string:text", "exec:cat > got; mv got text; exec sleep 1000"});
  EXPECT_TRUE(Eventually([] { return ::access("text", F_OK) == 0; }));
  absl::SleepFor(absl::Milliseconds(50));  // likely enough to wait for its exit
  flowcat.Signal(SIGTERM);
  EXPECT_EQ(flowcat.Wait(), 128 + SIGTERM);
  EXPECT_THAT(flowcat.err(), HasSubstr("ended by SIGTERM"));
}

}  // namespace
}  // namespace flowcat
