// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/kernel_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/escaped.h"

namespace flow::internal {

std::string KernelAddress::path() const {
  const auto& un = reinterpret_cast<const struct sockaddr_un&>(storage);
  const size_t begin = offsetof(struct sockaddr_un, sun_path);
  if (!is_unix() || size <= begin || un.sun_path[0] == '\0') return "";
  return std::string(un.sun_path, ::strnlen(un.sun_path, size - begin));
}

std::string KernelAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "?";
  if (storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const struct sockaddr_in&>(storage);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof(text));
    return absl::StrCat("tcp:", text, ":", ntohs(in.sin_port));
  }
  if (storage.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const struct sockaddr_in6&>(storage);
    ::inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof(text));
    // The interface, of an address that means something on that alone.
    const std::string scope =
        in6.sin6_scope_id == 0 ? "" : absl::StrCat("%", in6.sin6_scope_id);
    return absl::StrCat("tcp:[", text, scope, "]:", ntohs(in6.sin6_port));
  }
  const auto& un = reinterpret_cast<const struct sockaddr_un&>(storage);
  const size_t begin = offsetof(struct sockaddr_un, sun_path);
  if (is_unix() && size > begin + 1 && un.sun_path[0] == '\0') {
    return absl::StrCat("unix:@",
                        absl::string_view(un.sun_path + 1, size - begin - 1));
  }
  const std::string file = path();
  if (file.empty()) return "";
  // Otherwise it would be taken for an abstract name, or for a URL.
  const absl::string_view prefix = file[0] == '@'                 ? "./"
                                   : absl::StartsWith(file, "//") ? "/."
                                                                  : "";
  return absl::StrCat("unix:", prefix, file);
}

KernelAddress UnixAddress(absl::string_view path) {
  KernelAddress address;
  struct sockaddr_un un = {};
  un.sun_family = AF_UNIX;
  path.copy(un.sun_path, sizeof(un.sun_path));
  size_t size = offsetof(struct sockaddr_un, sun_path) + path.size();
  if (path[0] == '@') {
    un.sun_path[0] = '\0';
  } else {
    ++size;
  }
  std::memcpy(&address.storage, &un, sizeof(un));
  address.size = static_cast<socklen_t>(size);
  return address;
}

KernelAddress LocalAddressOf(int fd) {
  KernelAddress address;
  if (::getsockname(fd, address.get(), &address.size) != 0) return {};
  return address;
}

KernelAddress RemoteAddressOf(int fd) {
  KernelAddress address;
  if (::getpeername(fd, address.get(), &address.size) != 0) return {};
  return address;
}

std::string NameOfConnection(int fd, const KernelAddress& local,
                             const KernelAddress& remote) {
  std::string text = remote.ToString();
  if (text.empty() && remote.is_unix()) text = local.ToString();
  if (text.empty()) {
    return absl::StrCat(remote.is_unix() ? "unix " : "", "socket (fd ", fd,
                        ")");
  }
  std::string name = Escaped(text);
  name[name.find(':')] = ' ';
  return name;
}

}  // namespace flow::internal
