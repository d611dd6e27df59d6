// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/matchers.h"

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

// The excerpts: enough to recognize a place, few enough to read.
constexpr size_t kBefore = 8;
constexpr size_t kExcerpt = 32;

std::string Bytes(size_t n) {
  return absl::StrCat(n, n == 1 ? " byte" : " bytes");
}

// Some bytes of `data` from `begin` on, quoted, with dots where it goes on.
std::string Excerpt(const absl::Cord& data, size_t begin) {
  return absl::StrCat(
      begin > 0 ? "..." : "", "\"",
      absl::CHexEscape(std::string(data.Subcord(begin, kExcerpt))), "\"",
      data.size() > begin + kExcerpt ? "..." : "");
}

size_t FirstDifference(const absl::Cord& a, const absl::Cord& b) {
  const size_t common = std::min(a.size(), b.size());
  size_t low = 0;
  absl::Cord::CharIterator x = a.char_begin();
  absl::Cord::CharIterator y = b.char_begin();
  while (low < common) {
    const absl::string_view left = absl::Cord::ChunkRemaining(x);
    const absl::string_view right = absl::Cord::ChunkRemaining(y);
    const size_t n = std::min(left.size(), right.size());
    const auto [here, there] =
        std::mismatch(left.begin(), left.begin() + n, right.begin());
    const auto same = static_cast<size_t>(here - left.begin());
    low += same;
    if (same < n) break;
    absl::Cord::Advance(&x, n);
    absl::Cord::Advance(&y, n);
  }
  return low;
}

// What is wrong with `actual`, after "which"; empty if nothing is.
std::string Difference(const absl::StatusOr<absl::Cord>& actual,
                       const absl::Cord& expected) {
  if (!actual.ok()) return absl::StrCat("is ", actual.status().ToString());
  if (*actual == expected) return "";
  const size_t offset = FirstDifference(*actual, expected);
  if (offset == actual->size()) {
    return absl::StrCat("ends after ", offset, " of ", Bytes(expected.size()),
                        ", before ", Excerpt(expected, offset));
  }
  if (offset == expected.size()) {
    return absl::StrCat("has ", Bytes(actual->size() - offset), " after the ",
                        offset, " expected: ", Excerpt(*actual, offset));
  }
  const size_t begin = offset - std::min(offset, kBefore);
  return absl::StrCat("has ", Bytes(actual->size()), " and differs from the ",
                      expected.size(), " expected at byte ", offset, ": ",
                      Excerpt(*actual, begin), " instead of ",
                      Excerpt(expected, begin));
}

}  // namespace

bool IsEofMatcher::MatchAndExplain(
    const absl::StatusOr<absl::Cord>& result,
    ::testing::MatchResultListener* listener) const {
  if (!result.ok()) {
    *listener << "which is an error";
    return false;
  }
  if (!result->empty()) {
    *listener << "which holds " << Bytes(result->size()) << ": "
              << Excerpt(*result, 0);
    return false;
  }
  return true;
}

bool IsClosedMatcher::MatchAndExplain(
    const absl::Status& status,
    ::testing::MatchResultListener* listener) const {
  if (flow::IsClosed(status)) return true;
  if (status.ok()) {
    *listener << "which is Ok";
  } else if (absl::IsFailedPrecondition(status)) {
    *listener << "which lacks the payload of flow::ClosedError()";
  } else {
    *listener << "which is another error";
  }
  return false;
}

bool HoldsDataMatcher::MatchAndExplain(
    const absl::StatusOr<absl::Cord>& result,
    ::testing::MatchResultListener* listener) const {
  const std::string difference = Difference(result, expected_);
  if (difference.empty()) return true;
  *listener << "which " << difference;
  return false;
}

void HoldsDataMatcher::DescribeTo(std::ostream* os) const {
  *os << "holds " << Bytes(expected_.size()) << ": " << Excerpt(expected_, 0);
}

void HoldsDataMatcher::DescribeNegationTo(std::ostream* os) const {
  *os << "does not hold " << Bytes(expected_.size()) << ": "
      << Excerpt(expected_, 0);
}

::testing::AssertionResult SameData(const absl::StatusOr<absl::Cord>& actual,
                                    const absl::Cord& expected) {
  const std::string difference = Difference(actual, expected);
  if (difference.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "The data " << difference;
}

}  // namespace flow::testing
