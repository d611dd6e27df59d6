// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads any bytes, which come in any pieces, with deadlines that pass in
// between, by any mix of the ways in which a Channel reads, and holds the
// outcomes against those of one string:
//
//  * what is returned is what the string has there, however it came;
//  * kOutOfRange, kResourceExhausted and end-of-file come where the string says
//    so, lose nothing, and the error that a stream ends in comes last;
//  * kDeadlineExceeded comes only if a deadline passed, and loses nothing;
//  * bytes_read() is what was returned, and no more than the limit is buffered.
//
// In between it writes, in all the ways of a Channel, to an output that takes
// less, refuses, fails, is late or lies:
//
//  * what is buffered goes out before what is written after it, when the limit
//    is reached, and not before;
//  * what the output has not taken by its deadline comes again, and once;
//  * the counts are those of what was accepted, and of what is buffered;
//  * any other error stays, and the end comes after all that was buffered.
//
// Pieces and deadlines are what comes from the other end, wherever they stand
// in the script. The settings: how the stream ends, the shape of the output,
// and the limits of what is buffered for reading and for writing.

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/framing.h"
#include "fuzz/channel_reads.h"
#include "fuzz/channel_writes.h"
#include "fuzz/planned_output.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

enum Word {
  kPiece,
  kLate,
  kRead,
  kReadUntil,
  kReadBlock,
  kReadInteger,
  kRefuse,
  kOutput,
  kWriteBuffered,
  kWrite,
  kWriteBlock,
  kWriteInteger,
  kFlush,
  kShutdown,
};

Grammar ChannelGrammar() {
  Grammar grammar;
  grammar.settings =
      absl::StrCat("whole|torn ", PlannedOutput::kShapes, " SIZE SIZE");
  grammar.words = {
      {kPiece, "piece BYTES"},
      {kLate, "late"},
      {kRead, absl::StrCat("read ", ChannelReads::kKinds, " SIZE")},
      {kReadUntil,
       absl::StrCat("read_until ", ChannelReads::kDelimiters, " SIZE")},
      {kReadBlock, absl::StrCat("read_block ", kFormats, " SIZE")},
      {kReadInteger, absl::StrCat("read_integer ", kFormats)},
      {kRefuse, "refuse"},
      {kOutput, PlannedOutput::kWord},
      {kWriteBuffered, "write_buffered view|moved|cord SIZE"},
      {kWrite, absl::StrCat("write ", ChannelWrites::kKinds, " SIZE")},
      {kWriteBlock, absl::StrCat("write_block ", kFormats, " SIZE SIZE")},
      {kWriteInteger,
       absl::StrCat("write_integer ", kFormats, " too_large|fits")},
      {kFlush, "flush"},
      {kShutdown, "shutdown"},
  };
  grammar.large_sizes = {100, 255, 256, 511, 512, 1000, 4096, kNoLimit};
  // Ends of lines, parts of delimiters, and lengths of short blocks.
  grammar.letters = std::string("\n\n\r-\0\0\1\2\5", 9);
  grammar.max_operations = 48;
  return grammar;
}

void Run(const Script& script) {
  ChannelReads reads;
  for (const Operation& operation : script.operations) {
    if (operation.word == kPiece) reads.AddPiece(operation.bytes);
    if (operation.word == kLate) reads.AddDeadline();
  }
  const auto& settings = script.settings.numbers;
  if (settings[0] == 1) reads.SetEnd(absl::DataLossError("torn"));
  PlannedOutput output;
  ChannelOptions options;
  options.max_buffered_read = settings[2];
  options.max_buffered_write = settings[3];
  const std::unique_ptr<Channel> channel = reads.MakeChannel(
      output.Make(static_cast<PlannedOutput::Shape>(settings[1])), options);
  ChannelWrites writes(*channel, output, options.max_buffered_write);

  for (const Operation& operation : script.operations) {
    const auto& numbers = operation.numbers;
    const auto format = static_cast<LengthPrefix>(numbers[0]);
    switch (static_cast<Word>(operation.word)) {
      case kPiece:
      case kLate:
        break;
      case kRead:
        reads.Read(static_cast<ChannelReads::Kind>(numbers[0]), numbers[1]);
        break;
      case kReadUntil:
        reads.ReadUntil(numbers[0], numbers[1]);
        break;
      case kReadBlock:
        reads.ReadBlock(format, numbers[1]);
        break;
      case kReadInteger:
        reads.ReadInteger(format);
        break;
      case kRefuse:
        reads.Refuse();
        break;
      case kOutput:
        output.Plan(operation);
        break;
      case kWriteBuffered:
        writes.WriteBuffered(static_cast<ChannelWrites::Kind>(numbers[0]),
                             numbers[1]);
        break;
      case kWrite:
        writes.Write(static_cast<ChannelWrites::Kind>(numbers[0]), numbers[1]);
        break;
      case kWriteBlock:
        writes.WriteBlock(format, numbers[1], numbers[2]);
        break;
      case kWriteInteger:
        writes.WriteInteger(format, /*fits=*/numbers[1] == 1);
        break;
      case kFlush:
        writes.Flush();
        break;
      case kShutdown:
        writes.Shutdown();
        break;
    }
  }
  writes.Close(reads.close_outcome());
}

const Registration kTarget("channel_fuzz", ChannelGrammar(), Run);

}  // namespace
}  // namespace flow::fuzz
