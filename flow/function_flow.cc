// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/function_flow.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/compact.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gather.h"
#include "flow/status.h"

namespace flow {
namespace {

// Calls a function of the user. An exception that left it would leave the flow
// taken for ever, so it ends the program here, where the cause is on the stack.
template <typename Function, typename... Args>
auto Call(Function& function, Args&&... args) noexcept {
  return function(std::forward<Args>(args)...);
}

absl::Status Missing(absl::string_view which) {
  return absl::InvalidArgumentError(
      absl::StrCat("the ", which, " function is empty (a null pointer?)"));
}

// Shows bytes to an output by the byte, and counts what it takes. Small pieces
// of a list are gathered, since a call of the output often costs more than
// copying them (it may be a system call); large ones are shown where they are.
class Consumer {
 public:
  using Function =
      absl::AnyInvocable<absl::StatusOr<size_t>(absl::Span<const char>)>;

  // What is taken is added to `*accepted`. Stops when `aborted`.
  Consumer(Function& consume, const std::atomic<bool>& aborted,
           size_t* accepted)
      : consume_(consume), aborted_(aborted), accepted_(accepted) {}

  // Shows `bytes` until all of them are taken.
  absl::Status Consume(absl::string_view bytes) {
    while (!bytes.empty()) {
      if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
        return absl::AbortedError("aborted");
      }
      const absl::StatusOr<size_t> taken =
          Call(consume_, absl::MakeConstSpan(bytes.data(), bytes.size()));
      if (ABSL_PREDICT_FALSE(!taken.ok())) return taken.status();
      if (ABSL_PREDICT_FALSE(*taken == 0)) {
        return ClosedError("the output takes no more");
      }
      if (ABSL_PREDICT_FALSE(*taken > bytes.size())) {
        return absl::InternalError(
            absl::StrCat("the output function was shown ", bytes.size(),
                         " bytes and claims to have taken ", *taken));
      }
      *accepted_ += *taken;
      bytes.remove_prefix(*taken);
    }
    return absl::OkStatus();
  }

  // Consumes `piece` after all that was added before, or keeps it for Flush().
  absl::Status Add(absl::string_view piece) {
    if (ABSL_PREDICT_FALSE(piece.size() > sizeof(gathered_) - used_ ||
                           piece.size() > internal::kMaxCopied)) {
      if (absl::Status status = Flush(); !status.ok()) return status;
      if (piece.size() > internal::kMaxCopied) return Consume(piece);
    }
    if (!piece.empty())
      std::memcpy(gathered_ + used_, piece.data(), piece.size());
    used_ += piece.size();
    return absl::OkStatus();
  }

  // Consumes what was kept.
  absl::Status Flush() {
    return Consume(
        absl::string_view(gathered_, std::exchange(used_, size_t{0})));
  }

 private:
  Function& consume_;
  const std::atomic<bool>& aborted_;
  size_t* const accepted_;
  size_t used_ = 0;
  char gathered_[4096];
};

}  // namespace

// The base calls the hooks such that nothing here needs a lock.
class FunctionFlow final : public Flow {
 public:
  explicit FunctionFlow(FunctionFlowOptions options)
      : name_(std::move(options.name)),
        input_(std::move(options.input)),
        output_(std::move(options.output)),
        close_(std::move(options.close)) {}

  ~FunctionFlow() override { Destroy(); }

