// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: cstruct.h
//
// `flow::Cstruct` is a window onto shared, bounded memory: shared ownership of
// a block of bytes, an offset and a length. Use it to take packets and records
// apart (and put them together) in place: cut windows out of one block, and
// read and write integers of a given width and byte order in them. The idea
// comes from OCaml's ocaml-cstruct.
//
// A Cstruct is a value, and cheap to copy. Copies and windows share the memory:
// what you write through one, you see through all. As with absl::Span<char>,
// `const` applies to the window and not to the bytes. A window never grows.
//
// When not to use it: for bytes that do not change, use absl::Cord; for bytes
// with one owner, std::string; for a borrowed parameter, absl::Span or
// absl::string_view.
//
// Bounds. There is no undefined behavior. What happens out of bounds depends on
// the function:
//
//  * Functions that make a window or move many bytes (Sub, Shift, Split, Blit)
//    take numbers that may come from outside, such as from a packet. Out of
//    bounds is kOutOfRange, with the numbers in the message, and changes
//    nothing.
//  * Typed access and operator[] are like an index into an array. Out of bounds
//    is a bug of the caller, and ends the program in every build mode, with the
//    numbers in the message. Check size() once, or cut a window of the right
//    size, and then access it.
//
//   absl::StatusOr<flow::Cstruct> Payload(const flow::Cstruct& packet) {
//     absl::StatusOr<flow::Cstruct> header = packet.Sub(0, 4);
//     if (!header.ok()) return header.status();      // It is too short.
//     return packet.Sub(4, header->GetUint16Be(2));  // An error if it lies.
//   }
//
//   // BUG: the length comes from outside; a short packet ends the program.
//   uint32_t checksum = packet.GetUint32Be(packet.GetUint16Be(2));
//
// Thread safety: the reference count is synchronized, but the bytes are not.
// You may copy, cut and destroy different Cstruct objects on different threads,
// even if they share memory. Writing bytes while another thread reads or writes
// the same bytes is a data race, whichever windows the two use. A single
// Cstruct object is thread-compatible.

#ifndef FLOW_CSTRUCT_H_
#define FLOW_CSTRUCT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iosfwd>
#include <string>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow {

class Cstruct final {
 public:
  // Makes an empty window onto no memory, as a moved-from Cstruct is.
  Cstruct() = default;

