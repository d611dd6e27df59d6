// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/matchers.h
//
// GoogleTest matchers for what a flow returns:
//
//   EXPECT_THAT(flow->Read(), HoldsData("hello"));
//   EXPECT_THAT(flow->Read(), IsEof());
//   EXPECT_THAT(flow->Write("more"), IsClosed());
//
// When not to use them: for other errors and for Ok there are StatusIs() and
// IsOk() in absl/status/status_matchers.h; for data too large to be compared
// with a copy in memory, byte_pattern.h.
//
// Thread safety: values; a matcher may be used by several threads at once.

#ifndef FLOW_TESTING_MATCHERS_H_
#define FLOW_TESTING_MATCHERS_H_

#include <ostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {

// The classes are made by the functions below.
class IsEofMatcher {
 public:
  using is_gtest_matcher = void;
  bool MatchAndExplain(const absl::StatusOr<absl::Cord>& result,
                       ::testing::MatchResultListener* listener) const;
  void DescribeTo(std::ostream* os) const { *os << "is end-of-file"; }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "is not end-of-file";
  }
};

class IsClosedMatcher {
 public:
  using is_gtest_matcher = void;
  bool MatchAndExplain(const absl::Status& status,
                       ::testing::MatchResultListener* listener) const;
  template <typename T>
  bool MatchAndExplain(const absl::StatusOr<T>& result,
                       ::testing::MatchResultListener* listener) const {
    return MatchAndExplain(result.status(), listener);
  }
  void DescribeTo(std::ostream* os) const { *os << "is Closed"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "is not Closed"; }
};

class HoldsDataMatcher {
 public:
  using is_gtest_matcher = void;
  explicit HoldsDataMatcher(absl::Cord expected)
      : expected_(std::move(expected)) {}
  bool MatchAndExplain(const absl::StatusOr<absl::Cord>& result,
                       ::testing::MatchResultListener* listener) const;
  void DescribeTo(std::ostream* os) const;
  void DescribeNegationTo(std::ostream* os) const;

 private:
  absl::Cord expected_;
};

// IsEof()
//
// Matches what Flow::Read() returns at end-of-file: Ok, and no bytes.
inline IsEofMatcher IsEof() { return {}; }

// IsClosed()
//
// Matches an absl::Status, or an absl::StatusOr of anything, that is Closed
// (status.h). Another kFailedPrecondition is not.
//
// In `namespace flow` a using-declaration of it hides the function of the same
// name, which you then call as flow::IsClosed(status).
inline IsClosedMatcher IsClosed() { return {}; }

// HoldsData()
//
// Matches a Cord, or an absl::StatusOr<absl::Cord> that is Ok, of exactly these
// bytes. A mismatch is explained by both sizes, the first offset that differs
// and a few escaped bytes around it. Nothing (`""`) matches end-of-file.
//
// GoogleTest also prints the whole value. Use SameData() for data that would
// flood the log.
inline HoldsDataMatcher HoldsData(absl::Cord expected) {
  return HoldsDataMatcher(std::move(expected));
}
inline HoldsDataMatcher HoldsData(absl::string_view expected) {
  return HoldsDataMatcher(absl::Cord(expected));
}

// SameData()
//
// The same for data of any size: success, or the explanation alone.
//
//   EXPECT_TRUE(SameData(received, sent));
::testing::AssertionResult SameData(const absl::StatusOr<absl::Cord>& actual,
                                    const absl::Cord& expected);

}  // namespace flow::testing

#endif  // FLOW_TESTING_MATCHERS_H_
