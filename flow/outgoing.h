// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: outgoing.h
//
// `Buffer` is the argument of Flow::Write(). `Outgoing` is how a transport gets
// all the buffers of one write.
//
// When not to use them: to store bytes. Both refer to memory of the caller.
//
// Thread safety: none.

#ifndef FLOW_OUTGOING_H_
#define FLOW_OUTGOING_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow {

// Buffer
//
// One piece of what you write. You need not name it:
//
//   flow.Write("a literal");                   // up to the first NUL
//   flow.Write(text);                          // a string or a string_view
//   flow.Write(absl::MakeConstSpan(data, 4));  // bytes as given, with NULs
//   flow.Write(std::move(text));               // a large one is not copied
//   flow.Write(cord);                          // shared
//   flow.Writev({header, body});               // any mixture, gathered
//
// A Cord is shared, and a moved string adopted. Everything else is borrowed
// until the call returns. A `const char*` and an array of char end at the first
// NUL, as in string_view.
//
// A Buffer refers to its argument, so use it only as an argument:
//
//   // BUG: the string is gone before it is written.
//   flow::Buffer line = absl::StrCat(name, "\n");
//   flow.Write(line);
class Buffer {
 public:
  // Borrows whatever converts to a string_view.
  Buffer(absl::string_view text)  // NOLINT: implicit on purpose
      : Buffer(text, Kind::kBorrowed) {}
  template <typename Text,
            std::enable_if_t<
                std::is_convertible_v<const Text&, absl::string_view>, int> = 0>
  Buffer(const Text& text ABSL_ATTRIBUTE_LIFETIME_BOUND)  // NOLINT: implicit
      : Buffer(absl::string_view(text), Kind::kBorrowed) {}

  // Borrows bytes: a Span, vector or array of char.
  template <typename Bytes,
            std::enable_if_t<
                !std::is_convertible_v<const Bytes&, absl::string_view> &&
                    std::is_convertible_v<const Bytes&, absl::Span<const char>>,
                int> = 0,
            typename = void>
  Buffer(const Bytes& bytes ABSL_ATTRIBUTE_LIFETIME_BOUND)  // NOLINT: implicit
      : Buffer(absl::Span<const char>(bytes)) {}
  Buffer(absl::Span<const char> bytes)  // NOLINT: implicit on purpose
      : Buffer(bytes.data(), bytes.size(), Kind::kBorrowed) {}

  // Adopts a moved string. The write may or may not empty it.
  template <typename T,
            std::enable_if_t<std::is_same_v<T, std::string>, int> = 0>
  Buffer(T&& text ABSL_ATTRIBUTE_LIFETIME_BOUND)  // NOLINT: implicit on purpose
      : object_(&text), size_(text.size()), kind_(Kind::kString) {}

  // Shares a Cord. The write may or may not empty a moved one.
  Buffer(const absl::Cord& cord  // NOLINT: implicit on purpose
             ABSL_ATTRIBUTE_LIFETIME_BOUND)
      : object_(&cord), size_(cord.size()), kind_(Kind::kCord) {}
  Buffer(absl::Cord&& cord  // NOLINT: implicit on purpose
             ABSL_ATTRIBUTE_LIFETIME_BOUND)
      : object_(&cord), size_(cord.size()), kind_(Kind::kMovedCord) {}

  Buffer(std::nullptr_t) = delete;

  size_t size() const { return size_; }

  // Buffer::is_borrowed()
  //
  // Returns whether you must copy the bytes to keep them. Otherwise they are a
  // Cord or an adopted string.
  bool is_borrowed() const { return kind_ == Kind::kBorrowed; }

  // Buffer::bytes()
  //
  // Returns the bytes. Precondition: is_borrowed().
  absl::string_view bytes() const {
    return absl::string_view(static_cast<const char*>(object_), size_);
  }

  // Buffer::ForEachPiece()
  //
  // Calls `use(absl::string_view)` with each piece of memory, in order.
  template <typename Use>
  void ForEachPiece(Use use) const {
    ForEachPieceWhile([&use](absl::string_view piece) {
      use(piece);
      return true;
    });
  }

  // Does so as long as `use` returns true, and returns whether it always did.
  template <typename Use>
  bool ForEachPieceWhile(Use use) const {
    if (kind_ == Kind::kBorrowed) return use(bytes());
    if (kind_ == Kind::kString) return use(absl::string_view(string()));
    return ForEachChunkWhile(cord(), use);
  }

  // Buffer::TakeCord()
  //
  // Returns the bytes as a Cord: copied if they are borrowed, otherwise moved
  // or shared. Call it once, and do not use the buffer afterwards.
  absl::Cord TakeCord() const {
    if (kind_ == Kind::kCord) return cord();
    return TakeAsCord();
  }

 private:
  friend class Outgoing;
  enum class Kind : uint8_t {
    kBorrowed,
    kString,
    kCord,
    kMovedCord,
    // These three are only for an Outgoing.
    kBuffers,
    kCords,
    kViews,
  };

  absl::Cord TakeAsCord() const;

  template <typename Use>
  static bool ForEachChunkWhile(const absl::Cord& cord, Use& use) {
    for (absl::string_view chunk : cord.Chunks()) {
      if (!use(chunk)) return false;
    }
    return true;
  }

