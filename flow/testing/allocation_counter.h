// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/allocation_counter.h
//
// Counts the blocks and bytes that this thread allocates from the heap, so that
// a test can assert that an operation allocates nothing, or how much.
//
//   flow::testing::AllocationCounter counter;
//   ...
//   EXPECT_EQ(counter.blocks(), 0);
//
// Or how much memory something holds:
//
//   flow::testing::AllocationCounter counter;
//   absl::Cord answer = ...;
//   EXPECT_LE(counter.live_bytes(), 2 * answer.size());
//
// A program that links this has its operator new and delete replaced: do not
// link it with another library that replaces them. malloc() called directly is
// not counted. While no counter of the thread is alive, an allocation costs it
// no more than malloc(). Under a sanitizer counts are right, but mismatches of
// new and free() are no longer reported.
//
// Thread safety: a counter belongs to the thread that made it.

#ifndef FLOW_TESTING_ALLOCATION_COUNTER_H_
#define FLOW_TESTING_ALLOCATION_COUNTER_H_

#include <cstddef>
#include <cstdint>

namespace flow::testing {

// AllocationCounter
//
// Counts from its construction on. Several may be alive at once.
class AllocationCounter {
 public:
  AllocationCounter();
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  // AllocationCounter::blocks(), AllocationCounter::bytes()
  //
  // Return how many blocks were allocated since construction, and how many
  // bytes were asked for in them. What was freed again counts, too.
  int64_t blocks() const;
  int64_t bytes() const;

  // AllocationCounter::live_blocks(), AllocationCounter::live_bytes()
  //
  // Return how many blocks more this thread has allocated than freed since
  // construction, and how many bytes, in blocks as large as malloc() made them.
  // Whoever allocated what this thread frees, it counts here.
  int64_t live_blocks() const;
  int64_t live_bytes() const;

 private:
  int64_t blocks_before_;
  int64_t bytes_before_;
  int64_t live_blocks_before_;
  int64_t live_before_;
};

// AllocationLimit
//
// While one is alive, an allocation by this thread of `bytes` or more fails as
// if memory was used up: new (std::nothrow) returns null, any other form ends
// the program.
class AllocationLimit {
 public:
  explicit AllocationLimit(size_t bytes);
  ~AllocationLimit();
  AllocationLimit(const AllocationLimit&) = delete;
  AllocationLimit& operator=(const AllocationLimit&) = delete;

 private:
  size_t limit_before_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_ALLOCATION_COUNTER_H_
