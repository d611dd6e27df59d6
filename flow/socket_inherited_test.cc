// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Listening on sockets that somebody else has made, and finding those that were
// passed to this process.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/inherited_descriptors.h"
#include "flow/socket.h"
#include "flow/socket_options.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::Exists;
using ::flow::testing::ExpectConversation;
using ::flow::testing::IsClosed;
using ::flow::testing::NewFolder;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As systemd passes them: waiting, and not closed by exec(2).
int RawTcpListener() {
  struct sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  ABSL_PCHECK(
      ::bind(fd, reinterpret_cast<struct sockaddr*>(&any), sizeof(any)) == 0);
  ABSL_PCHECK(::listen(fd, 8) == 0);
  return fd;
}

int RawUnixListener(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ABSL_PCHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
                     sizeof(address)) == 0);
  ABSL_PCHECK(::listen(fd, 8) == 0);
  return fd;
}

// Returns what listens.
std::vector<int> Listening() {
  std::vector<int> found;
  for (int fd = 0; fd < 1000; ++fd) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
        listens == 1) {
      found.push_back(fd);
    }
  }
  return found;
}

// Runs `test` in a process of its own, and returns whether it found no fault.
bool PassesInChild(absl::FunctionRef<void()> test) {
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    test();
    ::_exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int result = -1;
  ABSL_PCHECK(::waitpid(child, &result, 0) == child);
  return result == 0;
}

// --- ListenOnFd()

TEST(ListenOnFdTest, AcceptsFromASocketOfEitherKind) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const int fd : {RawTcpListener(), RawUnixListener(path)}) {
    absl::StatusOr<std::unique_ptr<Listener>> listener = ListenOnFd(fd);
    ASSERT_THAT(listener, IsOk());
    ExpectConversation(**listener, (*listener)->address());
    EXPECT_THAT((*listener)->Accept(absl::InfinitePast()),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
    (*listener)->Close();
    EXPECT_THAT((*listener)->Accept(), IsClosed());
  }
  EXPECT_TRUE(Exists(path));  // whose it is knows who made it
}

TEST(ListenOnFdTest, OwnsTheDescriptor) {
  const size_t before = OpenDescriptors();
  const int fd = RawTcpListener();
  absl::StatusOr<std::unique_ptr<Listener>> listener = ListenOnFd(fd);
  ASSERT_THAT(listener, IsOk());
  const std::vector<int> listening = Listening();
  ASSERT_EQ(listening.size(), 1);
  EXPECT_NE(::fcntl(listening[0], F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_NE(::fcntl(listening[0], F_GETFL) & O_NONBLOCK, 0);
  listener->reset();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ListenOnFdTest, SetsUpWhatItAccepts) {
  SocketOptions options;
  options.no_delay = false;
  options.keep_alive_count = 9;
  absl::StatusOr<std::unique_ptr<Listener>> listener =
      ListenOnFd(RawTcpListener(), options);
  ASSERT_THAT(listener, IsOk());
  const absl::StatusOr<std::unique_ptr<Flow>> dialed =
      Dial((*listener)->address(), Patience());
  ASSERT_THAT(dialed, IsOk());
  const absl::StatusOr<std::unique_ptr<Flow>> accepted =
      (*listener)->Accept(Patience());
  ASSERT_THAT(accepted, IsOk());
  int found = 0;
  for (int fd = 0; fd < 1000; ++fd) {
    int count = 0;
    int no_delay = 1;
    socklen_t size = sizeof(count);
    ::getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, &size);
    ::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
    if (count == 9 && no_delay == 0) ++found;
  }
  EXPECT_EQ(found, 2);  // the accepted one and the one that listens
}

TEST(ListenOnFdTest, RefusesAndClosesWhatDoesNotListen) {
  const size_t before = OpenDescriptors();
  const RawPair pipe = RawPipe();
  const RawPair tcp = RawTcp();
  const struct {
    int fd;
    const char* says;
  } kCases[] = {
      {-1, "is not open"},
      {999, "is not open"},
      {pipe.left, "is not a socket"},
      {pipe.right, "is not a socket"},
      {tcp.left, "does not listen (a connection is for MakeFdFlow())"},
      {tcp.right, "does not listen"},
      {::socket(AF_INET, SOCK_STREAM, 0), "does not listen"},
      {::socket(AF_INET, SOCK_DGRAM, 0), "is neither a TCP socket nor"},
      {::socket(AF_UNIX, SOCK_SEQPACKET, 0), "is neither a TCP socket nor"},
      {::socket(AF_NETLINK, SOCK_RAW, 0), "is neither a TCP socket nor"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(ListenOnFd(c.fd),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(absl::StrCat("ListenOnFd(", c.fd)),
                               HasSubstr(c.says))));
  }
  SocketOptions invalid;
  invalid.keep_alive_count = 0;
  EXPECT_THAT(ListenOnFd(RawTcpListener(), invalid),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("keep_alive_count is")));
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(ListenOnFdTest, ReplacesAStandardStream) {
  EXPECT_TRUE(PassesInChild([] {
    const int fd = RawTcpListener();
    ABSL_PCHECK(::dup2(fd, STDIN_FILENO) == STDIN_FILENO);
    ::close(fd);
    absl::StatusOr<std::unique_ptr<Listener>> listener =
        ListenOnFd(STDIN_FILENO);
    ASSERT_THAT(listener, IsOk());
    struct stat info;
    ASSERT_EQ(::fstat(STDIN_FILENO, &info), 0);
    EXPECT_EQ(info.st_rdev, makedev(1, 3));  // /dev/null
    ExpectConversation(**listener, (*listener)->address());
  }));
}