  Buffer(absl::string_view bytes, Kind kind)
      : Buffer(bytes.data(), bytes.size(), kind) {}
  Buffer(const void* object, size_t size, Kind kind)
      : object_(object), size_(size), kind_(kind) {}

  const std::string& string() const {
    return *static_cast<const std::string*>(object_);
  }
  const absl::Cord& cord() const {
    return *static_cast<const absl::Cord*>(object_);
  }

  const void* object_;
  size_t size_;
  Kind kind_;
};

// Outgoing
//
// The buffers of one write, and how many of their bytes were accepted.
class Outgoing {
 public:
  // What the arguments refer to must outlive this, a list of Buffers included:
  //
  //   // BUG: the list is gone at the end of the line.
  //   flow::Outgoing out(absl::Span<const flow::Buffer>({header, body}));
  explicit Outgoing(Buffer buffer)
      : object_(buffer.object_), size_(buffer.size_), kind_(buffer.kind_) {}
  explicit Outgoing(absl::Span<const Buffer> buffers)
      : Outgoing(buffers, Kind::kBuffers) {}
  explicit Outgoing(absl::Span<const absl::Cord> buffers)
      : Outgoing(buffers, Kind::kCords) {}
  explicit Outgoing(absl::Span<const absl::string_view> buffers)
      : Outgoing(buffers, Kind::kViews) {}

  // Outgoing::size()
  //
  // Returns how many bytes there are in all, accepted or not; the largest
  // size_t if there are more than it can count.
  size_t size() const { return size_; }

  // Outgoing::accepted(), Outgoing::Accept()
  //
  // Return and increase the number of accepted bytes, from the front. A
  // transport that fails calls Accept(); one that returns Ok need not, as it
  // has taken all.
  size_t accepted() const { return accepted_; }
  void Accept(size_t n) { accepted_ += n; }

  // Outgoing::count(), Outgoing::operator[]
  //
  // Return the number of buffers, and each of them. Some may be empty.
  size_t count() const { return is_one() ? 1 : count_; }
  Buffer operator[](size_t i) const;

  // Outgoing::is_borrowed()
  //
  // Returns whether all the buffers are borrowed.
  bool is_borrowed() const {
    return kind_ == Kind::kBorrowed || kind_ == Kind::kViews ||
           (kind_ == Kind::kBuffers && AreBorrowed());
  }

  // Outgoing::is_one(), Outgoing::bytes()
  //
  // Whether there is one buffer that was not given as a list, which is the most
  // frequent case; and its bytes. Precondition of bytes(): is_one() and
  // is_borrowed().
  bool is_one() const { return kind_ < Kind::kBuffers; }
  absl::string_view bytes() const {
    return absl::string_view(static_cast<const char*>(object_), size_);
  }

  // Outgoing::views()
  //
  // Returns the buffers if they were given as a list of string_views, otherwise
  // nothing. Some may be empty.
  absl::Span<const absl::string_view> views() const {
    if (kind_ != Kind::kViews) return {};
    return absl::MakeConstSpan(static_cast<const absl::string_view*>(object_),
                               count_);
  }

  // Outgoing::ForEachPiece()
  //
  // Calls `use(absl::string_view)` with each piece of memory, in order.
  template <typename Use>
  void ForEachPiece(Use use) const {
    ForEachPieceWhile([&use](absl::string_view piece) {
      use(piece);
      return true;
    });
  }

  // Does so as long as `use` returns true, and returns whether it always did.
  template <typename Use>
  bool ForEachPieceWhile(Use use) const {
    if (kind_ == Kind::kViews) {
      for (absl::string_view view : views()) {
        if (!use(view)) return false;
      }
      return true;
    }
    for (size_t i = 0; i < count(); ++i) {
      if (!(*this)[i].ForEachPieceWhile(std::ref(use))) return false;
    }
    return true;
  }

  // Outgoing::TakeCord()
  //
  // Returns all the bytes as one Cord; see Buffer::TakeCord().
  absl::Cord TakeCord() {
    // Not by way of a copy of the Buffer, which the processor would wait for.
    if (kind_ == Kind::kMovedCord) {
      return std::move(*static_cast<absl::Cord*>(const_cast<void*>(object_)));
    }
    if (kind_ == Kind::kCord) return *static_cast<const absl::Cord*>(object_);
    return JoinAll();
  }

 private:
  using Kind = Buffer::Kind;

  template <typename T>
  Outgoing(absl::Span<const T> buffers, Kind kind)
      : object_(buffers.data()), size_(0), kind_(kind), count_(buffers.size()) {
    bool overflow = false;
    for (const T& buffer : buffers) {
      size_ += buffer.size();
      overflow |= size_ < buffer.size();
    }
    if (overflow) size_ = std::numeric_limits<size_t>::max();
  }

  bool AreBorrowed() const;
  absl::Cord JoinAll();

  const void* object_;
  size_t size_;
  Kind kind_;
  size_t count_;  // of a list
  size_t accepted_ = 0;
};

inline Buffer Outgoing::operator[](size_t i) const {
  if (is_one()) return Buffer(object_, size_, kind_);
  if (kind_ == Kind::kBuffers) return static_cast<const Buffer*>(object_)[i];
  if (kind_ == Kind::kCords) return static_cast<const absl::Cord*>(object_)[i];
  return static_cast<const absl::string_view*>(object_)[i];
}

}  // namespace flow

#endif  // FLOW_OUTGOING_H_
