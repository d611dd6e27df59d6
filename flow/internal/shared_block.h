// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/shared_block.h
//
// Memory that one object and a Cord can have at once. Not for users of the
// library.
//
// Thread safety: the Cord may be destroyed by any thread; the rest is for the
// thread that has the block.

#ifndef FLOW_INTERNAL_SHARED_BLOCK_H_
#define FLOW_INTERNAL_SHARED_BLOCK_H_

#include <atomic>
#include <cstddef>
#include <new>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// SharedBlock
//
// Has one owner when it is made, and another one as long as the Cord that it
// was handed over to, or a copy or part of that, is alive. Once that is gone,
// the block can be filled again: an absl::CordBuffer cannot.
class SharedBlock {
 public:
  // Returns a block that the caller releases; nullptr if there is no memory.
  static SharedBlock* New(size_t capacity) {
    void* const memory =
        ::operator new(sizeof(SharedBlock) + capacity, std::nothrow);
    return memory == nullptr ? nullptr : new (memory) SharedBlock(capacity);
  }

  SharedBlock(const SharedBlock&) = delete;
  SharedBlock& operator=(const SharedBlock&) = delete;

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  size_t capacity() const { return capacity_; }

  // Returns whether no Cord has it. What those who had it did with the bytes
  // comes before this.
  bool is_alone() const { return owners_.load(std::memory_order_acquire) == 1; }

  // Returns a Cord of the first `size` bytes. Precondition: is_alone().
  absl::Cord MakeCord(size_t size) {
    absl::Cord cord =
        absl::MakeCordFromExternal(absl::string_view(bytes(), size),
                                   [this](absl::string_view) { Release(); });
    // Not before there is a Cord, which can fail. Nobody else has it yet.
    owners_.store(2, std::memory_order_relaxed);
    return cord;
  }

  void Release() {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    this->~SharedBlock();
    ::operator delete(this);
  }

 private:
  explicit SharedBlock(size_t capacity) : capacity_(capacity) {}
  ~SharedBlock() = default;

  std::atomic<int> owners_{1};
  const size_t capacity_;
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_SHARED_BLOCK_H_
