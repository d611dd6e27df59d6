// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/channel_reads.h
//
// The reading side of a Channel against one string.

#ifndef FLOW_FUZZ_CHANNEL_READS_H_
#define FLOW_FUZZ_CHANNEL_READS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "flow/function_flow.h"

namespace flow::fuzz {

// The integers of framing.h, as the prefixes of blocks.
inline constexpr char kFormats[] =
    "8bit|big16|big32|big64|little16|little32|little64";
size_t SizeOf(LengthPrefix format);
std::string Encode(LengthPrefix format, uint64_t value);

class ChannelReads {
 public:
  enum class Kind { kLine, kLastLine, kExactly, kPeek, kSome, kInto };
  static constexpr char kKinds[] = "line|last_line|exactly|peek|some|into";
  static constexpr char kDelimiters[] = "newlines|dash|zero";

  // What comes from the other end. The stream ends in `end`.
  void AddPiece(absl::string_view bytes);
  void AddDeadline();
  void SetEnd(absl::Status end) { end_ = std::move(end); }

  // Makes a flow that reads it, whose output is `output`, and a channel of
  // that. Both refer to this.
  std::unique_ptr<Channel> MakeChannel(Output output, ChannelOptions options);

  // Read in one of the ways, again after each deadline, and end the program if
  // the outcome is not the one of the string.
  void Read(Kind kind, size_t size);
  void ReadUntil(size_t delimiter, size_t max_bytes);
  void ReadBlock(LengthPrefix format, size_t max_bytes);
  void ReadInteger(LengthPrefix format);
  void Refuse();

  // What Close() must return if writing was in order.
  const absl::Status& close_outcome() const { return end_told_; }

 private:
  // What an operation returns.
  struct Outcome {
    absl::Status status;
    // None: end-of-file, of those that tell it from nothing.
    std::optional<std::string> data;
    size_t taken = 0;  // off the stream
  };

  absl::StatusOr<absl::Cord> Next();

  Outcome ExpectedThrough(absl::string_view delimiter, size_t max_bytes,
                          bool end_suffices) const;
  Outcome ExpectedLine(size_t max_bytes, bool end_suffices) const;
  Outcome ExpectedBlock(LengthPrefix format, size_t max_bytes) const;
  Outcome ExpectedExactly(size_t size) const;
  Outcome ExpectedSome(size_t size) const;
  Outcome ExpectedPeek(size_t size) const;
  Outcome Do(Kind kind, size_t size);
  Outcome Expected(Kind kind, size_t size) const;

  // Calls `read` until no deadline passes, and compares. `may_be_less`: the
  // data may be a part of what is expected. `asked`: what may be buffered.
  void Check(const std::function<Outcome()>& read, Outcome expected,
             bool may_be_less, size_t asked);

  std::vector<std::string> pieces_;  // an empty one is a deadline that passes
  size_t next_piece_ = 0;
  std::string text_;  // all of them
  absl::Status end_;  // Ok: end-of-file
  bool late_ = false;
  absl::Status end_told_;

  std::unique_ptr<Flow> inner_;
  Channel* channel_ = nullptr;
  size_t taken_ = 0;      // by the channel, off the flow underneath
  size_t read_ = 0;       // by the reader
  size_t max_ahead_ = 0;  // the most that may be in between
  absl::string_view rest_;
  bool broken_ = false;
  bool refused_ = false;
};

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_CHANNEL_READS_H_
