// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/testing/matchers.h"
#include "flow/testing/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::flow::testing::OpenDescriptors;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

// For a machine under load; what is waited for comes at once.
absl::Time Patience() { return absl::Now() + absl::Seconds(20); }
absl::Time Soon() { return absl::Now() + absl::Milliseconds(5); }

bool Exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

// A short one: the path of a socket has little room.
std::string NewFolder() {
  std::string path = "/tmp/flow_socket_test.XXXXXX";
  ABSL_PCHECK(::mkdtemp(path.data()) != nullptr);
  return path;
}

std::unique_ptr<Listener> ListenOn(absl::string_view address) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(address);
  ABSL_CHECK_OK(listener.status());
  return *std::move(listener);
}

// Dials the address of `listener`, and says hello both ways.
void ExpectConversation(Listener& listener, const std::string& address) {
  absl::StatusOr<std::unique_ptr<Flow>> left = Dial(address, Patience());
  ASSERT_THAT(left, IsOk());
  absl::StatusOr<std::unique_ptr<Flow>> right = listener.Accept(Patience());
  ASSERT_THAT(right, IsOk());
  EXPECT_THAT((*left)->Write("hello"), IsOk());
  EXPECT_THAT((*right)->Read(), IsOkAndHolds("hello"));
  EXPECT_THAT((*right)->Write("hello, too"), IsOk());
  EXPECT_THAT((*left)->Read(), IsOkAndHolds("hello, too"));
  std::thread closer([&] { EXPECT_THAT((*left)->Close(Patience()), IsOk()); });
  EXPECT_THAT((*right)->Close(Patience()), IsOk());
  closer.join();
}

// --- Addresses

TEST(AddressTest, ThatIsNoneIsInvalid) {
  const struct {
    const char* address;
    const char* says;
  } kCases[] = {
      {"", "neither tcp: nor unix:"},
      {"localhost:80", "neither tcp: nor unix:"},
      {"tcp:", "the port is missing"},
      {"tcp:localhost:", "the port is missing"},
      {"tcp::80", "the host is missing"},
      {"tcp:::1:80", "wants brackets"},
      {"tcp:[::1]", "brackets hold"},
      {"tcp:[::1]80", "brackets hold"},
      {"tcp:[localhost]:80", "brackets hold"},
      {"tcp:127.0.0.1:no-such-service", "port is not known"},
      {"tcp:127.0.0.1:65536", "the port is none"},
      {"tcp:127.0.0.1:4294967296", "the port is none"},
      {"tcp:127.0.0.1:-1", "the port is none"},
      {"tcp:127.0.0.1:+80", "the port is none"},
      {"tcp: 80", "the port is none"},
      {"unix:", "the path is missing"},
      {"unix:@", "the path is missing"},
  };
  for (const auto& c : kCases) {
    for (const absl::Status& status :
         {Dial(c.address).status(), Listen(c.address).status()}) {
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                                   HasSubstr(c.says)))
          << c.address;
    }
  }
  EXPECT_THAT(Dial(absl::StrCat("unix:", std::string(108, 'x'))),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at most 107 bytes")));
  EXPECT_THAT(Dial(absl::string_view("unix:a\0b", 8)),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Dial("tcp:80"), StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("host is missing")));
}

TEST(AddressTest, OfAListenerCanBeDialed) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const std::string& address :
       {std::string("tcp:127.0.0.1:0"), std::string("tcp:[::1]:0"),
        std::string("tcp:localhost:0"), std::string("tcp:0"),
        absl::StrCat("unix:", path),
        // Unlike a process number, unique also outside of a sandbox.
        absl::StrCat("unix:@", path)}) {
    SCOPED_TRACE(address);
    auto listener = ListenOn(address);
    ExpectConversation(*listener, listener->address());
  }
  EXPECT_THAT(ListenOn("tcp:127.0.0.1:0")->address(),
              MatchesRegex("tcp:127\\.0\\.0\\.1:[1-9][0-9]*"));
}

