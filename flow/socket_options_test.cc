// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of sockets that were set up by options. This program has
// a listen() of its own, which looks at a Unix socket's file at the last moment
// at which nobody can connect.

#include "flow/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

// Of the file of the Unix socket that was last made to listen.
mode_t mode_before_listen = 0;

}  // namespace

// The program's own function is taken for the C library's.
extern "C" int listen(int fd, int backlog) noexcept {
  struct sockaddr_un address = {};
  socklen_t size = sizeof(address);
  struct stat file;
  if (::getsockname(fd, reinterpret_cast<struct sockaddr*>(&address), &size) ==
          0 &&
      address.sun_family == AF_UNIX && ::lstat(address.sun_path, &file) == 0) {
    mode_before_listen = file.st_mode & 07777;
  }
  return static_cast<int>(::syscall(SYS_listen, fd, backlog));
}

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::Exists;
using ::flow::testing::ExpectConversation;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::Patience;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// Returns -1 if the descriptor has no such option.
int Option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, level, option, &value, &size) == 0 ? value : -1;
}

// --- Connections

// The options of a connection that was made here, at one end.
struct End {
  int keep_alive, idle, interval, count, no_delay, send_buffer, receive_buffer;
};

// Returns those of all connections, unless neither end has a name: somebody
// else's.
std::vector<End> Ends() {
  std::vector<End> found;
  for (int fd = 0; fd < 1000; ++fd) {
    struct sockaddr_storage peer;
    struct sockaddr_storage local;
    socklen_t peer_size = sizeof(peer);
    socklen_t local_size = sizeof(local);
    if (::getpeername(fd, reinterpret_cast<struct sockaddr*>(&peer),
                      &peer_size) != 0 ||
        ::getsockname(fd, reinterpret_cast<struct sockaddr*>(&local),
                      &local_size) != 0 ||
        (peer_size == sizeof(sa_family_t) &&
         local_size == sizeof(sa_family_t))) {
      continue;
    }
    found.push_back({Option(fd, SOL_SOCKET, SO_KEEPALIVE),
                     Option(fd, IPPROTO_TCP, TCP_KEEPIDLE),
                     Option(fd, IPPROTO_TCP, TCP_KEEPINTVL),
                     Option(fd, IPPROTO_TCP, TCP_KEEPCNT),
                     Option(fd, IPPROTO_TCP, TCP_NODELAY),
                     Option(fd, SOL_SOCKET, SO_SNDBUF),
                     Option(fd, SOL_SOCKET, SO_RCVBUF)});
  }
  return found;
}

// Makes a connection with `options` at both ends, and returns what they have.
std::vector<End> EndsWith(const SocketOptions& options,
                          const std::string& address = "tcp:127.0.0.1:0") {
  ListenOptions listen;
  listen.accepted = options;
  auto listener = ListenOn(address, listen);
  const absl::StatusOr<std::unique_ptr<Flow>> dialed =
      Dial(listener->address(), Patience(), options);
  EXPECT_THAT(dialed, IsOk());
  const absl::StatusOr<std::unique_ptr<Flow>> accepted =
      listener->Accept(Patience());
  EXPECT_THAT(accepted, IsOk());
  std::vector<End> ends = Ends();
  EXPECT_THAT(ends, SizeIs(2));
  return ends;
}

TEST(SocketOptionsTest, KeepAliveIsOnForBothEnds) {
  for (const End& each : EndsWith(SocketOptions())) {
    EXPECT_EQ(each.keep_alive, 1);
    EXPECT_EQ(each.idle, 60);
    EXPECT_EQ(each.interval, 15);
    EXPECT_EQ(each.count, 4);
  }
}

TEST(SocketOptionsTest, KeepAliveCanBeAdjusted) {
  SocketOptions options;
  options.keep_alive_idle = absl::Milliseconds(1500);
  options.keep_alive_interval = absl::Seconds(32767);
  options.keep_alive_count = 127;
  for (const End& each : EndsWith(options)) {
    EXPECT_EQ(each.keep_alive, 1);
    EXPECT_EQ(each.idle, 2);
    EXPECT_EQ(each.interval, 32767);
    EXPECT_EQ(each.count, 127);
  }
}

TEST(SocketOptionsTest, KeepAliveCanBeOff) {
  SocketOptions options;
  options.keep_alive = false;
  for (const End& each : EndsWith(options)) EXPECT_EQ(each.keep_alive, 0);
}

