// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/channel_reads.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/function_flow.h"
#include "flow/transport.h"

namespace flow::fuzz {
namespace {

// By the index of kDelimiters.
constexpr absl::string_view kDelimiterBytes[] = {"\n\n-", "-",
                                                 absl::string_view("\0", 1)};

bool IsBigEndian(LengthPrefix format) {
  return format < LengthPrefix::kLittleEndian16;
}

// Counts what is read through it.
class CountingTransport final : public ForwardingTransport {
 public:
  CountingTransport(std::unique_ptr<Transport> inner, size_t* count)
      : ForwardingTransport(std::move(inner)), count_(count) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    absl::StatusOr<absl::Cord> data = ForwardingTransport::Read(max_bytes);
    if (data.ok()) *count_ += data->size();
    return data;
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    absl::StatusOr<size_t> size = ForwardingTransport::ReadInto(space);
    if (size.ok()) *count_ += *size;
    return size;
  }

 private:
  size_t* const count_;
};

absl::StatusOr<uint64_t> ReadAnyInteger(Channel& channel, LengthPrefix format) {
  switch (format) {
    case LengthPrefix::k8Bit:
      return ReadBigEndian<uint8_t>(channel);
    case LengthPrefix::kBigEndian16:
      return ReadBigEndian<uint16_t>(channel);
    case LengthPrefix::kBigEndian32:
      return ReadBigEndian<uint32_t>(channel);
    case LengthPrefix::kBigEndian64:
      return ReadBigEndian<uint64_t>(channel);
    case LengthPrefix::kLittleEndian16:
      return ReadLittleEndian<uint16_t>(channel);
    case LengthPrefix::kLittleEndian32:
      return ReadLittleEndian<uint32_t>(channel);
    case LengthPrefix::kLittleEndian64:
      return ReadLittleEndian<uint64_t>(channel);
  }
  return 0;
}

uint64_t Decode(LengthPrefix format, absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const size_t at = IsBigEndian(format) ? i : bytes.size() - 1 - i;
    value = value << 8 | static_cast<uint8_t>(bytes[at]);
  }
  return value;
}

template <typename Outcome, typename Bytes>
Outcome OutcomeOf(const absl::StatusOr<Bytes>& result) {
  if (!result.ok()) return {result.status(), std::nullopt};
  return {absl::OkStatus(), std::string(*result)};
}
template <typename Outcome, typename Bytes>
Outcome OutcomeOf(const absl::StatusOr<std::optional<Bytes>>& result) {
  if (!result.ok()) return {result.status(), std::nullopt};
  if (!result->has_value()) return {};
  return {absl::OkStatus(), std::string(**result)};
}

}  // namespace

size_t SizeOf(LengthPrefix format) {
  switch (format) {
    case LengthPrefix::k8Bit:
      return 1;
    case LengthPrefix::kBigEndian16:
    case LengthPrefix::kLittleEndian16:
      return 2;
    case LengthPrefix::kBigEndian32:
    case LengthPrefix::kLittleEndian32:
      return 4;
    case LengthPrefix::kBigEndian64:
    case LengthPrefix::kLittleEndian64:
      return 8;
  }
  return 0;
}

std::string Encode(LengthPrefix format, uint64_t value) {
  std::string bytes;
  for (size_t i = 0; i < SizeOf(format); ++i, value >>= 8) {
    bytes += static_cast<char>(value);
  }
  if (IsBigEndian(format)) std::reverse(bytes.begin(), bytes.end());
  return bytes;
}

// --- The other end

void ChannelReads::AddPiece(absl::string_view bytes) {
  if (bytes.empty()) return;
  pieces_.emplace_back(bytes);
  text_ += bytes;
}

void ChannelReads::AddDeadline() { pieces_.emplace_back(); }

absl::StatusOr<absl::Cord> ChannelReads::Next() {
  if (next_piece_ == pieces_.size()) {
    end_told_ = end_;
    if (!end_.ok()) return end_;
    return absl::Cord();
  }
  const std::string& piece = pieces_[next_piece_++];
  if (!piece.empty()) return absl::Cord(piece);
  late_ = true;
  return absl::DeadlineExceededError("late");
}

