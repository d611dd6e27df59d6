// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/flow_state.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace flow::internal {

// --- Making

FlowState FlowState::Joined(const FlowState& in, const FlowState& out) {
  FlowState state;
  state.read_ = in.read_;
  state.in_ = in.in_;
  state.in_error_ = in.in_error_;
  state.write_ = out.write_;
  state.out_ = out.out_;
  state.out_error_ = out.out_error_;
  state.end_requested_ = out.end_requested_;
  state.end_sent_ = out.end_sent_;
  const FlowState& aborted = in.aborted() ? in : out;
  if (aborted.aborted()) {
    state.abort_reason_ = aborted.abort_reason_;
    state.remote_reason_ = aborted.remote_reason_;
    state.read_.Shut();
    state.write_.Shut();
  }
  return state;
}

FlowState FlowState::OfNothing() {
  FlowState state;
  state.read_.Shut();
  state.in_ = Direction::kRefused;
  state.write_.Shut();
  state.out_ = Direction::kEnded;
  state.end_requested_ = true;
  state.end_sent_ = true;
  return state;
}

// --- Calls

std::optional<FlowState::Answer> FlowState::FinishRead(
    size_t size, const absl::Status& error, bool passes) {
  // The outcome was decided meanwhile; what came too late is discarded.
  if (aborted() || in_ != Direction::kOpen) return ReadAnswer();
  if (!error.ok()) {
    if (!passes && !absl::IsDeadlineExceeded(error)) {
      Break(in_, in_error_, read_, error);
      // Close() may wait for this direction to be over, and now it is.
      refuse_due_ = closing_;
    }
  } else if (!passes && size == 0) {
    in_ = Direction::kEnded;
    read_.Shut();
  } else if (!passes) {
    read_.Count(size);
  }
  return std::nullopt;
}

void FlowState::EndRead() {
  read_.ForceGive();
  Advance();
}

FlowState::Answer FlowState::FinishWrite(size_t accepted,
                                         const absl::Status& status,
                                         const absl::Status& cut) {
  write_.Count(accepted);
  if (aborted()) return WriteAnswer();
  if (status.ok()) return {};
  if (!absl::IsDeadlineExceeded(status)) {
    Break(out_, out_error_, write_, status);
  } else if (end_requested_) {
    // The rest will never come, so the end must not look like one.
    Break(out_, out_error_, write_, cut);
  }
  return {Answer::kError, status};
}

void FlowState::EndWrite() {
  write_.ForceGive();
  end_due_ = !aborted() && (end_requested_ || out_ == Direction::kBroken);
  Advance();
}

FlowState::Answer FlowState::ReadAnswer() const {
  if (in_ == Direction::kBroken) return {Answer::kError, in_error_};
  if (aborted()) return {Answer::kError, abort_reason_};
  // Still open, yet over: Close() is about to free.
  if (closed_.has_value() || in_ == Direction::kOpen) {
    return {Answer::kClosed, absl::OkStatus()};
  }
  return {};
}

FlowState::Answer FlowState::WriteAnswer() const {
  if (out_ == Direction::kBroken) return {Answer::kError, out_error_};
  if (aborted()) return {Answer::kError, abort_reason_};
  return {Answer::kClosed, absl::OkStatus()};
}

// --- Moves

void FlowState::Break(Direction& direction, absl::Status& kept, Gate& gate,
                      const absl::Status& error) {
  direction = Direction::kBroken;
  kept = error;
  gate.Shut();
}

void FlowState::RefuseRead() {
  if (aborted() || freed_ || in_ != Direction::kOpen) return;
  in_ = Direction::kRefused;
  read_.Shut();
  refuse_due_ = true;
}

void FlowState::RequestEnd() {
  if (aborted() || end_requested_ || out_ != Direction::kOpen) return;
  end_requested_ = true;
  const bool busy = write_.Shut();
  // A write that is under way sends the end when it is done.
  end_due_ = !busy;
}

void FlowState::Abort(const absl::Status& reason) {
  // The result of Close() is known only then.
  if (aborted() || freed_) return;
  AbortBoth(reason, reason);
}

void FlowState::AbortBoth(const absl::Status& local,
                          const absl::Status& remote) {
  abort_reason_ = local;
  remote_reason_ = remote;
  read_.Shut();
  write_.Shut();
  // A clean end must not follow, and nothing is waited for.
  end_due_ = false;
  refuse_due_ = false;
  if (await_ == Await::kDue) await_ = Await::kDone;
  // The last call under way frees, if there is one and nobody waits for it.
  if (!idle()) free_when_idle_ = true;
  abort_due_ = true;
  if (closing_) Latch(local);
}

void FlowState::ReopenRead() {
  in_ = Direction::kOpen;
  in_error_ = absl::OkStatus();
  read_.Reopen();
}

void FlowState::BeginClose(bool patient, bool ends_early, bool blocks) {
  closing_ = true;
  end_is_for_closer_ = !blocks;
  ends_early_ = ends_early;
  arrives_ = !patient;
  RequestEnd();
  // A direction that broke has told its end already.
  if (aborted()) Latch(abort_reason_);
  Advance();
}

void FlowState::Arrive() {
  arrives_ = true;
  Advance();
}

void FlowState::GiveUpClose(const absl::Status& result,
                            const absl::Status& local,
                            const absl::Status& remote) {
  if (closed_.has_value()) return;
  if (aborted()) return Latch(abort_reason_);
  // All is done except the clean-up, which nothing can interrupt.
  if (freed_) return;
  closed_ = result;
  AbortBoth(local, remote);
  Latch(result);
}

absl::Status FlowState::CloseInside(const absl::Status& error) {
  if (freed_) return error;
  if (!aborted()) {
    closed_ = error;
    AbortBoth(error, error);
  }
  Latch(abort_reason_);
  return *closed_;
}

