// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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
#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/listeners.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::DescriptorLimit;
using ::flow::testing::Exists;
using ::flow::testing::ExpectConversation;
using ::flow::testing::GiveUpCapabilities;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::Patience;
using ::testing::HasSubstr;

// Leaves a socket's file at `path`, as a process does that dies.
void LeaveFile(const std::string& path) {
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ABSL_CHECK_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
                     sizeof(address)) == 0);
  ::close(fd);
}

size_t FilesIn(const std::string& folder) {
  DIR* const directory = ::opendir(folder.c_str());
  ABSL_PCHECK(directory != nullptr);
  size_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count - 2;  // "." and ".."
}

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
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("is not a socket")));
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

// --- Taking a file over

TEST(TakeOverTest, AUsersFileWhereTheLockWouldBeIsKept) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const std::string users = absl::StrCat(path, ".take-over");
  LeaveFile(path);
  std::ofstream(users) << "precious";
  EXPECT_THAT(Listen(absl::StrCat("unix:", path)),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(users)));
  EXPECT_TRUE(Exists(users));
  // Nor is anything made where a link of the user's leads to.
  ::unlink(users.c_str());
  const std::string elsewhere = absl::StrCat(path, ".elsewhere");
  ABSL_PCHECK(::symlink(elsewhere.c_str(), users.c_str()) == 0);
  EXPECT_FALSE(Listen(absl::StrCat("unix:", path)).ok());
  EXPECT_FALSE(Exists(elsewhere));
  // Nor does it wait for what it opens.
  ::unlink(users.c_str());
  ABSL_PCHECK(::mkfifo(users.c_str(), 0600) == 0);
  EXPECT_THAT(Listen(absl::StrCat("unix:", path)),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(users)));
  EXPECT_TRUE(Exists(users));
}

TEST(TakeOverTest, OfManyThreadsOneSucceeds) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 300;
  const std::string folder = NewFolder();
  const std::string path = absl::StrCat(folder, "/socket");
  const std::string address = absl::StrCat("unix:", path);
  for (int round = 0; round < kRounds; ++round) {
    LeaveFile(path);
    std::vector<absl::StatusOr<std::unique_ptr<Listener>>> listeners(kThreads);
    std::atomic<int> waiting{kThreads};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        listeners[i] = Listen(address);
      });
    }
    for (std::thread& thread : threads) thread.join();
    Listener* winner = nullptr;
    for (const auto& listener : listeners) {
      if (listener.ok()) {
        ASSERT_EQ(winner, nullptr) << "two have it, in round " << round;
        winner = listener->get();
      } else {
        ASSERT_THAT(listener, StatusIs(absl::StatusCode::kAlreadyExists));
      }
    }
    ASSERT_NE(winner, nullptr);
    ASSERT_EQ(FilesIn(folder), 1);
    ExpectConversation(*winner, address);
  }
  EXPECT_EQ(FilesIn(folder), 0);
}

// Takes `address` over as soon as `start` is at its end, tells by `result` how
// that went, and serves one connection if it has it.
[[noreturn]] void TakeOverAndExit(const std::string& address, int start,
                                  int result) {
  char byte;
  while (::read(start, &byte, 1) > 0) {
  }
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(address);
  byte = listener.ok()                              ? 'y'
         : absl::IsAlreadyExists(listener.status()) ? 'n'
                                                    : '?';
  ABSL_PCHECK(::write(result, &byte, 1) == 1);
  if (listener.ok()) {
    absl::StatusOr<std::unique_ptr<Flow>> flow =
        (*listener)->Accept(Patience());
    ABSL_CHECK_OK(flow.status());
    ABSL_CHECK_OK((*flow)->Write("here"));
    ABSL_CHECK_OK((*flow)->Close(Patience()));
    listener->reset();
  }
  ::_exit(0);
}

