// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: verification/pipe_model.h
//
// What the two ends of a pipe must do, written from docs/semantics.md alone, to
// hold the real thing against it: slow, obvious, and sharing no idea with
// pipe_state.cc. It keeps the history of each direction as a number of bytes
// accepted and read, and after each operation looks for calls that can end
// until there are none. For tests.

#ifndef FLOW_VERIFICATION_PIPE_MODEL_H_
#define FLOW_VERIFICATION_PIPE_MODEL_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "flow/flow.h"

namespace flow::verification {

// PipeModel
//
// Both ends in one thread. A call that would block stays in here until a later
// operation, of either end, brings it to its end.
class PipeModel {
 public:
  enum class Call { kRead, kWrite, kClose, kAwaitRefusal };

  struct Outcome {
    enum Kind { kOk, kData, kEof, kClosed, kReason, kLate, kBusy, kWaits };
    Kind kind = kOk;
    size_t bytes = 0;    // read, or accepted by this write
    std::string reason;  // if kReason

    friend bool operator==(const Outcome& a, const Outcome& b) {
      return a.kind == b.kind && a.bytes == b.bytes && a.reason == b.reason;
    }
    std::string ToString() const;

    static Outcome Of(Kind kind, size_t bytes = 0);
    static Outcome Reason(std::string reason);
  };

  // The reasons that are not a user's: parts of what flow.cc says.
  static constexpr char kDestroyed[] = "destroyed without Close()";
  static constexpr char kCutWrite[] = "ended in the middle of a Write";
  static constexpr char kGaveUpClosing[] =
      "the other end passed its deadline in Close()";

  // A call that waited and has ended.
  struct Ended {
    int end;
    Call call;
    Outcome outcome;
  };

  explicit PipeModel(size_t capacity) : capacity_(capacity) {}

  // Operations of end 0 or 1. Calls that waited and now end, of either end, are
  // appended to `*ended`, in no particular order.
  Outcome Read(int end, size_t max_bytes, std::vector<Ended>* ended);
  // `cord`: a buffer to share, not borrowed bytes.
  Outcome Write(int end, size_t size, bool cord, std::vector<Ended>* ended);
  Outcome Shutdown(int end, ShutdownMode mode, std::vector<Ended>* ended);
  // kBusy if another Close waits: what joins it ends with it.
  Outcome Close(int end, std::vector<Ended>* ended);
  // Precondition: no other one of `end` waits.
  Outcome AwaitRefusal(int end, std::vector<Ended>* ended);
  void Abort(int end, const std::string& reason, std::vector<Ended>* ended);
  // Precondition: no call of `end` waits.
  void Destroy(int end, std::vector<Ended>* ended);
  // The deadline of a call that waits passes.
  void PassDeadline(int end, Call call, std::vector<Ended>* ended);

  bool Waits(int end, Call call) const;
  bool destroyed(int end) const { return ends_[end].destroyed; }
  bool left(int end) const { return ends_[end].left; }
  size_t bytes_read(int end) const { return ends_[end].bytes_read; }
  size_t bytes_written(int end) const { return out(end).accepted; }

  // Equal for models that will do the same from here on.
  std::string Key() const;
  // The states of the two directions, such as `open/ended`.
  std::string Directions() const;

 private:
  // Bytes on their way to an end.
  struct Direction {
    enum State { kOpen, kEnded, kRefused, kBroken };
    State state = kOpen;
    std::string reason;
    size_t accepted = 0;
    size_t gone = 0;  // read or discarded
    size_t queued() const { return accepted - gone; }
  };

  struct WaitingWrite {
    size_t size;
    bool cord;
    size_t accepted;
  };

  struct End {
    // What waits.
    std::optional<size_t> read;  // its max_bytes
    std::optional<WaitingWrite> write;
    bool close = false;
    bool await_refusal = false;
    // What this end knows.
    std::optional<Outcome> read_end;     // end-of-file or the error of a Read
    std::optional<Outcome> write_error;  // of a write, or of ending
    bool refused = false;                // has called Shutdown(kRead)
    bool ended = false;                  // has called Shutdown(kWrite) or Close
    std::optional<Outcome> aborted;      // what all operations return since
    std::optional<Outcome> closed;       // what Close() has returned
    bool left = false;                   // everything was freed
    bool destroyed = false;
    size_t bytes_read = 0;
  };

  Direction& in(int end) { return directions_[end]; }
  Direction& out(int end) { return directions_[1 - end]; }
  const Direction& in(int end) const { return directions_[end]; }
  const Direction& out(int end) const { return directions_[1 - end]; }

  // Whether this end knows what comes of a Read, or of a write, without the
  // other one.
  bool ReadIsDecided(int end) const;
  bool WriteIsDecided(int end) const;

  Outcome Known(const std::optional<Outcome>& first, int end) const;
  void SendEnd(int end);
  void AbortBoth(int end, Outcome local, const std::string& remote);
  void Leave(int end);
  void Settle(std::vector<Ended>* ended);
  bool SettleOnce(std::vector<Ended>* ended);
  static void Move(Direction& direction, Direction::State state,
                   const std::string& reason);

  size_t capacity_;
  std::array<Direction, 2> directions_;
  std::array<End, 2> ends_;
};

}  // namespace flow::verification

#endif  // FLOW_VERIFICATION_PIPE_MODEL_H_
