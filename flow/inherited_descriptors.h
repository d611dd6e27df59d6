// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: inherited_descriptors.h
//
// InheritedDescriptors() tells which descriptors systemd(1), or whoever else
// starts this process the same way (sd_listen_fds(3)), has passed to it:
//
//   for (const InheritedDescriptor& each : *InheritedDescriptors()) {
//     listeners.push_back(ListenOnFd(each.fd));  // socket.h
//   }
//
// When not to use it: for a descriptor whose number you know by other means,
// such as one of an inetd(8), which is 0.
//
// Thread safety: it may be called from any thread, as long as none changes the
// environment.

#ifndef FLOW_INHERITED_DESCRIPTORS_H_
#define FLOW_INHERITED_DESCRIPTORS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace flow {

// InheritedDescriptor
//
// Whoever uses it owns it.
struct InheritedDescriptor {
  int fd = -1;
  // What FileDescriptorName= of the unit says; empty if nobody has said it.
  std::string name;
};

// InheritedDescriptors()
//
// Returns what the variables LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES say, and
// nothing if they are not set or are for another process. It makes exec(2)
// close the descriptors, and leaves the variables, so a second call returns the
// same.
//
// kInvalidArgument: a variable is malformed, or a descriptor is not open.
absl::StatusOr<std::vector<InheritedDescriptor>> InheritedDescriptors();

}  // namespace flow

#endif  // FLOW_INHERITED_DESCRIPTORS_H_
