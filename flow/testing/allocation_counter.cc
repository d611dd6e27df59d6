// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/allocation_counter.h"

#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

namespace {

// Plain integers: nothing that could itself allocate.
thread_local int counters = 0;  // alive; without one nothing is counted
thread_local int64_t blocks = 0;
thread_local int64_t bytes = 0;
thread_local int64_t live_blocks = 0;
thread_local int64_t live_bytes = 0;
thread_local size_t limit = std::numeric_limits<size_t>::max();

void* Count(void* block, size_t size) {
  if (counters == 0 || block == nullptr) return block;
  ++blocks;
  bytes += static_cast<int64_t>(size);
  ++live_blocks;
  live_bytes += static_cast<int64_t>(malloc_usable_size(block));
  return block;
}

void* AllocateOrNull(size_t size) {
  return Count(size < limit ? std::malloc(size + !size) : nullptr, size);
}

// The library is built without exceptions in mind; nor does a test survive.
void* OrAbort(void* block) {
  if (block == nullptr) std::abort();
  return block;
}

void* AllocateAligned(size_t size, std::align_val_t alignment) {
  const size_t a = static_cast<size_t>(alignment);
  return OrAbort(
      Count(std::aligned_alloc(a, (size + !size + a - 1) / a * a), size));
}

void Free(void* block) {
  if (counters > 0 && block != nullptr) {
    --live_blocks;
    live_bytes -= static_cast<int64_t>(malloc_usable_size(block));
  }
  std::free(block);
}

}  // namespace

void* operator new(size_t size) { return OrAbort(AllocateOrNull(size)); }
void* operator new[](size_t size) { return OrAbort(AllocateOrNull(size)); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return AllocateOrNull(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return AllocateOrNull(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}

void operator delete(void* block) noexcept { Free(block); }
void operator delete[](void* block) noexcept { Free(block); }
void operator delete(void* block, size_t) noexcept { Free(block); }
void operator delete[](void* block, size_t) noexcept { Free(block); }
void operator delete(void* block, std::align_val_t) noexcept { Free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { Free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  Free(block);
}
void operator delete[](void* block, size_t, std::align_val_t) noexcept {
  Free(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  Free(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  Free(block);
}

namespace flow::testing {

AllocationCounter::AllocationCounter()
    : blocks_before_(::blocks),
      bytes_before_(::bytes),
      live_blocks_before_(::live_blocks),
      live_before_(::live_bytes) {
  ++::counters;
}

AllocationCounter::~AllocationCounter() { --::counters; }

int64_t AllocationCounter::blocks() const { return ::blocks - blocks_before_; }

int64_t AllocationCounter::bytes() const { return ::bytes - bytes_before_; }

int64_t AllocationCounter::live_blocks() const {
  return ::live_blocks - live_blocks_before_;
}

int64_t AllocationCounter::live_bytes() const {
  return ::live_bytes - live_before_;
}

AllocationLimit::AllocationLimit(size_t bytes)
    : limit_before_(std::exchange(::limit, bytes)) {}

AllocationLimit::~AllocationLimit() { ::limit = limit_before_; }

}  // namespace flow::testing
