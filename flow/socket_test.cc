// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket_address.h"
#include "flow/socket_options.h"
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
using ::absl_testing::StatusIs;
using ::flow::testing::DescriptorLimit;
using ::flow::testing::ExpectConversation;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::OpenDescriptors;
using ::flow::testing::Patience;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// --- Addresses

// socket_address_test.cc has what is none.
TEST(AddressTest, ThatIsNoneIsInvalid) {
  for (const auto& [address, says] :
       {std::pair<const char*, const char*>("localhost:80", "neither tcp:"),
        {"tcp:localhost", "the port is missing, as in tcp:localhost:80"},
        {"tcp:127.0.0.1:no-such-service", "port is not known"}}) {
    for (const absl::Status& status :
         {Dial(address).status(), Listen(address).status()}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr(says)));
    }
  }
  for (const char* address : {"tcp:80", "tcp:*:80"}) {
    EXPECT_THAT(Dial(address), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("host is missing, as in")));
  }
}

TEST(AddressTest, ThatIsNoneIsSaidInOneLine) {
  constexpr absl::string_view kAddress = "tcp:\x1b[2J\n\xff:80";
  for (const absl::Status& status :
       {Dial(kAddress).status(), Listen(kAddress).status()}) {
    EXPECT_THAT(status.message(), HasSubstr("(tcp:\\x1b[2J\\n\\xff:80): "));
    EXPECT_TRUE(absl::c_all_of(status.message(), absl::ascii_isprint));
  }
}

TEST(AddressTest, OfAListenerCanBeDialed) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:0"), std::string("tcp:[::1]:0"),
        std::string("tcp:localhost:0"), std::string("tcp:0"),
        absl::StrCat("unix:", path),
        // Unlike a process number, unique also outside of a sandbox.
        absl::StrCat("unix:@", path),
        // The longest ones; a name may have any bytes.
        absl::StrCat("unix:", path, std::string(107 - path.size(), 'x')),
        absl::StrCat("unix:@", path, std::string(107 - path.size(), '\0'))}) {
    SCOPED_TRACE(address);
    auto listener = ListenOn(address);
    ExpectConversation(*listener, listener->address());
  }
  EXPECT_THAT(ListenOn("tcp:127.0.0.1:0")->address(),
              MatchesRegex("tcp:127\\.0\\.0\\.1:[1-9][0-9]*"));
}

TEST(AddressTest, IsTextOrAValue) {
  const absl::StatusOr<SocketAddress> any = SocketAddress::Tcp("127.0.0.1", 0);
  ASSERT_THAT(any, IsOk());
  const absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(*any);
  ASSERT_THAT(listener, IsOk());
  const absl::StatusOr<SocketAddress> address =
      SocketAddress::Parse((*listener)->address());
  ASSERT_THAT(address, IsOk());
  const absl::StatusOr<std::unique_ptr<Flow>> flow = Dial(*address, Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT(SocketAddress::Parse((*flow)->remote_address()),
              IsOkAndHolds(*address));
}

TEST(AddressTest, OnEveryAddressMeansBothKinds) {
  for (const char* any : {"tcp:0", "tcp:*:0", "tcp:[::]:0"}) {
    SCOPED_TRACE(any);
    auto listener = ListenOn(any);
    const std::string address = listener->address();
    const std::string port = address.substr(address.rfind(':'));
    ExpectConversation(*listener, absl::StrCat("tcp:127.0.0.1", port));
    ExpectConversation(*listener, absl::StrCat("tcp:localhost", port));
    ExpectConversation(*listener, address);
    if (address == absl::StrCat("tcp:[::]", port)) {
      ExpectConversation(*listener, absl::StrCat("tcp:[::1]", port));
    }
  }
}

TEST(AddressTest, OfThePeerNamesTheFlow) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      Dial(listener->address(), Patience());
  ASSERT_THAT(flow, IsOk());
  std::string name = listener->address();
  name[name.find(':')] = ' ';
  EXPECT_THAT((*flow)->DebugString(), StartsWith(absl::StrCat(name, " [")));
  absl::StatusOr<std::unique_ptr<Flow>> peer = listener->Accept(Patience());
  ASSERT_THAT(peer, IsOk());
  EXPECT_THAT((*peer)->DebugString(), StartsWith("tcp 127.0.0.1:"));
}

// --- Dial()

