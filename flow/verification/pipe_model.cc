// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/verification/pipe_model.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "flow/flow.h"

namespace flow::verification {
namespace {

using Outcome = PipeModel::Outcome;

Outcome WithBytes(Outcome outcome, size_t bytes) {
  outcome.bytes = bytes;
  return outcome;
}

}  // namespace

Outcome PipeModel::Outcome::Of(Kind kind, size_t bytes) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.bytes = bytes;
  return outcome;
}

Outcome PipeModel::Outcome::Reason(std::string reason) {
  Outcome outcome = Of(kReason);
  outcome.reason = std::move(reason);
  return outcome;
}

// --- Operations

// "Only a direction that had already broken keeps its own error", then the
// reason of Abort(), then Closed.
Outcome PipeModel::Known(const std::optional<Outcome>& first, int end) const {
  if (first.has_value() && first->kind != Outcome::kEof) return *first;
  if (ends_[end].aborted.has_value()) return *ends_[end].aborted;
  if (ends_[end].closed.has_value()) return Outcome::Of(Outcome::kClosed);
  return first.value_or(Outcome::Of(Outcome::kOk));
}

bool PipeModel::ReadIsDecided(int end) const {
  const End& e = ends_[end];
  return e.read_end.has_value() || e.aborted.has_value() ||
         e.closed.has_value() || e.refused;
}

bool PipeModel::WriteIsDecided(int end) const {
  const End& e = ends_[end];
  return e.write_error.has_value() || e.aborted.has_value() || e.ended;
}

bool PipeModel::Waits(int end, Call call) const {
  const End& e = ends_[end];
  switch (call) {
    case Call::kRead:
      return e.read.has_value();
    case Call::kWrite:
      return e.write.has_value();
    case Call::kClose:
      return e.close;
    case Call::kAwaitRefusal:
      break;
  }
  return e.await_refusal;
}

Outcome PipeModel::Read(int end, size_t max_bytes, std::vector<Ended>* ended) {
  End& e = ends_[end];
  if (ReadIsDecided(end)) {
    const Outcome known = Known(e.read_end, end);
    return known.kind == Outcome::kOk ? Outcome::Of(Outcome::kEof) : known;
  }
  if (e.read.has_value()) return Outcome::Of(Outcome::kBusy);
  e.read = max_bytes;
  Settle(ended);
  return Outcome::Of(Outcome::kWaits);
}

Outcome PipeModel::Write(int end, size_t size, bool cord,
                         std::vector<Ended>* ended) {
  End& e = ends_[end];
  if (WriteIsDecided(end)) {
    const Outcome known = Known(e.write_error, end);
    return known.kind == Outcome::kOk ? Outcome::Of(Outcome::kClosed) : known;
  }
  if (size == 0) return Outcome::Of(Outcome::kOk);
  if (e.write.has_value()) return Outcome::Of(Outcome::kBusy);
  e.write = WaitingWrite{size, cord, 0};
  Settle(ended);
  return Outcome::Of(Outcome::kWaits);
}

Outcome PipeModel::Shutdown(int end, ShutdownMode mode,
                            std::vector<Ended>* ended) {
  End& e = ends_[end];
  if (e.aborted.has_value()) return *e.aborted;
  Outcome result = Outcome::Of(Outcome::kOk);
  if (mode != ShutdownMode::kWrite) {
    if (!ReadIsDecided(end)) {
      e.refused = true;
      Move(in(end), Direction::kRefused, "");
      in(end).gone = in(end).accepted;
    }
    if (e.read_end.has_value() && e.read_end->kind == Outcome::kReason) {
      result = *e.read_end;
    }
  }
  if (mode != ShutdownMode::kRead) {
    if (!WriteIsDecided(end)) {
      e.ended = true;
      // A write under way ends the direction when it completes.
      if (!e.write.has_value()) SendEnd(end);
    }
    if (result.kind == Outcome::kOk && e.write_error.has_value()) {
      result = *e.write_error;
    }
  }
  Settle(ended);
  return result;
}

Outcome PipeModel::Close(int end, std::vector<Ended>* ended) {
  End& e = ends_[end];
  if (e.closed.has_value()) return *e.closed;
  if (e.close) return Outcome::Of(Outcome::kBusy);
  e.close = true;
  Shutdown(end, ShutdownMode::kWrite, ended);
  Settle(ended);
  return Outcome::Of(Outcome::kWaits);
}