  Cstruct(const Cstruct& other) noexcept;
  Cstruct(Cstruct&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Cstruct& operator=(Cstruct other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Cstruct() {
    if (memory_ != nullptr) Unref(memory_);
  }

  // Cstruct::Create(), Cstruct::CopyOf(), Cstruct::Concat()
  //
  // Allocate new memory: `size` zero bytes, a copy of `bytes`, or a copy of all
  // `parts`, one after the other.
  static Cstruct Create(size_t size);
  static Cstruct CopyOf(absl::string_view bytes);
  static Cstruct Concat(absl::Span<const Cstruct> parts);

  // Cstruct::Adopt()
  //
  // Takes over the memory of `bytes` without a copy, unless the string is so
  // short that it holds its bytes inside itself.
  static Cstruct Adopt(std::string bytes);

  // Cstruct::Wrap()
  //
  // Wraps memory of the caller. `release` (which may be null) is called once,
  // when the last window and the last Cord that shares the memory are gone, by
  // the thread that drops the last one. It must not throw.
  //
  // Precondition: until then `memory` is valid. Once a Cord shares it (see
  // ToCord), nobody writes to it, neither through a window nor directly.
  static Cstruct Wrap(absl::Span<char> memory,
                      absl::AnyInvocable<void()> release);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Cstruct::data(), Cstruct::span(), Cstruct::view()
  //
  // Lend the bytes of the window. They are valid as long as any window onto the
  // same memory exists. An empty window may lend a null pointer.
  //
  //   // BUG: the only window is gone at the semicolon.
  //   absl::string_view name = flow::Cstruct::CopyOf(field).view();
  char* data() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return data_; }
  absl::Span<char> span() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return absl::MakeSpan(data_, size_);
  }
  absl::string_view view() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return absl::string_view(data_, size_);
  }

  // Cstruct::IsSoleOwner()
  //
  // Returns whether no other Cstruct shares the memory (an empty window onto no
  // memory shares none). If so, everything that other threads did through
  // windows that are gone happened before this call. It stays true until you
  // copy or cut this window.
  bool IsSoleOwner() const;

  // Cstruct::Sub()
  //
  // Returns the window of `length` bytes that begins `offset` bytes into this
  // one, or kOutOfRange if it would reach past the end.
  absl::StatusOr<Cstruct> Sub(size_t offset, size_t length) const;

  // Cstruct::Shift()
  //
  // Returns all but the first `n` bytes, or kOutOfRange if there are fewer.
  absl::StatusOr<Cstruct> Shift(size_t n) const;

  // Cstruct::Split()
  //
  // Returns the first `n` bytes and the rest, or kOutOfRange if there are
  // fewer.
  absl::StatusOr<std::pair<Cstruct, Cstruct>> Split(size_t n) const;

  // Cstruct::Blit()
  //
  // Copies all of `source` into this window, from `offset` on. The two may
  // overlap (as with memmove). If `source` does not fit, that is kOutOfRange,
  // and nothing is copied. To copy a part, cut it with Sub() first.
  absl::Status Blit(size_t offset, const Cstruct& source) const;
  absl::Status Blit(size_t offset, absl::string_view source) const;

  // Cstruct::Fill()
  //
  // Sets every byte of the window to `byte`.
  void Fill(char byte) const;

  // Cstruct::operator[]()
  //
  // Returns the byte at offset `at`. Out of bounds ends the program.
  char& operator[](size_t at) const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return *At(at, 1);
  }

  // Cstruct::GetUint16Be(), Cstruct::SetUint16Be(), ...
  //
  // Get or set the integer of that width, in little-endian (Le) or big-endian
  // (Be) order, at offset `at`, aligned or not. Out of bounds ends the program.
  uint8_t GetUint8(size_t at) const { return Get<uint8_t, kLe>(at); }
  uint16_t GetUint16Le(size_t at) const { return Get<uint16_t, kLe>(at); }
  uint16_t GetUint16Be(size_t at) const { return Get<uint16_t, kBe>(at); }
  uint32_t GetUint32Le(size_t at) const { return Get<uint32_t, kLe>(at); }
  uint32_t GetUint32Be(size_t at) const { return Get<uint32_t, kBe>(at); }
  uint64_t GetUint64Le(size_t at) const { return Get<uint64_t, kLe>(at); }
  uint64_t GetUint64Be(size_t at) const { return Get<uint64_t, kBe>(at); }
  void SetUint8(size_t at, uint8_t value) const { Set<kLe>(at, value); }
  void SetUint16Le(size_t at, uint16_t value) const { Set<kLe>(at, value); }
  void SetUint16Be(size_t at, uint16_t value) const { Set<kBe>(at, value); }
  void SetUint32Le(size_t at, uint32_t value) const { Set<kLe>(at, value); }
  void SetUint32Be(size_t at, uint32_t value) const { Set<kBe>(at, value); }
  void SetUint64Le(size_t at, uint64_t value) const { Set<kLe>(at, value); }
  void SetUint64Be(size_t at, uint64_t value) const { Set<kBe>(at, value); }

  // Cstruct::ToString()
  //
  // Returns a copy of the bytes.
  std::string ToString() const { return std::string(view()); }

  // Cstruct::ToCord()
  //
  // Returns the bytes as a Cord, which never changes. On an lvalue it is always
  // a copy. An rvalue is empty afterwards; the Cord shares the memory if this
  // is the sole owner and the window is larger than 511 bytes (so that a small
  // window does not pin a large block), and is a copy otherwise.
  //
  //   // BUG: a write through a pointer that you kept changes the Cord.
  //   char* bytes = block.data();
  //   absl::Cord cord = std::move(block).ToCord();
  //   bytes[0] = 0;
  absl::Cord ToCord() const&;
  absl::Cord ToCord() &&;

  // Cstruct::HexDump()
  //
  // Returns the window in a form for people, 16 bytes a line:
  //
  //   00000000  68 65 6c 6c 6f 0a 00 ff  01                       |hello....|
  std::string HexDump() const;

  // Cstruct::Compare()
  //
  // Returns a number below, equal to or above 0 if this window's bytes come
  // before, equal or come after those of `other`. The order is that of
  // absl::string_view: bytes are unsigned, and a prefix comes first.
  int Compare(const Cstruct& other) const {
    return view().compare(other.view());
  }
  friend bool operator==(const Cstruct& a, const Cstruct& b) {
    return a.view() == b.view();
  }
  friend bool operator!=(const Cstruct& a, const Cstruct& b) {
    return !(a == b);
  }
  friend bool operator<(const Cstruct& a, const Cstruct& b) {
    return a.Compare(b) < 0;
  }

  // Prints the size and the first bytes, escaped, for logs and failed tests.
  friend std::ostream& operator<<(std::ostream& out, const Cstruct& window);

 private:
  struct Memory;  // The block and its reference count.

  enum ByteOrder { kLe, kBe };

  // Takes over one reference to `memory`.
  Cstruct(Memory* memory, char* data, size_t size)
      : memory_(memory), data_(data), size_(size) {}

  static void Unref(Memory* memory);

  // Precondition: the window is within this one.
  Cstruct Window(size_t offset, size_t length) const;

  [[noreturn]] void DieOutOfBounds(size_t offset, size_t width) const;

  char* At(size_t offset, size_t width) const {
    if (ABSL_PREDICT_FALSE(offset > size_ || width > size_ - offset)) {
      DieOutOfBounds(offset, width);
    }
    return data_ + offset;
  }

  template <typename T, ByteOrder kOrder>
  T Get(size_t at) const {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, At(at, sizeof(T)), sizeof(T));
    return Join<T, kOrder>(bytes, std::make_index_sequence<sizeof(T)>());
  }

  template <ByteOrder kOrder, typename T>
  void Set(size_t at, T value) const {
    unsigned char bytes[sizeof(T)];
    Cut<T, kOrder>(value, bytes, std::make_index_sequence<sizeof(T)>());
    std::memcpy(At(at, sizeof(T)), bytes, sizeof(T));
  }

  // Uses folds, because GCC compiles them, but not a loop over 8 bytes, to one
  // instruction.
  template <typename T, ByteOrder kOrder, size_t... kI>
  static T Join(const unsigned char* bytes, std::index_sequence<kI...>) {
    return static_cast<T>((... | (T{bytes[kI]} << BitsBelow<T, kOrder>(kI))));
  }
  template <typename T, ByteOrder kOrder, size_t... kI>
  static void Cut(T value, unsigned char* bytes, std::index_sequence<kI...>) {
    (..., (bytes[kI] =
               static_cast<unsigned char>(value >> BitsBelow<T, kOrder>(kI))));
  }

  // Returns how many bits of a T are less significant than its `i`-th byte in
  // memory.
  template <typename T, ByteOrder kOrder>
  static constexpr size_t BitsBelow(size_t i) {
    return 8 * (kOrder == kLe ? i : sizeof(T) - 1 - i);
  }

  Memory* memory_ = nullptr;
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace flow

#endif  // FLOW_CSTRUCT_H_
