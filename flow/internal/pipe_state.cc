// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/pipe_state.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/internal/pipe_queue.h"
#include "flow/status.h"

namespace flow::internal {

template <typename Take>
std::optional<absl::Status> PipeState::ReadBy(Side side, size_t max_bytes,
                                              Take take, absl::Cord* discarded,
                                              Wakes* wakes) {
  Direction& in = Inbound(side);
  if (ABSL_PREDICT_FALSE(!aborted_[side].ok())) return aborted_[side];

  // At a rendezvous the room is what this asks for.
  in.demand = max_bytes;
  if (in.offer != nullptr) Admit(*in.offer, in);
  if (in.queue.empty()) {
    if (in.state == State::kOpen) return std::nullopt;
    in.demand = 0;
    return in.reason;
  }
  in.demand = 0;

  const size_t n = std::min(in.queue.size(), max_bytes);
  const bool leaves_a_part = n < in.queue.size();
  in.read_a_part = std::exchange(in.has_a_part, leaves_a_part) || leaves_a_part;
  // Of few bytes a part is a copy, and their buffer might be freed here.
  if (leaves_a_part) *discarded = in.queue.buffers();
  take(in.queue, n);
  if (in.offer != nullptr) {
    Admit(*in.offer, in);
    if (in.offer->done()) {
      in.offer = nullptr;
      *wakes |= Writer(Other(side));
    }
  }
  return absl::OkStatus();
}

std::optional<absl::Status> PipeState::Read(Side side, size_t max_bytes,
                                            absl::Cord* data,
                                            absl::Cord* discarded,
                                            Wakes* wakes) {
  const auto take = [data](PipeQueue& queue, size_t n) {
    queue.TakeTo(data, n);
  };
  return ReadBy(side, max_bytes, take, discarded, wakes);
}

std::optional<absl::Status> PipeState::ReadInto(Side side,
                                                absl::Span<char> space,
                                                size_t* few, absl::Cord* data,
                                                absl::Cord* discarded,
                                                Wakes* wakes) {
  const auto take = [&](PipeQueue& queue, size_t n) {
    if (queue.TakeFew(space.data(), n)) {
      *few = n;
    } else {
      queue.TakeTo(data, n);
    }
  };
  return ReadBy(side, space.size(), take, discarded, wakes);
}

std::optional<absl::Status> PipeState::Write(Side side, Offer* offer,
                                             Wakes* wakes) {
  Direction& out = Outbound(side);
  out.offer = nullptr;
  // A Read may have done the rest while this waited, whatever came then.
  if (offer->done()) return absl::OkStatus();
  if (ABSL_PREDICT_FALSE(out.state != State::kOpen)) return WriteEnd(side);
  Admit(*offer, out);
  if (out.demand != 0 && !out.queue.empty()) {
    out.demand = 0;
    *wakes |= Reader(Other(side));
  }
  if (offer->done()) return absl::OkStatus();
  out.offer = offer;
  return std::nullopt;
}

absl::Status PipeState::WriteEnd(Side side) const {
  if (!aborted_[side].ok()) return aborted_[side];
  switch (Outbound(side).state) {
    case State::kOpen:
    case State::kBroken:
      break;
    case State::kEnded:
      return ClosedError("this end has shut down its writes");
    case State::kRefused:
      return ClosedError("the other end has shut down its reads");
  }
  return Outbound(side).reason;
}

void PipeState::Admit(Offer& offer, Direction& direction) const {
  const size_t limit = capacity_ != 0 ? capacity_ : direction.demand;
  const size_t queued = direction.queue.size();
  size_t n = offer.size - offer.accepted;
  if (queued >= limit) {
    n = 0;
  } else if (offer.strict || capacity_ == 0) {
    n = std::min(n, limit - queued);
  }
  if (n == 0) return;
  if (!offer.bytes.empty()) {
    direction.queue.Append(offer.bytes.substr(offer.accepted, n));
  } else if (n == offer.size) {
    direction.queue.Append(std::move(offer.buffer));
  } else {
    direction.queue.Append(offer.buffer.Subcord(offer.accepted, n));
    direction.has_a_part = true;
  }
  offer.accepted += n;
}

void PipeState::GiveUpOffer(Direction& direction) {
  const Offer* offer = std::exchange(direction.offer, nullptr);
  if (offer == nullptr || !offer->strict || !offer->bytes.empty()) return;
  // What the queue has of it must not keep the rest in memory.
  const size_t queued = std::min(offer->accepted, direction.queue.size());
  if (queued < offer->size / 2) direction.queue.CopyTail(queued);
}

absl::Status PipeState::EndWrite(Side side, const absl::Status& outcome,
                                 Wakes* wakes) {
  if (!aborted_[side].ok()) return aborted_[side];
  Move(Other(side), outcome.ok() ? State::kEnded : State::kBroken, outcome,
       wakes);
  const Direction& out = Outbound(side);
  return outcome.ok() ? out.reason : absl::OkStatus();
}

void PipeState::Refuse(Side side, absl::Cord* discarded, Wakes* wakes) {
  Move(side, State::kRefused, absl::OkStatus(), wakes);
  Inbound(side).unwanted = true;
  *discarded = Inbound(side).queue.TakeAll();
}

void PipeState::Abort(Side side, const absl::Status& reason,
                      absl::Cord* discarded, Wakes* wakes) {
  if (!aborted_[side].ok()) return;
  aborted_[side] = reason;
  Move(Other(side), State::kBroken, reason, wakes);
  if (Move(side, State::kBroken, reason, wakes)) {
    *discarded = Inbound(side).queue.TakeAll();
  }
}

bool PipeState::Move(Side reader, State state, const absl::Status& reason,
                     Wakes* wakes) {
  Direction& direction = Inbound(reader);
  if (direction.state != State::kOpen) return false;
  direction.state = state;
  direction.reason = reason;
  if (std::exchange(direction.demand, 0) != 0) *wakes |= Reader(reader);
  if (std::exchange(direction.offer, nullptr) != nullptr) {
    *wakes |= Writer(Other(reader));
  }
  if (std::exchange(direction.closer_waits, false)) *wakes |= Closer(reader);
  if (std::exchange(direction.watched, false)) *wakes |= Watcher(Other(reader));
  return true;
}

std::optional<absl::Status> PipeState::AwaitEnd(Side side) {
  if (!aborted_[side].ok()) return aborted_[side];
  Direction& in = Inbound(side);
  in.closer_waits = in.state == State::kOpen;
  if (in.closer_waits) return std::nullopt;
  return in.reason;
}

std::optional<absl::Status> PipeState::AwaitRefusal(Side side) {
  Direction& out = Outbound(side);
  out.watched = out.state == State::kOpen;
  if (out.watched) return std::nullopt;
  return WriteEnd(side);
}

void PipeState::Stop(Wakes calls) {
  for (Side side : {kLeft, kRight}) {
    if ((calls & Reader(side)) != 0) Inbound(side).demand = 0;
    if ((calls & Writer(side)) != 0) GiveUpOffer(Outbound(side));
    if ((calls & Closer(side)) != 0) Inbound(side).closer_waits = false;
    if ((calls & Watcher(side)) != 0) Outbound(side).watched = false;
  }
}

absl::Status PipeState::Leave(Side side, bool saw_all, absl::Cord* discarded,
                              Wakes* wakes) {
  Direction& in = Inbound(side);
  const absl::Status before =
      in.reason.ok() ? Outbound(side).reason : in.reason;
  const bool drained = in.unwanted || (saw_all && in.queue.empty());
  if (in.state == State::kEnded && !aborted_[side].ok() && !drained) {
    in.state = State::kBroken;
    in.reason = aborted_[side];
  }
  Move(side, State::kBroken,
       absl::AbortedError("the other end was closed before this one had ended"),
       wakes);
  *discarded = in.queue.TakeAll();
  return before;
}

std::string PipeState::DebugString() const {
  static constexpr absl::string_view kStates[] = {"open", "ended", "refused",
                                                  "broken"};
  std::string text;
  for (Side side : {kLeft, kRight}) {
    const Direction& in = directions_[side];
    absl::StrAppend(&text, "[", kStates[static_cast<int>(in.state)], " ",
                    in.reason.message(), ", queued ", in.queue.size());
    if (in.demand != 0) absl::StrAppend(&text, ", a read of ", in.demand);
    if (in.offer != nullptr) {
      absl::StrAppend(&text,
                      in.offer->strict ? ", a write of " : ", a buffer of ",
                      in.offer->size - in.offer->accepted);
    }
    absl::StrAppend(&text, in.closer_waits ? ", a close" : "",
                    in.watched ? ", a watcher" : "",
                    in.unwanted ? ", unwanted] " : "] ",
                    aborted_[side].message());
  }
  return text;
}

}  // namespace flow::internal