 private:
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
    if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
      return absl::AbortedError("aborted");
    }
    if (!pending_.empty()) return TakePending(max_bytes);
    if (auto* next = std::get_if<Input::BuffersFunction>(&input_.function_)) {
      if (*next == nullptr) return Missing("input");
      absl::StatusOr<absl::Cord> buffer = Call(*next);
      if (ABSL_PREDICT_TRUE(!buffer.ok() || buffer->size() <= max_bytes)) {
        return buffer;
      }
      pending_ = *std::move(buffer);
      return TakePending(max_bytes);
    }
    if (auto* fill = std::get_if<Input::BytesFunction>(&input_.function_)) {
      if (*fill == nullptr) return Missing("input");
      return Fill(*fill, max_bytes);
    }
    return absl::Cord();
  }

  absl::Cord TakePending(size_t max_bytes) {
    absl::Cord front = pending_.Subcord(0, max_bytes);
    pending_.RemovePrefix(front.size());
    return internal::Compact(std::move(front));
  }

  absl::StatusOr<absl::Cord> Fill(Input::BytesFunction& fill,
                                  size_t max_bytes) {
    const std::optional<absl::Span<char>> space = fill_buffer_.Space(max_bytes);
    if (ABSL_PREDICT_FALSE(!space.has_value())) {
      return internal::FillBuffer::NoMemory();
    }
    const absl::StatusOr<size_t> filled =
        Call(fill, absl::MakeSpan(space->data(), space->size()));
    if (ABSL_PREDICT_FALSE(!filled.ok())) {
      fill_buffer_.Drop();
      return filled.status();
    }
    if (ABSL_PREDICT_FALSE(*filled > space->size())) {
      fill_buffer_.Drop();
      return absl::InternalError(
          absl::StrCat("the input function was given ", space->size(),
                       " bytes to fill and claims to have filled ", *filled));
    }
    return fill_buffer_.Take(*filled);
  }

  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) override {
    if (auto* take = std::get_if<Output::BuffersFunction>(&output_.function_)) {
      if (*take == nullptr) return Missing("output");
      if (ABSL_PREDICT_FALSE(aborted_.load(std::memory_order_relaxed))) {
        return absl::AbortedError("aborted");
      }
      return Call(*take, std::move(buffer));
    }
    return DoWritev(absl::MakeConstSpan(&buffer, 1), accepted);
  }

  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) override {
    if (takes_buffers()) {
      return GatherAndTake(absl::MakeConstSpan(&buffer, 1), accepted);
    }
    absl::StatusOr<Output::BytesFunction*> consume = OutputByTheByte();
    if (!consume.ok()) return std::move(consume).status();
    return Consumer(**consume, aborted_, accepted).Consume(buffer);
  }

  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) override {
    if (takes_buffers()) {
      for (const absl::Cord& buffer : buffers) {
        if (buffer.empty()) continue;
        absl::Status status = DoWrite(buffer, accepted);
        if (ABSL_PREDICT_FALSE(!status.ok())) return status;
        *accepted += buffer.size();
      }
      return absl::OkStatus();
    }
    absl::StatusOr<Output::BytesFunction*> consume = OutputByTheByte();
    if (!consume.ok()) return std::move(consume).status();
    Consumer consumer(**consume, aborted_, accepted);
    for (const absl::Cord& buffer : buffers) {
      for (absl::string_view chunk : buffer.Chunks()) {
        absl::Status status = consumer.Add(chunk);
        if (ABSL_PREDICT_FALSE(!status.ok())) return status;
      }
    }
    return consumer.Flush();
  }

  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) override {
    if (takes_buffers()) return GatherAndTake(buffers, accepted);
    absl::StatusOr<Output::BytesFunction*> consume = OutputByTheByte();
    if (!consume.ok()) return std::move(consume).status();
    Consumer consumer(**consume, aborted_, accepted);
    for (absl::string_view buffer : buffers) {
      absl::Status status = consumer.Add(buffer);
      if (ABSL_PREDICT_FALSE(!status.ok())) return status;
    }
    return consumer.Flush();
  }

  bool takes_buffers() const {
    return std::holds_alternative<Output::BuffersFunction>(output_.function_);
  }

  absl::StatusOr<Output::BytesFunction*> OutputByTheByte() {
    auto* consume = std::get_if<Output::BytesFunction>(&output_.function_);
    if (consume == nullptr) return ClosedError("this flow has no output");
    if (*consume == nullptr) return Missing("output");
    return consume;
  }

  // Copies borrowed buffers, which a Cord must own, together into whole blocks,
  // and hands each block over when it is full, so that memory stays bounded.
  absl::Status GatherAndTake(absl::Span<const absl::string_view> buffers,
                             size_t* accepted) {
    for (internal::Gatherer gatherer(buffers); gatherer.remaining() > 0;) {
      absl::Cord buffer = gatherer.Take(internal::kMaxBlock);
      const size_t size = buffer.size();
      absl::Status status = DoWrite(std::move(buffer), accepted);
      if (!status.ok()) return status;
      *accepted += size;
    }
    return absl::OkStatus();
  }

  absl::Status DoEndWrite(const absl::Status& outcome) override {
    if (!outcome.ok() || aborted_.load() || !output_.end_) {
      return absl::OkStatus();
    }
    return Call(output_.end_);
  }

  void DoAbort(const absl::Status&) override { aborted_.store(true); }

  absl::Status DoFree() override {
    absl::Status status = close_ ? Call(close_) : absl::OkStatus();
    input_ = Input();
    output_ = Output();
    close_ = EndFunction();
    pending_.Clear();
    fill_buffer_.Drop();
    return status;
  }

  std::string DoDescribe() const override {
    return name_.empty() ? "function flow"
                         : absl::StrCat("function flow \"", name_, "\"");
  }

  const std::string name_;

  // Reading.
  Input input_;
  absl::Cord pending_;  // what is left of a buffer larger than asked for
  internal::FillBuffer fill_buffer_;

  // Writing.
  Output output_;

  EndFunction close_;

  // No function begins any more (but for `close_`).
  std::atomic<bool> aborted_{false};
};

std::unique_ptr<Flow> MakeFunctionFlow(FunctionFlowOptions options) {
  return std::make_unique<FunctionFlow>(std::move(options));
}

}  // namespace flow
