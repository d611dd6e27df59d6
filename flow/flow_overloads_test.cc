// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Which forms of Write() and Writev() compile, and what each one hands to the
// transport.

#include <array>
#include <cstddef>
#include <iterator>
#include <list>
#include <memory>
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
#include "flow/outgoing.h"
#include "flow/transport.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

constexpr size_t kLarge = 100000;  // a Cord adopts a string of this size

// Keeps what was written, and how each buffer came.
class RecordingTransport final : public Transport {
 public:
  std::string how;    // "borrowed" or "owned" of each buffer, and "|"
  std::string bytes;  // of each buffer, and "|"
  const void* address = nullptr;  // of the last one

 private:
  absl::StatusOr<absl::Cord> Read(size_t) override { return absl::Cord(); }
  absl::Status Write(Outgoing& data) override {
    how.clear();
    bytes.clear();
    for (size_t i = 0; i < data.count(); ++i) {
      const Buffer buffer = data[i];
      how += buffer.is_borrowed() ? "borrowed|" : "owned|";
      if (buffer.is_borrowed()) {
        bytes += std::string(buffer.bytes());
        address = buffer.bytes().data();
      } else {
        const absl::Cord cord = buffer.TakeCord();
        bytes += std::string(cord);
        if (!cord.empty()) address = cord.Chunks().begin()->data();
      }
      bytes += "|";
    }
    return absl::OkStatus();
  }
  std::string Describe() const override { return "recording flow"; }
};

// A flow on one.
class RecordingFlow final : public Flow {
 public:
  RecordingFlow() : RecordingFlow(new RecordingTransport) {}

  // What the last write was.
  RecordingTransport& last;

 private:
  explicit RecordingFlow(RecordingTransport* transport)
      : Flow({std::unique_ptr<Transport>(transport)}), last(*transport) {}
};

// --- Write()

TEST(WriteOverloadsTest, ALiteralIsBorrowedWithoutItsNul) {
  RecordingFlow flow;
  ASSERT_TRUE(flow.Write("abc").ok());
  EXPECT_EQ(flow.last.how, "borrowed|");
  EXPECT_EQ(flow.last.bytes, "abc|");
  EXPECT_EQ(flow.bytes_written(), 3);
}

TEST(WriteOverloadsTest, AStringLvalueIsBorrowed) {
  RecordingFlow flow;
  std::string lvalue(kLarge, 'x');
  const std::string constant = "constant";
  ASSERT_TRUE(flow.Write(lvalue).ok());
  EXPECT_EQ(flow.last.how, "borrowed|");
  EXPECT_EQ(flow.last.address, lvalue.data());
  EXPECT_EQ(lvalue.size(), kLarge);
  ASSERT_TRUE(flow.Write(constant).ok());
  EXPECT_EQ(flow.last.how, "borrowed|");
  ASSERT_TRUE(flow.Write(static_cast<const std::string&&>(constant)).ok());
  EXPECT_EQ(flow.last.how, "borrowed|");
}

TEST(WriteOverloadsTest, AStringRvalueIsAdoptedAndNotCopied) {
  RecordingFlow flow;
  std::string rvalue(kLarge, 'x');
  const void* const before = rvalue.data();
  ASSERT_TRUE(flow.Write(std::move(rvalue)).ok());
  EXPECT_EQ(flow.last.how, "owned|");
  EXPECT_EQ(flow.last.address, before);
}

TEST(WriteOverloadsTest, ViewsAndPointersAreBorrowed) {
  RecordingFlow flow;
  const absl::string_view view("a\0b", 3);
  ASSERT_TRUE(flow.Write(view).ok());
  EXPECT_EQ(flow.last.how, "borrowed|");
  EXPECT_EQ(flow.last.address, view.data());
  EXPECT_EQ(flow.bytes_written(), 3);
  const char* const pointer = "pointer";
  ASSERT_TRUE(flow.Write(pointer).ok());
  EXPECT_EQ(flow.last.bytes, "pointer|");
}

TEST(WriteOverloadsTest, BytesAreBorrowedWithTheirNuls) {
  RecordingFlow flow;
  const std::string expected("a\0b|", 4);
  std::vector<char> vector = {'a', '\0', 'b'};
  const std::array<char, 3> array = {'a', '\0', 'b'};
  const auto expect_borrowed = [&](const absl::Status& status,
                                   const void* address) {
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(flow.last.how, "borrowed|");
    EXPECT_EQ(flow.last.bytes, expected);
    EXPECT_EQ(flow.last.address, address);
  };
  expect_borrowed(flow.Write(absl::MakeConstSpan(vector)), vector.data());
  expect_borrowed(flow.Write(absl::MakeSpan(vector)), vector.data());
  expect_borrowed(flow.Write(absl::MakeConstSpan(vector.data(), 3)),
                  vector.data());
  expect_borrowed(flow.Write(vector), vector.data());
  expect_borrowed(flow.Write(array), array.data());
}

TEST(WriteOverloadsTest, ACordIsShared) {
  RecordingFlow flow;
  absl::Cord cord(std::string(kLarge, 'x'));
  const void* const before = cord.Chunks().begin()->data();
  ASSERT_TRUE(flow.Write(cord).ok());
  EXPECT_EQ(flow.last.how, "owned|");
  EXPECT_EQ(flow.last.address, before);
  EXPECT_EQ(cord.size(), kLarge);
  ASSERT_TRUE(flow.Write(std::move(cord)).ok());
  EXPECT_EQ(flow.last.how, "owned|");
  EXPECT_EQ(flow.last.address, before);
}

