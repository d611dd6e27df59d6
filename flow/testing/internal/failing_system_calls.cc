// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/internal/failing_system_calls.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "flow/status.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gtest/gtest.h"

namespace {

using ::flow::testing::SystemCallFault;

// Cheap to look at, and there before any constructor has run.
std::atomic<bool> counts{false};
thread_local int own_calls = 0;

// Not one of Abseil's: the first thread that waits for such a mutex asks the
// system for the number of processors, by calls that are counted here.
std::mutex mu;  // guards TheState()

struct State {
  std::map<std::string, size_t> calls;
  std::optional<SystemCallFault> fault;
  bool fired = false;
};

State& TheState() {
  static auto* const state = new State;
  return *state;
}

// Counts a call of `name`, and returns how it is to go wrong, if it is.
std::optional<int> Count(absl::string_view name) {
  if (!counts.load() || own_calls > 0) return std::nullopt;
  const int error_before = errno;
  std::optional<int> error;
  {
    const std::lock_guard<std::mutex> lock(mu);
    State& state = TheState();
    const size_t number = state.calls[std::string(name)]++;
    const std::optional<SystemCallFault>& fault = state.fault;
    if (fault.has_value() && fault->name == name &&
        (fault->number == number || fault->number == SystemCallFault::kEvery)) {
      state.fired = true;
      error = fault->error;
    }
  }
  errno = error_before;
  return error;
}

// A count of 8 bytes is that of an eventfd(2), which takes no fewer.
size_t Less(size_t size) { return size <= 8 ? size : size - size / 2; }

// Returns a list of `count` pieces that has less than `list`: `less`, which is
// a part of its first piece that is not empty.
const struct iovec* KeepLess(const struct iovec* list, int& count,
                             struct iovec& less) {
  while (count > 1 && list->iov_len == 0) {
    ++list;
    --count;
  }
  count = 1;
  less = {list->iov_base, Less(list->iov_len)};
  return &less;
}

}  // namespace

// What the C library does, by way of the sanitizer if that has a function of
// its own: it has to know which descriptors are open, and what was read.
#define FLOW_DECLARE(name) \
  extern "C" __attribute__((weak)) decltype(::name) __interceptor_##name
