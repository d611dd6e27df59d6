// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/owned_fd.h
//
// A descriptor with an owner. Not for users of the library.
//
// Thread safety: that of a value.

#ifndef FLOW_INTERNAL_OWNED_FD_H_
#define FLOW_INTERNAL_OWNED_FD_H_

#include <unistd.h>

#include <utility>

namespace flow::internal {

// OwnedFd
//
// Closes its descriptor when it is destroyed, unless it was released. -1 is no
// descriptor.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~OwnedFd() { Close(); }

  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  void Close() {
    if (fd_ >= 0) ::close(Release());
  }

 private:
  int fd_ = -1;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_OWNED_FD_H_