TEST(AddressTest, OnEveryAddressMeansBothKinds) {
  auto listener = ListenOn("tcp:0");
  const std::string address = listener->address();
  const std::string port = address.substr(address.rfind(':'));
  ExpectConversation(*listener, absl::StrCat("tcp:127.0.0.1", port));
  ExpectConversation(*listener, absl::StrCat("tcp:localhost", port));
  if (address == absl::StrCat("tcp:[::]", port)) {
    ExpectConversation(*listener, absl::StrCat("tcp:[::1]", port));
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
                       HasSubstr(absl::StrCat("Dial(", tcp,
                                              "): nobody listens there"))));
  const std::string folder = NewFolder();
  EXPECT_THAT(Dial(absl::StrCat("unix:", folder, "/none"), Patience()),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(DialTest, AnUnknownNameIsNotFound) {
  // RFC 6761: no such name exists, and resolvers should know. Without a name
  // server it is unavailable.
  EXPECT_THAT(Dial("tcp:flow.invalid:80", Patience()),
              ::testing::AnyOf(StatusIs(absl::StatusCode::kNotFound),
                               StatusIs(absl::StatusCode::kUnavailable)));
}

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

TEST(DialTest, LeavesNoDescriptorBehindWhenItFails) {
  const std::string tcp = ListenOn("tcp:127.0.0.1:0")->address();
  Dial(tcp, Patience()).IgnoreError();  // what this thread needs once
  const size_t before = OpenDescriptors();
  for (int i = 0; i < 10; ++i) Dial(tcp, Patience()).IgnoreError();
  EXPECT_EQ(OpenDescriptors(), before);
}

// --- Accept()

TEST(AcceptTest, ItsDeadlineEndsTheWait) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  for (const absl::Time deadline : {absl::InfinitePast(), Soon()}) {
    EXPECT_THAT(listener->Accept(deadline),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  ExpectConversation(*listener, listener->address());
}

TEST(AcceptTest, ADeadlineInThePastTakesWhoIsThereAlready) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::StatusOr<std::unique_ptr<Flow>> flow =
      Dial(listener->address(), Patience());
  ASSERT_THAT(flow, IsOk());
  EXPECT_THAT(listener->Accept(absl::InfinitePast()), IsOk());
}

TEST(AcceptTest, ManyMayWaitAndEachGetsOne) {
  constexpr int kThreads = 8;
  constexpr int kEach = 20;
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) {
        absl::StatusOr<std::unique_ptr<Flow>> flow =
            listener->Accept(Patience());
        ASSERT_THAT(flow, IsOk());
        EXPECT_THAT((*flow)->Read(), IsOkAndHolds("x"));
        EXPECT_THAT((*flow)->Close(Patience()), IsOk());
        ++accepted;
      }
    });
  }
  for (int n = 0; n < kThreads * kEach; ++n) {
    absl::StatusOr<std::unique_ptr<Flow>> flow =
        Dial(listener->address(), Patience());
    ASSERT_THAT(flow, IsOk());
    EXPECT_THAT((*flow)->Write("x"), IsOk());
    EXPECT_THAT((*flow)->Close(Patience()), IsOk());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, kThreads * kEach);
}

TEST(AcceptTest, WithoutADescriptorIsExhaustedAndTheConnectionWaits) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  absl::StatusOr<std::unique_ptr<Flow>> left =
      Dial(listener->address(), Patience());
  ASSERT_THAT(left, IsOk());
  struct rlimit before;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  struct rlimit none_left = before;
  none_left.rlim_cur = 3;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &none_left) == 0);
  EXPECT_THAT(listener->Accept(Patience()),
              StatusIs(absl::StatusCode::kResourceExhausted));
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  EXPECT_THAT(listener->Accept(Patience()), IsOk());
}

// --- Closing a listener

TEST(ListenerTest, CloseWakesEveryAccept) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  std::vector<std::thread> threads;
  std::atomic<int> begun{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ++begun;
      EXPECT_THAT(listener->Accept(), IsClosed());
    });
  }
  while (begun < 4) std::this_thread::yield();
  listener->Close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(listener->Accept(), IsClosed());
  listener->Close();
}