// --- Writev()

TEST(WritevOverloadsTest, AMixtureKeepsWhatEachBufferIs) {
  RecordingFlow flow;
  const std::string header = "header";
  const absl::Cord body("body");
  const std::vector<char> bytes = {'\0', 'b'};
  ASSERT_TRUE(flow.Writev({header, body}).ok());
  EXPECT_EQ(flow.last.how, "borrowed|owned|");
  EXPECT_EQ(flow.last.bytes, "header|body|");
  ASSERT_TRUE(flow.Writev({"literal", absl::string_view("view"), header,
                           std::string("moved"), absl::MakeConstSpan(bytes),
                           body, absl::Cord("moved too"), ""})
                  .ok());
  EXPECT_EQ(flow.last.how,
            "borrowed|borrowed|borrowed|owned|borrowed|owned|owned|borrowed|");
  EXPECT_EQ(flow.last.bytes,
            std::string("literal|view|header|moved|\0b|body|moved too||", 45));
}

TEST(WritevOverloadsTest, TakesEveryUsualList) {
  RecordingFlow flow;
  const auto expect = [&](const absl::Status& status, const char* how) {
    EXPECT_TRUE(status.ok());
    EXPECT_EQ(flow.last.how, how);
    EXPECT_EQ(flow.last.bytes, "ab|cd|");
  };
  constexpr char kBorrowed[] = "borrowed|borrowed|";
  constexpr char kOwned[] = "owned|owned|";
  const std::string ab = "ab";
  expect(flow.Writev({"ab", "cd"}), kBorrowed);
  expect(flow.Writev({ab, "cd"}), kBorrowed);
  expect(flow.Writev({absl::string_view("ab"), absl::string_view("cd")}),
         kBorrowed);
  expect(flow.Writev({absl::Cord("ab"), absl::Cord("cd")}), kOwned);
  expect(flow.Writev({std::string("ab"), std::string("cd")}), kOwned);
  expect(flow.Writev(std::vector<std::string>{"ab", "cd"}), kBorrowed);
  expect(flow.Writev(std::list<std::string>{"ab", "cd"}), kBorrowed);
  expect(flow.Writev(std::array<std::string, 2>{"ab", "cd"}), kBorrowed);
  expect(flow.Writev(std::vector<const char*>{"ab", "cd"}), kBorrowed);
  expect(flow.Writev(std::vector<absl::string_view>{"ab", "cd"}), kBorrowed);
  const absl::string_view views[] = {"ab", "cd"};
  expect(flow.Writev(views), kBorrowed);
  expect(flow.Writev(absl::MakeConstSpan(views)), kBorrowed);
  const std::vector<std::string> strings = {"ab", "cd"};
  expect(flow.Writev(absl::MakeConstSpan(strings)), kBorrowed);
  const std::vector<absl::Cord> cords = {absl::Cord("ab"), absl::Cord("cd")};
  expect(flow.Writev(cords), kOwned);
  expect(flow.Writev(absl::MakeConstSpan(cords)), kOwned);
  std::vector<absl::Cord> mutable_cords = cords;
  expect(flow.Writev(absl::MakeSpan(mutable_cords)), kOwned);
  const std::vector<Buffer> buffers = {ab, cords[1]};
  expect(flow.Writev(buffers), "borrowed|owned|");
  expect(flow.Writev(absl::MakeConstSpan(buffers)), "borrowed|owned|");
}

TEST(WritevOverloadsTest, TakesNothing) {
  RecordingFlow flow;
  EXPECT_TRUE(flow.Writev({}).ok());
  EXPECT_TRUE(flow.Writev(std::vector<std::string>()).ok());
  EXPECT_TRUE(flow.Writev({"", absl::Cord()}).ok());
  EXPECT_EQ(flow.last.how, "");
}

// --- What does not compile

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

// A literal 0 is a null pointer, which an int is not.
template <typename T, typename = void>
struct CanWriteZero : std::false_type {};
template <typename T>
struct CanWriteZero<T, std::void_t<decltype(std::declval<T&>().Write(0))>>
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
  EXPECT_EQ(flow.last.bytes, "ab|cd|");
}

TEST(WriteOverloadsTest, RejectsWhatIsAMistake) {
  static_assert(CanWrite<const char*>::value, "the test itself works");
  static_assert(!CanWrite<std::nullptr_t>::value, "Write(nullptr)");
  static_assert(!CanWriteZero<Flow>::value, "Write(0)");
  static_assert(!CanWrite<int>::value, "Write(number)");
  static_assert(!CanWrite<char>::value, "Write('x')");
  // Since C++20 two literals could be taken for a pair of iterators.
  static_assert(!CanWriteBraced<const char*>::value, "Write({a, b})");
  static_assert(!CanWrite<std::vector<int>>::value, "no bytes");
  static_assert(!CanWrite<std::vector<std::string>>::value, "a list");
  static_assert(!std::is_copy_constructible_v<RecordingFlow>, "copy");
  static_assert(!std::is_move_constructible_v<RecordingFlow>, "move");
}

}  // namespace
}  // namespace flow
