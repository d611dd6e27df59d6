// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads any bytes, which come in any pieces, with deadlines that pass in
// between, by any mix of ReadLine(), ReadUntil(), ReadExactly(), Peek(), Read()
// and ReadBlock() of a Channel, and holds the outcomes against those of one
// string:
//
//  * what is returned is what the string has there, however it came;
//  * kOutOfRange, kResourceExhausted and end-of-file come where the string says
//    so, lose nothing, and the error that a stream ends in comes last;
//  * kDeadlineExceeded comes only if a deadline passed, and loses nothing;
//  * bytes_read() is what was returned, and no more than the limit is buffered.
//
// The input: a byte for the read-ahead, one for how the stream ends, one for
// the number of operations; these, of two bytes each (which one, its size);
// then the stream in pieces, each a size and so many bytes. A size of 0 is a
// deadline that passes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/function_flow.h"
#include "flow/transport.h"

namespace flow {
namespace {

// Takes an input apart. At its end every byte is 0.
class Script {
 public:
  Script(const uint8_t* data, size_t size)
      : rest_(reinterpret_cast<const char*>(data), size) {}

  bool done() const { return rest_.empty(); }

  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

  std::string Bytes(size_t n) {
    const std::string bytes(rest_.substr(0, n));
    rest_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  absl::string_view rest_;
};

struct Operation {
  enum class Kind {
    kReadLine,
    kReadExactly,
    kPeek,
    kRead,
    kReadLastLine,  // which needs no '\n'
    kReadUntil,
    kReadBlock,
  };
  static constexpr int kKinds = 7;
  Kind kind;
  size_t size;
};

// A size that is small most of the time.
size_t Size(uint8_t byte) {
  static constexpr size_t kLarge[] = {100, 255, 1000, kNoLimit};
  return byte < 240 ? byte % 24 : kLarge[byte % std::size(kLarge)];
}

// What comes from the other end.
struct Source {
  std::deque<std::string> pieces;  // an empty one is a deadline that passes
  absl::Status end;                // Ok: end-of-file
  bool late = false;               // a deadline has passed

  absl::StatusOr<absl::Cord> Next() {
    if (pieces.empty()) {
      if (!end.ok()) return end;
      return absl::Cord();
    }
    const std::string piece = std::move(pieces.front());
    pieces.pop_front();
    if (!piece.empty()) return absl::Cord(piece);
    late = true;
    return absl::DeadlineExceededError("late");
  }
};

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

