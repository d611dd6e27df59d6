// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/iostream.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ios>
#include <iostream>
#include <streambuf>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "flow/flow.h"
#include "flow/internal/fork_generation.h"
#include "flow/internal/mutex_lock.h"

namespace flow {
namespace {

// The most that is read at once, as it is held until all of it was used.
constexpr size_t kMaxRead = size_t{256} << 10;

}  // namespace

FlowStreambuf::FlowStreambuf(Flow& flow)
    : flow_(flow), fork_generation_(internal::ForkGeneration()) {
  setp(put_, put_ + kPutSize);
}

FlowStreambuf::~FlowStreambuf() {
  // In a forked child this is a copy, and the parent sends it.
  if (internal::ForkGeneration() == fork_generation_) FlowStreambuf::sync();
}

absl::Status FlowStreambuf::read_status() const {
  internal::MutexLock lock(mu_);
  return read_status_;
}

absl::Status FlowStreambuf::write_status() const {
  internal::MutexLock lock(mu_);
  return write_status_;
}

absl::Status FlowStreambuf::status() const {
  internal::MutexLock lock(mu_);
  return read_status_.ok() ? write_status_ : read_status_;
}

// The class is final, so the functions below are called only as the public
// functions of std::streambuf call them: underflow() at the end of the get
// area, and overflow() with a character at that of the put area.

// --- Reading

void FlowStreambuf::SetChunk(absl::string_view chunk) {
  chunk_ = chunk;
  // Never written to; pbackfail() sees to that.
  char* const begin = const_cast<char*>(chunk.data());
  setg(begin, begin, begin + chunk.size());
}

FlowStreambuf::int_type FlowStreambuf::underflow() {
  if (put_back_) {
    put_back_ = false;
    SetChunk(chunk_);
    if (!chunk_.empty()) return traits_type::to_int_type(*gptr());
  }
  if (!chunk_.empty()) {
    last_ = chunk_.back();
    has_last_ = true;
  }
  if (next_ == data_.chunk_end()) {
    SetChunk({});
    absl::StatusOr<absl::Cord> data = flow_.Read(kMaxRead);
    {
      internal::MutexLock lock(mu_);
      read_status_ = data.status();
    }
    if (!data.ok()) {
      if (report_to_ != nullptr) report_to_->setstate(std::ios::badbit);
      return traits_type::eof();
    }
    data_ = *std::move(data);
    next_ = data_.chunk_begin();
    if (data_.empty()) return traits_type::eof();
  }
  SetChunk(*next_);
  ++next_;
  return traits_type::to_int_type(*gptr());
}

FlowStreambuf::int_type FlowStreambuf::pbackfail(int_type c) {
  const bool any = traits_type::eq_int_type(c, traits_type::eof());
  if (gptr() > eback()) return traits_type::eof();  // `c` is another one
  if (put_back_ || !has_last_) return traits_type::eof();
  if (!any && traits_type::to_char_type(c) != last_) return traits_type::eof();
  put_back_ = true;
  setg(&last_, &last_, &last_ + 1);
  return traits_type::to_int_type(last_);
}

std::streamsize FlowStreambuf::showmanyc() {
  size_t size = put_back_ ? chunk_.size() : 0;
  for (auto chunk = next_; chunk != data_.chunk_end(); ++chunk) {
    size += chunk->size();
  }
  return static_cast<std::streamsize>(size);
}

// --- Writing

absl::Status FlowStreambuf::Flush(absl::string_view more, size_t* accepted) {
  const auto collected = static_cast<size_t>(pptr() - pbase());
  if (collected + more.size() == 0) return absl::OkStatus();
  // What the flow counts is right even if it fails halfway.
  const int64_t before = flow_.bytes_written();
  absl::Status status =
      flow_.Writev({absl::string_view(pbase(), collected), more});
  const auto taken = static_cast<size_t>(flow_.bytes_written() - before);
  const size_t flushed = std::min(taken, collected);
  std::memmove(put_, put_ + flushed, collected - flushed);
  setp(put_, put_ + kPutSize);
  pbump(static_cast<int>(collected - flushed));
  *accepted = taken - flushed;
  internal::MutexLock lock(mu_);
  write_status_ = status;
  return status;
}

int FlowStreambuf::sync() {
  size_t accepted = 0;
  return Flush({}, &accepted).ok() ? 0 : -1;
}

FlowStreambuf::int_type FlowStreambuf::overflow(int_type c) {
  if (sync() != 0) return traits_type::eof();
  return sputc(traits_type::to_char_type(c));
}

std::streamsize FlowStreambuf::xsputn(const char* data, std::streamsize size) {
  if (size <= 0) return 0;
  const absl::string_view bytes(data, static_cast<size_t>(size));
  if (size >= epptr() - pptr()) {
    size_t accepted = 0;
    Flush(bytes, &accepted).IgnoreError();  // It is kept, and less accepted.
    return static_cast<std::streamsize>(accepted);
  }
  std::memcpy(pptr(), bytes.data(), bytes.size());
  pbump(static_cast<int>(bytes.size()));
  return size;
}

// --- FlowStream

FlowStream::FlowStream(Flow& flow) : std::iostream(nullptr), buffer_(flow) {
  rdbuf(&buffer_);  // and clears badbit, which a stream without one has
  buffer_.ReportReadErrorsTo(this);
}

}  // namespace flow
