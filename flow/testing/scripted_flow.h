// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/scripted_flow.h
//
// A flow that expects certain operations in a certain order, and answers each
// as the script says. It tests exactly what a protocol does: that it writes
// once, that it ends its direction before it reads on, or what it does after a
// deadline.
//
//   auto flow = MakeScriptedFlow({
//       Expect::Write("GET /\n"),
//       Expect::ShutdownWrite(),
//       Expect::Read("hello"),
//       Expect::ReadEof(),
//       Expect::Close(),
//   });
//   EXPECT_THAT(Fetch(*flow), IsOkAndHolds("hello"));
//
// Each operation is compared with the next entry. If it differs, the test fails
// at the line of the entry, and says what was expected, what came, and how the
// script goes on. The code under test gets kInternal, then and from there on.
// The test also fails if entries are left when the flow is destroyed.
//
// What is compared is what reaches a transport (transport.h). Deadlines do:
// each one that the code sets is an entry. What Flow answers by itself does
// not, and is not to be scripted:
//
//  * empty writes, Read(0), and a second reader or writer at the same time;
//  * operations on a direction that is over, and repeated calls of Shutdown(),
//    Abort() and Close();
//  * Shutdown(kWrite) after a write has failed;
//  * Close() after Abort(), which may be scripted, but need not be (destruction
//    after Abort() is the same as Close());
//  * destruction without Close(), with which a script may end anywhere.
//
// An entry Close() includes the end that Close() sends. So it does not tell
// whether Shutdown(kWrite) came just before it.
//
// When not to use it: where any order is right, or the sizes of reads and
// writes do not matter, use a pipe (flow/pipe.h), and fault_points.h for
// errors. Two threads may use the flow, but their order must be that of the
// script: nothing here waits.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_TESTING_SCRIPTED_FLOW_H_
#define FLOW_TESTING_SCRIPTED_FLOW_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"

namespace flow::testing {

// Expect
//
// An entry of a script: an operation, and how it is answered. Made by the
// functions below, of which the last parameter is the line that failures name;
// leave it out.
class Expect {
 public:
  // A line of a source file.
  struct Line {
    const char* file;
    int number;
  };

  // Expect::Read(), Expect::ReadEof(), Expect::ReadError()
  //
  // A Read() or ReadInto(), answered with `data` (over several, if that is more
  // than it asks for), with end-of-file, or with the error `status`. What Flow
  // makes of an error holds here, too: only kDeadlineExceeded does not stay.
  //
  // Preconditions: `data` is not empty; `status` is not Ok.
  static Expect Read(absl::string_view data,
                     Line line = {__builtin_FILE(), __builtin_LINE()});
  static Expect ReadEof(Line line = {__builtin_FILE(), __builtin_LINE()});
  static Expect ReadError(absl::Status status,
                          Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::AskingFor()
  //
  // Of a Read in any of these forms: its `max_bytes` must be this. Without, it
  // may be anything.
  Expect AskingFor(size_t max_bytes) &&;

  // Expect::Write(), Expect::WriteError()
  //
  // One write of any form, of exactly `data` (which is not empty). All of it is
  // accepted, or the first `accepted` bytes before the error `status`.
  //
  // Preconditions: `accepted` <= the size of `data`; `status` is not Ok.
  static Expect Write(absl::string_view data,
                      Line line = {__builtin_FILE(), __builtin_LINE()});
  static Expect WriteError(absl::string_view data, size_t accepted,
                           absl::Status status,
                           Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::ShutdownWrite(), Expect::ShutdownRead()
  //
  // Shutdown(kWrite), answered with `status`, and Shutdown(kRead). A call with
  // kReadWrite is ShutdownRead(), then ShutdownWrite().
  static Expect ShutdownWrite(absl::Status status = absl::OkStatus(),
                              Line line = {__builtin_FILE(), __builtin_LINE()});
  static Expect ShutdownRead(Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::Close()
  //
  // Close(), which does not wait and returns `status`, or an earlier error.
  static Expect Close(absl::Status status = absl::OkStatus(),
                      Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::Abort()
  //
  // Abort(), with any reason or with one of this code.
  static Expect Abort(std::optional<absl::StatusCode> code = std::nullopt,
                      Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::SetReadDeadline(), Expect::SetWriteDeadline()
  //
  // A deadline is set: any, or exactly this one.
  static Expect SetReadDeadline(
      std::optional<absl::Time> deadline = std::nullopt,
      Line line = {__builtin_FILE(), __builtin_LINE()});
  static Expect SetWriteDeadline(
      std::optional<absl::Time> deadline = std::nullopt,
      Line line = {__builtin_FILE(), __builtin_LINE()});

  // Expect::ToString()
  //
  // Returns the entry as it is written in a script, with long data shortened.
  std::string ToString() const;

 private:
  friend class ScriptedTransport;

  enum class Kind {
    kRead,
    kWrite,
    kShutdownWrite,
    kShutdownRead,
    kClose,
    kAbort,
    kSetReadDeadline,
    kSetWriteDeadline,
  };

  Expect(Kind kind, Line line) : kind_(kind), line_(line) {}

  Kind kind_;
  Line line_;
  std::string data_;           // of a Read or write
  absl::Status status_;        // the answer
  size_t accepted_ = 0;        // of a write that fails
  std::optional<size_t> max_;  // of a Read
  std::optional<absl::StatusCode> code_;
  std::optional<absl::Time> deadline_;
};

// MakeScriptedFlow()
//
// Returns a flow that follows `script`.
std::unique_ptr<Flow> MakeScriptedFlow(std::vector<Expect> script,
                                       Expect::Line line = {__builtin_FILE(),
                                                            __builtin_LINE()});

}  // namespace flow::testing

#endif  // FLOW_TESTING_SCRIPTED_FLOW_H_
