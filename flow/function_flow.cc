// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/function_flow.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/base/optimization.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/call_function.h"
#include "flow/internal/compact.h"
#include "flow/internal/consume.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gather.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using ::flow::internal::CallFunction;

absl::Status Missing(absl::string_view which) {
  return absl::InvalidArgumentError(
      absl::StrCat("the ", which, " function is empty (a null pointer?)"));
}

}  // namespace

// The Flow calls the functions such that nothing here needs a lock.
class FunctionTransport final : public Transport {
 public:
  explicit FunctionTransport(FunctionFlowOptions options)
      : name_(std::move(options.name)),
        input_(std::move(options.input)),
        output_(std::move(options.output)),
        close_(std::move(options.close)),
        interrupt_(std::move(options.interrupt)) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
      return absl::AbortedError("aborted");
    }
    if (!pending_.empty()) return TakePending(max_bytes);
    if (auto* next = std::get_if<Input::BuffersFunction>(&input_.function_)) {
      if (*next == nullptr) return Missing("input");
      absl::StatusOr<absl::Cord> buffer = CallFunction(*next, max_bytes);
      if (ABSL_PREDICT_TRUE(!buffer.ok() || buffer->size() <= max_bytes)) {
        return buffer;
      }
      SetPending(*std::move(buffer));
      return TakePending(max_bytes);
    }
    if (auto* fill = std::get_if<Input::BytesFunction>(&input_.function_)) {
      if (*fill == nullptr) return Missing("input");
      return Fill(*fill, max_bytes);
    }
    return absl::Cord();
  }

  absl::StatusOr<size_t> ReadInto(absl::Span<char> space) override {
    if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
      return absl::AbortedError("aborted");
    }
    if (auto* fill = std::get_if<Input::BytesFunction>(&input_.function_)) {
      if (*fill == nullptr) return Missing("input");
      return FillSpace(*fill, space);
    }
    auto* next = std::get_if<Input::BuffersFunction>(&input_.function_);
    if (next == nullptr) return size_t{0};
    if (*next == nullptr) return Missing("input");
    if (pending_.empty()) {
      absl::StatusOr<absl::Cord> buffer = CallFunction(*next, space.size());
      if (!buffer.ok()) return buffer.status();
      SetPending(*std::move(buffer));
    }
    return CopyPending(space);
  }

  absl::Status Write(Outgoing& data) override {
    if (auto* take = std::get_if<Output::BuffersFunction>(&output_.function_)) {
      if (*take == nullptr) return Missing("output");
      if (ABSL_PREDICT_TRUE(data.is_one() && !data.is_borrowed())) {
        return TakeOne(*take, data.TakeCord(), data);
      }
      return TakeAll(*take, data);
    }
    if (auto* lists = std::get_if<Output::ListsFunction>(&output_.function_)) {
      if (*lists == nullptr) return Missing("output");
      return internal::ConsumeLists(*lists, aborted_, data);
    }
    auto* consume = std::get_if<Output::BytesFunction>(&output_.function_);
    if (consume == nullptr) return ClosedError("this flow has no output");
    if (*consume == nullptr) return Missing("output");
    if (ABSL_PREDICT_TRUE(data.is_one() && data.is_borrowed())) {
      return internal::ConsumeBytes(*consume, aborted_, data.bytes(), data);
    }
    return internal::ConsumePieces(*consume, aborted_, data);
  }

  absl::Status EndWrite(const absl::Status& outcome,
                        absl::Time deadline) override {
    if (!outcome.ok()) {
      Interrupt(Interruption::Cause::kBroken, absl::InfiniteFuture(), outcome);
    }
    if (!outcome.ok() || aborted_.load() || !output_.end_) {
      return absl::OkStatus();
    }
    Interrupt(Interruption::Cause::kEndDeadline, deadline, absl::OkStatus());
    // It may have aborted the flow, as any thread may.
    return aborted_.load() ? absl::OkStatus() : CallFunction(output_.end_);
  }

  void RefuseRead() override {
    Interrupt(Interruption::Cause::kRefuse, absl::InfiniteFuture(),
              absl::OkStatus());
  }

  void Abort(const absl::Status& reason) override {
    aborted_.store(true);
    Interrupt(Interruption::Cause::kAbort, absl::InfiniteFuture(), reason);
  }

  void SetReadDeadline(absl::Time deadline) override {
    Interrupt(Interruption::Cause::kReadDeadline, deadline, absl::OkStatus());
  }

  void SetWriteDeadline(absl::Time deadline) override {
    Interrupt(Interruption::Cause::kWriteDeadline, deadline, absl::OkStatus());
  }

  absl::Status Free() override {
    absl::Status status = close_ ? CallFunction(close_) : absl::OkStatus();
    input_ = Input();
    output_ = Output();
    close_ = EndFunction();
    interrupt_ = nullptr;
    SetPending(absl::Cord());
    fill_buffer_.Drop();
    return status;
  }

  std::string Describe() const override {
    return name_.empty() ? "function flow"
                         : absl::StrCat("function flow \"", name_, "\"");
  }

 private:
  void Interrupt(Interruption::Cause cause, absl::Time deadline,
                 const absl::Status& reason) {
    if (interrupt_ == nullptr) return;
    CallFunction(interrupt_, Interruption{cause, deadline, reason});
  }

  void SetPending(absl::Cord buffer) {
    pending_ = std::move(buffer);
    pending_left_ = pending_.size();
    BeginPending();
  }

  void BeginPending() {
    next_ = pending_.char_begin();
    first_chunk_ =
        pending_left_ == 0 ? 0 : absl::Cord::ChunkRemaining(next_).size();
  }

  absl::Cord TakePending(size_t max_bytes) {
    const size_t size = std::min(max_bytes, pending_left_);
    absl::Cord front = absl::Cord::AdvanceAndRead(&next_, size);
    DropTaken(size);
    return internal::Compact(std::move(front));
  }

  size_t CopyPending(absl::Span<char> space) {
    const size_t size = std::min(space.size(), pending_left_);
    for (size_t copied = 0; copied < size;) {
      const absl::string_view piece =
          absl::Cord::ChunkRemaining(next_).substr(0, size - copied);
      std::memcpy(space.data() + copied, piece.data(), piece.size());
      absl::Cord::Advance(&next_, piece.size());
      copied += piece.size();
    }
    DropTaken(size);
    return size;
  }

  // `size` bytes more were taken. Gives up the chunks that are used up, many at
  // a time, because it costs much to take from the front of a Cord.
  void DropTaken(size_t size) {
    pending_left_ -= size;
    const size_t taken = pending_.size() - pending_left_;
    if (pending_left_ > 0 &&
        taken < std::max(first_chunk_, internal::kMaxBlock)) {
      return;
    }
    pending_.RemovePrefix(taken);
    BeginPending();
  }

  absl::StatusOr<absl::Cord> Fill(Input::BytesFunction& fill,
                                  size_t max_bytes) {
    const std::optional<absl::Span<char>> space = fill_buffer_.Space(max_bytes);
    if (ABSL_PREDICT_FALSE(!space.has_value())) {
      return internal::FillBuffer::NoMemory();
    }
    const absl::StatusOr<size_t> filled = FillSpace(fill, *space);
    if (ABSL_PREDICT_FALSE(!filled.ok())) {
      fill_buffer_.Drop();
      return filled.status();
    }
    return fill_buffer_.Take(*filled);
  }

  absl::StatusOr<size_t> FillSpace(Input::BytesFunction& fill,
                                   absl::Span<char> space) {
    absl::StatusOr<size_t> filled = CallFunction(fill, space);
    if (ABSL_PREDICT_FALSE(filled.ok() && *filled > space.size())) {
      return absl::InternalError(
          absl::StrCat("the input function was given ", space.size(),
                       " bytes to fill and claims to have filled ", *filled));
    }
    return filled;
  }

  // Hands each Cord over as it is. Borrowed buffers, which a Cord must own, are
  // copied together into whole blocks, and each block is handed over when it is
  // full, so that memory stays bounded.
  absl::Status TakeAll(Output::BuffersFunction& take, Outgoing& data) {
    for (size_t i = 0; i < data.count();) {
      const size_t first = i++;
      if (!data[first].is_borrowed()) {
        absl::Status status = TakeOne(take, data[first].TakeCord(), data);
        if (ABSL_PREDICT_FALSE(!status.ok())) return status;
        continue;
      }
      while (i < data.count() && data[i].is_borrowed()) ++i;
      for (internal::Gatherer gatherer(data, first, i);
           gatherer.remaining() > 0;) {
        absl::Status status =
            TakeOne(take, gatherer.Take(internal::kMaxBlock), data);
        if (!status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeOne(Output::BuffersFunction& take, absl::Cord&& buffer,
                       Outgoing& data) {
    if (buffer.empty()) return absl::OkStatus();
    if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
      return absl::AbortedError("aborted");
    }
    const size_t size = buffer.size();
    absl::Status status = CallFunction(take, std::move(buffer));
    if (ABSL_PREDICT_TRUE(status.ok())) data.Accept(size);
    return status;
  }

  const std::string name_;

  // Reading.
  Input input_;
  absl::Cord
      pending_;  // a buffer larger than asked for, and what is left of it
  absl::Cord::CharIterator next_;
  size_t pending_left_ = 0;
  size_t first_chunk_ = 0;  // the size of that at the front of pending_
  internal::FillBuffer fill_buffer_;

  // Writing.
  Output output_;

  EndFunction close_;
  std::function<void(const Interruption&)> interrupt_;

  // No function begins any more, except `close_`.
  std::atomic<bool> aborted_{false};
};

std::unique_ptr<Flow> MakeFunctionFlow(FunctionFlowOptions options) {
  return MakeFlow(std::make_unique<FunctionTransport>(std::move(options)));
}

std::unique_ptr<Flow> MakeInputFlow(Input input) {
  FunctionFlowOptions options;
  options.input = std::move(input);
  return MakeFunctionFlow(std::move(options));
}

std::unique_ptr<Flow> MakeOutputFlow(Output output) {
  FunctionFlowOptions options;
  options.output = std::move(output);
  return MakeFunctionFlow(std::move(options));
}

}  // namespace flow