TEST(DialTest, NobodyThereIsUnavailable) {
  const std::string tcp = ListenOn("tcp:127.0.0.1:0")->address();
  EXPECT_THAT(Dial(tcp, Patience()),
              StatusIs(absl::StatusCode::kUnavailable,
                       absl::StrCat("Dial(", tcp,
                                    "): nobody listens there: connect: "
                                    "Connection refused")));
  const std::string folder = NewFolder();
  EXPECT_THAT(Dial(absl::StrCat("unix:", folder, "/none"), Patience()),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(DialTest, AnUnknownNameIsNotFound) {
  // RFC 6761: no such name exists, and resolvers should know. Without a name
  // server it is unavailable.
  EXPECT_THAT(Dial("tcp:flow.invalid:80", Patience()),
              AnyOf(StatusIs(absl::StatusCode::kNotFound),
                    StatusIs(absl::StatusCode::kUnavailable)));
}

TEST(DialTest, ItsErrorTellsTheErrnoOfTheSystem) {
  const std::string folder = NewFolder();
  const std::string dead = absl::StrCat("unix:", folder, "/dead");
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  dead.copy(un.sun_path, sizeof(un.sun_path) - 1, strlen("unix:"));
  ABSL_PCHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&un), sizeof(un)) ==
              0);
  ::close(fd);
  const std::string tcp = ListenOn("tcp:127.0.0.1:0")->address();
  for (const auto& [address, error] :
       {std::pair<std::string, std::optional<int>>(tcp, ECONNREFUSED),
        {dead, ECONNREFUSED},
        {absl::StrCat("unix:", folder, "/none"), ENOENT},
        // TCP cannot be dialed there.
        {"tcp:255.255.255.255:80", ENETUNREACH},
        {"tcp:127.0.0.1:no-such-service", std::nullopt},
        {"nonsense", std::nullopt}}) {
    const absl::Status status = Dial(address, Patience()).status();
    EXPECT_EQ(ErrnoOf(status), error) << status;
    if (error.has_value()) {
      EXPECT_THAT(status.message(),
                  HasSubstr(absl::StrCat("connect: ", std::strerror(*error))));
    }
  }
}

TEST(ListenTest, ItsErrorTellsTheErrnoOfTheSystem) {
  const auto listener = ListenOn("tcp:127.0.0.1:0");
  for (const auto& [address, error] :
       {std::pair<std::string, int>(listener->address(), EADDRINUSE),
        {"unix:/no/such/folder/socket", ENOENT}}) {
    const absl::Status status = Listen(address).status();
    EXPECT_EQ(ErrnoOf(status), error) << status;
  }
  EXPECT_EQ(ErrnoOf(ListenOnFd(-1).status()), EBADF);
}

// --- DialOptions::may_dial

// Dials `address` and returns what may_dial, which forbids it all, was asked.
std::vector<std::string> AskedBeforeDialing(const std::string& address) {
  std::vector<std::string> asked;
  DialOptions options;
  options.may_dial = [&](const SocketAddress& each) {
    asked.push_back(each.ToString());
    return false;
  };
  const absl::Status status = Dial(address, Patience(), options).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kPermissionDenied,
                       HasSubstr(absl::StrCat("may_dial forbids ",
                                              absl::StrJoin(asked, " and ")))));
  EXPECT_EQ(ErrnoOf(status), std::nullopt);
  return asked;
}