std::unique_ptr<Channel> ChannelReads::MakeChannel(Output output,
                                                   ChannelOptions options) {
  FunctionFlowOptions functions;
  functions.input = Input::Buffers([this] { return Next(); });
  functions.output = std::move(output);
  std::unique_ptr<Channel> channel = flow::MakeChannel(
      DecorateFlow(MakeFunctionFlow(std::move(functions)),
                   [this](std::unique_ptr<Transport> underneath) {
                     return std::make_unique<CountingTransport>(
                         std::move(underneath), &taken_);
                   }),
      options);
  channel_ = channel.get();
  max_ahead_ = std::max(options.max_buffered_read, size_t{1});
  rest_ = text_;
  return channel;
}

// --- What is expected

ChannelReads::Outcome ChannelReads::ExpectedThrough(absl::string_view delimiter,
                                                    size_t max_bytes,
                                                    bool end_suffices) const {
  if (max_bytes == 0) return {absl::InvalidArgumentError(""), std::nullopt};
  const size_t at = rest_.substr(0, max_bytes).find(delimiter);
  if (at != absl::string_view::npos) {
    return {absl::OkStatus(), std::string(rest_.substr(0, at)),
            at + delimiter.size()};
  }
  if (rest_.size() >= max_bytes) {
    return {absl::ResourceExhaustedError(""), std::nullopt};
  }
  if (!end_.ok()) return {end_, std::nullopt};
  if (rest_.empty()) return {};
  if (!end_suffices) return {absl::OutOfRangeError(""), std::nullopt};
  return {absl::OkStatus(), std::string(rest_), rest_.size()};
}

ChannelReads::Outcome ChannelReads::ExpectedLine(size_t max_bytes,
                                                 bool end_suffices) const {
  Outcome line = ExpectedThrough("\n", max_bytes, end_suffices);
  const bool has_end = line.data.has_value() && line.taken > line.data->size();
  if (has_end && !line.data->empty() && line.data->back() == '\r') {
    line.data->pop_back();
  }
  return line;
}

ChannelReads::Outcome ChannelReads::ExpectedExactly(size_t size) const {
  if (rest_.size() >= size) {
    return {absl::OkStatus(), std::string(rest_.substr(0, size)), size};
  }
  return {end_.ok() ? absl::OutOfRangeError("") : end_, std::nullopt};
}

ChannelReads::Outcome ChannelReads::ExpectedBlock(LengthPrefix format,
                                                  size_t max_bytes) const {
  if (rest_.empty()) return end_.ok() ? Outcome{} : Outcome{end_, std::nullopt};
  const size_t prefix = SizeOf(format);
  if (rest_.size() >= prefix) {
    const uint64_t size = Decode(format, rest_.substr(0, prefix));
    if (size > std::min(max_bytes, kNoLimit - prefix)) {
      return {absl::ResourceExhaustedError(""), std::nullopt};
    }
    if (rest_.size() - prefix >= size) {
      return {absl::OkStatus(), std::string(rest_.substr(prefix, size)),
              prefix + size};
    }
  }
  return {end_.ok() ? absl::OutOfRangeError("") : end_, std::nullopt};
}

ChannelReads::Outcome ChannelReads::ExpectedPeek(size_t size) const {
  if (rest_.size() < size && !end_.ok()) return {end_, std::nullopt};
  return {absl::OkStatus(), std::string(rest_.substr(0, size))};
}

ChannelReads::Outcome ChannelReads::ExpectedSome(size_t size) const {
  if (size == 0) return {absl::InvalidArgumentError(""), std::nullopt};
  if (rest_.empty() && !end_.ok()) return {end_, std::nullopt};
  const std::string data(rest_.substr(0, size));
  return {absl::OkStatus(), data, data.size()};
}

ChannelReads::Outcome ChannelReads::Expected(Kind kind, size_t size) const {
  switch (kind) {
    case Kind::kLine:
      return ExpectedLine(size, /*end_suffices=*/false);
    case Kind::kLastLine:
      return ExpectedLine(size, /*end_suffices=*/true);
    case Kind::kExactly:
      return ExpectedExactly(size);
    case Kind::kPeek:
      return ExpectedPeek(size);
    case Kind::kSome:
    case Kind::kInto:
      return ExpectedSome(size);
  }
  return {};
}

// --- What is

