// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Sockets and listeners whose system calls fail: each call of each scenario, in
// each way that is plausible. What was interrupted is done nevertheless. What
// fails says so, or does no harm.

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/testing/internal/deadlines.h"
#include "flow/testing/internal/failing_system_calls.h"
#include "flow/testing/internal/listeners.h"
#include "flow/testing/internal/raw_sockets.h"
#include "flow/testing/internal/stream_scenarios.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::flow::testing::Converse;
using ::flow::testing::Cut;
using ::flow::testing::Exists;
using ::flow::testing::ExpectSurvivesEachFault;
using ::flow::testing::Flows;
using ::flow::testing::FlowsOf;
using ::flow::testing::GiveUp;
using ::flow::testing::Late;
using ::flow::testing::ListenOn;
using ::flow::testing::NewFolder;
using ::flow::testing::Own;
using ::flow::testing::OwnSystemCalls;
using ::flow::testing::Patience;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;
using ::flow::testing::Refuse;
using ::flow::testing::Shortly;
using ::flow::testing::SmallUnix;
using ::flow::testing::SystemCallFault;
using ::flow::testing::SystemCallScope;

// --- Sockets

TEST(SocketFaultsTest, UnixSocket) {
  ExpectSurvivesEachFault(
      [] { return Converse(FlowsOf(Own(SmallUnix)), Cut::kLooksWhole); });
}

TEST(SocketFaultsTest, Tcp) {
  ExpectSurvivesEachFault([] {
    return Converse(FlowsOf(Own([] { return RawTcp(/*small=*/true); })),
                    Cut::kIsTold);
  });
}

TEST(SocketFaultsTest, UnixSocketThatRefuses) {
  ExpectSurvivesEachFault([] { return Refuse(FlowsOf(Own(RawUnix))); });
}

TEST(SocketFaultsTest, TcpThatIsRefused) {
  ExpectSurvivesEachFault([] {
    absl::StatusOr<Flows> flows = FlowsOf(Own([] { return RawTcp(); }));
    if (!flows.ok()) return flows.status();
    absl::Status status = flows->left->Write("nobody reads this");
    if (!status.ok()) return status;
    status = flows->right->Shutdown(ShutdownMode::kReadWrite);
    if (!status.ok()) return status;
    status = flows->left->Shutdown(ShutdownMode::kWrite);
    if (!status.ok()) return status;
    status = flows->right->Close(Patience());
    status.Update(flows->left->Close(Patience()));
    return status;
  });
}

TEST(SocketFaultsTest, ATcpConnectionThatIsAborted) {
  ExpectSurvivesEachFault([] {
    return GiveUp(FlowsOf(Own([] { return RawTcp(); })), /*aborts=*/true);
  });
}

TEST(SocketFaultsTest, ATcpStreamThatIsCut) {
  ExpectSurvivesEachFault([] {
    return GiveUp(FlowsOf(Own([] { return RawTcp(); })), /*aborts=*/false);
  });
}

// --- Listeners

class ListenerFaultsTest : public ::testing::Test {
 protected:
  ~ListenerFaultsTest() override {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
  }

  const std::string folder_ = NewFolder();
  const std::string path_ = absl::StrCat(folder_, "/file");

  absl::Status ListenAndConverse(absl::string_view address, Cut cut,
                                 const ListenOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Listener>> listener =
        Listen(address, options);
    if (!listener.ok()) return listener.status();
    return DialAndConverse(**listener, cut);
  }

  static absl::Status DialAndConverse(Listener& listener, Cut cut) {
    // A fault that lasts until the deadline is told instead of it.
    absl::Status nobody = Late(listener.Accept(Shortly()).status());
    if (!nobody.ok()) return nobody;
    DialOptions options;
    options.send_buffer = 4096;
    absl::StatusOr<std::unique_ptr<Flow>> left =
        Dial(listener.address(), Patience(), options);
    if (!left.ok()) return left.status();
    absl::StatusOr<std::unique_ptr<Flow>> right = listener.Accept(Patience());
    if (!right.ok()) return right.status();
    (*left)->peer().IgnoreError();
    listener.Close();
    return Converse(Flows{*std::move(left), *std::move(right)}, cut);
  }

  const std::string address_ = absl::StrCat("unix:", path_);
};

