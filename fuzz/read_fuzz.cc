// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads, into Cords and into memory, from inputs of each shape that give
// little, much or nothing, fail, are late, lie, or call back into their flow,
// and holds the outcome against the contract (docs/semantics.md, "Read"):
//
//  * what is returned is what the input gave, in order, in reads of at most
//    `max_bytes`; bytes_read() counts it;
//  * an input is called once, and only if nothing is left of what it gave;
//  * end-of-file and errors stay, kDeadlineExceeded does not;
//  * a lie shows no byte, and what comes after a refusal or an abort is
//    discarded;
//  * a Cord never changes, and does not pin much more than it holds.
//
// An input does what stands in the plan, and then ends. The setting is its
// shape: by the byte, by the buffer, the same with a limit that it is told, or
// a transport.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

enum Word { kInput, kRead, kReadInto, kRefuse, kAbort };

enum class Shape { kByte, kBuffer, kSized, kTransport };

// What an input does, and how a buffer that it gives is made.
enum class Act {
  kGive,
  kEnd,
  kFail,
  kLate,
  kLie,
  kReenter,
  kRefuse,
  kAbort,
  kClose
};
enum class Form { kFlat, kShared, kChunks };

Grammar ReadGrammar() {
  Grammar grammar;
  grammar.settings = "byte|buffer|sized|transport";
  grammar.words = {
      {kInput,
       "input give|end|fail|late|lie|reenter|refuse|abort|close SIZE "
       "flat|shared|chunks"},
      {kRead, "read SIZE"},
      {kReadInto, "read_into SIZE"},
      {kRefuse, "refuse"},
      {kAbort, "abort"},
  };
  // What is copied, the sizes of blocks, and more than two of these.
  grammar.large_sizes = {100,  511,   512,   2175,  2176,   4095,    4096,
                         4097, 16384, 65535, 65536, 150000, kNoLimit};
  grammar.max_operations = 40;
  return grammar;
}

absl::Cord MakeCord(Form form, absl::string_view bytes) {
  if (form == Form::kFlat) return absl::Cord(bytes);
  absl::Cord cord;
  const size_t chunk =
      form == Form::kShared ? kPatternSize : bytes.size() / 3 + 1;
  for (; !bytes.empty(); bytes = bytes.substr(std::min(chunk, bytes.size()))) {
    cord.Append(absl::MakeCordFromExternal(bytes.substr(0, chunk), [] {}));
  }
  return cord;
}

// The input, which knows what it has given.
class PlannedInput {
 public:
  void Plan(const Operation& operation) {
    plan_.push_back({static_cast<Act>(operation.numbers[0]),
                     operation.numbers[1],
                     static_cast<Form>(operation.numbers[2])});
  }
  void SetFlow(Flow* flow) { flow_ = flow; }
  void AddTo(FunctionFlowOptions& options, Shape shape) {
    if (shape == Shape::kByte) {
      options.input =
          Input::Bytes([this](absl::Span<char> span) { return Fill(span); });
    } else if (shape == Shape::kBuffer) {
      options.input = Input::Buffers([this] { return Next(kNoLimit, false); });
    } else {
      options.input = Input::Buffers(
          [this](size_t max_bytes) { return Next(max_bytes, false); });
    }
  }

  // Hands over a buffer. One that `keeps_to_limit` gives no more than
  // `max_bytes`, unless it lies.
  absl::StatusOr<absl::Cord> Next(size_t max_bytes, bool keeps_to_limit) {
    max_bytes_ = max_bytes;
    const Step step = Begin();
    if (!outcome_.ok()) return outcome_;
    if (step.act == Act::kEnd) return absl::Cord();
    size_t size = std::max(step.size, size_t{1});
    if (keeps_to_limit) size = std::min(size, max_bytes);
    if (step.act == Act::kLie && keeps_to_limit && max_bytes < kPatternSize) {
      lied_ = true;
      return absl::Cord(Pattern(0, max_bytes + 1));
    }
    size = Give(size);
    return MakeCord(step.form, Pattern(given_ - size, size));
  }

  absl::StatusOr<size_t> Fill(absl::Span<char> span) {
    ABSL_CHECK(!span.empty());
    span_ = span;
    const Step step = Begin();
    if (!outcome_.ok()) return outcome_;
    if (step.act == Act::kEnd) return size_t{0};
    if (step.act == Act::kLie) {
      lied_ = true;
      return span.size() + 1 + std::min(step.size, kNoLimit - span.size() - 1);
    }
    const size_t size =
        Give(std::min(std::max(step.size, size_t{1}), span.size()));
    std::memcpy(span.data(), Pattern(given_ - size, size).data(), size);
    return size;
  }

  // How much it gave in all, how often it was called, and what the last call
  // was shown and did.
  size_t given() const { return given_; }
  int calls() const { return calls_; }
  absl::Span<char> span() const { return span_; }
  size_t max_bytes() const { return max_bytes_; }
  Act act() const { return act_; }
  const absl::Status& outcome() const { return outcome_; }
  const absl::Status& closed_inside() const { return closed_inside_; }
  bool lied() const { return lied_; }