void FlowState::Destroy(const absl::Status& reason) {
  if (!aborted() && !closed_.has_value()) AbortBoth(reason, reason);
  free_when_idle_ = true;
  Advance();
}

// The way out of every Close(): its result is that of the first, and what is
// not freed yet will be as soon as no call is under way.
void FlowState::Latch(const absl::Status& result) {
  if (!closed_.has_value()) closed_ = result;
  free_when_idle_ = true;
  Advance();
}

void FlowState::Advance() {
  if (closing_ && !closed_.has_value() && end_sent_ && !write_.busy()) {
    if (await_ == Await::kNotYet) {
      const bool waits = in_ == Direction::kOpen || in_ == Direction::kRefused;
      const bool ended_early = ends_early_ && in_ == Direction::kEnded;
      await_ = waits || ended_early ? Await::kDue : Await::kDone;
    }
    if (await_ == Await::kDone && arrives_) {
      read_.Shut();
      if (!freed_ && idle()) {
        freed_ = true;
        free_due_ = true;
        free_is_for_closer_ = true;
      }
    }
  }
  if (free_when_idle_ && !freed_ && keeps_ == 0 && idle()) {
    freed_ = true;
    free_due_ = true;
  }
}

// --- What is due

FlowState::Due FlowState::TakeDue(bool closer) {
  Due due;
  if (std::exchange(refuse_due_, false)) {
    due.hook = Hook::kRefuseRead;
  } else if (end_due_ && (closer || !end_is_for_closer_)) {
    end_due_ = false;
    due = {Hook::kEndWrite, out_error_};
  } else if (std::exchange(abort_due_, false)) {
    due = {Hook::kAbort, remote_reason_};
  } else if (free_due_ && (closer || !free_is_for_closer_)) {
    free_due_ = false;
    due.hook = Hook::kFree;
  } else if (closer && await_ == Await::kDue) {
    await_ = Await::kRunning;
    due.hook = Hook::kAwaitRemoteEnd;
  } else {
    return due;
  }
  ++running_;
  return due;
}

void FlowState::Finish(Hook hook, const absl::Status& status) {
  --running_;
  switch (hook) {
    case Hook::kEndWrite:
      end_sent_ = true;
      // The first move wins.
      if (aborted() || out_ != Direction::kOpen) break;
      if (status.ok()) {
        out_ = Direction::kEnded;
      } else {
        Break(out_, out_error_, write_, status);
      }
      break;
    case Hook::kAwaitRemoteEnd:
      await_ = Await::kDone;
      remote_error_ = status;
      break;
    case Hook::kFree:
      // After an abort nobody may have called Close() yet.
      if (closed_.has_value() || aborted()) break;
      for (const absl::Status& error :
           {out_error_, in_error_, remote_error_, status}) {
        if (!error.ok()) return Latch(error);
      }
      return Latch(absl::OkStatus());
    default:
      break;
  }
  Advance();
}

void FlowState::EndToKeep() {
  --keeps_;
  Advance();
}

void FlowState::EndOther() {
  --running_;
  Advance();
}

// --- Questions

bool FlowState::idle() const {
  return !read_.busy() && !write_.busy() && running_ == 0 && !refuse_due_ &&
         !end_due_ && !abort_due_;
}

FlowState::ClosePhase FlowState::close_phase() const {
  if (!closing_ || closed_.has_value() || free_due_ || await_ == Await::kDue ||
      (end_due_ && end_is_for_closer_)) {
    return ClosePhase::kNothing;
  }
  if (!end_sent_ || write_.busy()) return ClosePhase::kSignal;
  if (await_ == Await::kRunning) return ClosePhase::kRemote;
  if (!arrives_) return ClosePhase::kTransit;
  return ClosePhase::kCalls;
}

std::string FlowState::DebugString() const {
  static constexpr absl::string_view kDirections[] = {"open", "ended",
                                                      "refused", "broken"};
  static constexpr absl::string_view kAwaits[] = {
      "", ", remote: due", ", remote: awaited", ", remote: over"};
  std::string text;
  const auto add = [&text](bool is_so, absl::string_view what,
                           absl::string_view more = "") {
    if (is_so) absl::StrAppend(&text, ", ", what, more);
  };
  absl::StrAppend(&text, "[in: ", kDirections[static_cast<int>(in_)]);
  add(!in_error_.ok(), "", in_error_.message());
  add(read_.busy(), "busy");
  add(read_.shut(), "shut");
  absl::StrAppend(&text, "; out: ", kDirections[static_cast<int>(out_)]);
  add(!out_error_.ok(), "", out_error_.message());
  add(write_.busy(), "busy");
  add(write_.shut(), "shut");
  add(end_requested_, "end requested");
  add(end_sent_, "end sent");
  add(aborted(), "aborted: ", abort_reason_.message());
  add(aborted(), "for the remote: ", remote_reason_.message());
  add(closing_, "closing");
  absl::StrAppend(&text, kAwaits[static_cast<int>(await_)]);
  add(!arrives_, "patient");
  add(!remote_error_.ok(), "remote: ", remote_error_.message());
  add(closed_.has_value(),
      "closed: ", closed_.has_value() ? closed_->message() : "");
  add(free_when_idle_, "free when idle");
  add(freed_, "freed");
  add(refuse_due_, "refusal due");
  add(end_due_, "end due");
  add(end_is_for_closer_, "end by the closer");
  add(abort_due_, "abort due");
  add(free_due_, "free due");
  add(free_is_for_closer_, "by the closer");
  absl::StrAppend(&text, ", running ", running_, "]");
  return text;
}

}  // namespace flow::internal
