// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/socket_file.h
//
// The file of a Unix socket that listens: made, taken over from a dead process,
// and removed. Not for users of the library.
//
// Thread safety: BindUnix() may be called from any thread; a SocketFile is a
// value.

#ifndef FLOW_INTERNAL_SOCKET_FILE_H_
#define FLOW_INTERNAL_SOCKET_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "flow/internal/kernel_address.h"

namespace flow::internal {

// SocketFile
//
// Removes the file when it is destroyed, unless somebody else has replaced it,
// or this process was forked since. Destroy it while the socket is still open,
// so that nobody else takes the file over meanwhile.
class SocketFile {
 public:
  SocketFile() = default;  // none
  // `path` is where a socket was bound; it may be relative.
  explicit SocketFile(const std::string& path);
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { Remove(); }

  void Remove();

 private:
  std::string path_;  // absolute; empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
  uint32_t generation_ = 0;
};

// BindUnix()
//
// Binds `fd` to `address`. A file that was left there, and that no socket has
// anymore, is replaced. Of several calls that do so at once, in any processes,
// one succeeds, and the others get kAlreadyExists. Errors are as Listen()
// returns them, without the address.
absl::StatusOr<SocketFile> BindUnix(int fd, const KernelAddress& address);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SOCKET_FILE_H_
