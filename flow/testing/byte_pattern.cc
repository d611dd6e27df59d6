// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Eight bytes are the number of their place, scrambled. As the scrambling can
// be undone, bytes that are found out of place tell where they belong without a
// search for it.

#include "flow/testing/byte_pattern.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow::testing {
namespace {

constexpr size_t kWord = 8;
constexpr size_t kBlock = 4096;      // what is compared at once
constexpr size_t kPiece = 64 << 10;  // of a Cord
constexpr size_t kSearched = 4096;   // for where a wrong stream goes on
constexpr size_t kRecognized = 2 * kWord;
constexpr size_t kShown = 16;

// A bijection of 64 bits: multiplications by odd numbers and shifts, each of
// which can be undone.
constexpr uint64_t kFactor = 0x9e3779b97f4a7c15;   // 2^64 / the golden ratio
constexpr uint64_t kInverse = 0xf1de83e19937733d;  // kFactor * kInverse == 1
static_assert(kFactor * kInverse == 1);

constexpr uint64_t Scramble(uint64_t x) {
  x *= kFactor;
  x ^= x >> 32;
  x *= kFactor;
  x ^= x >> 32;
  return x;
}

constexpr uint64_t Unscramble(uint64_t x) {
  x ^= x >> 32;
  x *= kInverse;
  x ^= x >> 32;
  x *= kInverse;
  return x;
}
static_assert(Unscramble(Scramble(0x0123456789abcdef)) == 0x0123456789abcdef);

// Little-endian everywhere, so that a pattern is the same everywhere.
void Store(uint64_t word, char* to) {
  for (size_t i = 0; i < kWord; ++i) to[i] = static_cast<char>(word >> 8 * i);
}

uint64_t Load(const char* from) {
  uint64_t word = 0;
  for (size_t i = 0; i < kWord; ++i) {
    word |= uint64_t{static_cast<unsigned char>(from[i])} << 8 * i;
  }
  return word;
}

// What `seed` adds to the number of a place. Far apart for neighboring seeds,
// so that their patterns have nothing in common that a test could reach.
uint64_t Origin(uint64_t seed) { return Scramble(seed + 1); }

std::string Escaped(absl::string_view bytes) {
  return absl::StrCat("\"", absl::CHexEscape(bytes.substr(0, kShown)), "\"");
}

std::string Bytes(int64_t n) {
  return absl::StrCat(n, n == 1 ? " byte" : " bytes");
}

// What has happened to a stream that should go on with the pattern at `offset`
// and goes on with `found` instead; empty if that cannot be told.
std::string Explain(absl::string_view found, int64_t offset, uint64_t seed) {
  const uint64_t origin = Origin(seed);
  for (size_t i = 0; i + kRecognized <= found.size(); ++i) {
    const uint64_t place = Unscramble(Load(&found[i])) - origin;
    if (place > std::numeric_limits<int64_t>::max() / kWord - 2) continue;
    if (Scramble(place + 1 + origin) != Load(&found[i + kWord])) continue;
    // `found[i]` is the first byte of a word; some before it may fit, too.
    const auto belongs = static_cast<int64_t>(place * kWord);
    const auto before = static_cast<size_t>(
        std::min<uint64_t>({i, kWord - 1, static_cast<uint64_t>(belongs)}));
    const std::string expected =
        PatternString(belongs - static_cast<int64_t>(before), before, seed);
    size_t fits = 0;
    while (fits < before &&
           found[i - fits - 1] == expected[before - fits - 1]) {
      ++fits;
    }
    const auto other = static_cast<int64_t>(i - fits);
    const int64_t resumes = belongs - static_cast<int64_t>(fits);
    const int64_t lost = resumes - (offset + other);
    std::string what = ", in its place";
    if (lost > 0) what = absl::StrCat(": ", Bytes(lost), " lost");
    if (lost < 0) {
      what =
          absl::StrCat(": ", Bytes(-lost), other > 0 ? " too many" : " again");
    }
    return absl::StrCat(
        other > 0 ? absl::StrCat("; after ", Bytes(other), " of something else")
                  : ";",
        " it goes on at byte ", resumes, what);
  }
  return "";
}

}  // namespace

void FillPattern(int64_t offset, absl::Span<char> out, uint64_t seed) {
  const uint64_t origin = Origin(seed);
  uint64_t place = static_cast<uint64_t>(offset) / kWord + origin;
  char* to = out.data();
  size_t left = out.size();
  char word[kWord];
  if (const size_t skip = static_cast<uint64_t>(offset) % kWord; skip > 0) {
    Store(Scramble(place++), word);
    const size_t n = std::min(left, kWord - skip);
    std::copy_n(word + skip, n, to);
    to += n;
    left -= n;
  }
  for (; left >= kWord; left -= kWord, to += kWord) {
    Store(Scramble(place++), to);
  }
  if (left > 0) {
    Store(Scramble(place), word);
    std::copy_n(word, left, to);
  }
}

std::string PatternString(int64_t offset, size_t size, uint64_t seed) {
  std::string bytes(size, '\0');
  FillPattern(offset, absl::MakeSpan(bytes), seed);
  return bytes;
}

absl::Cord Pattern(int64_t offset, size_t size, uint64_t seed) {
  absl::Cord cord;
  while (size > 0) {
    const size_t n = std::min(size, kPiece);
    cord.Append(PatternString(offset, n, seed));
    offset += static_cast<int64_t>(n);
    size -= n;
  }
  return cord;
}

absl::Status PatternChecker::Check(const absl::Cord& data) {
  size_t before = 0;
  for (absl::string_view chunk : data.Chunks()) {
    if (!status_.ok()) break;
    const int64_t start = offset_;
    if (Check(chunk).ok()) {
      before += chunk.size();
      continue;
    }
    // Once more, with what the other chunks know.
    const auto good = static_cast<size_t>(offset_ - start);
    status_ = absl::OkStatus();
    return Check(
        std::string(data.Subcord(before + good, kSearched + kRecognized)));
  }
  return status_;
}

absl::Status PatternChecker::Check(absl::string_view data) {
  if (!status_.ok()) return status_;
  while (!data.empty()) {
    char expected[kBlock];
    const size_t n = std::min(data.size(), kBlock);
    FillPattern(offset_, absl::MakeSpan(expected, n), seed_);
    if (std::memcmp(data.data(), expected, n) != 0) {
      const auto same = static_cast<size_t>(
          std::mismatch(expected, expected + n, data.data()).first - expected);
      data.remove_prefix(same);
      offset_ += static_cast<int64_t>(same);
      status_ = absl::DataLossError(absl::StrCat(
          "the pattern (seed ", seed_, ") is broken at byte ", offset_,
          ": found ", Escaped(data), ", expected ",
          Escaped(PatternString(offset_, kShown, seed_)),
          Explain(data.substr(0, kSearched + kRecognized), offset_, seed_)));
      return status_;
    }
    data.remove_prefix(n);
    offset_ += static_cast<int64_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace flow::testing
