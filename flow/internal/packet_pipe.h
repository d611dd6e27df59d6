// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/packet_pipe.h
//
// Tells a pipe whose writer sends packets (O_DIRECT, see pipe(2)) from a stream
// of bytes. A read of such a pipe loses the part of a packet for which it has
// no room. Not for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_PACKET_PIPE_H_
#define FLOW_INTERNAL_PACKET_PIPE_H_

namespace flow::internal {

// kUnknown: we cannot tell before more than one byte has come.
enum class PipeKind { kUnknown, kStream, kPackets };

// KindOfPipe()
//
// Returns what comes next in the pipe that `fd` reads, and leaves it there.
PipeKind KindOfPipe(int fd);

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_PACKET_PIPE_H_
