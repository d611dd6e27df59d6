// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/resolve.h"

#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "flow/internal/dial_limits.h"
#include "flow/internal/kernel_address.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/owned_fd.h"
#include "flow/socket_address.h"

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
      const absl::Status status =
          absl::ErrnoToStatus(system_error, "getaddrinfo");
      if (absl::IsResourceExhausted(status)) return status;
      return absl::UnavailableError(status.message());
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
  return absl::ResourceExhaustedError(
      absl::ErrnoToStatus(errno, "no descriptor to look the name up")
          .message());
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
  try {
    std::thread([lookup, name, to_listen] {
      Addresses result = LookUp(name, to_listen, 0);
      absl::MutexLock lock(&lookup->mu);
      lookup->result = std::move(result);
    }).detach();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no thread to look the name up (", error.what(), ")"));
  }
  absl::MutexLock lock(&lookup->mu);
  const auto done = [&lookup] {
    lookup->mu.AssertReaderHeld();
    return lookup->result.has_value();
  };
  while (!AwaitUntil(lookup->mu, absl::Condition(&done), limits.NextLook())) {
    if (absl::Status s = limits.Cancelled(); !s.ok()) return s;
    if (limits.deadline.has_passed()) {
      return absl::DeadlineExceededError(
          "the name was not found before the deadline");
    }
  }
  return *std::move(lookup->result);
}

}  // namespace

absl::StatusOr<std::vector<KernelAddress>> Resolve(const SocketAddress& name,
                                                   bool to_listen,
                                                   const DialLimits& limits) {
  if (name.kind() == SocketAddress::Kind::kUnix) {
    return std::vector<KernelAddress>{UnixAddress(name.path())};
  }
  // Numbers need no server, and no thread.
  Addresses addresses = LookUp(name, to_listen, AI_NUMERICHOST);
  if (absl::IsNotFound(addresses.status())) {
    addresses = LookUpUntil(name, to_listen, limits);
  }
  return addresses;
}

}  // namespace flow::internal
