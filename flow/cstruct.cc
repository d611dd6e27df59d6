// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/cstruct.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ostream>
#include <string>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/buffer_size.h"

namespace flow {
namespace {

constexpr size_t kHexDumpLine = 16;

// What operator<< shows: enough to tell two windows apart on one screen line.
constexpr size_t kMaxBytesToPrint = 64;

}  // namespace

// Either adopted bytes or a release function; the other one is empty.
struct Cstruct::Memory {
  std::atomic<size_t> references{1};
  std::string bytes;
  absl::AnyInvocable<void()> release;
};

Cstruct::Cstruct(const Cstruct& other) noexcept
    : memory_(other.memory_), data_(other.data_), size_(other.size_) {
  if (memory_ != nullptr) {
    // `other` holds a reference, so the count cannot reach 0 meanwhile.
    memory_->references.fetch_add(1, std::memory_order_relaxed);
  }
}

void Cstruct::Unref(Memory* memory) {
  // Release: what was done through this window comes before whatever the last
  // owner does. Acquire: so it is for the last owner, who frees or reuses.
  if (memory->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (memory->release != nullptr) memory->release();
  delete memory;
}

bool Cstruct::IsSoleOwner() const {
  // Acquire, as the sole owner may go on to write: see Unref().
  return memory_ == nullptr ||
         memory_->references.load(std::memory_order_acquire) == 1;
}

Cstruct Cstruct::Create(size_t size) { return Adopt(std::string(size, '\0')); }

Cstruct Cstruct::CopyOf(absl::string_view bytes) {
  return Adopt(std::string(bytes));
}

Cstruct Cstruct::Concat(absl::Span<const Cstruct> parts) {
  size_t size = 0;
  for (const Cstruct& part : parts) size += part.size();
  std::string bytes;
  bytes.reserve(size);
  for (const Cstruct& part : parts) absl::StrAppend(&bytes, part.view());
  return Adopt(std::move(bytes));
}

Cstruct Cstruct::Adopt(std::string bytes) {
  Memory* memory = new Memory;
  memory->bytes = std::move(bytes);
  return Cstruct(memory, memory->bytes.data(), memory->bytes.size());
}

Cstruct Cstruct::Wrap(absl::Span<char> memory,
                      absl::AnyInvocable<void()> release) {
  Memory* block = new Memory;
  block->release = std::move(release);
  return Cstruct(block, memory.data(), memory.size());
}

Cstruct Cstruct::Window(size_t offset, size_t length) const {
  Cstruct window = *this;
  window.data_ += offset;
  window.size_ = length;
  return window;
}

absl::StatusOr<Cstruct> Cstruct::Sub(size_t offset, size_t length) const {
  // Not `offset + length > size_`, which could overflow. So everywhere here.
  if (offset > size_ || length > size_ - offset) {
    return absl::OutOfRangeError(absl::StrCat("Cstruct::Sub: ", length,
                                              " bytes at offset ", offset,
                                              " of a window of ", size_));
  }
  return Window(offset, length);
}

absl::StatusOr<Cstruct> Cstruct::Shift(size_t n) const {
  if (n > size_) {
    return absl::OutOfRangeError(
        absl::StrCat("Cstruct::Shift: by ", n, " of a window of ", size_));
  }
  return Window(n, size_ - n);
}

absl::StatusOr<std::pair<Cstruct, Cstruct>> Cstruct::Split(size_t n) const {
  if (n > size_) {
    return absl::OutOfRangeError(
        absl::StrCat("Cstruct::Split: at ", n, " of a window of ", size_));
  }
  return std::make_pair(Window(0, n), Window(n, size_ - n));
}

absl::Status Cstruct::Blit(size_t offset, const Cstruct& source) const {
  return Blit(offset, source.view());
}

absl::Status Cstruct::Blit(size_t offset, absl::string_view source) const {
  if (offset > size_ || source.size() > size_ - offset) {
    return absl::OutOfRangeError(absl::StrCat("Cstruct::Blit: ", source.size(),
                                              " bytes to offset ", offset,
                                              " of a window of ", size_));
  }
  // Of no bytes there may be no address, which memmove must not be given.
  if (!source.empty()) {
    std::memmove(data_ + offset, source.data(), source.size());
  }
  return absl::OkStatus();
}

void Cstruct::Fill(char byte) const { std::fill_n(data_, size_, byte); }

absl::Cord Cstruct::ToCord() const& { return absl::Cord(view()); }

absl::Cord Cstruct::ToCord() && {
  Cstruct self = std::move(*this);
  if (self.size_ <= internal::kMaxCopied || !self.IsSoleOwner()) {
    return absl::Cord(self.view());
  }
  const absl::string_view bytes = self.view();
  return absl::MakeCordFromExternal(bytes, [self = std::move(self)] {});
}

std::string Cstruct::HexDump() const {
  std::string dump;
  for (size_t start = 0; start < size_; start += kHexDumpLine) {
    const absl::string_view line = view().substr(start, kHexDumpLine);
    absl::StrAppend(&dump, absl::Hex(start, absl::kZeroPad8), " ");
    for (size_t i = 0; i < kHexDumpLine; ++i) {
      if (i == kHexDumpLine / 2) dump += ' ';
      if (i < line.size()) {
        const auto byte = static_cast<uint8_t>(line[i]);
        absl::StrAppend(&dump, " ", absl::Hex(byte, absl::kZeroPad2));
      } else {
        dump += "   ";
      }
    }
    dump += "  |";
    for (const char c : line) {
      dump += absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '.';
    }
    dump += "|\n";
  }
  return dump;
}

std::ostream& operator<<(std::ostream& out, const Cstruct& window) {
  out << "Cstruct of " << window.size() << ": \""
      << absl::CHexEscape(window.view().substr(0, kMaxBytesToPrint)) << '"';
  return window.size() > kMaxBytesToPrint ? out << "..." : out;
}

void Cstruct::DieOutOfBounds(size_t offset, size_t width) const {
  ABSL_LOG(FATAL) << "flow::Cstruct: access to " << width << " bytes at offset "
                  << offset << " of a window of " << size_;
  ABSL_UNREACHABLE();  // GCC does not see that the line above never returns.
}

}  // namespace flow