TEST(TakeOverTest, OfManyProcessesOneSucceeds) {
  constexpr int kProcesses = 4;
  constexpr int kRounds = 50;
  const std::string folder = NewFolder();
  const std::string path = absl::StrCat(folder, "/socket");
  const std::string address = absl::StrCat("unix:", path);
  for (int round = 0; round < kRounds; ++round) {
    LeaveFile(path);
    int start[2];
    int result[2];
    ABSL_PCHECK(::pipe2(start, O_CLOEXEC) == 0);
    ABSL_PCHECK(::pipe2(result, O_CLOEXEC) == 0);
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = ::fork();
      ABSL_PCHECK(child >= 0);
      if (child == 0) {
        ::close(start[1]);
        TakeOverAndExit(address, start[0], result[1]);
      }
      children.push_back(child);
    }
    ::close(start[1]);
    std::string results;
    while (results.size() < kProcesses) {
      char byte;
      ASSERT_EQ(::read(result[0], &byte, 1), 1);
      results.push_back(byte);
    }
    EXPECT_THAT(results, ::testing::UnorderedElementsAre('y', 'n', 'n', 'n'));
    absl::StatusOr<std::unique_ptr<Flow>> flow = Dial(address, Patience());
    ASSERT_THAT(flow, IsOk());
    EXPECT_THAT((*flow)->Read(), IsOkAndHolds("here"));
    EXPECT_THAT((*flow)->Close(Patience()), IsOk());
    for (const pid_t child : children) {
      int status;
      ABSL_PCHECK(::waitpid(child, &status, 0) == child);
      EXPECT_EQ(status, 0);
    }
    for (const int fd : {start[0], result[0], result[1]}) ::close(fd);
    ASSERT_EQ(FilesIn(folder), 0);
  }
}

TEST(TakeOverTest, WhatCannotBeRemovedIsSaidWithItsCode) {
  const std::string folder = NewFolder();
  const std::string path = absl::StrCat(folder, "/socket");
  LeaveFile(path);
  ABSL_PCHECK(::chmod(folder.c_str(), 0555) == 0);
  const pid_t child = ::fork();
  ABSL_PCHECK(child >= 0);
  if (child == 0) {
    GiveUpCapabilities();
    const absl::Status status = Listen(absl::StrCat("unix:", path)).status();
    const bool is_said =
        absl::IsPermissionDenied(status) &&
        absl::StrContains(status.message(), "a file was left there");
    if (!is_said) ABSL_LOG(ERROR) << status;
    ::_exit(is_said ? 0 : 1);
  }
  int status;
  ABSL_PCHECK(::waitpid(child, &status, 0) == child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Exists(path));
  EXPECT_EQ(FilesIn(folder), 1);
}

TEST(TakeOverTest, ASocketThatDoesNotListenYetIsSomebodys) {
  // One for datagrams will never listen.
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    const std::string path = absl::StrCat(NewFolder(), "/socket");
    struct sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const int fd = ::socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    ABSL_PCHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
                       sizeof(address)) == 0);
    EXPECT_THAT(Listen(absl::StrCat("unix:", path)),
                StatusIs(absl::StatusCode::kAlreadyExists));
    ::close(fd);
    EXPECT_THAT(Listen(absl::StrCat("unix:", path)), IsOk());
  }
}

TEST(TakeOverTest, AnAbstractNameIsOneListeners) {
  const std::string address = absl::StrCat("unix:@", NewFolder());
  const auto listener = ListenOn(address);
  EXPECT_THAT(Listen(address), StatusIs(absl::StatusCode::kAlreadyExists));
}

// --- What is left behind

TEST(SocketFileTest, AListenThatFailsLeavesNone) {
  const std::string path = absl::StrCat(NewFolder(), "/socket");
  const std::string address = absl::StrCat("unix:", path);
  for (const bool left_over : {false, true}) {
    if (left_over) LeaveFile(path);
    int free = 0;
    while (true) {
      absl::Status status;
      {
        const DescriptorLimit few(free++);
        status = Listen(address).status();
      }
      if (status.ok()) break;
      EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
      // One that was there before may still be.
      if (!left_over) {
        EXPECT_FALSE(Exists(path));
      }
    }
    EXPECT_GE(free, 2);
    EXPECT_FALSE(Exists(path));
  }
}

TEST(SocketFileTest, OfARelativePathIsRemovedAfterChdir) {
  const std::string folder = NewFolder();
  const int before = ::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ABSL_PCHECK(::chdir(folder.c_str()) == 0);
  auto listener = ListenOn("unix:socket");
  EXPECT_EQ(listener->address(), "unix:socket");
  EXPECT_EQ(FilesIn(folder), 1);
  ABSL_PCHECK(::chdir("/") == 0);
  ExpectConversation(*listener, absl::StrCat("unix:", folder, "/socket"));
  listener->Close();
  EXPECT_EQ(FilesIn(folder), 0);
  ABSL_PCHECK(::fchdir(before) == 0);
  ::close(before);
}

}  // namespace
}  // namespace flow