#define FLOW_REAL(name)                                     \
  (&__interceptor_##name != nullptr                         \
       ? &__interceptor_##name                              \
       : reinterpret_cast<decltype(&__interceptor_##name)>( \
             ::dlsym(RTLD_NEXT, #name)))

// Counts a call. Declares `error`, which is kLess or nothing afterwards.
#define FLOW_FAIL(name, error)                       \
  const std::optional<int> error = Count(#name);     \
  if (error.value_or(SystemCallFault::kLess) != 0) { \
    errno = *error;                                  \
    return -1;                                       \
  }

// Defines the function `name` of the program, which is taken for that of the
// C library.
#define FLOW_REPLACE(name, parameters, arguments)                      \
  FLOW_DECLARE(name);                                                  \
  extern "C" auto name parameters noexcept(noexcept(::name arguments)) \
      ->decltype(::name arguments) {                                   \
    FLOW_FAIL(name, error)                                             \
    return FLOW_REAL(name) arguments;                                  \
  }

// The same of one that may do less: `less` are the arguments then.
#define FLOW_REPLACE_PARTIAL(name, parameters, arguments, less)        \
  FLOW_DECLARE(name);                                                  \
  extern "C" auto name parameters noexcept(noexcept(::name arguments)) \
      ->decltype(::name arguments) {                                   \
    FLOW_FAIL(name, error)                                             \
    if (error.has_value()) return FLOW_REAL(name) less;                \
    return FLOW_REAL(name) arguments;                                  \
  }

FLOW_REPLACE(accept4, (int fd, struct sockaddr* a, socklen_t* size, int flags),
             (fd, a, size, flags))
FLOW_REPLACE(bind, (int fd, const struct sockaddr* a, socklen_t size),
             (fd, a, size))
FLOW_REPLACE(dup2, (int from, int to), (from, to))
FLOW_REPLACE(eventfd, (unsigned int count, int flags), (count, flags))
FLOW_REPLACE(fchmodat, (int at, const char* path, mode_t mode, int flags),
             (at, path, mode, flags))
FLOW_REPLACE(flock, (int fd, int operation), (fd, operation))
FLOW_REPLACE(fstat, (int fd, struct stat* info), (fd, info))
FLOW_REPLACE(fstatfs, (int fd, struct statfs* info), (fd, info))
FLOW_REPLACE(fsync, (int fd), (fd))
FLOW_REPLACE(getpeername, (int fd, struct sockaddr* a, socklen_t* size),
             (fd, a, size))
FLOW_REPLACE(getsockname, (int fd, struct sockaddr* a, socklen_t* size),
             (fd, a, size))
FLOW_REPLACE(getsockopt,
             (int fd, int level, int option, void* value, socklen_t* size),
             (fd, level, option, value, size))
FLOW_REPLACE(lchown, (const char* path, uid_t owner, gid_t group),
             (path, owner, group))
FLOW_REPLACE(listen, (int fd, int backlog), (fd, backlog))
FLOW_REPLACE(lseek, (int fd, off_t offset, int whence), (fd, offset, whence))
FLOW_REPLACE(lstat, (const char* path, struct stat* info), (path, info))
FLOW_REPLACE(poll, (struct pollfd * polled, nfds_t count, int timeout),
             (polled, count, timeout))
FLOW_REPLACE(pipe2, (int* fds, int flags), (fds, flags))
FLOW_REPLACE(setsockopt,
             (int fd, int level, int option, const void* value, socklen_t size),
             (fd, level, option, value, size))
FLOW_REPLACE(shutdown, (int fd, int how), (fd, how))
FLOW_REPLACE(socket, (int domain, int type, int protocol),
             (domain, type, protocol))
FLOW_REPLACE(tcgetattr, (int fd, struct termios* terminal), (fd, terminal))
FLOW_REPLACE(unlink, (const char* path), (path))

FLOW_REPLACE_PARTIAL(read, (int fd, void* data, size_t size), (fd, data, size),
                     (fd, data, Less(size)))
FLOW_REPLACE_PARTIAL(write, (int fd, const void* data, size_t size),
                     (fd, data, size), (fd, data, Less(size)))
FLOW_REPLACE_PARTIAL(recv, (int fd, void* data, size_t size, int flags),
                     (fd, data, size, flags), (fd, data, Less(size), flags))
FLOW_REPLACE_PARTIAL(send, (int fd, const void* data, size_t size, int flags),
                     (fd, data, size, flags), (fd, data, Less(size), flags))
FLOW_REPLACE_PARTIAL(tee, (int from, int to, size_t size, unsigned int flags),
                     (from, to, size, flags), (from, to, Less(size), flags))

FLOW_DECLARE(writev);
extern "C" ssize_t writev(int fd, const struct iovec* list, int count) {
  FLOW_FAIL(writev, error)
  struct iovec less;
  if (error.has_value()) list = KeepLess(list, count, less);
  return FLOW_REAL(writev)(fd, list, count);
}

FLOW_DECLARE(preadv2);
extern "C" ssize_t preadv2(int fd, const struct iovec* list, int count,
                           off_t offset, int flags) {
  FLOW_FAIL(preadv2, error)
  struct iovec less;
  if (error.has_value()) list = KeepLess(list, count, less);
  return FLOW_REAL(preadv2)(fd, list, count, offset, flags);
}

FLOW_DECLARE(pwritev2);
extern "C" ssize_t pwritev2(int fd, const struct iovec* list, int count,
                            off_t offset, int flags) {
  FLOW_FAIL(pwritev2, error)
  struct iovec less;
  if (error.has_value()) list = KeepLess(list, count, less);
  return FLOW_REAL(pwritev2)(fd, list, count, offset, flags);
}

FLOW_DECLARE(sendmsg);
extern "C" ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  FLOW_FAIL(sendmsg, error)
  if (!error.has_value()) return FLOW_REAL(sendmsg)(fd, message, flags);
  struct msghdr copy = *message;
  struct iovec less;
  int count = static_cast<int>(copy.msg_iovlen);
  copy.msg_iov = const_cast<struct iovec*>(KeepLess(copy.msg_iov, count, less));
  copy.msg_iovlen = static_cast<size_t>(count);
  return FLOW_REAL(sendmsg)(fd, &copy, flags);
}

FLOW_DECLARE(ppoll);
extern "C" int ppoll(struct pollfd* polled, nfds_t count,
                     const struct timespec* timeout, const sigset_t* mask) {
  FLOW_FAIL(ppoll, error)
  if (!error.has_value()) {
    return FLOW_REAL(ppoll)(polled, count, timeout, mask);
  }
  for (nfds_t i = 0; i < count; ++i) {
    polled[i].revents = i == 0 ? polled[i].events : short{0};
  }
  return 1;
}

FLOW_DECLARE(connect);
extern "C" int connect(int fd, const struct sockaddr* address, socklen_t size) {
  const std::optional<int> error = Count("connect");
  if (!error.has_value()) return FLOW_REAL(connect)(fd, address, size);
  if (*error == EINTR && address->sa_family != AF_UNIX) {
    FLOW_REAL(connect)(fd, address, size);
  }
  errno = *error;
  return -1;
}

FLOW_DECLARE(close);
extern "C" int close(int fd) {
  const std::optional<int> error = Count("close");
  const int result = FLOW_REAL(close)(fd);
  if (!error.has_value()) return result;
  errno = *error;
  return -1;
}

FLOW_DECLARE(getaddrinfo);
extern "C" int getaddrinfo(const char* node, const char* service,
                           const struct addrinfo* hints,
                           struct addrinfo** found) {
  if (const std::optional<int> error = Count("getaddrinfo")) {
    errno = EIO;  // for EAI_SYSTEM
    return *error;
  }
  return FLOW_REAL(getaddrinfo)(node, service, hints, found);
}

// These have one argument more or none. An integer comes as a pointer does.

FLOW_DECLARE(fcntl);
extern "C" int fcntl(int fd, int command, ...) {
  va_list more;
  va_start(more, command);
  void* const argument = va_arg(more, void*);
  va_end(more);
  FLOW_FAIL(fcntl, error)
  return FLOW_REAL(fcntl)(fd, command, argument);
}

FLOW_DECLARE(ioctl);
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {  // NOLINT
  va_list more;
  va_start(more, request);
  void* const argument = va_arg(more, void*);
  va_end(more);
  FLOW_FAIL(ioctl, error)
  return FLOW_REAL(ioctl)(fd, request, argument);
}

FLOW_DECLARE(open);
extern "C" int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const auto mode =
      static_cast<mode_t>((flags & O_CREAT) != 0 ? va_arg(more, int) : 0);
  va_end(more);
  FLOW_FAIL(open, error)
  return FLOW_REAL(open)(path, flags, mode);
}

namespace flow::testing {

SystemCallScope::SystemCallScope(std::optional<SystemCallFault> fault) {
  const std::lock_guard<std::mutex> lock(mu);
  ABSL_CHECK(!counts.load()) << "there is a scope already";
  TheState() = State{{}, std::move(fault), false};
  counts.store(true);
}

SystemCallScope::~SystemCallScope() { counts.store(false); }

std::map<std::string, size_t> SystemCallScope::calls() const {
  const std::lock_guard<std::mutex> lock(mu);
  return TheState().calls;
}

bool SystemCallScope::fired() const {
  const std::lock_guard<std::mutex> lock(mu);
  return TheState().fired;
}

OwnSystemCalls::OwnSystemCalls() { ++own_calls; }
OwnSystemCalls::~OwnSystemCalls() { --own_calls; }

namespace {

constexpr int kLess = SystemCallFault::kLess;

// The ways for a call to go wrong.
struct Ways {
  absl::string_view name;
  std::vector<int> errors;  // in turns, besides EINTR
  bool is_interruptible = false;
  bool does_less = false;
  // What an error may say instead of the name.
  absl::string_view alias = "";
};

const std::vector<Ways>& AllWays() {
  static const auto* const ways = new std::vector<Ways>{
      // accept4 has a test of its own, with many more.
      {"accept4", {EMFILE, EPERM}, true},
      {"bind", {ENOMEM, EACCES}},
      {"close", {EIO, ENOSPC}, true},
      {"connect", {EACCES, ENOMEM}, true},
      {"dup2", {EMFILE}, true},
      {"eventfd", {EMFILE, ENOMEM}},
      {"fchmodat", {EPERM, EIO}, false, false, "chmod"},
      {"fcntl", {EMFILE, EPERM}, false, false, "dup"},
      {"flock", {ENOLCK}, true},
      {"fstat", {ENOMEM, EIO}},
      {"fstatfs", {ENOSYS, EIO}},
      {"fsync", {EIO, ENOSPC}, true},
      {"getaddrinfo", {}},  // It has a test of its own, too.
      {"getpeername", {ENOBUFS, EPERM}},
      {"getsockname", {ENOBUFS, EPERM}},
      {"getsockopt", {ENOMEM, EPERM}, false, false, "connect"},
      {"ioctl", {ENOTTY, EIO}},
      {"lchown", {EPERM, EIO}, false, false, "chown"},
      {"listen", {ENOMEM, EOPNOTSUPP}},
      {"lseek", {ESPIPE, EINVAL}},
      {"lstat", {EACCES, EIO}},
      {"open", {EMFILE, EACCES}, true},
      {"pipe2", {EMFILE, ENFILE}},
      {"poll", {ENOMEM}, true},
      {"ppoll", {ENOMEM, EINVAL}, true, true, "poll"},
      {"preadv2", {EIO, ENOMEM, EOPNOTSUPP}, true, true, "read"},
      {"pwritev2", {EIO, ENOSPC, EOPNOTSUPP}, true, true, "write"},
      {"read", {EIO, ENOMEM}, true, true},
      {"recv", {ECONNRESET, ENOMEM}, true, true, "read"},
      {"send", {ECONNRESET, ENOBUFS, EPERM}, true, true, "write"},
      {"sendmsg", {ECONNRESET, ENOBUFS}, true, true, "write"},
      {"setsockopt", {ENOPROTOOPT, ENOMEM}},
      {"shutdown", {ENOBUFS, EPERM}},
      {"socket", {EMFILE, ENOBUFS}},
      {"tcgetattr", {ENOTTY, EIO}},
      {"tee", {ENOMEM, EINVAL}, true, true},
      {"unlink", {EACCES, EIO}},
      {"write", {EIO, ENOSPC}, true, true},
      {"writev", {EIO, ENOSPC}, true, true, "write"},
  };
  return *ways;
}

std::string NameOf(const SystemCallFault& fault) {
  return absl::StrCat(
      fault.name, " ", fault.number, ": ",
      fault.error == kLess ? "does less" : std::strerror(fault.error));
}

// Runs `scenario` in a thread that ends, which closes what it holds.
absl::Status RunInThread(absl::FunctionRef<absl::Status()> scenario,
                         const std::string& what) {
  absl::Notification over;
  absl::Status status;
  std::thread thread([&] {
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, what);
    status = scenario();
    over.Notify();
  });
  ABSL_CHECK(over.WaitForNotificationWithTimeout(absl::Seconds(40)))
      << "hangs: " << what;
  thread.join();
  return status;
}

void ExpectClear(const absl::Status& status, const SystemCallFault& fault,
                 absl::string_view alias) {
  EXPECT_EQ(ErrnoOf(status), fault.error) << status;
  EXPECT_FALSE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_FALSE(absl::IsOutOfRange(status)) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), fault.name) ||
              (!alias.empty() && absl::StrContains(status.message(), alias)))
      << status;
}

}  // namespace

