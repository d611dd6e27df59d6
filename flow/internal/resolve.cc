// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/owned_fd.h"
#include "flow/internal/start_thread.h"
#include "flow/socket_address.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

using Addresses = absl::StatusOr<std::vector<KernelAddress>>;

absl::Status LookupError(int error, int system_error) {
  const char* const text = ::gai_strerror(error);
  switch (error) {
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
      return absl::NotFoundError(text);
    case EAI_SERVICE:
      return absl::InvalidArgumentError(
          "the port is not known; use a number or the name of a service, as "
          "in tcp:localhost:80");
    case EAI_MEMORY:
      return absl::ResourceExhaustedError(text);
    case EAI_SYSTEM: {
      const absl::Status status = FdError(system_error, "getaddrinfo");
      if (absl::IsResourceExhausted(status)) return status;
      return FdErrorAs(absl::StatusCode::kUnavailable, system_error,
                       "getaddrinfo");
    }
    default:
      return absl::UnavailableError(text);
  }
}

// Returns kResourceExhausted if no descriptor can be had. A look-up that cannot
// open /etc/services, /etc/hosts or a socket says that there is no such name.
absl::Status CheckDescriptors() {
  const OwnedFd fd(::eventfd(0, EFD_CLOEXEC));
  if (fd.get() >= 0) return absl::OkStatus();
  return FdErrorAs(absl::StatusCode::kResourceExhausted, errno,
                   "no descriptor to look the name up");
}

// Makes what stands for every address of this machine the loopback address:
// that is what connect(2) takes it for, and a filter must see it.
void MakeDialable(KernelAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    auto& in = reinterpret_cast<struct sockaddr_in&>(address.storage);
    if (in.sin_addr.s_addr == htonl(INADDR_ANY)) {
      in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
  } else if (address.storage.ss_family == AF_INET6) {
    auto& ip =
        reinterpret_cast<struct sockaddr_in6&>(address.storage).sin6_addr;
    if (IN6_IS_ADDR_UNSPECIFIED(&ip)) {
      ip = in6addr_loopback;
    } else if (IN6_IS_ADDR_V4MAPPED(&ip) &&
               std::count(ip.s6_addr + 12, ip.s6_addr + 16, 0) == 4) {
      ip.s6_addr[12] = 127;
      ip.s6_addr[15] = 1;
    }
  }
}

bool IsSame(const KernelAddress& a, const KernelAddress& b) {
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0;
}

Addresses LookUp(const SocketAddress& name, bool to_listen, int flags) {
  struct addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | (to_listen ? AI_PASSIVE : 0);
  struct addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(name.host() == "*" ? nullptr : name.host().c_str(),
                    name.port().c_str(), &hints, &found);
  if (error != 0) {
    const absl::Status status = LookupError(error, errno);
    const absl::Status descriptors = CheckDescriptors();
    return descriptors.ok() ? status : descriptors;
  }
  std::vector<KernelAddress> addresses;
  for (const struct addrinfo* a = found; a != nullptr; a = a->ai_next) {
    KernelAddress address;
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    address.size = a->ai_addrlen;
    if (!to_listen) MakeDialable(address);
    // A hosts(5) file may say one thing twice.
    const auto is_same = [&address](const KernelAddress& other) {
      return IsSame(address, other);
    };
    if (std::none_of(addresses.begin(), addresses.end(), is_same)) {
      addresses.push_back(address);
    }
  }
  ::freeaddrinfo(found);
  return addresses;
}

// What a thread that looks a name up shares with the one that waits for it. The
// look-up may outlast the wait: nothing can interrupt getaddrinfo(3).
struct Lookup {
  absl::Mutex mu;
  std::optional<Addresses> result ABSL_GUARDED_BY(mu);
};

Addresses LookUpUntil(const SocketAddress& name, bool to_listen,
                      const DialLimits& limits) {
  const auto lookup = std::make_shared<Lookup>();
  absl::StatusOr<std::thread> thread = StartThread(
      [lookup, name, to_listen] {
        Addresses result = LookUp(name, to_listen, 0);
        MutexLock lock(lookup->mu);
        lookup->result = std::move(result);
      },
      "no thread to look the name up");
  if (!thread.ok()) return thread.status();
  thread->detach();
  MutexLock lock(lookup->mu);
  const auto done = [&lookup] {
    lookup->mu.AssertReaderHeld();
    return lookup->result.has_value();
  };
  while (!AwaitUntil(lookup->mu, absl::Condition(&done), limits.NextLook())) {
    if (absl::Status s = limits.Cancelled(); !s.ok()) return s;
    if (limits.deadline.has_passed()) {
      return NameIsLate();
    }
  }
  return *std::move(lookup->result);
}

