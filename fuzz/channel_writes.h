// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/channel_writes.h
//
// The writing side of a Channel against what it should have buffered.

#ifndef FLOW_FUZZ_CHANNEL_WRITES_H_
#define FLOW_FUZZ_CHANNEL_WRITES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "flow/channel.h"
#include "flow/framing.h"
#include "fuzz/planned_output.h"
#include "fuzz/script.h"

namespace flow::fuzz {

class ChannelWrites {
 public:
  enum class Kind { kView, kMoved, kCord, kList, kFrom };
  static constexpr char kKinds[] = "view|moved|cord|list|from";

  // Both must outlive this.
  ChannelWrites(Channel& channel, PlannedOutput& output,
                size_t max_buffered_write)
      : channel_(channel), output_(output), max_buffered_(max_buffered_write) {}

  // Write, and end the program if the outcome is not the expected one.
  // WriteBuffered() takes kView, kMoved and kCord.
  void WriteBuffered(Kind kind, size_t size);
  void Write(Kind kind, size_t size);
  void WriteBlock(LengthPrefix format, size_t size, size_t max_bytes);
  void WriteInteger(LengthPrefix format, bool fits);
  void Flush();
  void Shutdown();
  // `read_outcome` is what it returns if writing was in order.
  void Close(const absl::Status& read_outcome);

 private:
  enum class When { kBuffered, kNow };

  absl::string_view NextBytes(size_t size);

  // Checks a call that writes `bytes`, or flushes if there are none and
  // `flushes`.
  void Check(absl::string_view bytes, When when,
             absl::FunctionRef<absl::Status()> write, bool flushes = false);
  void CheckEnd(absl::FunctionRef<absl::Status()> end,
                const absl::Status& otherwise);

  Channel& channel_;
  PlannedOutput& output_;
  const size_t max_buffered_;
  Budget budget_{20000};
  size_t offset_ = 0;  // in the pattern
  std::string pending_;
  absl::Status broken_;
  bool ended_ = false;
};

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_CHANNEL_WRITES_H_