 private:
  struct Step {
    Act act = Act::kEnd;
    size_t size = 0;
    Form form = Form::kFlat;
  };

  Step Begin() {
    ++calls_;
    Step step;
    if (!plan_.empty()) {
      step = plan_.front();
      plan_.pop_front();
    }
    // There are no more bytes.
    if (given_ == kPatternSize && step.act != Act::kFail) step.act = Act::kEnd;
    act_ = step.act;
    outcome_ = absl::OkStatus();
    switch (step.act) {
      case Act::kFail:
        outcome_ = absl::DataLossError("failed");
        break;
      case Act::kLate:
        outcome_ = absl::DeadlineExceededError("late");
        break;
      case Act::kReenter: {
        // Disturbs nothing.
        ABSL_CHECK(absl::IsInvalidArgument(flow_->Read(1).status()));
        break;
      }
      case Act::kRefuse:
        ABSL_CHECK_OK(flow_->Shutdown(ShutdownMode::kRead));
        break;
      case Act::kAbort:
        flow_->Abort(absl::CancelledError("aborted"));
        break;
      case Act::kClose:
        // It would wait for itself.
        closed_inside_ = flow_->Close();
        ABSL_CHECK(absl::IsInvalidArgument(closed_inside_));
        break;
      case Act::kGive:
      case Act::kEnd:
      case Act::kLie:
        break;
    }
    return step;
  }

  size_t Give(size_t size) {
    size = std::min(size, kPatternSize - given_);
    given_ += size;
    return size;
  }

  Flow* flow_ = nullptr;
  std::deque<Step> plan_;
  size_t given_ = 0;
  int calls_ = 0;
  absl::Span<char> span_;
  size_t max_bytes_ = 0;
  Act act_ = Act::kEnd;
  absl::Status outcome_;
  absl::Status closed_inside_;
  bool lied_ = false;
};

class PlannedTransport final : public Transport {
 public:
  explicit PlannedTransport(PlannedInput& input) : input_(input) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    return input_.Next(max_bytes, /*keeps_to_limit=*/true);
  }
  absl::Status Write(Outgoing&) override { return ClosedError("read only"); }
  std::string Describe() const override { return "planned"; }

 private:
  PlannedInput& input_;
};

// A flow, and what it must be like.
class Model {
 public:
  explicit Model(Shape shape) : shape_(shape) {
    if (shape == Shape::kTransport) {
      flow_ = MakeFlow(std::make_unique<PlannedTransport>(input_));
    } else {
      FunctionFlowOptions options;
      input_.AddTo(options, shape);
      flow_ = MakeFunctionFlow(std::move(options));
    }
    input_.SetFlow(flow_.get());
  }

  void Do(const Operation& operation) {
    switch (static_cast<Word>(operation.word)) {
      case kInput:
        input_.Plan(operation);
        break;
      case kRead:
        Read(operation.numbers[0]);
        break;
      case kReadInto:
        ReadInto(operation.numbers[0]);
        break;
      case kRefuse: {
        const absl::Status status = flow_->Shutdown(ShutdownMode::kRead);
        ABSL_CHECK_EQ(status, aborted_.ok() ? broken_ : aborted_);
        has_ended_ = true;
        break;
      }
      case kAbort:
        flow_->Abort(absl::CancelledError("aborted"));
        NoteAbort(absl::CancelledError("aborted"));
        break;
    }
  }

  void Close() {
    const int calls = input_.calls();
    ABSL_CHECK_EQ(flow_->Close(), aborted_.ok() ? broken_ : aborted_);
    const absl::Status status = flow_->Read().status();
    if (broken_.ok()) {
      ABSL_CHECK(IsClosed(status)) << status;
    } else {
      ABSL_CHECK_EQ(status, broken_);
    }
    ABSL_CHECK_EQ(input_.calls(), calls);
    flow_.reset();
    for (const auto& [cord, bytes] : kept_) {
      ABSL_CHECK(cord == bytes) << "has changed";
    }
  }

 private:
  void NoteAbort(const absl::Status& reason) {
    if (aborted_.ok()) aborted_ = reason;  // the first one counts
    if (broken_.ok()) broken_ = aborted_;
  }

  void Read(size_t max_bytes) {
    Expect(max_bytes, [&]() -> absl::StatusOr<size_t> {
      absl::StatusOr<absl::Cord> data = flow_->Read(max_bytes);
      if (!data.ok()) return data.status();
      CheckPinned(*data);
      kept_.emplace_back(*data, NextBytes(data->size()));
      ABSL_CHECK(kept_.back().first == kept_.back().second)
          << "not what was given";
      return data->size();
    });
    if (shape_ != Shape::kByte || !was_called_ || max_bytes == 0) return;
    // Records of round sizes are not cut.
    const size_t size = input_.span().size();
    ABSL_CHECK(size == max_bytes || (size < max_bytes && size >= 4096 &&
                                     size <= 65536 && (size & (size - 1)) == 0))
        << size;
  }