// What needs no server, and no thread. Returns nothing if it is a name.
std::optional<Addresses> ResolveAtOnce(const SocketAddress& name,
                                       bool to_listen) {
  if (name.kind() == SocketAddress::Kind::kUnix) {
    return std::vector<KernelAddress>{UnixAddress(name.path())};
  }
  Addresses addresses = LookUp(name, to_listen, AI_NUMERICHOST);
  if (absl::IsNotFound(addresses.status())) return std::nullopt;
  return addresses;
}

}  // namespace

absl::Status NameIsLate() {
  return absl::DeadlineExceededError(
      "the name was not found before the deadline");
}

absl::StatusOr<std::vector<KernelAddress>> Resolve(const SocketAddress& name,
                                                   bool to_listen,
                                                   const DialLimits& limits) {
  std::optional<Addresses> addresses = ResolveAtOnce(name, to_listen);
  if (addresses.has_value()) return *std::move(addresses);
  return LookUpUntil(name, to_listen, limits);
}

// --- Started

struct StartedResolve::Shared {
  explicit Shared(const SocketAddress& name) : name(name) {}

  const SocketAddress name;
  absl::Mutex mu;
  Retry* retry ABSL_GUARDED_BY(mu) = nullptr;  // null: nobody wants it
  std::optional<Addresses> result ABSL_GUARDED_BY(mu);
};

// The threads, and the names that wait for one. There is one for each process,
// and it is never destroyed, because a look-up may hang to the end.
class StartedResolve::Pool {
 public:
  static Pool& Get();

  // Not Ok: there is no thread.
  absl::Status Add(std::shared_ptr<Shared> shared);

 private:
  static constexpr int kThreads = 4;

  explicit Pool(Pool* before)
      : generation_(ForkGeneration()), before_(before) {}

  void Run();
  static bool IsGivenUp(const std::shared_ptr<Shared>& shared);

  const uint32_t generation_;
  // That of the process that this one was forked from.
  [[maybe_unused]] Pool* const before_;
  absl::Mutex mu_;
  int threads_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<std::shared_ptr<Shared>> waiting_ ABSL_GUARDED_BY(mu_);
};

StartedResolve::Pool& StartedResolve::Pool::Get() {
  static std::atomic<Pool*> current{nullptr};
  Pool* pool = current.load();
  // In a child of fork(2) the threads are gone, and the lock may be held.
  if (pool != nullptr && pool->generation_ == ForkGeneration()) return *pool;
  Pool* const made = new Pool(pool);
  if (current.compare_exchange_strong(pool, made)) return *made;
  delete made;
  return *pool;
}

absl::Status StartedResolve::Pool::Add(std::shared_ptr<Shared> shared) {
  MutexLock lock(mu_);
  // So those that nobody wants do not pile up behind look-ups that hang.
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), IsGivenUp),
                 waiting_.end());
  waiting_.push_back(std::move(shared));
  if (threads_ == kThreads) return absl::OkStatus();
  absl::StatusOr<std::thread> thread =
      StartThread([this] { Run(); }, "no thread to look the name up");
  if (thread.ok()) {
    thread->detach();
    ++threads_;
    return absl::OkStatus();
  }
  // One of the others will do it.
  if (threads_ > 0) return absl::OkStatus();
  waiting_.pop_back();
  return thread.status();
}

bool StartedResolve::Pool::IsGivenUp(const std::shared_ptr<Shared>& shared) {
  MutexLock lock(shared->mu);
  return shared->retry == nullptr;
}

void StartedResolve::Pool::Run() {
  while (true) {
    std::shared_ptr<Shared> shared;
    {
      MutexLock lock(mu_);
      if (waiting_.empty()) {
        --threads_;
        return;
      }
      shared = std::move(waiting_.front());
      waiting_.pop_front();
    }
    if (IsGivenUp(shared)) continue;
    Addresses result = LookUp(shared->name, /*to_listen=*/false, 0);
    MutexLock lock(shared->mu);
    shared->result = std::move(result);
    // With the lock, so that it is not gone.
    if (shared->retry != nullptr) shared->retry->Now();
  }
}

StartedResolve::StartedResolve(const SocketAddress& name, Retry* retry)
    : at_once_(ResolveAtOnce(name, /*to_listen=*/false)) {
  if (at_once_.has_value()) return;
  shared_ = std::make_shared<Shared>(name);
  {
    MutexLock lock(shared_->mu);
    shared_->retry = retry;
  }
  absl::Status added = Pool::Get().Add(shared_);
  if (!added.ok()) at_once_ = std::move(added);
}

StartedResolve::~StartedResolve() {
  if (shared_ == nullptr) return;
  MutexLock lock(shared_->mu);
  shared_->retry = nullptr;
}

std::optional<Addresses> StartedResolve::Take() {
  if (at_once_.has_value()) return std::exchange(at_once_, std::nullopt);
  MutexLock lock(shared_->mu);
  return std::exchange(shared_->result, std::nullopt);
}

}  // namespace flow::internal
