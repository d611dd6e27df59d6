// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: framing.h
//
// Integers of a fixed size, and blocks with their length before them: what a
// binary protocol is made of, on a Channel.
//
//   // One description of the blocks, for both ends.
//   constexpr flow::BlockFormat kMessages(/*max_bytes=*/1 << 20);
//
//   absl::Status status = flow::WriteBlock(*channel, kMessages, {head, body});
//   ...
//   while (true) {
//     absl::StatusOr<std::optional<absl::Cord>> message =
//         flow::ReadBlock(*channel, kMessages);
//     if (!message.ok()) return message.status();
//     if (!message->has_value()) break;  // end-of-file between two blocks
//     Handle(**message);
//   }
//
// When not to use it: to read integers in memory, which cstruct.h does; to
// write blocks from several threads, which frame_writer.h does.
//
// Thread safety: as for the calls of a Channel that they are made of. There may
// be one reader and one writer at a time, also between those calls.

#ifndef FLOW_FRAMING_H_
#define FLOW_FRAMING_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/outgoing.h"

namespace flow {

namespace internal {

template <typename Integer>
constexpr bool IsWireInteger() {
  return std::is_integral_v<Integer> && !std::is_same_v<Integer, bool> &&
         sizeof(Integer) <= sizeof(uint64_t);
}

// How an integer of 1 to 8 bytes is laid out.
struct IntegerLayout {
  size_t size;
  bool is_big_endian;
};

absl::StatusOr<uint64_t> ReadInteger(Channel& channel, IntegerLayout layout);
absl::Status WriteInteger(Channel& channel, IntegerLayout layout,
                          uint64_t value);
void AppendInteger(std::string* bytes, IntegerLayout layout, uint64_t value);
absl::Status DoesNotFit(absl::string_view where, size_t size);

template <typename Integer>
absl::StatusOr<Integer> ReadAs(Channel& channel, bool is_big_endian) {
  static_assert(IsWireInteger<Integer>(), "name an integer type, not bool");
  const absl::StatusOr<uint64_t> value =
      ReadInteger(channel, {sizeof(Integer), is_big_endian});
  if (!value.ok()) return value.status();
  return static_cast<Integer>(*value);
}

// Returns `value` as an Integer, with its sign extended, if that can hold it.
template <typename Integer, typename Value>
std::optional<uint64_t> Fit(Value value) {
  static_assert(IsWireInteger<Integer>(), "name an integer type, not bool");
  static_assert(IsWireInteger<Value>(), "the value is not an integer");
  const auto written = static_cast<Integer>(value);
  if (static_cast<Value>(written) != value || (written < 0) != (value < 0)) {
    return std::nullopt;
  }
  return static_cast<uint64_t>(written);
}

template <typename Integer, typename Value>
absl::Status WriteAs(Channel& channel, bool is_big_endian, Value value) {
  const std::optional<uint64_t> fitting = Fit<Integer>(value);
  if (!fitting.has_value()) {
    return DoesNotFit(channel.DebugString(), sizeof(Integer));
  }
  return WriteInteger(channel, {sizeof(Integer), is_big_endian}, *fitting);
}

template <typename Integer, typename Value>
absl::Status AppendAs(std::string* bytes, bool is_big_endian, Value value) {
  const std::optional<uint64_t> fitting = Fit<Integer>(value);
  if (!fitting.has_value()) return DoesNotFit("in memory", sizeof(Integer));
  AppendInteger(bytes, {sizeof(Integer), is_big_endian}, *fitting);
  return absl::OkStatus();
}

}  // namespace internal

// ReadBigEndian(), ReadLittleEndian()
//
// Wait for an integer and return it:
//
//   absl::StatusOr<uint16_t> port = flow::ReadBigEndian<uint16_t>(*channel);
//
// Signed integers are two's complement. Outcomes are those of
// Channel::ReadExactly(): kOutOfRange if the stream ends before the last byte,
// even before the first one. No error loses a byte.
template <typename Integer>
absl::StatusOr<Integer> ReadBigEndian(Channel& channel) {
  return internal::ReadAs<Integer>(channel, /*is_big_endian=*/true);
}
template <typename Integer>
absl::StatusOr<Integer> ReadLittleEndian(Channel& channel) {
  return internal::ReadAs<Integer>(channel, /*is_big_endian=*/false);
}

// WriteBigEndian(), WriteLittleEndian()
//
// Write an integer of a type that you name, so that what is sent does not
// depend on the type of a variable:
//
//   absl::Status status =
//       flow::WriteBigEndian<uint16_t>(*channel, name.size());
//
// They buffer, so Flush() or write something else at the end. A `value` that
// the type cannot hold is kInvalidArgument, and nothing is written. Outcomes
// are otherwise those of Channel::WriteBuffered().
template <typename Integer, typename Value>
absl::Status WriteBigEndian(Channel& channel, Value value) {
  return internal::WriteAs<Integer>(channel, /*is_big_endian=*/true, value);
}
template <typename Integer, typename Value>
absl::Status WriteLittleEndian(Channel& channel, Value value) {
  return internal::WriteAs<Integer>(channel, /*is_big_endian=*/false, value);
}

// AppendBigEndian(), AppendLittleEndian()
//
// Append an integer to `*bytes`, for the header or a field of a block:
//
//   absl::Status status = flow::AppendBigEndian<uint32_t>(&head, request_id);
//
// A `value` that the type cannot hold is kInvalidArgument, and nothing is
// appended. There is no other error.
template <typename Integer, typename Value>
absl::Status AppendBigEndian(std::string* bytes, Value value) {
  return internal::AppendAs<Integer>(bytes, /*is_big_endian=*/true, value);
}
template <typename Integer, typename Value>
absl::Status AppendLittleEndian(std::string* bytes, Value value) {
  return internal::AppendAs<Integer>(bytes, /*is_big_endian=*/false, value);
}

// LengthPrefix
//
// What stands before a block: how many bytes it has, without the prefix.
enum class LengthPrefix {
  k8Bit,
  kBigEndian16,
  kBigEndian32,
  kBigEndian64,
  kLittleEndian16,
  kLittleEndian32,
  kLittleEndian64,
};

// BlockFormat
//
// How the blocks of a protocol look. Both ends keep to `max_bytes`, and to what
// the prefix can express if that is less. A number alone will do:
// `ReadBlock(channel, 4096)`.
struct BlockFormat {
  constexpr BlockFormat(  // NOLINT: implicit on purpose
      size_t limit, LengthPrefix before = LengthPrefix::kBigEndian32)
      : max_bytes(limit), prefix(before) {}