// --- InheritedDescriptors()

// Sets the variables; those that are null are not there.
void SetVariables(const char* process, const char* count, const char* names) {
  for (const auto& [name, value] :
       {std::pair<const char*, const char*>("LISTEN_PID", process),
        {"LISTEN_FDS", count},
        {"LISTEN_FDNAMES", names}}) {
    if (value == nullptr) {
      ::unsetenv(name);
    } else {
      ::setenv(name, value, 1);
    }
  }
}

TEST(InheritedDescriptorsTest, AreThoseFromThreeOnWithTheirNames) {
  EXPECT_TRUE(PassesInChild([] {
    const int fd = RawTcpListener();
    ABSL_PCHECK(::dup2(fd, 3) == 3);
    ABSL_PCHECK(::dup2(3, 4) == 4);
    for (const char* names : {"web:", static_cast<const char*>(nullptr)}) {
      SetVariables(absl::StrCat(::getpid()).c_str(), "2", names);
      const absl::StatusOr<std::vector<InheritedDescriptor>> descriptors =
          InheritedDescriptors();
      ASSERT_THAT(descriptors, IsOk());
      ASSERT_EQ(descriptors->size(), 2);
      EXPECT_EQ((*descriptors)[0].fd, 3);
      EXPECT_EQ((*descriptors)[1].fd, 4);
      EXPECT_EQ((*descriptors)[0].name, names == nullptr ? "" : "web");
      EXPECT_EQ((*descriptors)[1].name, "");
      for (const int each : {3, 4}) {
        EXPECT_NE(::fcntl(each, F_GETFD) & FD_CLOEXEC, 0);
      }
    }
    absl::StatusOr<std::unique_ptr<Listener>> listener = ListenOnFd(3);
    ASSERT_THAT(listener, IsOk());
    ExpectConversation(**listener, (*listener)->address());
  }));
}

TEST(InheritedDescriptorsTest, AreNoneIfTheyAreNotForThisProcess) {
  EXPECT_TRUE(PassesInChild([] {
    const std::string own = absl::StrCat(::getpid());
    for (const auto& [process, count] :
         {std::pair<const char*, const char*>(nullptr, "1"),
          {"1", "1"},
          {own.c_str(), nullptr},
          {own.c_str(), "0"}}) {
      SetVariables(process, count, nullptr);
      EXPECT_THAT(InheritedDescriptors(), IsOkAndHolds(IsEmpty()));
    }
  }));
}

TEST(InheritedDescriptorsTest, OfVariablesThatAreMalformedAreInvalid) {
  EXPECT_TRUE(PassesInChild([] {
    const std::string own = absl::StrCat(::getpid());
    const struct {
      const char* process;
      const char* count;
      const char* names;
      const char* says;
    } kCases[] = {
        {"x\n", "1", nullptr, "LISTEN_PID is 'x\\n', not a number"},
        {own.c_str(), "", nullptr, "LISTEN_FDS is '', not a number"},
        {own.c_str(), "-1", nullptr, "LISTEN_FDS is '-1', not a number"},
        {own.c_str(), "99999999999", nullptr, "not a number"},
        {own.c_str(), "2", "a", "LISTEN_FDNAMES has 1 names for 2"},
        {own.c_str(), "2147483647", nullptr, "is not open"},
    };
    for (const auto& c : kCases) {
      SetVariables(c.process, c.count, c.names);
      EXPECT_THAT(
          InheritedDescriptors(),
          StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.says)));
    }
  }));
}

}  // namespace
}  // namespace flow