TEST(SocketOptionsTest, NoDelayIsOnUnlessItIsOff) {
  for (const bool no_delay : {true, false}) {
    SocketOptions options;
    EXPECT_TRUE(options.no_delay);
    options.no_delay = no_delay;
    for (const End& each : EndsWith(options)) {
      EXPECT_EQ(each.no_delay, no_delay ? 1 : 0);
    }
  }
}

// The kernel says twice what was asked for.
TEST(SocketOptionsTest, BuffersHaveTheSizesThatWereAskedFor) {
  SocketOptions options;
  options.send_buffer = 20'000;
  options.receive_buffer = 30'000;
  for (const End& each : EndsWith(options)) {
    EXPECT_EQ(each.send_buffer, 40'000);
    EXPECT_EQ(each.receive_buffer, 60'000);
  }
}

TEST(SocketOptionsTest, AUnixSocketHasTheSizesOfBuffersToo) {
  const std::string address = absl::StrCat("unix:", NewFolder(), "/socket");
  SocketOptions options;
  options.send_buffer = 20'000;
  for (const End& each : EndsWith(options, address)) {
    EXPECT_EQ(each.send_buffer, 40'000);
  }
  for (const End& each : EndsWith(SocketOptions(), address)) {
    EXPECT_NE(each.send_buffer, 40'000);
  }
}

TEST(SocketOptionsTest, WhatTheKernelDoesNotTakeIsInvalid) {
  const auto expect_invalid = [](const SocketOptions& options,
                                 const char* says) {
    ListenOptions listen;
    listen.accepted = options;
    for (const absl::Status& status :
         {Dial("tcp:127.0.0.1:1", Patience(), options).status(),
          Listen("tcp:127.0.0.1:0", listen).status()}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr(says)));
    }
  };
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Seconds(-1), absl::Milliseconds(999),
        absl::Seconds(32768), absl::InfiniteDuration()}) {
    SocketOptions options;
    options.keep_alive_idle = duration;
    expect_invalid(options, "keep_alive_idle is");
    options = SocketOptions();
    options.keep_alive_interval = duration;
    expect_invalid(options, "keep_alive_interval is");
  }
  for (const int count : {0, -1, 128}) {
    SocketOptions options;
    options.keep_alive_count = count;
    expect_invalid(options, "keep_alive_count is");
  }
  for (const int size : {0, -1}) {
    SocketOptions options;
    options.send_buffer = size;
    expect_invalid(options, "send_buffer is");
    options = SocketOptions();
    options.receive_buffer = size;
    expect_invalid(options, "receive_buffer is");
  }
}

// --- Listeners

// Returns the value of an option of each socket that listens.
std::vector<int> OfListeners(int level, int option) {
  std::vector<int> values;
  for (int fd = 0; fd < 1000; ++fd) {
    if (Option(fd, SOL_SOCKET, SO_ACCEPTCONN) == 1) {
      values.push_back(Option(fd, level, option));
    }
  }
  return values;
}

TEST(ListenOptionsTest, TheBacklogIsTheOneThatWasAskedFor) {
  for (const int backlog : {0, 7}) {
    ListenOptions options;
    options.backlog = backlog;
    const auto listener = ListenOn("tcp:127.0.0.1:0", options);
    int listeners = 0;
    for (int fd = 0; fd < 1000; ++fd) {
      if (Option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1) continue;
      struct tcp_info info = {};
      socklen_t size = sizeof(info);
      ABSL_PCHECK(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0);
      // That is where the kernel puts it (tcp_get_info()).
      EXPECT_EQ(info.tcpi_sacked, backlog);
      ++listeners;
    }
    EXPECT_EQ(listeners, 1);
  }
}

