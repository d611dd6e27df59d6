// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/poll_set.h
//
// Several descriptors as one: it can be read when one of them is ready. Not for
// users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_POLL_SET_H_
#define FLOW_INTERNAL_POLL_SET_H_

#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "flow/internal/fd_error.h"
#include "flow/internal/owned_fd.h"

namespace flow::internal {

// PollSet
//
// An engine watches the set, and never the descriptors in it. So these can be
// closed, or belong to somebody else, while a watch of the set is to be
// reported yet. A descriptor that is closed leaves the set, unless a child of
// fork(2) has it as well.
//
// The set has an edge whenever one of them has one.
class PollSet {
 public:
  // Also makes the set if there is none. An error is as FdError() has it.
  absl::Status Add(int fd, short events) {
    static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT);
    if (set_.get() < 0) {
      set_ = OwnedFd(::epoll_create1(EPOLL_CLOEXEC));
      if (set_.get() < 0) return FdError(errno, "epoll_create1");
    }
    struct epoll_event event = {};
    event.events = static_cast<uint32_t>(events);
    if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      // ENOSPC: of what the user may watch.
      return FdErrorAs(absl::StatusCode::kResourceExhausted, errno,
                       "epoll_ctl");
    }
    return absl::OkStatus();
  }

  void Remove(int fd) { ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr); }

  // To be watched for POLLIN; -1 if there is no set.
  int fd() const { return set_.get(); }

  void Close() { set_.Close(); }

 private:
  OwnedFd set_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_POLL_SET_H_
