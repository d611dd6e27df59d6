// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/byte_pattern.h
//
// Bytes that tell where they come from: an endless sequence, fixed by a seed,
// in which any 16 bytes occur once. Write it on one end and check it on the
// other one, in pieces of any size; a difference says which bytes were lost,
// repeated or changed, and not only that something is wrong.
//
//   flow::testing::PatternChecker checker(seed);
//   while (true) {
//     absl::StatusOr<absl::Cord> data = peer->Read();
//     ASSERT_THAT(data, IsOk());
//     if (data->empty()) break;
//     ASSERT_THAT(checker.Check(*data), IsOk());
//   }
//   EXPECT_EQ(checker.offset(), kSent);
//
// When not to use it: for data that one wants to read in a failure, write text
// and compare it with HoldsData() of matchers.h.
//
// Thread safety: the functions are thread-safe; a checker belongs to one thread
// at a time.

#ifndef FLOW_TESTING_BYTE_PATTERN_H_
#define FLOW_TESTING_BYTE_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow::testing {

// Pattern(), PatternString(), FillPattern()
//
// Return, or write to `out`, the bytes of the pattern `seed` from `offset` on.
// The Cord consists of pieces of up to 64 KiB.
//
// Precondition: `offset` >= 0.
absl::Cord Pattern(int64_t offset, size_t size, uint64_t seed = 0);
std::string PatternString(int64_t offset, size_t size, uint64_t seed = 0);
void FillPattern(int64_t offset, absl::Span<char> out, uint64_t seed = 0);

// PatternChecker
//
// Compares a stream that arrives in pieces with the pattern.
class PatternChecker {
 public:
  // The first piece is expected to begin at `offset`, in bytes.
  //
  // Precondition: `offset` >= 0.
  explicit PatternChecker(uint64_t seed = 0, int64_t offset = 0)
      : seed_(seed), offset_(offset) {}

  // PatternChecker::Check()
  //
  // Compares the next bytes of the stream.
  //
  //  * Ok: they are the next bytes of the pattern; offset() has moved on.
  //  * kDataLoss: the offset of the first byte that differs, some bytes found
  //    and expected there, and, if `data` goes on with 16 bytes of the pattern
  //    within 4 KiB, how many bytes were lost, repeated or changed before.
  //    Every later Check() returns the same.
  absl::Status Check(const absl::Cord& data);
  absl::Status Check(absl::string_view data);

  // PatternChecker::offset()
  //
  // Returns the offset of the next byte that is expected; after a difference,
  // that of the first byte that differs.
  int64_t offset() const { return offset_; }

 private:
  uint64_t seed_;
  int64_t offset_;
  absl::Status status_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_BYTE_PATTERN_H_
