// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/framing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/outgoing.h"

namespace flow {
namespace internal {
namespace {

uint64_t Decode(IntegerLayout layout, const absl::Cord& bytes) {
  uint64_t value = 0;
  size_t i = 0;
  for (const char byte : bytes.Chars()) {
    const size_t place = layout.is_big_endian ? layout.size - 1 - i : i;
    value |= uint64_t{static_cast<uint8_t>(byte)} << (8 * place);
    ++i;
  }
  return value;
}

std::string Encode(IntegerLayout layout, uint64_t value) {
  std::string bytes(layout.size, '\0');
  for (size_t i = 0; i < layout.size; ++i) {
    const size_t place = layout.is_big_endian ? layout.size - 1 - i : i;
    bytes[i] = static_cast<char>(value >> (8 * place));
  }
  return bytes;
}

IntegerLayout LayoutOf(LengthPrefix prefix) {
  switch (prefix) {
    case LengthPrefix::k8Bit:
      return {1, true};
    case LengthPrefix::kBigEndian16:
      return {2, true};
    case LengthPrefix::kBigEndian32:
      return {4, true};
    case LengthPrefix::kBigEndian64:
      return {8, true};
    case LengthPrefix::kLittleEndian16:
      return {2, false};
    case LengthPrefix::kLittleEndian32:
      return {4, false};
    case LengthPrefix::kLittleEndian64:
      return {8, false};
  }
  return {4, true};
}

}  // namespace

absl::StatusOr<uint64_t> ReadInteger(Channel& channel, IntegerLayout layout) {
  const absl::StatusOr<absl::Cord> bytes = channel.ReadExactly(layout.size);
  if (!bytes.ok()) return bytes.status();
  return Decode(layout, *bytes);
}

absl::Status WriteInteger(Channel& channel, IntegerLayout layout,
                          uint64_t value) {
  return channel.WriteBuffered(absl::MakeConstSpan(Encode(layout, value)));
}

void AppendInteger(std::string* bytes, IntegerLayout layout, uint64_t value) {
  bytes->append(Encode(layout, value));
}

absl::Status DoesNotFit(absl::string_view where, size_t size) {
  return absl::InvalidArgumentError(absl::StrCat(
      where, ": an integer that does not fit in ", size, " bytes"));
}

}  // namespace internal

namespace {

// How large a block may be. The prefix and the block fit in a size_t together.
size_t MaxBytes(BlockFormat format) {
  const size_t prefix = internal::LayoutOf(format.prefix).size;
  const size_t expressible =
      prefix < sizeof(size_t) ? (size_t{1} << (8 * prefix)) - 1 : kNoLimit;
  return std::min({format.max_bytes, expressible, kNoLimit - prefix});
}

absl::Status TooLarge(absl::string_view where, BlockFormat format,
                      uint64_t size) {
  return absl::ResourceExhaustedError(absl::StrCat(where, ": a block of ", size,
                                                   " bytes, and the limit is ",
                                                   MaxBytes(format)));
}

}  // namespace

absl::StatusOr<std::optional<absl::Cord>> ReadBlock(Channel& channel,
                                                    BlockFormat format) {
  const internal::IntegerLayout layout = internal::LayoutOf(format.prefix);
  const absl::StatusOr<absl::Cord> prefix = channel.Peek(layout.size);
  if (!prefix.ok()) return prefix.status();
  if (prefix->empty()) return std::nullopt;
  size_t size = layout.size;
  // A prefix that was cut is the error of reading all of it.
  if (prefix->size() == layout.size) {
    const uint64_t length = internal::Decode(layout, *prefix);
    if (length > MaxBytes(format)) {
      return TooLarge(channel.DebugString(), format, length);
    }
    size += static_cast<size_t>(length);
  }
  absl::StatusOr<absl::Cord> block = channel.ReadExactly(size);
  if (!block.ok()) return std::move(block).status();
  block->RemovePrefix(layout.size);
  return *std::move(block);
}

absl::StatusOr<std::string> BlockHeader(BlockFormat format, size_t size) {
  if (size > MaxBytes(format)) return TooLarge("BlockHeader()", format, size);
  return internal::Encode(internal::LayoutOf(format.prefix), size);
}

absl::Status WriteBlock(Flow& flow, BlockFormat format,
                        absl::Span<const Buffer> buffers) {
  const size_t size = Outgoing(buffers).size();
  if (size > MaxBytes(format)) {
    return TooLarge(flow.DebugString(), format, size);
  }
  const std::string prefix =
      internal::Encode(internal::LayoutOf(format.prefix), size);
  absl::InlinedVector<Buffer, 16> all = {prefix};
  all.insert(all.end(), buffers.begin(), buffers.end());
  return flow.Writev(all);
}

}  // namespace flow