ChannelReads::Outcome ChannelReads::Do(Kind kind, size_t size) {
  switch (kind) {
    case Kind::kLine:
      return OutcomeOf<Outcome>(channel_->ReadLine(size));
    case Kind::kLastLine:
      return OutcomeOf<Outcome>(
          channel_->ReadLine(size, LastLine::kNeedsNoNewline));
    case Kind::kExactly:
      return OutcomeOf<Outcome>(channel_->ReadExactly(size));
    case Kind::kPeek:
      return OutcomeOf<Outcome>(channel_->Peek(size));
    case Kind::kSome:
      return OutcomeOf<Outcome>(channel_->Read(size));
    case Kind::kInto: {
      std::string space(size, '\0');
      const absl::StatusOr<size_t> read =
          channel_->ReadInto(absl::MakeSpan(space));
      if (!read.ok()) return {read.status(), std::nullopt};
      ABSL_CHECK_LE(*read, size);
      return {absl::OkStatus(), space.substr(0, *read)};
    }
  }
  return {};
}

void ChannelReads::Check(const std::function<Outcome()>& read, Outcome expected,
                         bool may_be_less, size_t asked) {
  const int64_t before = channel_->bytes_read();
  Outcome result;
  do {
    late_ = false;
    result = read();
    if (absl::IsDeadlineExceeded(result.status)) ABSL_CHECK(late_);
    ABSL_CHECK(!late_ || !result.status.ok()) << "a deadline was swallowed";
  } while (absl::IsDeadlineExceeded(result.status));

  ABSL_CHECK_EQ(result.status.code(), expected.status.code()) << result.status;
  ABSL_CHECK_EQ(result.data.has_value(), expected.data.has_value());
  if (may_be_less && result.data.has_value()) {
    ABSL_CHECK_EQ(result.data->empty(), expected.data->empty());
    expected.data->resize(std::min(expected.data->size(), result.data->size()));
    expected.taken = expected.data->size();
  }
  ABSL_CHECK(result.data == expected.data);
  ABSL_CHECK_EQ(static_cast<size_t>(channel_->bytes_read() - before),
                expected.taken);
  if (rest_.empty() && absl::IsDataLoss(result.status)) broken_ = true;
  read_ += expected.taken;
  rest_.remove_prefix(expected.taken);
  max_ahead_ = std::max(max_ahead_, asked);
  if (!refused_) ABSL_CHECK_LE(taken_ - read_, max_ahead_);
}

void ChannelReads::Read(Kind kind, size_t size) {
  // Nobody has so much memory.
  if (kind == Kind::kInto) size = std::min(size, size_t{10000});
  const bool is_read = kind == Kind::kSome || kind == Kind::kInto;
  Check([&] { return Do(kind, size); }, Expected(kind, size), is_read,
        is_read ? 0 : size);
}

void ChannelReads::ReadUntil(size_t delimiter, size_t max_bytes) {
  const absl::string_view bytes = kDelimiterBytes[delimiter];
  Check(
      [&] { return OutcomeOf<Outcome>(channel_->ReadUntil(bytes, max_bytes)); },
      ExpectedThrough(bytes, max_bytes, /*end_suffices=*/false),
      /*may_be_less=*/false, max_bytes);
}

void ChannelReads::ReadBlock(LengthPrefix format, size_t max_bytes) {
  const size_t prefix = SizeOf(format);
  Check(
      [&] {
        return OutcomeOf<Outcome>(
            flow::ReadBlock(*channel_, {max_bytes, format}));
      },
      ExpectedBlock(format, max_bytes), /*may_be_less=*/false,
      prefix + std::min(max_bytes, kNoLimit - prefix));
}

void ChannelReads::ReadInteger(LengthPrefix format) {
  const size_t size = SizeOf(format);
  Check(
      [&]() -> Outcome {
        const absl::StatusOr<uint64_t> value =
            ReadAnyInteger(*channel_, format);
        if (!value.ok()) return {value.status(), std::nullopt};
        return {absl::OkStatus(), Encode(format, *value)};
      },
      ExpectedExactly(size), /*may_be_less=*/false, size);
}

void ChannelReads::Refuse() {
  const absl::Status status = channel_->Shutdown(ShutdownMode::kRead);
  if (broken_) {
    ABSL_CHECK_EQ(status.code(), end_.code());
    return;
  }
  ABSL_CHECK_OK(status);
  refused_ = true;
  rest_ = "";
  end_ = absl::OkStatus();
}

}  // namespace flow::fuzz