Outcome PipeModel::AwaitRefusal(int end, std::vector<Ended>* ended) {
  // "What this end does ends it as well": it returns what a write would.
  if (WriteIsDecided(end)) return Write(end, /*size=*/0, /*cord=*/false, ended);
  ends_[end].await_refusal = true;
  Settle(ended);
  return Outcome::Of(Outcome::kWaits);
}

void PipeModel::Abort(int end, const std::string& reason,
                      std::vector<Ended>* ended) {
  if (ends_[end].aborted.has_value() || ends_[end].closed.has_value()) return;
  AbortBoth(end, Outcome::Reason(reason), reason);
  Settle(ended);
}

void PipeModel::Destroy(int end, std::vector<Ended>* ended) {
  Abort(end, kDestroyed, ended);
  Leave(end);
  ends_[end].destroyed = true;
  Settle(ended);
}

void PipeModel::PassDeadline(int end, Call call, std::vector<Ended>* ended) {
  End& e = ends_[end];
  switch (call) {
    case Call::kRead:
      e.read.reset();
      ended->push_back({end, call, Outcome::Of(Outcome::kLate)});
      break;
    case Call::kWrite:
      ended->push_back(
          {end, call, Outcome::Of(Outcome::kLate, e.write->accepted)});
      e.write.reset();
      if (e.ended) {
        // It was to end the direction, and has failed.
        e.write_error = Outcome::Reason(kCutWrite);
        Move(out(end), Direction::kBroken, e.write_error->reason);
      }
      break;
    case Call::kClose:
      e.close = false;
      e.closed = Outcome::Of(Outcome::kLate);
      ended->push_back({end, call, *e.closed});
      AbortBoth(end, Outcome::Of(Outcome::kClosed), kGaveUpClosing);
      // Otherwise the last call to return frees.
      if (!e.read && !e.write && !e.await_refusal) Leave(end);
      break;
    case Call::kAwaitRefusal:
      e.await_refusal = false;
      // The end of a write under way is not sent yet, but that is over here.
      ended->push_back({end, call,
                        Outcome::Of(WriteIsDecided(end) ? Outcome::kClosed
                                                        : Outcome::kLate)});
      break;
  }
  Settle(ended);
}

// --- Consequences

void PipeModel::Move(Direction& direction, Direction::State state,
                     const std::string& reason) {
  if (direction.state != Direction::kOpen) return;
  direction.state = state;
  direction.reason = reason;
}

void PipeModel::SendEnd(int end) {
  Move(out(end), Direction::kEnded, "");
  if (out(end).state == Direction::kBroken) {
    ends_[end].write_error = Outcome::Reason(out(end).reason);
  }
}

void PipeModel::AbortBoth(int end, Outcome local, const std::string& remote) {
  End& e = ends_[end];
  e.aborted = std::move(local);
  if (in(end).state == Direction::kOpen) in(end).gone = in(end).accepted;
  Move(in(end), Direction::kBroken, remote);
  Move(out(end), Direction::kBroken, remote);
}

// Everything of this end is freed, and what it did not read is lost.
void PipeModel::Leave(int end) {
  End& e = ends_[end];
  if (e.left) return;
  e.left = true;
  Direction& d = in(end);
  if (e.aborted.has_value() && d.state == Direction::kEnded &&
      d.queued() != 0) {
    d.state = Direction::kBroken;
    d.reason = e.aborted->kind == Outcome::kReason ? e.aborted->reason
                                                   : kGaveUpClosing;
  }
  d.gone = d.accepted;
}

void PipeModel::Settle(std::vector<Ended>* ended) {
  while (SettleOnce(ended)) {
  }
}