 private:
  size_t* const count_;
};

// One byte for the length, so that any bytes are blocks.
constexpr LengthPrefix kPrefix = LengthPrefix::k8Bit;
constexpr absl::string_view kDelimiter = "\n\n-";

// What an operation has returned, or must return.
struct Outcome {
  absl::Status status;
  // None: end-of-file, of those that tell it from nothing.
  std::optional<std::string> data;
  size_t taken = 0;  // off the stream
};

template <typename Bytes>
Outcome OutcomeOf(const absl::StatusOr<Bytes>& result) {
  if (!result.ok()) return {result.status(), std::nullopt};
  return {absl::OkStatus(), std::string(*result)};
}
template <typename Bytes>
Outcome OutcomeOf(const absl::StatusOr<std::optional<Bytes>>& result) {
  if (!result.ok()) return {result.status(), std::nullopt};
  if (!result->has_value()) return {};
  return {absl::OkStatus(), std::string(**result)};
}

Outcome Do(Channel& channel, const Operation& operation) {
  const int64_t before = channel.bytes_read();
  Outcome outcome;
  switch (operation.kind) {
    case Operation::Kind::kReadLine:
      outcome = OutcomeOf(channel.ReadLine(operation.size));
      break;
    case Operation::Kind::kReadLastLine:
      outcome = OutcomeOf(
          channel.ReadLine(operation.size, LastLine::kNeedsNoNewline));
      break;
    case Operation::Kind::kReadUntil:
      outcome = OutcomeOf(channel.ReadUntil(kDelimiter, operation.size));
      break;
    case Operation::Kind::kReadBlock:
      outcome = OutcomeOf(ReadBlock(channel, {operation.size, kPrefix}));
      break;
    case Operation::Kind::kReadExactly:
      outcome = OutcomeOf(channel.ReadExactly(operation.size));
      break;
    case Operation::Kind::kPeek:
      outcome = OutcomeOf(channel.Peek(operation.size));
      break;
    case Operation::Kind::kRead:
      outcome = OutcomeOf(channel.Read(operation.size));
      break;
  }
  outcome.taken = static_cast<size_t>(channel.bytes_read() - before);
  return outcome;
}

// What reading up to `delimiter` must return.
Outcome ExpectedThrough(absl::string_view delimiter, size_t max_bytes,
                        bool end_suffices, absl::string_view rest,
                        const absl::Status& end) {
  if (max_bytes == 0) return {absl::InvalidArgumentError(""), std::nullopt};
  const size_t at = rest.substr(0, max_bytes).find(delimiter);
  if (at != absl::string_view::npos) {
    return {absl::OkStatus(), std::string(rest.substr(0, at)),
            at + delimiter.size()};
  }
  if (rest.size() >= max_bytes) {
    return {absl::ResourceExhaustedError(""), std::nullopt};
  }
  if (!end.ok()) return {end, std::nullopt};
  if (rest.empty()) return {};
  if (!end_suffices) return {absl::OutOfRangeError(""), std::nullopt};
  return {absl::OkStatus(), std::string(rest), rest.size()};
}

Outcome ExpectedLine(const Operation& operation, bool end_suffices,
                     absl::string_view rest, const absl::Status& end) {
  Outcome line = ExpectedThrough("\n", operation.size, end_suffices, rest, end);
  const bool has_end = line.data.has_value() && line.taken > line.data->size();
  if (has_end && !line.data->empty() && line.data->back() == '\r') {
    line.data->pop_back();
  }
  return line;
}

Outcome ExpectedBlock(size_t max_bytes, absl::string_view rest,
                      const absl::Status& end) {
  if (rest.empty()) {
    return end.ok() ? Outcome{} : Outcome{end, std::nullopt};
  }
  const size_t size = static_cast<uint8_t>(rest.front());
  if (size > max_bytes) {
    return {absl::ResourceExhaustedError(""), std::nullopt};
  }
  if (rest.size() <= size) {
    return {end.ok() ? absl::OutOfRangeError("") : end, std::nullopt};
  }
  return {absl::OkStatus(), std::string(rest.substr(1, size)), 1 + size};
}

// What `operation` must return if `rest` is yet to be read and `end` comes
// after it. (Read() may return less.)
Outcome Expected(const Operation& operation, absl::string_view rest,
                 const absl::Status& end) {
  const std::string all(rest.substr(0, operation.size));
  const bool enough = rest.size() >= operation.size;
  switch (operation.kind) {
    case Operation::Kind::kReadLine:
      return ExpectedLine(operation, /*end_suffices=*/false, rest, end);
    case Operation::Kind::kReadLastLine:
      return ExpectedLine(operation, /*end_suffices=*/true, rest, end);
    case Operation::Kind::kReadUntil:
      return ExpectedThrough(kDelimiter, operation.size,
                             /*end_suffices=*/false, rest, end);
    case Operation::Kind::kReadBlock:
      return ExpectedBlock(operation.size, rest, end);
    case Operation::Kind::kReadExactly:
      if (enough) return {absl::OkStatus(), all, all.size()};
      return {end.ok() ? absl::OutOfRangeError("") : end, std::nullopt};
    case Operation::Kind::kPeek:
      if (enough) return {absl::OkStatus(), all};
      break;
    case Operation::Kind::kRead:
      if (operation.size == 0) {
        return {absl::InvalidArgumentError(""), std::nullopt};
      }
      if (!rest.empty()) return {absl::OkStatus(), all, all.size()};
      break;
  }
  if (!end.ok()) return {end, std::nullopt};
  return {absl::OkStatus(), all};
}

void Run(Script script) {
  ChannelOptions options;
  options.max_buffered_read = Size(script.Byte());
  Source source;
  if (script.Byte() % 2 != 0) source.end = absl::DataLossError("torn");
  std::deque<Operation> operations(script.Byte());
  for (Operation& operation : operations) {
    operation.kind =
        static_cast<Operation::Kind>(script.Byte() % Operation::kKinds);
    operation.size = Size(script.Byte());
  }
  std::string text;
  while (!script.done()) {
    const size_t size = script.Byte();
    source.pieces.push_back(script.Bytes(size));
    text += source.pieces.back();
  }

  FunctionFlowOptions input;
  input.input = Input::Buffers([&] { return source.Next(); });
  size_t taken = 0;  // by the channel
  const std::unique_ptr<Channel> channel =
      MakeChannel(DecorateFlow(MakeFunctionFlow(std::move(input)),
                               [&](std::unique_ptr<Transport> underneath) {
                                 return std::make_unique<CountingTransport>(
                                     std::move(underneath), &taken);
                               }),
                  options);

  size_t read = 0;
  size_t limit = std::max(options.max_buffered_read, size_t{1});
  for (const Operation& operation : operations) {
    const absl::string_view rest = absl::string_view(text).substr(read);
    Outcome result;
    do {
      source.late = false;
      result = Do(*channel, operation);
      if (absl::IsDeadlineExceeded(result.status)) ABSL_CHECK(source.late);
      ABSL_CHECK(!source.late || !result.status.ok())
          << "a deadline was swallowed";
    } while (absl::IsDeadlineExceeded(result.status));

    Outcome expected = Expected(operation, rest, source.end);
    ABSL_CHECK_EQ(result.status.code(), expected.status.code());
    ABSL_CHECK_EQ(result.data.has_value(), expected.data.has_value());
    if (operation.kind == Operation::Kind::kRead && result.data.has_value()) {
      ABSL_CHECK_EQ(result.data->empty(), expected.data->empty());
      expected.data->resize(
          std::min(expected.data->size(), result.data->size()));
      expected.taken = expected.data->size();
    }
    ABSL_CHECK(result.data == expected.data);
    ABSL_CHECK_EQ(result.taken, expected.taken);
    read += result.taken;
    if (operation.kind == Operation::Kind::kReadBlock) {
      limit = std::max(limit, 1 + std::min(operation.size, size_t{255}));
    } else if (operation.kind != Operation::Kind::kRead) {
      limit = std::max(limit, operation.size);
    }
    ABSL_CHECK_EQ(channel->bytes_read(), static_cast<int64_t>(read));
    ABSL_CHECK_LE(taken - read, limit);
  }
}

}  // namespace
}  // namespace flow

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  flow::Run(flow::Script(data, size));
  return 0;
}
