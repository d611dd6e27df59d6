// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/allocation_counter.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

// Plain integers: nothing that could itself allocate.
thread_local int64_t blocks = 0;
thread_local int64_t bytes = 0;

void* Count(void* block, size_t size) {
  // The library is built without exceptions in mind; nor does a test survive.
  if (block == nullptr) std::abort();
  ++blocks;
  bytes += static_cast<int64_t>(size);
  return block;
}

void* Allocate(size_t size) { return Count(std::malloc(size + !size), size); }

void* AllocateAligned(size_t size, std::align_val_t alignment) {
  const size_t a = static_cast<size_t>(alignment);
  return Count(std::aligned_alloc(a, (size + !size + a - 1) / a * a), size);
}

}  // namespace

void* operator new(size_t size) { return Allocate(size); }
void* operator new[](size_t size) { return Allocate(size); }
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateAligned(size, alignment);
}

void operator delete(void* block) noexcept { std::free(block); }
void operator delete[](void* block) noexcept { std::free(block); }
void operator delete(void* block, size_t) noexcept { std::free(block); }
void operator delete[](void* block, size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete(void* block, size_t, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete[](void* block, size_t, std::align_val_t) noexcept {
  std::free(block);
}
void operator delete(void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}
void operator delete[](void* block, const std::nothrow_t&) noexcept {
  std::free(block);
}

namespace flow::testing {

AllocationCounter::AllocationCounter()
    : blocks_before_(::blocks), bytes_before_(::bytes) {}

int64_t AllocationCounter::blocks() const { return ::blocks - blocks_before_; }

int64_t AllocationCounter::bytes() const { return ::bytes - bytes_before_; }

}  // namespace flow::testing