TEST_F(ListenerFaultsTest, Tcp) {
  ExpectSurvivesEachFault(
      [this] { return ListenAndConverse("tcp:127.0.0.1:0", Cut::kIsTold); });
}

TEST_F(ListenerFaultsTest, EveryAddress) {
  ExpectSurvivesEachFault([this] {
    ListenOptions options;
    options.reuse_port = true;
    return ListenAndConverse("tcp:0", Cut::kIsTold, options);
  });
}

TEST_F(ListenerFaultsTest, Unix) {
  ExpectSurvivesEachFault([this] {
    ListenOptions options;
    options.file_mode = 0600;
    options.file_group = ::getgid();
    const absl::Status status =
        ListenAndConverse(address_, Cut::kLooksWhole, options);
    // Whatever is left does not keep the next one out.
    const OwnSystemCalls own;
    EXPECT_TRUE(Listen(address_).ok());
    EXPECT_FALSE(Exists(path_));
    return status;
  });
}

void LeaveFile(const std::string& path) {
  const OwnSystemCalls own;
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::unlink(path.c_str());
  ABSL_PCHECK(::bind(fd, reinterpret_cast<struct sockaddr*>(&address),
                     sizeof(address)) == 0);
  ::close(fd);
}

TEST_F(ListenerFaultsTest, AFileThatWasLeftIsTakenOver) {
  ExpectSurvivesEachFault([this] {
    LeaveFile(path_);
    const absl::Status status = Listen(address_).status();
    // The next one cleans up.
    LeaveFile(path_);
    const OwnSystemCalls own;
    EXPECT_TRUE(Listen(address_).ok());
    EXPECT_FALSE(Exists(path_));
    EXPECT_FALSE(Exists(absl::StrCat(path_, ".take-over")));
    return status;
  });
}

TEST_F(ListenerFaultsTest, AFileOfSomebodyElseStays) {
  const std::unique_ptr<Listener> other = ListenOn(address_);
  ExpectSurvivesEachFault([this] {
    const absl::Status status = Listen(address_).status();
    EXPECT_FALSE(status.ok());
    const OwnSystemCalls own;
    EXPECT_TRUE(Dial(address_, Patience()).ok());
    return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
  });
}

TEST_F(ListenerFaultsTest, AnInheritedSocket) {
  ExpectSurvivesEachFault([] {
    const int fd = Own([] {
      const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      ABSL_PCHECK(::listen(socket, 1) == 0);
      return socket;
    });
    const absl::StatusOr<std::unique_ptr<Listener>> listener = ListenOnFd(fd);
    if (!listener.ok()) return listener.status();
    return DialAndConverse(**listener, Cut::kIsTold);
  });
}

// --- What always fails, or fails at another moment

TEST(SocketFaultsTest, ACloseOfAListenerThatIsInterruptedWakes) {
  const std::unique_ptr<Listener> listener = ListenOn("tcp:127.0.0.1:0");
  const SystemCallScope scope(SystemCallFault{"write", 0, EINTR});
  std::thread closer([&] {
    while (scope.calls()["ppoll"] == 0) std::this_thread::yield();
    listener->Close();
  });
  EXPECT_TRUE(IsClosed(listener->Accept(Patience()).status()));
  closer.join();
  EXPECT_TRUE(scope.fired());
}

TEST(SocketFaultsTest, ALookUpThatFails) {
  constexpr struct {
    int error;
    absl::StatusCode code;
  } kCases[] = {
      {EAI_NONAME, absl::StatusCode::kNotFound},
      {EAI_NODATA, absl::StatusCode::kNotFound},
      {EAI_SERVICE, absl::StatusCode::kInvalidArgument},
      {EAI_MEMORY, absl::StatusCode::kResourceExhausted},
      {EAI_SYSTEM, absl::StatusCode::kUnavailable},
      {EAI_AGAIN, absl::StatusCode::kUnavailable},
      {EAI_FAIL, absl::StatusCode::kUnavailable},
  };
  for (const auto& each : kCases) {
    const SystemCallScope scope(
        SystemCallFault{"getaddrinfo", SystemCallFault::kEvery, each.error});
    const absl::Status status = Dial("tcp:127.0.0.1:1", Patience()).status();
    EXPECT_EQ(status.code(), each.code) << status;
    EXPECT_EQ(ErrnoOf(status).value_or(0), each.error == EAI_SYSTEM ? EIO : 0)
        << status;
  }
}

}  // namespace
}  // namespace flow