  size_t max_bytes;  // of a block, without its prefix
  LengthPrefix prefix;
};

// ReadBlock()
//
// Waits for a whole block and returns it without its prefix. Outcomes:
//
//  * A block. It may be empty.
//  * std::nullopt: end-of-file, between two blocks. NotAtEnd() (status.h) makes
//    it an error, for where the stream may not end.
//  * kOutOfRange: the stream has ended in the middle of a block.
//  * kResourceExhausted: the block is larger than the format allows. No memory
//    was set aside for it. There is no way to skip it, other than to read it.
//  * Errors, as with Channel::ReadExactly().
//
// An error takes nothing off the stream, the prefix included. So after
// kDeadlineExceeded call again, and after the others every way to read goes on
// at the prefix.
absl::StatusOr<std::optional<absl::Cord>> ReadBlock(Channel& channel,
                                                    BlockFormat format);

// WriteBlock()
//
// Writes the concatenation of `buffers` as one block, in one Writev() with its
// prefix. Outcomes are those of Writev(), so a deadline can cut the block, and
// if it has, Abort(). With one exception: a block that is larger than the
// format allows is kResourceExhausted, and nothing is written.
//
// `flow` may be a Channel. What that has buffered goes first.
absl::Status WriteBlock(Flow& flow, BlockFormat format,
                        absl::Span<const Buffer> buffers);
inline absl::Status WriteBlock(Flow& flow, BlockFormat format,
                               std::initializer_list<Buffer> buffers) {
  return WriteBlock(flow, format, absl::Span<const Buffer>(buffers));
}
inline absl::Status WriteBlock(Flow& flow, BlockFormat format, Buffer buffer) {
  return WriteBlock(flow, format, absl::MakeConstSpan(&buffer, 1));
}

// BlockHeader()
//
// Returns the prefix of a block of `size` bytes, or kResourceExhausted if the
// format does not allow so many.
absl::StatusOr<std::string> BlockHeader(BlockFormat format, size_t size);

}  // namespace flow

#endif  // FLOW_FRAMING_H_