  void ReadInto(size_t size) {
    std::vector<char> space(std::min(size, kPatternSize));
    Expect(space.size(), [&]() -> absl::StatusOr<size_t> {
      const absl::StatusOr<size_t> read =
          flow_->ReadInto(absl::MakeSpan(space));
      if (read.ok()) {
        ABSL_CHECK_LE(*read, space.size());
        ABSL_CHECK(absl::string_view(space.data(), *read) == NextBytes(*read))
            << "not what was given";
      }
      return read;
    });
    if (shape_ == Shape::kByte && was_called_) {
      ABSL_CHECK(input_.span() == absl::MakeSpan(space));
    }
  }

  // The next bytes to be read.
  absl::string_view NextBytes(size_t size) const {
    ABSL_CHECK_LE(size, input_.given() - read_);
    return Pattern(read_, size);
  }

  // Calls `read`, and compares.
  template <typename Function>
  void Expect(size_t max_bytes, Function read) {
    const int calls_before = input_.calls();
    const int64_t count_before = flow_->bytes_read();
    const size_t left = input_.given() - read_;
    const absl::StatusOr<size_t> size = read();
    was_called_ = input_.calls() > calls_before;
    ABSL_CHECK_EQ(flow_->bytes_read() - count_before,
                  size.ok() ? static_cast<int64_t>(*size) : 0);
    if (size.ok()) ABSL_CHECK_LE(*size, max_bytes);
    if (max_bytes == 0) {
      ABSL_CHECK(absl::IsInvalidArgument(size.status())) << size.status();
      ABSL_CHECK(!was_called_);
    } else if (!broken_.ok()) {
      ABSL_CHECK_EQ(size.status(), broken_);
      ABSL_CHECK(!was_called_);
    } else if (has_ended_) {
      ABSL_CHECK_OK(size.status());
      ABSL_CHECK_EQ(*size, 0u);
      ABSL_CHECK(!was_called_);
    } else if (left > 0) {
      ABSL_CHECK_OK(size.status());
      ABSL_CHECK_GT(*size, 0u);
      ABSL_CHECK(!was_called_);
      read_ += *size;
    } else {
      ABSL_CHECK_EQ(input_.calls(), calls_before + 1);
      if (shape_ == Shape::kSized || shape_ == Shape::kTransport) {
        ABSL_CHECK_EQ(input_.max_bytes(), max_bytes);
      }
      ExpectOfInput(size);
    }
  }

  // Compares with what the input has done.
  void ExpectOfInput(const absl::StatusOr<size_t>& size) {
    if (input_.act() == Act::kAbort || input_.act() == Act::kClose) {
      NoteAbort(input_.act() == Act::kAbort ? absl::CancelledError("aborted")
                                            : input_.closed_inside());
      ABSL_CHECK_EQ(size.status(), broken_);
      return;
    }
    if (input_.lied() || !input_.outcome().ok()) {
      const absl::StatusCode code =
          input_.lied() ? absl::StatusCode::kInternal : input_.outcome().code();
      ABSL_CHECK_EQ(size.status().code(), code) << size.status();
      if (!absl::IsDeadlineExceeded(size.status())) broken_ = size.status();
      return;
    }
    ABSL_CHECK_OK(size.status());
    if (input_.act() == Act::kRefuse || input_.act() == Act::kEnd) {
      has_ended_ = true;
      ABSL_CHECK_EQ(*size, 0u);
      return;
    }
    ABSL_CHECK_GT(*size, 0u);
    read_ += *size;
    // A buffer may be larger than a read; what is filled is returned.
    if (shape_ == Shape::kByte) ABSL_CHECK_EQ(read_, input_.given());
  }

  // Only what this library has cut: a transport returns what it wants.
  void CheckPinned(const absl::Cord& data) {
    if (shape_ == Shape::kTransport) return;
    const size_t pinned = data.EstimatedMemoryUsage();
    const size_t size = data.size();
    constexpr size_t kNodes = 512;
    constexpr size_t kTwoBlocks = size_t{128} << 10;
    ABSL_CHECK(
        pinned <= 2 * size + kNodes ||
        (shape_ != Shape::kByte && size > 511 && pinned > size + kTwoBlocks))
        << size << " bytes pin " << pinned;
  }

  const Shape shape_;
  PlannedInput input_;
  std::unique_ptr<Flow> flow_;
  std::vector<std::pair<absl::Cord, absl::string_view>> kept_;
  size_t read_ = 0;
  bool was_called_ = false;
  bool has_ended_ = false;
  absl::Status broken_;
  absl::Status aborted_;
};

void Run(const Script& script) {
  Model model(static_cast<Shape>(script.settings.numbers[0]));
  for (const Operation& operation : script.operations) model.Do(operation);
  model.Close();
}

const Registration kTarget("read_fuzz", ReadGrammar(), Run);

}  // namespace
}  // namespace flow::fuzz
