// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/function_flow.h"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/buffer_size.h"
#include "flow/internal/compact.h"
#include "flow/internal/fill_buffer.h"
#include "flow/internal/gather.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

// Calls a function of the user. An exception that left it would leave the flow
// busy forever, so it ends the program here, where the cause is on the stack.
template <typename Function, typename... Args>
auto Call(Function& function, Args&&... args) noexcept {
  return function(std::forward<Args>(args)...);
}

absl::Status Missing(absl::string_view which) {
  return absl::InvalidArgumentError(
      absl::StrCat("the ", which, " function is empty (a null pointer?)"));
}

using ConsumeFunction =
    absl::AnyInvocable<absl::StatusOr<size_t>(absl::Span<const char>)>;

// Shows `bytes` to an output by the byte until all of them are taken, and
// accepts in `data` what is taken. Stops when `aborted`.
ABSL_ATTRIBUTE_NOINLINE absl::Status ConsumeByParts(
    ConsumeFunction& consume, const std::atomic<bool>& aborted,
    absl::string_view bytes, Outgoing& data, absl::StatusOr<size_t> taken) {
  while (true) {
    if (!taken.ok()) return std::move(taken).status();
    if (*taken == 0) return ClosedError("the output takes no more");
    if (*taken > bytes.size()) {
      return absl::InternalError(
          absl::StrCat("the output function was shown ", bytes.size(),
                       " bytes and claims to have taken ", *taken));
    }
    data.Accept(*taken);
    bytes.remove_prefix(*taken);
    if (bytes.empty()) return absl::OkStatus();
    if (aborted.load(std::memory_order_relaxed)) {
      return absl::AbortedError("aborted");
    }
    taken = Call(consume, absl::MakeConstSpan(bytes.data(), bytes.size()));
  }
}

// The same, and quickly if all are taken at once.
inline absl::Status Consume(ConsumeFunction& consume,
                            const std::atomic<bool>& aborted,
                            absl::string_view bytes, Outgoing& data) {
  if (ABSL_PREDICT_FALSE(bytes.empty())) return absl::OkStatus();
  if (ABSL_PREDICT_FALSE(aborted.load(std::memory_order_relaxed))) {
    return absl::AbortedError("aborted");
  }
  absl::StatusOr<size_t> taken =
      Call(consume, absl::MakeConstSpan(bytes.data(), bytes.size()));
  if (ABSL_PREDICT_TRUE(taken.ok() && *taken == bytes.size())) {
    data.Accept(*taken);
    return absl::OkStatus();
  }
  return ConsumeByParts(consume, aborted, bytes, data, std::move(taken));
}

// Consumes the pieces of a list. Small ones are gathered, since a call of the
// output often costs more than copying them (it may be a system call); large
// ones are shown where they are.
class Consumer {
 public:
  Consumer(ConsumeFunction& consume, const std::atomic<bool>& aborted,
           Outgoing& data)
      : consume_(consume), aborted_(aborted), data_(data) {}

  // Whether a piece of `size` bytes can be kept for Flush().
  bool Fits(size_t size) const {
    return size <= internal::kMaxCopied && size <= sizeof(gathered_) - used_;
  }
  void Keep(absl::string_view piece) {
    if (piece.empty()) return;
    std::memcpy(gathered_ + used_, piece.data(), piece.size());
    used_ += piece.size();
  }

  // Consumes `piece` after all that was kept before, or keeps it.
  absl::Status Add(absl::string_view piece) {
    if (!Fits(piece.size())) {
      if (absl::Status status = Flush(); !status.ok()) return status;
      if (piece.size() > internal::kMaxCopied) {
        return Consume(consume_, aborted_, piece, data_);
      }
    }
    Keep(piece);
    return absl::OkStatus();
  }

  // Consumes what was kept.
  absl::Status Flush() {
    return Consume(
        consume_, aborted_,
        absl::string_view(gathered_, std::exchange(used_, size_t{0})), data_);
  }

 private:
  ConsumeFunction& consume_;
  const std::atomic<bool>& aborted_;
  Outgoing& data_;
  size_t used_ = 0;
  char gathered_[4096];
};

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
      absl::StatusOr<absl::Cord> buffer = Call(*next, max_bytes);
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
      absl::StatusOr<absl::Cord> buffer = Call(*next, space.size());
      if (!buffer.ok()) return buffer.status();
      pending_ = *std::move(buffer);
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
    auto* consume = std::get_if<Output::BytesFunction>(&output_.function_);
    if (consume == nullptr) return ClosedError("this flow has no output");
    if (*consume == nullptr) return Missing("output");
    if (ABSL_PREDICT_TRUE(data.is_one() && data.is_borrowed())) {
      return Consume(*consume, aborted_, data.bytes(), data);
    }
    return ConsumeAll(*consume, data);
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
    return aborted_.load() ? absl::OkStatus() : Call(output_.end_);
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
    absl::Status status = close_ ? Call(close_) : absl::OkStatus();
    input_ = Input();
    output_ = Output();
    close_ = EndFunction();
    interrupt_ = nullptr;
    pending_.Clear();
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
    Call(interrupt_, Interruption{cause, deadline, reason});
  }

  absl::Cord TakePending(size_t max_bytes) {
    pending_.RemovePrefix(std::exchange(pending_used_, size_t{0}));
    absl::Cord front = pending_.Subcord(0, max_bytes);
    pending_.RemovePrefix(front.size());
    return internal::Compact(std::move(front));
  }

  // Allocates nothing before a chunk is used up.
  size_t CopyPending(absl::Span<char> space) {
    size_t copied = 0;
    size_t used_up = 0;
    for (absl::string_view chunk : pending_.Chunks()) {
      const absl::string_view piece =
          chunk.substr(pending_used_, space.size() - copied);
      if (piece.empty()) break;
      std::memcpy(space.data() + copied, piece.data(), piece.size());
      copied += piece.size();
      pending_used_ += piece.size();
      if (pending_used_ < chunk.size()) break;
      used_up += std::exchange(pending_used_, size_t{0});
    }
    pending_.RemovePrefix(used_up);
    return copied;
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
    absl::StatusOr<size_t> filled = Call(fill, space);
    if (ABSL_PREDICT_FALSE(filled.ok() && *filled > space.size())) {
      return absl::InternalError(
          absl::StrCat("the input function was given ", space.size(),
                       " bytes to fill and claims to have filled ", *filled));
    }
    return filled;
  }

  absl::Status ConsumeAll(Output::BytesFunction& consume, Outgoing& data) {
    Consumer consumer(consume, aborted_, data);
    absl::Status status;
    const bool all = data.ForEachPieceWhile([&](absl::string_view piece) {
      if (ABSL_PREDICT_TRUE(consumer.Fits(piece.size()))) {
        consumer.Keep(piece);
        return true;
      }
      status = consumer.Add(piece);
      return status.ok();
    });
    return all ? consumer.Flush() : status;
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
    absl::Status status = Call(take, std::move(buffer));
    if (ABSL_PREDICT_TRUE(status.ok())) data.Accept(size);
    return status;
  }

  const std::string name_;

  // Reading.
  Input input_;
  absl::Cord pending_;       // what is left of a buffer larger than asked for
  size_t pending_used_ = 0;  // the first bytes of it, which were read
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
