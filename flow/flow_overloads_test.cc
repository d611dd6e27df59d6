// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Which forms of Write() and Writev() compile, and which hook each one reaches.

#include <array>
#include <cstddef>
#include <iterator>
#include <list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

constexpr size_t kLarge = 100000;  // a Cord adopts a string of this size

// Keeps what was written and by which hook.
class RecordingFlow final : public Flow {
 public:
  ~RecordingFlow() override { Destroy(); }

  std::string hook;
  std::string bytes;
  const void* address = nullptr;

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t) override { return absl::Cord(); }
  absl::Status DoWrite(absl::Cord buffer, size_t*) override {
    hook = "Cord";
    bytes = std::string(buffer);
    address = buffer.Chunks().begin()->data();
    return absl::OkStatus();
  }
  absl::Status DoWriteBorrowed(absl::string_view buffer, size_t*) override {
    hook = "string_view";
    bytes = std::string(buffer);
    address = buffer.data();
    return absl::OkStatus();
  }
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t*) override {
    hook = "Cords";
    bytes.clear();
    for (const absl::Cord& buffer : buffers) bytes += std::string(buffer) + "|";
    return absl::OkStatus();
  }
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t*) override {
    hook = "string_views";
    bytes.clear();
    for (absl::string_view buffer : buffers) bytes += std::string(buffer) + "|";
    return absl::OkStatus();
  }
  std::string DoDescribe() const override { return "recording flow"; }
};