TEST(ListenerTest, AfterCloseNobodyListensAndTheAddressIsFree) {
  auto listener = ListenOn("tcp:127.0.0.1:0");
  const std::string address = listener->address();
  listener->Close();
  EXPECT_THAT(Dial(address, Patience()),
              StatusIs(absl::StatusCode::kUnavailable));
  ExpectConversation(*ListenOn(address), address);
}

TEST(ListenerTest, APortCanBeUsedAgainAfterAConnectionOnIt) {
  std::string address;
  {
    auto listener = ListenOn("tcp:127.0.0.1:0");
    address = listener->address();
    absl::StatusOr<std::unique_ptr<Flow>> left = Dial(address, Patience());
    absl::StatusOr<std::unique_ptr<Flow>> right = listener->Accept(Patience());
    ASSERT_THAT(right, IsOk());
    // Whoever ends first keeps the port for a while (TIME_WAIT).
    EXPECT_THAT((*right)->Shutdown(ShutdownMode::kWrite), IsOk());
    EXPECT_THAT((*left)->Close(Patience()), IsOk());
    EXPECT_THAT((*right)->Close(Patience()), IsOk());
  }
  EXPECT_THAT(Listen(address), IsOk());
}

TEST(ListenerTest, OnAnAddressThatIsTakenAlreadyExists) {
  auto tcp = ListenOn("tcp:127.0.0.1:0");
  EXPECT_THAT(Listen(tcp->address()),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       HasSubstr("somebody else listens there")));
  const std::string path = absl::StrCat("unix:", NewFolder(), "/socket");
  auto unix = ListenOn(path);
  EXPECT_THAT(Listen(path), StatusIs(absl::StatusCode::kAlreadyExists));
  ExpectConversation(*unix, path);
}

TEST(ListenerTest, OnAnAddressOfAnotherMachineIsInvalid) {
  // RFC 5737: for documentation, so no machine has it.
  EXPECT_THAT(Listen("tcp:192.0.2.1:0"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("not one of this machine")));
}

// --- The file of a Unix socket

TEST(SocketFileTest, IsMadeAndRemoved) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  for (const bool close : {true, false}) {
    auto listener = ListenOn(absl::StrCat("unix:", path));
    EXPECT_TRUE(Exists(path));
    if (close) {
      listener->Close();
      EXPECT_FALSE(Exists(path));
    }
    listener = nullptr;
    EXPECT_FALSE(Exists(path));
  }
}

TEST(SocketFileTest, LeftFromAProcessThatHasDiedIsReplaced) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const std::string address = absl::StrCat("unix:", path);
  {
    const std::string elsewhere = absl::StrCat(path, ".saved");
    auto listener = ListenOn(address);
    ASSERT_EQ(::rename(path.c_str(), elsewhere.c_str()), 0);
    listener = nullptr;
    ASSERT_EQ(::rename(elsewhere.c_str(), path.c_str()), 0);
  }
  ASSERT_TRUE(Exists(path));
  ExpectConversation(*ListenOn(address), address);
}

TEST(SocketFileTest, ThatIsNoSocketIsLeftAlone) {
  const std::string path = absl::StrCat(NewFolder(), "/file");
  std::ofstream(path) << "precious";
  EXPECT_THAT(
      Listen(absl::StrCat("unix:", path)),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("is no socket")));
  EXPECT_TRUE(Exists(path));
}

TEST(SocketFileTest, ThatSomebodyElseHasReplacedIsLeftAlone) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const std::string address = absl::StrCat("unix:", path);
  auto first = ListenOn(address);
  ASSERT_EQ(::unlink(path.c_str()), 0);
  auto second = ListenOn(address);
  first->Close();
  ExpectConversation(*second, address);
}

TEST(SocketFileTest, InAFolderThatDoesNotExistIsNotFound) {
  EXPECT_THAT(Listen(absl::StrCat("unix:", NewFolder(), "/none/socket")),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace flow