void ExpectSurvivesEachFault(absl::FunctionRef<absl::Status()> scenario,
                             bool less) {
  std::map<std::string, size_t> calls;
  size_t descriptors = OpenDescriptors();
  {
    const SystemCallScope scope;
    const absl::Status status = RunInThread(scenario, "without a fault");
    ASSERT_TRUE(status.ok()) << status;
    calls = scope.calls();
  }
  ASSERT_EQ(OpenDescriptors(), descriptors);
  for (const Ways& ways : AllWays()) {
    for (size_t number = 0; number < calls[std::string(ways.name)]; ++number) {
      std::vector<int> errors;
      if (!ways.errors.empty()) {
        errors.push_back(ways.errors[number % ways.errors.size()]);
      }
      if (ways.is_interruptible) errors.push_back(EINTR);
      if (ways.does_less && less) errors.push_back(kLess);
      for (const int error : errors) {
        const SystemCallFault fault = {std::string(ways.name), number, error};
        const std::string name = NameOf(fault);
        SCOPED_TRACE(name);
        {
          const SystemCallScope scope(fault);
          const absl::Status status = RunInThread(scenario, name);
          if (!scope.fired() || error == EINTR || error == kLess) {
            EXPECT_TRUE(status.ok()) << status;
          } else if (!status.ok()) {
            ExpectClear(status, fault, ways.alias);
          }
        }
        EXPECT_EQ(OpenDescriptors(), descriptors);
      }
    }
    calls.erase(std::string(ways.name));
    // More would say the same once more.
    if (::testing::Test::HasFailure()) return;
  }
  for (const auto& [name, count] : calls) {
    ADD_FAILURE() << "no errors are known of " << name;
  }
}

}  // namespace flow::testing