TEST(MayDialTest, IsAskedForEachAddressOfANameAndNeverForTheName) {
  const auto listener = ListenOn("tcp:0");
  const std::string address = listener->address();
  const std::string port = address.substr(address.rfind(':'));
  const std::vector<std::string> asked =
      AskedBeforeDialing(absl::StrCat("tcp:localhost", port));
  EXPECT_THAT(asked, Contains(absl::StrCat("tcp:127.0.0.1", port)));
  EXPECT_THAT(asked, Each(AnyOf(absl::StrCat("tcp:127.0.0.1", port),
                                absl::StrCat("tcp:[::1]", port))));
  // Nothing was connected.
  EXPECT_THAT(listener->Accept(absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(MayDialTest, LeavesOutWhatItForbids) {
  const auto listener = ListenOn("tcp:0");
  const std::string address = listener->address();
  const std::string port = address.substr(address.rfind(':'));
  DialOptions options;
  options.may_dial = [](const SocketAddress& each) {
    return each.host() == "127.0.0.1";
  };
  const absl::StatusOr<std::unique_ptr<Flow>> flow =
      Dial(absl::StrCat("tcp:localhost", port), Patience(), options);
  ASSERT_THAT(flow, IsOk());
  EXPECT_EQ((*flow)->remote_address(), absl::StrCat("tcp:127.0.0.1", port));
}

TEST(MayDialTest, SeesTheLoopbackAddressForThatOfEveryAddress) {
  EXPECT_THAT(AskedBeforeDialing("tcp:0.0.0.0:80"),
              ElementsAre("tcp:127.0.0.1:80"));
  EXPECT_THAT(AskedBeforeDialing("tcp:0:80"), ElementsAre("tcp:127.0.0.1:80"));
  EXPECT_THAT(AskedBeforeDialing("tcp:[::]:80"), ElementsAre("tcp:[::1]:80"));
  EXPECT_THAT(AskedBeforeDialing("tcp:[::ffff:0.0.0.0]:80"),
              ElementsAre("tcp:[::ffff:127.0.0.1]:80"));
}

TEST(MayDialTest, IsAskedAboutAUnixSocketAsItWasGiven) {
  for (const char* address : {"unix:some/path", "unix:./@file", "unix:@name"}) {
    EXPECT_THAT(AskedBeforeDialing(address), ElementsAre(address));
  }
}

// --- Limits

TEST(DialTest, ItsDeadlineEndsTheWait) {
  // Nobody accepts, and soon there is no room for more that wait.
  struct sockaddr_in any = {};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(any);
  auto* const address = reinterpret_cast<struct sockaddr*>(&any);
  const int full = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::bind(full, address, size) == 0);
  ABSL_PCHECK(::listen(full, 0) == 0);
  ABSL_PCHECK(::getsockname(full, address, &size) == 0);
  ListenOptions options;
  options.backlog = 0;
  const std::string path = absl::StrCat("unix:", NewFolder(), "/full");
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(path, options);
  ASSERT_THAT(listener, IsOk());
  for (const std::string& where :
       {absl::StrCat("tcp:127.0.0.1:", ntohs(any.sin_port)), path}) {
    SCOPED_TRACE(where);
    std::vector<std::unique_ptr<Flow>> waiting;
    absl::Status status;
    while (status.ok() && waiting.size() < 100) {
      absl::StatusOr<std::unique_ptr<Flow>> flow =
          Dial(where, absl::Now() + absl::Milliseconds(50));
      status = flow.status();
      if (flow.ok()) waiting.push_back(*std::move(flow));
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  ::close(full);
}

TEST(DialTest, WithoutDescriptorsIsExhausted) {
  const std::string unix = absl::StrCat("unix:", NewFolder(), "/socket");
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:80"), std::string("tcp:127.0.0.1:http"),
        std::string("tcp:localhost:80"), std::string("tcp:localhost:http"),
        std::string("tcp:flow.invalid:80"), unix}) {
    absl::Status dial;
    absl::Status listen;
    {
      const DescriptorLimit none(0);
      dial = Dial(address, Patience()).status();
      listen = Listen(address).status();
    }
    EXPECT_THAT(dial, StatusIs(absl::StatusCode::kResourceExhausted))
        << address;
    EXPECT_THAT(listen, StatusIs(absl::StatusCode::kResourceExhausted))
        << address;
  }
}

TEST(DialTest, WithFewDescriptorsItSaysNothingElseThanWithMany) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  for (const std::string& each :
       {address,
        absl::StrCat("tcp:localhost", address.substr(address.rfind(':'))),
        std::string("tcp:127.0.0.1:http"), std::string("tcp:localhost:http")}) {
    const absl::StatusCode with_many = Dial(each, Patience()).status().code();
    for (int free = 0; free < 8; ++free) {
      absl::Status status;
      {
        const DescriptorLimit few(free);
        status = Dial(each, Patience()).status();
      }
      EXPECT_THAT(status.code(),
                  AnyOf(with_many, absl::StatusCode::kResourceExhausted))
          << each << " with " << free << ": " << status;
    }
  }
}

TEST(DialTest, LeavesNoDescriptorBehindWhenItFails) {
  const std::string tcp = ListenOn("tcp:127.0.0.1:0")->address();
  Dial(tcp, Patience()).IgnoreError();  // what this thread needs once
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 10; ++i) Dial(tcp, Patience()).IgnoreError();
  EXPECT_EQ(OpenDescriptors(), before);
}

// --- Names

TEST(NameTest, OfAUnixPeerIsEscaped) {
  const std::string folder = NewFolder();
  const std::string path = absl::StrCat(folder, "/a\n\x1b[2Jb\xff");
  auto listener = ListenOn(absl::StrCat("unix:", path));
  EXPECT_EQ(listener->address(), absl::StrCat("unix:", path));
  absl::StatusOr<std::unique_ptr<Flow>> dialed =
      Dial(listener->address(), Patience());
  ASSERT_THAT(dialed, IsOk());
  absl::StatusOr<std::unique_ptr<Flow>> accepted = listener->Accept(Patience());
  ASSERT_THAT(accepted, IsOk());
  for (const auto* flow : {&dialed, &accepted}) {
    EXPECT_THAT(
        (**flow)->DebugString(),
        StartsWith(absl::StrCat("unix ", folder, "/a\\n\\x1b[2Jb\\xff [")));
  }
  listener->Close();
  EXPECT_THAT(listener->Accept().status().message(),
              HasSubstr("/a\\n\\x1b[2Jb\\xff): not listening"));
}

TEST(NameTest, OfAUnixPeerInTheAbstractNamespaceIsEscaped) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  auto listener = ListenOn(absl::StrCat("unix:", path));
  // A name with a byte of 0, which no address as text can have.
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string name = absl::StrCat(absl::string_view("\0a\0\r", 4), path);
  ABSL_CHECK_LT(name.size(), sizeof(address.sun_path));
  name.copy(address.sun_path, name.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(
      ::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
             static_cast<socklen_t>(offsetof(struct sockaddr_un, sun_path) +
                                    name.size())) == 0);
  address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  ABSL_PCHECK(::connect(fd, reinterpret_cast<struct sockaddr*>(&address),
                        sizeof(address)) == 0);
  absl::StatusOr<std::unique_ptr<Flow>> flow = listener->Accept(Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT((*flow)->DebugString(),
              StartsWith(absl::StrCat("unix @a\\x00\\r", path, " [")));
  ::close(fd);
}

}  // namespace
}  // namespace flow
