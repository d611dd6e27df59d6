// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/listeners.h
//
// Listeners, and what tests of them ask for again and again. Only for our own
// tests. Whatever fails here and is not the test's subject ends the program.

#ifndef FLOW_TESTING_INTERNAL_LISTENERS_H_
#define FLOW_TESTING_INTERNAL_LISTENERS_H_

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/socket.h"
#include "flow/testing/internal/deadlines.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {

inline bool Exists(const std::string& path) {
  struct stat info;
  return ::lstat(path.c_str(), &info) == 0;
}

// A short one: the path of a socket has little room.
inline std::string NewFolder() {
  std::string path = "/tmp/flow_socket_test.XXXXXX";
  ABSL_PCHECK(::mkdtemp(path.data()) != nullptr);
  return path;
}

inline std::unique_ptr<Listener> ListenOn(absl::string_view address,
                                          ListenOptions options = {}) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listen(address, options);
  ABSL_CHECK_OK(listener.status());
  return *std::move(listener);
}

// Dials `address`, one of `listener`, and says hello both ways.
inline void ExpectConversation(Listener& listener, const std::string& address) {
  using ::absl_testing::IsOk;
  using ::absl_testing::IsOkAndHolds;
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

// Root may do without the rights of files; a test of these must not.
inline void GiveUpCapabilities() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {};
  ABSL_PCHECK(::syscall(SYS_capset, &header, none) == 0);
}

// DescriptorLimit
//
// While it lives, this process can have `free` more descriptors at most. Judge
// what was done only after that: UBSan wants descriptors where it checks.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(int free) {
    ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int lowest = ::dup(0);
    ABSL_PCHECK(lowest >= 0);
    ::close(lowest);
    Set(static_cast<rlim_t>(lowest + free));
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { Set(before_.rlim_cur); }

 private:
  void Set(rlim_t limit) {
    struct rlimit limits = before_;
    limits.rlim_cur = limit;
    ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &limits) == 0);
  }

  struct rlimit before_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_LISTENERS_H_