TEST(ListenOptionsTest, ReusePortLetsSeveralListenOnOnePort) {
  ListenOptions options;
  options.reuse_port = true;
  const auto first = ListenOn("tcp:127.0.0.1:0", options);
  EXPECT_THAT(OfListeners(SOL_SOCKET, SO_REUSEPORT), Each(1));
  EXPECT_THAT(Listen(first->address()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(Listen(first->address(), options), IsOk());
  const auto alone = ListenOn("tcp:127.0.0.1:0");
  EXPECT_THAT(Listen(alone->address(), options),
              StatusIs(absl::StatusCode::kAlreadyExists));
}

TEST(ListenOptionsTest, Ipv6OnlyServesNoIpv4) {
  ListenOptions options;
  for (const char* address : {"tcp:[::]:0", "tcp:*:0"}) {
    options.ipv6_only = true;
    const auto listener = ListenOn(address, options);
    EXPECT_THAT(OfListeners(IPPROTO_IPV6, IPV6_V6ONLY), ElementsAre(1));
    const std::string own = listener->address();
    const std::string port = own.substr(own.rfind(':'));
    EXPECT_THAT(Dial(absl::StrCat("tcp:127.0.0.1", port), Patience()),
                StatusIs(absl::StatusCode::kUnavailable));
    ExpectConversation(*listener, absl::StrCat("tcp:[::1]", port));
  }
  EXPECT_THAT(Listen("tcp:127.0.0.1:0", options),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("ipv6_only is set")));
  EXPECT_THAT(Listen(absl::StrCat("unix:", NewFolder(), "/socket"), options),
              IsOk());
}

TEST(ListenOptionsTest, WhatIsInvalidIsSaidByName) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const auto expect_invalid = [&path](const ListenOptions& options,
                                      absl::string_view says) {
    EXPECT_THAT(Listen(absl::StrCat("unix:", path), options),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string(says))));
    EXPECT_FALSE(Exists(path));
  };
  ListenOptions options;
  options.backlog = -1;
  expect_invalid(options, "backlog is -1");
  options = ListenOptions();
  options.file_mode = 01600;
  expect_invalid(options, "file_mode is 01600; it must be 0 to 0777");
  options = ListenOptions();
  options.file_owner = static_cast<uid_t>(-1);
  expect_invalid(options, "file_owner is -1");
  options = ListenOptions();
  options.file_group = static_cast<gid_t>(-1);
  expect_invalid(options, "file_group is -1");
}

// --- The file of a Unix socket

class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;
  ~Umask() { ::umask(before_); }

 private:
  const mode_t before_;
};

struct stat InfoOf(const std::string& path) {
  struct stat info = {};
  ABSL_PCHECK(::lstat(path.c_str(), &info) == 0);
  return info;
}

TEST(SocketFileOptionsTest, TheModeIsExactWhateverTheUmaskBeforeAnyConnects) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const mode_t mask : {mode_t{0}, mode_t{0777}}) {
    for (const mode_t mode : {mode_t{0600}, mode_t{0666}}) {
      const Umask umask(mask);
      ListenOptions options;
      options.file_mode = mode;
      mode_before_listen = 0;
      const auto listener = ListenOn(absl::StrCat("unix:", path), options);
      EXPECT_EQ(mode_before_listen, mode);
      EXPECT_EQ(InfoOf(path).st_mode & 07777, mode);
      ExpectConversation(*listener, listener->address());
    }
  }
}

TEST(SocketFileOptionsTest, TheModeIsThatOfANewFileByDefault) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const Umask umask(027);
  const auto listener = ListenOn(absl::StrCat("unix:", path));
  EXPECT_EQ(InfoOf(path).st_mode & 07777, 0750);
}

// Only root may give a file away, and in a sandbox not even that one.
TEST(SocketFileOptionsTest, TheOwnerAndGroupAreAsAskedForOrItFails) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const std::string address = absl::StrCat("unix:", path);
  const uid_t user = ::getuid();
  const gid_t group = ::getgid();
  for (const auto& [new_user, new_group] :
       {std::pair<std::optional<uid_t>, std::optional<gid_t>>(user, group),
        {user + 1, std::nullopt},
        {std::nullopt, group + 1},
        {user + 1, group + 1}}) {
    ListenOptions options;
    options.file_owner = new_user;
    options.file_group = new_group;
    const absl::StatusOr<std::unique_ptr<Listener>> listener =
        Listen(address, options);
    if (listener.ok()) {
      EXPECT_EQ(InfoOf(path).st_uid, new_user.value_or(user));
      EXPECT_EQ(InfoOf(path).st_gid, new_group.value_or(group));
    } else {
      EXPECT_NE(new_user.value_or(user) + new_group.value_or(group),
                user + group);
      EXPECT_THAT(listener.status().message(),
                  HasSubstr("file_owner or file_group cannot be set"));
      EXPECT_FALSE(Exists(path));
    }
  }
}

TEST(SocketFileOptionsTest, AnAddressWithoutAFileCannotHaveThem) {
  const std::string abstract = absl::StrCat("unix:@", NewFolder());
  ListenOptions mode;
  mode.file_mode = 0600;
  ListenOptions owner;
  owner.file_owner = ::getuid();
  ListenOptions group;
  group.file_group = ::getgid();
  for (const ListenOptions& options : {mode, owner, group}) {
    for (const std::string& address :
         {abstract, std::string("tcp:127.0.0.1:0")}) {
      EXPECT_THAT(Listen(address, options),
                  StatusIs(absl::StatusCode::kInvalidArgument,
                           HasSubstr("this address has none")));
    }
  }
}

}  // namespace
}  // namespace flow
