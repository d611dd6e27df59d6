// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/descriptor.h
//
// How to read from a descriptor, and how to write to it, without waiting and
// without changing what others see of it. Not for users of the library.
//
// Thread safety: none; one direction of a flow has one.

#ifndef FLOW_INTERNAL_DESCRIPTOR_H_
#define FLOW_INTERNAL_DESCRIPTOR_H_

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "flow/internal/splice.h"

namespace flow::internal {

// Descriptor
//
// A descriptor may be shared with other processes, so it is never made
// non-blocking: O_NONBLOCK is a flag of the open file, and all of them would
// see it. Instead, each call asks not to wait (RWF_NOWAIT) where the kernel has
// that, as for pipes. FIFOs and terminals do not have it. They are opened a
// second time, non-blocking, when they are first used. poll(2) would not be
// enough, since somebody else can take the data or the room that it reports.
//
// Some cannot be opened again: a terminal of another user, the master of a
// pseudo-terminal, or any without /proc or without a descriptor left. They are
// read and written as poll(2) allows, and then a call can wait if somebody else
// reads or writes the same.
class Descriptor {
 public:
  // `how` says what it is used for: SHUT_RD to read, SHUT_WR to write, which is
  // how shutdown(2) ends it. `fd` is -1 if there is none.
  Descriptor(int fd, int how);
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  // Ok if the kernel has said what it is. Otherwise it is not to be used.
  const absl::Status& status() const { return status_; }
  // What to wait for with poll(2).
  int fd() const { return fd_; }
  // What it is open for.
  bool readable() const { return readable_; }
  bool writable() const { return writable_; }
  // Whether poll(2) reports an error when nobody can read any more what is
  // written.
  bool tells_of_last_reader() const { return kind_ == Kind::kPipe; }

  // What it refers to, if splice(2) and its like can be kept from waiting for
  // it, and tell nothing that is told only once (as of a socket).
  const SpliceFile& splice_file() const { return splice_file_; }

  // Descriptor::HoldsPackets()
  //
  // Returns whether this is a pipe of packets, of which a Read() could lose a
  // part. Ask before each Read(): as long as a pipe is empty, nobody knows.
  bool HoldsPackets();
  // Returns whether it is known to be none.
  bool is_stream() const { return is_stream_; }

  // Descriptor::Read(), Descriptor::Write()
  //
  // Like read(2) and writev(2), but they fail with EAGAIN rather than wait, and
  // raise no signal. If `ready`, poll(2) has just said that they would not
  // wait. Write() fails with EPIPE if there is no reader anymore, whatever kind
  // of descriptor this is. A Read() of 0 bytes is the end.
  ssize_t Read(absl::Span<char> space, bool ready);
  ssize_t Write(absl::Span<const struct iovec> list, bool ready);

  // Descriptor::BytesInTransit()
  //
  // Returns how many bytes were written and not read, or not sent; 0 if this
  // does not say, or is closed.
  int BytesInTransit() const;

  // Descriptor::End()
  //
  // Closes the descriptor. If it is a socket that others share, they are told,
  // too, that this end does not read (or write) anymore.
  absl::Status End();

  // Descriptor::Close()
  //
  // Closes the descriptor, once.
  absl::Status Close();

  // Descriptor::Release()
  //
  // Like Close(), but leaves the descriptor to somebody else.
  void Release();

 private:
  enum class Kind { kFile, kPipe, kTerminal, kMaster, kSocket, kOther };
  static Kind KindOf(int fd, const struct stat& info);

  ssize_t WriteToPipe(absl::Span<const struct iovec> list, bool ready);
  ssize_t WriteUnlessItWaits(absl::Span<const struct iovec> list, bool ready);
  void OpenAgain(int access);
  bool IsAtEnd() const;
  short Poll(short events) const;

  int fd_;
  int again_ = -1;  // the same file, opened once more, non-blocking
  const int how_;
  absl::Status status_;
  Kind kind_ = Kind::kOther;
  SpliceFile splice_file_;
  bool readable_ = false;
  bool writable_ = false;
  bool nowait_ = true;  // whether RWF_NOWAIT is known
  bool nosignal_ = true;
  bool is_stream_ = true;  // as far as is known
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_DESCRIPTOR_H_