// Does one thing that can be done; false if there is none.
bool PipeModel::SettleOnce(std::vector<Ended>* ended) {
  for (int end : {0, 1}) {
    End& e = ends_[end];

    if (e.aborted.has_value() &&
        (e.read || e.write || e.close || e.await_refusal)) {
      // The last of the calls that an abort found under way frees.
      if (e.read) ended->push_back({end, Call::kRead, *e.aborted});
      if (e.write) {
        ended->push_back(
            {end, Call::kWrite, WithBytes(*e.aborted, e.write->accepted)});
      }
      if (e.close) {
        e.closed = *e.aborted;
        ended->push_back({end, Call::kClose, *e.closed});
      }
      if (e.await_refusal) {
        ended->push_back({end, Call::kAwaitRefusal, *e.aborted});
      }
      e.read.reset();
      e.write.reset();
      e.close = false;
      e.await_refusal = false;
      Leave(end);
      return true;
    }

    if (e.write.has_value()) {
      Direction& d = out(end);
      WaitingWrite& write = *e.write;
      if (d.state == Direction::kOpen) {
        const size_t rest = write.size - write.accepted;
        size_t n = 0;
        if (capacity_ == 0) {
          n = std::min(
              rest, ends_[1 - end].read.value_or(0) -
                        std::min(ends_[1 - end].read.value_or(0), d.queued()));
        } else if (d.queued() < capacity_) {
          n = write.cord ? rest : std::min(rest, capacity_ - d.queued());
        }
        write.accepted += n;
        d.accepted += n;
        if (write.accepted == write.size) {
          ended->push_back(
              {end, Call::kWrite, Outcome::Of(Outcome::kOk, write.size)});
          e.write.reset();
          if (e.ended) SendEnd(end);
          return true;
        }
        if (n != 0) return true;
      } else {
        e.write_error = d.state == Direction::kBroken
                            ? Outcome::Reason(d.reason)
                            : Outcome::Of(Outcome::kClosed);
        ended->push_back(
            {end, Call::kWrite, WithBytes(*e.write_error, write.accepted)});
        e.write.reset();
        return true;
      }
    }

    if (e.await_refusal && !e.write && out(end).state != Direction::kOpen) {
      e.await_refusal = false;
      const Direction& d = out(end);
      const Outcome outcome =
          WriteIsDecided(end) ? Write(end, /*size=*/0, /*cord=*/false, ended)
          : d.state == Direction::kBroken ? Outcome::Reason(d.reason)
                                          : Outcome::Of(Outcome::kClosed);
      ended->push_back({end, Call::kAwaitRefusal, outcome});
      return true;
    }

    if (e.read.has_value()) {
      Direction& d = in(end);
      if (d.queued() != 0) {
        const size_t n = std::min(*e.read, d.queued());
        d.gone += n;
        e.bytes_read += n;
        e.read.reset();
        ended->push_back({end, Call::kRead, Outcome::Of(Outcome::kData, n)});
        return true;
      }
      if (d.state != Direction::kOpen) {
        const Outcome outcome = d.state == Direction::kBroken
                                    ? Outcome::Reason(d.reason)
                                    : Outcome::Of(Outcome::kEof);
        if (!e.refused) e.read_end = outcome;
        e.read.reset();
        ended->push_back({end, Call::kRead, outcome});
        return true;
      }
    }

    if (e.close && !e.write && in(end).state != Direction::kOpen) {
      e.close = false;
      Leave(end);
      e.closed = Outcome::Of(Outcome::kOk);
      if (out(end).state == Direction::kBroken) {
        e.closed = Outcome::Reason(out(end).reason);
      }
      if (in(end).state == Direction::kBroken) {
        e.closed = Outcome::Reason(in(end).reason);
      }
      if (e.write_error.has_value()) e.closed = e.write_error;
      ended->push_back({end, Call::kClose, *e.closed});
      return true;
    }
  }
  return false;
}

// --- Texts

std::string PipeModel::Outcome::ToString() const {
  static constexpr const char* kNames[] = {
      "Ok", "data", "end-of-file", "Closed", "error", "late", "busy", "waits"};
  std::string text = kNames[kind];
  if (bytes != 0) absl::StrAppend(&text, " ", bytes, " bytes");
  if (!reason.empty()) absl::StrAppend(&text, " (", reason, ")");
  return text;
}

std::string PipeModel::Key() const {
  std::string key;
  const auto add = [&key](const std::optional<Outcome>& outcome) {
    absl::StrAppend(&key, outcome.has_value() ? outcome->ToString() : "-", ",");
  };
  for (int end : {0, 1}) {
    const Direction& d = directions_[end];
    const End& e = ends_[end];
    absl::StrAppend(&key, d.state, d.reason, ":", d.queued(), ";");
    absl::StrAppend(&key, e.read.value_or(0), ",",
                    e.write ? e.write->size - e.write->accepted : 0, ",",
                    e.write ? e.write->accepted : 0, e.write && e.write->cord,
                    e.close, e.await_refusal, e.refused, e.ended, e.left,
                    e.destroyed);
    add(e.read_end);
    add(e.write_error);
    add(e.aborted);
    add(e.closed);
  }
  return key;
}

std::string PipeModel::Directions() const {
  static constexpr const char* kNames[] = {"open", "ended", "refused",
                                           "broken"};
  return absl::StrCat(kNames[directions_[1].state], "/",
                      kNames[directions_[0].state]);
}

}  // namespace flow::verification
