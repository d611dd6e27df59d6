// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads any bytes, which come in any pieces, with deadlines that pass in
// between, by any mix of ReadLine(), ReadExactly(), Peek() and Read() of a
// Channel, and holds the outcomes against those of one string:
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
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/flow.h"
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
  enum class Kind { kReadLine, kReadExactly, kPeek, kRead };
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

absl::StatusOr<absl::Cord> Do(Channel& channel, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::kReadLine: {
      absl::StatusOr<std::string> line = channel.ReadLine(operation.size);
      if (!line.ok()) return line.status();
      return absl::Cord(*line);
    }
    case Operation::Kind::kReadExactly:
      return channel.ReadExactly(operation.size);
    case Operation::Kind::kPeek:
      return channel.Peek(operation.size);
    case Operation::Kind::kRead:
      return channel.Read(operation.size);
  }
  return absl::InternalError("no such operation");
}

// What `operation` must return if `rest` is yet to be read and `end` comes
// after it. (Read() may return less.)
absl::StatusOr<absl::Cord> Expected(const Operation& operation,
                                    absl::string_view rest,
                                    const absl::Status& end) {
  const absl::Cord all(rest.substr(0, operation.size));
  const bool enough = rest.size() >= operation.size;
  switch (operation.kind) {
    case Operation::Kind::kReadLine: {
      if (operation.size == 0) return absl::InvalidArgumentError("");
      const size_t newline = rest.find('\n');
      if (newline < operation.size) {
        return absl::Cord(rest.substr(0, newline + 1));
      }
      if (enough) return absl::ResourceExhaustedError("");
      break;
    }
    case Operation::Kind::kReadExactly:
      if (enough) return all;
      if (end.ok()) return absl::OutOfRangeError("");
      break;
    case Operation::Kind::kPeek:
      if (enough) return all;
      break;
    case Operation::Kind::kRead:
      if (operation.size == 0) return absl::InvalidArgumentError("");
      if (!rest.empty()) return all;
      break;
  }
  if (!end.ok()) return end;
  return all;
}

void Run(Script script) {
  ChannelOptions options;
  options.max_buffered_read = Size(script.Byte());
  Source source;
  if (script.Byte() % 2 != 0) source.end = absl::DataLossError("torn");
  std::deque<Operation> operations(script.Byte());
  for (Operation& operation : operations) {
    operation.kind = static_cast<Operation::Kind>(script.Byte() % 4);
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
    absl::StatusOr<absl::Cord> result;
    do {
      source.late = false;
      result = Do(*channel, operation);
      if (absl::IsDeadlineExceeded(result.status())) ABSL_CHECK(source.late);
      ABSL_CHECK(!source.late || !result.ok()) << "a deadline was swallowed";
    } while (absl::IsDeadlineExceeded(result.status()));

    const absl::StatusOr<absl::Cord> expected =
        Expected(operation, rest, source.end);
    ABSL_CHECK_EQ(result.status().code(), expected.status().code());
    if (result.ok() && operation.kind == Operation::Kind::kRead) {
      ABSL_CHECK_EQ(result->empty(), expected->empty());
      ABSL_CHECK_EQ(expected->Subcord(0, result->size()), *result);
    } else if (result.ok()) {
      ABSL_CHECK_EQ(*result, *expected);
    }
    if (result.ok() && operation.kind != Operation::Kind::kPeek) {
      read += result->size();
    }
    if (operation.kind != Operation::Kind::kRead) {
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
