// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/delimiter_search.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace flow::internal {
namespace {

// All strings of the letters a and b that have 1 to `max_size` of them.
std::vector<std::string> Strings(size_t max_size) {
  std::vector<std::string> all = {"a", "b"};
  for (size_t i = 0; all[i].size() < max_size; ++i) {
    all.push_back(all[i] + "a");
    all.push_back(all[i] + "b");
  }
  return all;
}

// As Find(), without looking at what was done before.
size_t FindInString(absl::string_view delimiter, absl::string_view bytes,
                    size_t limit) {
  const size_t at = bytes.substr(0, limit).find(delimiter);
  return at == absl::string_view::npos ? 0 : at + delimiter.size();
}

TEST(DelimiterSearchTest, FindsWhatTheStringHasAlsoIfItComesByteByByte) {
  for (const std::string& text : Strings(6)) {
    for (const std::string& delimiter : Strings(3)) {
      DelimiterSearch search;
      search.SetDelimiter(delimiter);
      absl::Cord bytes;
      for (const char byte : text) {
        bytes.Append(absl::string_view(&byte, 1));
        ASSERT_EQ(search.Find(bytes, bytes.size()),
                  FindInString(delimiter, std::string(bytes), bytes.size()))
            << delimiter << " in " << bytes;
      }
    }
  }
}

TEST(DelimiterSearchTest, FindsADelimiterThatIsInTwoPiecesOfMemory) {
  constexpr size_t kShared = 600;  // which a Cord does not copy together
  const std::string delimiter = "--xy";
  for (size_t cut = 0; cut <= delimiter.size(); ++cut) {
    absl::Cord bytes(std::string(kShared, '-') + delimiter.substr(0, cut));
    bytes.Append(absl::Cord(delimiter.substr(cut) + std::string(kShared, '-')));
    ASSERT_FALSE(bytes.TryFlat().has_value());
    DelimiterSearch search;
    search.SetDelimiter(delimiter);
    EXPECT_EQ(search.Find(bytes, bytes.size()), kShared + delimiter.size());
  }
}

TEST(DelimiterSearchTest, FindsItAfterAnyPrefixIsGone) {
  for (const std::string& text : Strings(6)) {
    for (const std::string& delimiter : Strings(3)) {
      for (size_t looked_at = 0; looked_at <= text.size(); ++looked_at) {
        for (size_t gone = 0; gone <= text.size(); ++gone) {
          DelimiterSearch search;
          search.SetDelimiter(delimiter);
          absl::Cord bytes(text);
          search.Find(bytes, looked_at);
          bytes.RemovePrefix(gone);
          search.RemovePrefix(gone);
          ASSERT_EQ(search.Find(bytes, bytes.size()),
                    FindInString(delimiter, text.substr(gone), text.size()))
              << delimiter << " in " << text << " after " << gone << " of "
              << looked_at;
        }
      }
    }
  }
}

TEST(DelimiterSearchTest, BeginsAgainForAnotherDelimiter) {
  DelimiterSearch search;
  const absl::Cord bytes("ab--cd");
  search.SetDelimiter("x");
  EXPECT_EQ(search.Find(bytes, 6), 0);
  search.SetDelimiter("--");
  EXPECT_EQ(search.Find(bytes, 6), 4);
  search.SetDelimiter("-");
  EXPECT_EQ(search.Find(bytes, 6), 3);
}

TEST(DelimiterSearchTest, FindsNothingThatEndsBeyondTheLimit) {
  DelimiterSearch search;
  search.SetDelimiter("--");
  const absl::Cord bytes("ab--");
  for (const size_t limit : {0, 2, 3, 1, 3}) {
    EXPECT_EQ(search.Find(bytes, limit), 0);
  }
  EXPECT_EQ(search.Find(bytes, 4), 4);
  // And again, if it was not taken off.
  EXPECT_EQ(search.Find(bytes, 4), 4);
  EXPECT_EQ(search.Find(bytes, 3), 0);
}

// For such a delimiter a search that goes back is quadratic, and takes minutes.
TEST(DelimiterSearchTest, LooksAtEachByteOnceWhateverTheDelimiterIs) {
  constexpr size_t kMany = size_t{1} << 17;
  DelimiterSearch search;
  search.SetDelimiter(std::string(kMany, 'x') + "y");
  absl::Cord bytes;
  for (size_t i = 0; i < 2 * kMany; ++i) {
    bytes.Append("x");
    ASSERT_EQ(search.Find(bytes, bytes.size()), 0);
  }
  bytes.Append("y");
  EXPECT_EQ(search.Find(bytes, bytes.size()), bytes.size());
}

}  // namespace
}  // namespace flow::internal