TEST(WriteOverloadsTest, ALiteralIsBorrowedWithoutItsNul) {
  RecordingFlow flow;
  ASSERT_TRUE(flow.Write("abc").ok());
  EXPECT_EQ(flow.hook, "string_view");
  EXPECT_EQ(flow.bytes, "abc");
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(WriteOverloadsTest, AStringLvalueIsBorrowed) {
  RecordingFlow flow;
  std::string lvalue(kLarge, 'x');
  const std::string constant = "constant";
  ASSERT_TRUE(flow.Write(lvalue).ok());
  EXPECT_EQ(flow.hook, "string_view");
  EXPECT_EQ(flow.address, lvalue.data());
  EXPECT_EQ(lvalue.size(), kLarge);
  ASSERT_TRUE(flow.Write(constant).ok());
  EXPECT_EQ(flow.hook, "string_view");
  ASSERT_TRUE(flow.Write(static_cast<const std::string&&>(constant)).ok());
  EXPECT_EQ(flow.hook, "string_view");
}

TEST(WriteOverloadsTest, AStringRvalueIsAdoptedAndNotCopied) {
  RecordingFlow flow;
  std::string rvalue(kLarge, 'x');
  const void* const before = rvalue.data();
  ASSERT_TRUE(flow.Write(std::move(rvalue)).ok());
  EXPECT_EQ(flow.hook, "Cord");
  EXPECT_EQ(flow.address, before);
}

TEST(WriteOverloadsTest, ViewsAndCordsGoTheirOwnWays) {
  RecordingFlow flow;
  ASSERT_TRUE(flow.Write(absl::string_view("abc")).ok());
  EXPECT_EQ(flow.hook, "string_view");
  const absl::Cord lvalue("cord");
  ASSERT_TRUE(flow.Write(lvalue).ok());
  EXPECT_EQ(flow.hook, "Cord");
  const char* const pointer = "pointer";
  ASSERT_TRUE(flow.Write(pointer).ok());
  EXPECT_EQ(flow.bytes, "pointer");
}

TEST(WritevOverloadsTest, TakesEveryUsualList) {
  RecordingFlow flow;
  const auto expect = [&](const absl::Status& status, const char* hook) {
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(flow.hook, hook);
    EXPECT_EQ(flow.bytes, "ab|cd|");
  };
  const std::string ab = "ab";
  expect(flow.Writev({"ab", "cd"}), "string_views");
  expect(flow.Writev({ab, "cd"}), "string_views");
  expect(flow.Writev({absl::string_view("ab"), absl::string_view("cd")}),
         "string_views");
  expect(flow.Writev({absl::Cord("ab"), absl::Cord("cd")}), "Cords");
  expect(flow.Writev(std::vector<std::string>{"ab", "cd"}), "string_views");
  expect(flow.Writev(std::list<std::string>{"ab", "cd"}), "string_views");
  expect(flow.Writev(std::array<std::string, 2>{"ab", "cd"}), "string_views");
  expect(flow.Writev(std::vector<const char*>{"ab", "cd"}), "string_views");
  expect(flow.Writev(std::vector<absl::string_view>{"ab", "cd"}),
         "string_views");
  const absl::string_view views[] = {"ab", "cd"};
  expect(flow.Writev(views), "string_views");
  const std::vector<absl::Cord> cords = {absl::Cord("ab"), absl::Cord("cd")};
  expect(flow.Writev(cords), "Cords");
  expect(flow.Writev(absl::MakeConstSpan(cords)), "Cords");
  std::vector<absl::Cord> mutable_cords = cords;
  expect(flow.Writev(absl::MakeSpan(mutable_cords)), "Cords");
}

TEST(WritevOverloadsTest, TakesNothing) {
  RecordingFlow flow;
  EXPECT_TRUE(flow.Writev({}).ok());
  EXPECT_TRUE(flow.Writev(std::vector<std::string>()).ok());
  EXPECT_EQ(flow.hook, "");
}

template <typename T, typename = void>
struct CanWriteBraced : std::false_type {};
template <typename T>
struct CanWriteBraced<T, std::void_t<decltype(std::declval<Flow&>().Write(
                             {std::declval<T>(), std::declval<T>()}))>>
    : std::true_type {};

template <typename T, typename = void>
struct CanWrite : std::false_type {};
template <typename T>
struct CanWrite<
    T, std::void_t<decltype(std::declval<Flow&>().Write(std::declval<T>()))>>
    : std::true_type {};

template <typename T, typename = void>
struct CanWritev : std::false_type {};
template <typename T>
struct CanWritev<
    T, std::void_t<decltype(std::declval<Flow&>().Writev(std::declval<T>()))>>
    : std::true_type {};

// A range that is computed: its iterator returns an `Element`.
template <typename Element, typename Category = std::forward_iterator_tag>
struct RangeOf {
  using value_type = std::decay_t<Element>;
  struct const_iterator {
    using iterator_category = Category;
    using value_type = std::decay_t<Element>;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = Element;
    Element operator*() const;
    const_iterator& operator++();
    const_iterator operator++(int);
    bool operator==(const const_iterator&) const;
    bool operator!=(const const_iterator&) const;
  };
  const_iterator begin() const;
  const_iterator end() const;
};

struct OwnsCharacters {  // is trivial to copy, and owns them nevertheless
  char characters[16];
  operator absl::string_view() const { return characters; }  // NOLINT
};

TEST(WritevOverloadsTest, RejectsStringsThatWouldDangle) {
  static_assert(CanWritev<std::vector<std::string>>::value, "the test works");
  static_assert(!CanWritev<RangeOf<std::string>>::value, "by value");
  static_assert(!CanWritev<RangeOf<const std::string>>::value, "by value");
  static_assert(!CanWritev<RangeOf<std::string&&>>::value, "moved from");
  static_assert(!CanWritev<RangeOf<OwnsCharacters>>::value, "by value");
  // As std::istream_iterator<std::string> has it.
  static_assert(
      !CanWritev<RangeOf<const std::string&, std::input_iterator_tag>>::value,
      "in the iterator");
  // Becomes any container, so that it has to be said which.
  static_assert(!CanWritev<decltype(absl::StrSplit("a,b", ','))>::value,
                "no container yet");
}

TEST(WritevOverloadsTest, TakesRangesOfWhatLasts) {
  static_assert(CanWritev<RangeOf<const std::string&>>::value, "held");
  static_assert(CanWritev<RangeOf<const OwnsCharacters&>>::value, "held");
  static_assert(CanWritev<std::vector<OwnsCharacters>>::value, "held");
  static_assert(CanWritev<RangeOf<absl::string_view>>::value, "a view");
  static_assert(
      CanWritev<
          RangeOf<const absl::string_view&, std::input_iterator_tag>>::value,
      "a view in the iterator is copied");
  static_assert(CanWritev<RangeOf<const char*>>::value, "a pointer");
  static_assert(!CanWritev<RangeOf<int>>::value, "no string");
  static_assert(!CanWritev<std::vector<bool>>::value, "no string");
  static_assert(!CanWritev<std::string>::value, "one string");

  RecordingFlow flow;
  ASSERT_TRUE(flow.Writev(std::list<absl::string_view>{"ab", "cd"}).ok());
  EXPECT_EQ(flow.bytes, "ab|cd|");
}

TEST(WriteOverloadsTest, RejectsWhatIsAMistake) {
  static_assert(CanWrite<const char*>::value, "the test itself works");
  static_assert(!CanWrite<std::nullptr_t>::value, "Write(nullptr)");
  static_assert(!CanWrite<int>::value, "Write(0)");
  static_assert(!CanWrite<char>::value, "Write('x')");
  // Since C++20 two literals could be taken for a pair of iterators.
  static_assert(!CanWriteBraced<const char*>::value, "Write({a, b})");
  static_assert(!CanWrite<std::vector<char>>::value, "Write(vector)");
  static_assert(!std::is_copy_constructible_v<RecordingFlow>, "copy");
  static_assert(!std::is_move_constructible_v<RecordingFlow>, "move");
}

}  // namespace
}  // namespace flow
