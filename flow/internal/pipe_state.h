// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/pipe_state.h
//
// The rules of two connected ends, as a state machine. It says what a read, a
// write, an end, a refusal, an abort and a farewell at either end result in,
// and which waiting calls each of them brings to an end. It never blocks, reads
// no clock and knows no threads; pipe.cc puts a mutex around it and lets
// threads wait. So tests can enumerate every order of calls
// (pipe_state_exhaustive_test), fuzz them (//fuzz:close_order_fuzz) and replay
// them. Not for users of the library.
//
// Thread safety: none.

#ifndef FLOW_INTERNAL_PIPE_STATE_H_
#define FLOW_INTERNAL_PIPE_STATE_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/pipe_queue.h"

namespace flow::internal {

// PipeState
//
// Two directions, each from one end to the other. A direction is open until the
// first of these moves it, and then it stays as it is:
//
//   open --> ended              by its writer, in good order
//        \-> refused            by its reader
//        \-> broken(reason)     by either end
//
//   ended --> broken(reason)    if its reader was aborted, and leaves before it
//                               has read all: lost data is no success
//
// If a call (Read(), Write() or one that awaits) has to wait, it returns
// nullopt, and the state remembers the call. The step that lets the call finish
// reports it in
// `*wakes`, once. The caller then repeats the call, or gives it up with Stop().
//
// Buffers can belong to the user, and freeing one can run the user's code. So
// no step frees any. It leaves what it drops in `*discarded`, which must be
// empty at the call.
class PipeState {
 public:
  enum Side { kLeft = 0, kRight = 1 };

  // The waiting calls that can finish now, as a set of bits. Steps add to it.
  using Wakes = unsigned;
  static constexpr Wakes Reader(Side side) { return 1u << side; }
  static constexpr Wakes Writer(Side side) { return 4u << side; }
  static constexpr Wakes Closer(Side side) { return 16u << side; }
  static constexpr Wakes Watcher(Side side) { return 64u << side; }

  // A write under way, with the first `accepted` of its `size` bytes done. The
  // caller owns it, and keeps it alive while it waits.
  struct Offer {
    // A buffer that exists anyway is shared, and accepted whole as soon as
    // there is room for one byte. If `copied`, the buffer was made for this
    // write, and is accepted only as far as there is room.
    Offer(absl::Cord buffer, bool copied)
        : buffer(std::move(buffer)),
          strict(copied),
          size(this->buffer.size()) {}
    // The same, with the Cord that `make()` returns. It is made where it stays:
    // to move one that was just made, a processor waits until it is in memory.
    template <typename Make, typename = std::invoke_result_t<Make>>
    Offer(Make make, bool copied)
        : buffer(make()), strict(copied), size(buffer.size()) {}
    // Borrowed bytes, few enough to be copied into the queue itself.
    explicit Offer(absl::string_view bytes)
        : bytes(bytes), strict(true), size(bytes.size()) {}

    bool done() const { return accepted == size; }

    absl::Cord buffer;
    absl::string_view bytes;
    const bool strict;
    const size_t size;
    size_t accepted = 0;
  };

  // Both directions are open. `capacity` is in bytes, for each direction. 0 is
  // a rendezvous (only what a Read takes is accepted), and kNoLimit is
  // unbounded.
  explicit PipeState(size_t capacity) : capacity_(capacity) {}

  // Moves 1 to `max_bytes` bytes that were accepted to `*data`, which must be
  // empty, and returns Ok. When there are no more of them, leaves it empty and
  // returns Ok (end-of-file) or the reason. `max_bytes` is not 0.
  std::optional<absl::Status> Read(Side side, size_t max_bytes,
                                   absl::Cord* data, absl::Cord* discarded,
                                   Wakes* wakes);

  // The same for a read into `space`. If the bytes are few, it puts them there,
  // and sets `*few`, which must be 0, to their number. Otherwise `*data` has
  // them.
  std::optional<absl::Status> ReadInto(Side side, absl::Span<char> space,
                                       size_t* few, absl::Cord* data,
                                       absl::Cord* discarded, Wakes* wakes);

