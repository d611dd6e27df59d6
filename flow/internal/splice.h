// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/splice.h
//
// splice(2) and its like, so that they neither wait nor raise a signal, and
// treat the offset of a file as read(2) and write(2) do. Not for users of the
// library.
//
// Thread safety: that of the system calls.

#ifndef FLOW_INTERNAL_SPLICE_H_
#define FLOW_INTERNAL_SPLICE_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "flow/internal/kernel_end.h"

namespace flow::internal {

// SpliceFileOf()
//
// Examines a descriptor.
SpliceFile SpliceFileOf(int fd);

// SpliceToPipe(), SpliceFromPipe(), MoveBetweenFiles()
//
// Move up to `max_bytes`. As system calls do, they return how many bytes it
// were, or -1 and `errno`; EAGAIN means that they would have to wait. 0 bytes
// need not be the end of `file`: so does a file say that has less than
// kMinSplice left, or whose size nobody knows (/proc).
//
// A socket must be non-blocking (EINVAL otherwise): splice(2) cannot be asked
// not to wait for one, and the flags of an open file are not ours to change.
//
// Several processes can use one offset. Unlike read(2) and write(2), splice(2)
// and its like do not lock it, so that two could read the same bytes, or write
// over each other's. Here a call takes its part of the file beforehand, by
// lseek(2), which locks. It gives back what it has not used.
ssize_t SpliceToPipe(int fd, const SpliceFile& file, int pipe,
                     size_t max_bytes);
ssize_t SpliceFromPipe(int pipe, int fd, const SpliceFile& file,
                       size_t max_bytes);
// `sink` is kRegular or kNull.
ssize_t MoveBetweenFiles(int source_fd, int sink_fd, const SpliceFile& sink,
                         size_t max_bytes);

// MakeSplicePipe()
//
// Returns a pipe for a copy. Returns null if there are no descriptors, or pipes
// of this user may hold no more (pipe-user-pages-soft in pipe(7)).
std::unique_ptr<KernelPipe> MakeSplicePipe();

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SPLICE_H_
