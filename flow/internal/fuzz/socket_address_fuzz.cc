// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Addresses of sockets: any text is one or is refused, and a Unix socket's
// comes back as it was after it was made the kernel's; any bytes that the
// kernel might have written are made text without reading beyond them. What
// people are to read is printable.
//
// The input is the text of an address or, after a byte of 0, what is in a
// sockaddr. Names are not looked up.

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/internal/socket_address.h"

namespace flow::internal {
namespace {

bool IsPrintable(absl::string_view text) {
  return absl::c_all_of(text, absl::ascii_isprint);
}

void CheckText(absl::string_view text) {
  const absl::StatusOr<SocketName> name = ParseSocketAddress(text);
  if (!name.ok()) {
    ABSL_CHECK(absl::IsInvalidArgument(name.status())) << name.status();
    ABSL_CHECK(IsPrintable(name.status().message())) << name.status();
    return;
  }
  if (!name->is_unix) {
    ABSL_CHECK(absl::StartsWith(text, "tcp:"));
    ABSL_CHECK(!name->port.empty());
    ABSL_CHECK(!absl::StrContains(name->port, ':'));
    const bool brackets = absl::StrContains(text, "[");
    ABSL_CHECK_EQ(absl::StrContains(name->host, ':'), brackets) << text;
    return;
  }
  const SocketAddress address = UnixAddress(name->path);
  ABSL_CHECK_EQ(address.ToString(), text);
  const bool has_file = name->path[0] != '@';
  ABSL_CHECK_EQ(address.path(), has_file ? name->path : "");
}

void CheckBytes(absl::string_view bytes) {
  SocketAddress address;
  address.size = static_cast<socklen_t>(
      std::min(bytes.size(), sizeof(struct sockaddr_un)));
  std::memcpy(&address.storage, bytes.data(), address.size);
  ABSL_CHECK_LE(address.path().size(), sizeof(sockaddr_un::sun_path));
  const std::string text = address.ToString();
  ABSL_CHECK(text.empty() || absl::StartsWith(text, "tcp:") ||
             absl::StartsWith(text, "unix:"));
  // Its own address is not asked for unless this one has no name.
  ABSL_CHECK(IsPrintable(NameOfConnection(/*fd=*/-1, address)));
}

}  // namespace
}  // namespace flow::internal

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  if (size > 0 && data[0] == 0) {
    flow::internal::CheckBytes(input.substr(1));
  } else {
    flow::internal::CheckText(input);
  }
  return 0;
}