  // Returns whether what Read() has just returned may be a part of a larger
  // buffer, which it then keeps in memory (compact.h).
  bool read_a_part(Side side) const { return directions_[side].read_a_part; }

  // Returns Ok when all of `*offer` is accepted, Closed after an end or a
  // refusal, and the reason if the direction is broken. While it waits, Reads
  // accept from it.
  std::optional<absl::Status> Write(Side side, Offer* offer, Wakes* wakes);

  // Ends the outbound direction in good order if `outcome` is Ok, and otherwise
  // breaks it with `outcome`. Returns the reason if it was broken before.
  // Precondition: no write of `side` waits.
  absl::Status EndWrite(Side side, const absl::Status& outcome, Wakes* wakes);

  // Refuses the inbound direction, and drops what was not read.
  void Refuse(Side side, absl::Cord* discarded, Wakes* wakes);

  // Breaks those of both directions that are still open. From here on `side`
  // gets nothing but `reason`, which is not Ok.
  void Abort(Side side, const absl::Status& reason, absl::Cord* discarded,
             Wakes* wakes);

  // Returns Ok or the reason, once the inbound direction is no longer open.
  std::optional<absl::Status> AwaitEnd(Side side);

  // Returns what a write of `side` would get, once its outbound direction is no
  // longer open. The call that waits for this is a watcher.
  std::optional<absl::Status> AwaitRefusal(Side side);

  // Forgets calls that wait and are given up, each a bit as in `Wakes`.
  void Stop(Wakes calls);

  // Takes `side` away, closed or destroyed. `saw_all` says that everything that
  // Read() returned has reached the user. Returns the reason if a direction was
  // broken before. If the inbound direction is still open, because a read has
  // failed on its way to the user, it breaks now.
  // Precondition: no call of `side` waits or comes.
  absl::Status Leave(Side side, bool saw_all, absl::Cord* discarded,
                     Wakes* wakes);

  // Returns how many of the bytes that `side` has written were not read.
  size_t queued(Side side) const {
    return directions_[Other(side)].queue.size();
  }

  // Returns everything that decides what will happen, for tests.
  std::string DebugString() const;

 private:
  enum class State { kOpen, kEnded, kRefused, kBroken };

  struct Direction {
    State state = State::kOpen;
    absl::Status reason;        // if kBroken
    PipeQueue queue;            // accepted and not read
    bool has_a_part = false;    // of a buffer, in the queue
    bool read_a_part = false;   // by the last read
    Offer* offer = nullptr;     // of the write that waits
    size_t demand = 0;          // of the read that waits: its `max_bytes`
    bool closer_waits = false;  // at the end that reads this
    bool watched = false;       // a watcher waits at the end that writes this
    bool unwanted = false;      // its reader has called Refuse()
  };

  // Directions are known by the side that reads them.
  Direction& Inbound(Side side) { return directions_[side]; }
  Direction& Outbound(Side side) { return directions_[Other(side)]; }
  const Direction& Outbound(Side side) const {
    return directions_[Other(side)];
  }
  static Side Other(Side side) { return side == kLeft ? kRight : kLeft; }

  // Reads by `take(queue, n)`, which takes the first `n` bytes.
  template <typename Take>
  std::optional<absl::Status> ReadBy(Side side, size_t max_bytes, Take take,
                                     absl::Cord* discarded, Wakes* wakes);

  // Accepts as much from `offer` as there is room for.
  void Admit(Offer& offer, Direction& direction) const;

  // Forgets the offer of a write that does not wait any longer.
  static void GiveUpOffer(Direction& direction);

  // Returns why `side` can write no more, or Ok.
  absl::Status WriteEnd(Side side) const;

  // Moves Inbound(reader) and wakes those who wait for it. Returns false if it
  // is not open.
  bool Move(Side reader, State state, const absl::Status& reason, Wakes* wakes);

  const size_t capacity_;
  std::array<Direction, 2> directions_;
  std::array<absl::Status, 2> aborted_;  // the reason of each side's own abort
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_PIPE_STATE_H_
