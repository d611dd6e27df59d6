// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: iostream.h
//
// Standard streams over any flow, for code that reads a std::istream or writes
// a std::ostream: parsers, printers, formatted text.
//
//   flow::FlowStream stream(*connection);
//   stream << "GET " << path << "\n" << std::flush;
//   std::string line;
//   while (std::getline(stream, line)) ...
//   if (stream.bad()) return stream.status();  // the stream did not just end
//
// When not to use it: where you have the choice. Read(), Write() and the
// Channel of channel.h say in each result what went wrong, do not copy, and
// lose nothing at a deadline.
//
// Thread safety: a FlowStreambuf may be read by one thread while another one
// writes to it, through an istream and an ostream of their own. A stream
// object, such as a FlowStream, is for one thread at a time, as all of
// <iostream> is. The streambuf is the reader and the writer of the flow;
// Shutdown(), Abort() and deadlines may be called on the flow at any time.

#ifndef FLOW_IOSTREAM_H_
#define FLOW_IOSTREAM_H_

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <streambuf>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "flow/flow.h"

namespace flow {

// FlowStreambuf
//
// Reads straight from the memory of the Cords that the flow returns. Collects
// up to 4 KiB of what is written; larger pieces are written through, together
// with what was collected. Flushes when told to (std::flush, sync()), before it
// would hold more, and on destruction. That cannot report an error, so flush
// first if you want to know whether all was accepted.
//
// It never shuts the flow down or closes it. To end what is written, flush,
// then call Shutdown(ShutdownMode::kWrite) or Close() on the flow.
//
// Errors: a streambuf can only say "no more", which looks like an end-of-file.
// status() tells them apart. After kDeadlineExceeded the flow still works: set
// a new deadline, clear() the stream and go on. Nothing that was written is
// lost or repeated. A value that was extracted halfway is where the stream
// library has put it.
//
// At least one character can be put back after one was read. It must be the one
// that was read, because the memory is shared.
class FlowStreambuf final : public std::streambuf {
 public:
  // `flow` is borrowed, and must outlive the streambuf.
  explicit FlowStreambuf(Flow& flow ABSL_ATTRIBUTE_LIFETIME_BOUND);
  ~FlowStreambuf() override;

  FlowStreambuf(const FlowStreambuf&) = delete;
  FlowStreambuf& operator=(const FlowStreambuf&) = delete;

  // FlowStreambuf::read_status(), FlowStreambuf::write_status(),
  // FlowStreambuf::status()
  //
  // Return the outcome of the flow's last read, that of its last write, and
  // whichever of the two is an error. At end-of-file read_status() is Ok, which
  // tells it from an error. Errors of a flow stay, except kDeadlineExceeded,
  // which a later call that succeeds replaces.
  absl::Status read_status() const;
  absl::Status write_status() const;
  absl::Status status() const;

  // FlowStreambuf::ReportReadErrorsTo()
  //
  // Sets badbit of `*stream` (a std::istream that reads from here; borrowed)
  // whenever a Read of the flow fails, so that `stream->bad()` tells a stream
  // that broke from one that ended. With nullptr, the default, sets none. A
  // FlowStream does this by itself. (A write that fails sets the badbit of its
  // ostream anyway.)
  void ReportReadErrorsTo(std::ios* stream) { report_to_ = stream; }

 private:
  static constexpr size_t kPutSize = 4096;

  int_type underflow() override;
  int_type pbackfail(int_type c) override;
  std::streamsize showmanyc() override;
  int_type overflow(int_type c) override;
  std::streamsize xsputn(const char* data, std::streamsize size) override;
  int sync() override;

  // Makes `chunk` what is read next.
  void SetChunk(absl::string_view chunk);
  // Writes what was collected, then `more`, and stores how much of `more` was
  // accepted. What was collected and not accepted stays.
  absl::Status Flush(absl::string_view more, size_t* accepted);

  Flow& flow_;
  const uint32_t fork_generation_;

  // Of the reader. The get area is `chunk_`, or what was put back before it.
  absl::Cord data_;
  absl::Cord::ChunkIterator next_;  // the chunk of `data_` after `chunk_`
  absl::string_view chunk_;
  char last_ = 0;  // the last byte before `chunk_`, if there was one
  bool has_last_ = false;
  bool put_back_ = false;  // the get area is `last_`
  std::ios* report_to_ = nullptr;

  // Of the writer.
  char put_[kPutSize];

  mutable absl::Mutex mu_;
  absl::Status read_status_ ABSL_GUARDED_BY(mu_);
  absl::Status write_status_ ABSL_GUARDED_BY(mu_);
};

// FlowStream
//
// A std::iostream on a FlowStreambuf of its own; see there. bad() is true after
// an error of the flow in either direction, and eof() without bad() is a true
// end-of-file. One object has one state, so clear() it to write on after an
// end-of-file. It is not tied: flush before you wait for an answer.
class FlowStream final : public std::iostream {
 public:
  // `flow` is borrowed, and must outlive the stream.
  explicit FlowStream(Flow& flow ABSL_ATTRIBUTE_LIFETIME_BOUND);

  // FlowStream::status()
  //
  // Returns FlowStreambuf::status().
  absl::Status status() const { return buffer_.status(); }

 private:
  FlowStreambuf buffer_;
};

}  // namespace flow

#endif  // FLOW_IOSTREAM_H_
