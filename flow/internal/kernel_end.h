// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/kernel_end.h
//
// What a transport on descriptors can do for Copy() and StartCopy() beyond
// reads and writes: move bytes inside the kernel, where nobody sees them. Not
// for users of the library.
//
// Thread safety: FillPipe(), IsDrained(), TryFillPipe() and MoveTo() are reads
// of the transport, DrainPipe(), TryDrainPipe() and write_fd() writes
// (transport.h). The rest is for any thread.

#ifndef FLOW_INTERNAL_KERNEL_END_H_
#define FLOW_INTERNAL_KERNEL_END_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/strings/cord.h"

namespace flow {

class Retry;

namespace internal {

// The least that is worth moving inside the kernel. Less is copied as fast, and
// a stream of small messages should not hold a pipe.
inline constexpr size_t kMinSplice = size_t{16} << 10;

// SpliceFile
//
// What a descriptor refers to, as far as it matters here.
struct SpliceFile {
  // kNull discards what is written (/dev/null). kNone cannot be used here.
  enum class Kind { kNone, kRegular, kNull, kPipe, kSocket };

  // Returns whether both are the same regular file.
  bool IsSameFile(const SpliceFile& other) const {
    return kind == Kind::kRegular && other.kind == Kind::kRegular &&
           device == other.device && inode == other.inode;
  }

  Kind kind = Kind::kNone;
  uint64_t device = 0;
  uint64_t inode = 0;
};

// KernelPipe
//
// A pipe in which bytes are on their way from a source to a sink. It belongs to
// one copy.
class KernelPipe {
 public:
  virtual ~KernelPipe() = default;

  virtual int read_fd() const = 0;
  virtual int write_fd() const = 0;
  // So many bytes fit, wherever in a page of a file they begin.
  virtual size_t capacity() const = 0;

  // KernelPipe::Take()
  //
  // Takes the next `size` bytes out. Precondition: it holds that many.
  virtual absl::Cord Take(size_t size) = 0;
};

// KernelEnd
//
// No function here tells of an end, an error, a deadline or an abort. It moves
// what it can, and the Read() or Write() that follows tells the rest. (What the
// kernel tells only once, the transport keeps for them.) So the rules for these
// are in one place, and a copy is correct if nothing is ever moved here.
//
// All that move return how many bytes they have moved, or nullopt if this will
// never work.
class KernelEnd {
 public:
  // What FillPipe() and MoveTo() read, and what DrainPipe() writes. Never
  // changes, and can be asked after Free().
  virtual SpliceFile source() const = 0;
  virtual SpliceFile sink() const = 0;

  // Returns a pipe for FillPipe() and DrainPipe(), or null if there is none.
  virtual std::unique_ptr<KernelPipe> MakePipe() const = 0;

  // KernelEnd::FillPipe()
  //
  // Reads up to `max_bytes` into `pipe`, which is empty. Waits up to the read
  // deadline, but not for long, as the caller holds descriptors.
  virtual std::optional<size_t> FillPipe(int pipe, size_t max_bytes) = 0;

  // KernelEnd::DrainPipe()
  //
  // Writes the `size` bytes that are in `pipe`. Waits as Write() does. What it
  // leaves there was not accepted.
  virtual std::optional<size_t> DrainPipe(int pipe, size_t size) = 0;

  // KernelEnd::IsDrained(), TryFillPipe(), TryDrainPipe()
  //
  // The same for calls that were started: they do not wait. If TryDrainPipe()
  // has moved nothing for lack of room, it returns 0, and has told `retry`,
  // which may be null, what it waits for. Nullopt leaves the rest to
  // TryWrite().
  // IsDrained() returns true if it is known that nothing is there to read.
  virtual bool IsDrained() const { return false; }
  virtual std::optional<size_t> TryFillPipe(int /*pipe*/,
                                            size_t /*max_bytes*/) {
    return std::nullopt;
  }
  virtual std::optional<size_t> TryDrainPipe(int /*pipe*/, size_t /*size*/,
                                             Retry* /*retry*/) {
    return std::nullopt;
  }

  // KernelEnd::MoveTo()
  //
  // Moves up to `max_bytes` from this file to that of `sink`, and does not
  // wait. For a source() that is a file, and a sink() that is one or discards.
  virtual std::optional<size_t> MoveTo(KernelEnd& sink, size_t max_bytes) = 0;

  // The descriptor to write to; -1 if there is none.
  virtual int write_fd() = 0;

 protected:
  ~KernelEnd() = default;
};

}  // namespace internal
}  // namespace flow

#endif  // FLOW_INTERNAL_KERNEL_END_H_
