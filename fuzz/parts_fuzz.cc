// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Takes a stream apart and puts it together: parts of it are lent, with a limit
// or without one; bytes are put back; other flows are read before it and after
// it; and all of that on top of each other. The stream comes in any pieces,
// with deadlines that pass in between, and ends or breaks. A model that was
// written from the headers (fuzz/parts_model.h) says what each read comes to:
//
//  * what is returned is what is next, in order, and bytes_read() counts it;
//  * a part ends where it should, and its lender goes on behind it, whatever of
//    it was read, or refuses what follows;
//  * a part that is exact never looks whole if the stream ends in it;
//  * an end and an error come again on top of them, a deadline loses nothing;
//  * what closes or aborts a part reaches its lender, or does not.
//
// Pieces and deadlines are what comes from the other end, wherever they stand
// in the script. The settings: how the stream ends, and what it is made of.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/borrow.h"
#include "flow/concat.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/limit.h"
#include "flow/prepend.h"
#include "flow/status.h"
#include "flow/string_flow.h"
#include "fuzz/parts_model.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

constexpr size_t kMaxTotal = 20000;
// How much can be written to bytes, which are in two pieces.
constexpr size_t kRoom = 50;
// What is repeated.
constexpr size_t kRepeated = 7;

enum Word {
  kGive,
  kLate,
  kLend,
  kLimit,
  kPutBack,
  kConcat,
  kRead,
  kReadInto,
  kWrite,
  kRefuse,
  kClose,
  kAbort,
  kDestroy,
  kAwaitRefusal,
  kSetDeadline,
};

enum Material { kFunction, kCords, kStrings, kBytes };
enum Other { kCord, kString, kRepeatedCord };

Grammar Words() {
  Grammar grammar;
  grammar.settings = "whole|torn function|cords|strings|bytes";
  grammar.words = {
      {kGive, "give SIZE"},
      {kLate, "late"},
      {kLend, "lend"},
      {kLimit, "limit up_to|exactly SIZE"},
      {kPutBack, "put_back SIZE"},
      {kConcat, "concat before|after cord|string|repeated SIZE"},
      {kRead, "read SIZE"},
      {kReadInto, "read_into SIZE"},
      {kWrite, "write SIZE"},
      {kRefuse, "refuse"},
      {kClose, "close in_time|late"},
      {kAbort, "abort"},
      {kDestroy, "destroy"},
      {kAwaitRefusal, "await_refusal"},
      {kSetDeadline, "set_deadline past|future"},
  };
  grammar.large_sizes = {100, 511, 512, 4097};
  grammar.max_operations = 40;
  return grammar;
}

class Run {
 public:
  explicit Run(const Script& script) {
    const auto material = static_cast<Material>(script.settings.numbers[1]);
    const bool is_torn = script.settings.numbers[0] == 1;
    for (const Operation& operation : script.operations) {
      if (operation.word == kGive) {
        std::string bytes = Bytes(operation.numbers[0]);
        if (!bytes.empty()) pieces_.push_back(std::move(bytes));
      }
      // A list has none.
      if (operation.word == kLate && material == kFunction) {
        pieces_.emplace_back();
      }
    }
    if (is_torn && material == kFunction) end_ = absl::DataLossError("torn");
    Push(MakeSource(material),
         std::make_unique<SourcePart>(pieces_, end_.code(),
                                      material == kBytes ? kRoom : kNoLimit));

    for (const Operation& operation : script.operations) Do(operation);
    while (!stack_.empty()) Close(/*late=*/false);
    if (material == kCords) sink_ = std::string(cord_sink_);
    if (material == kBytes) sink_.resize(given_.size());
    ABSL_CHECK(sink_ == given_) << "not what was written";
  }

 private:
  struct Level {
    std::unique_ptr<Flow> flow;
    std::unique_ptr<FlowModel> model;
  };

  void Do(const Operation& operation) {
    const auto& n = operation.numbers;
    switch (static_cast<Word>(operation.word)) {
      case kGive:
      case kLate:
        return;
      case kLend:
        Push(BorrowFlow(flow()), std::make_unique<BorrowPart>(model()));
        break;
      case kLimit: {
        const bool exact = n[0] == 1;
        const auto size = static_cast<int64_t>(n[1]);
        top().flow = exact ? ExactInput(std::move(top().flow), size)
                           : LimitInput(std::move(top().flow), size);
        model().Decorate([&](std::unique_ptr<Part> part) {
          return std::make_unique<LimitedPart>(std::move(part), n[1], exact);
        });
        break;
      }
      case kPutBack: {
        const std::string bytes = Bytes(n[0]);
        top().flow = PrependInput(absl::Cord(bytes), std::move(top().flow));
        model().Decorate([&](std::unique_ptr<Part> part) {
          return std::make_unique<PrependedPart>(std::move(part), bytes);
        });
        break;
      }
      case kConcat:
        Concat(/*before=*/n[0] == 0, static_cast<Other>(n[1]), n[2]);
        break;
      case kRead:
        Read(n[0], [&]() -> absl::StatusOr<std::string> {
          absl::StatusOr<absl::Cord> data = flow().Read(n[0]);
          if (!data.ok()) return data.status();
          return std::string(*data);
        });
        break;
      case kReadInto:
        Read(n[0], [&]() -> absl::StatusOr<std::string> {
          std::string space(n[0], '-');
          const absl::StatusOr<size_t> read =
              flow().ReadInto(absl::MakeSpan(space));
          if (!read.ok()) return read.status();
          return space.substr(0, *read);
        });
        break;
      case kWrite: {
        const std::string bytes = Bytes(std::max(n[0], size_t{1}));
        if (bytes.empty()) break;
        const int64_t before = stack_.front().flow->bytes_written();
        Expect(flow().Write(bytes), model().Write(bytes.size()));
        const int64_t count = stack_.front().flow->bytes_written() - before;
        given_ += bytes.substr(0, static_cast<size_t>(count));
        break;
      }
      case kRefuse: {
        const Code expected = model().Refuse();
        Expect(flow().Shutdown(ShutdownMode::kRead), expected);
        break;
      }
      case kClose:
        if (stack_.size() > 1) Close(/*late=*/n[0] == 1);
        break;
      case kAbort:
        model().Abort(Code::kCancelled);
        flow().Abort(absl::CancelledError("aborted"));
        break;
      case kAwaitRefusal:
        Expect(flow().AwaitRefusal(absl::InfinitePast()),
               model().AwaitRefusal());
        break;
      case kSetDeadline:
        // A function ignores it.
        flow().SetReadDeadline(n[0] == 0 ? absl::InfinitePast()
                                         : absl::InfiniteFuture());
        break;
      case kDestroy:
        if (stack_.size() == 1) break;
        model().Destroy();
        stack_.pop_back();
        break;
    }
    for (const Level& level : stack_) {
      ABSL_CHECK_EQ(level.flow->bytes_read(), level.model->bytes_read())
          << level.flow->DebugString();
    }
  }

  Level& top() { return stack_.back(); }
  Flow& flow() { return *top().flow; }
  FlowModel& model() { return *top().model; }

  void Push(std::unique_ptr<Flow> flow, std::unique_ptr<Part> part) {
    stack_.push_back(
        {std::move(flow), std::make_unique<FlowModel>(std::move(part))});
  }

  // Returns bytes that no other call has returned, as long as there are any.
  std::string Bytes(size_t size) {
    size = budget_.Take(size);
    offset_ += size;
    return std::string(Pattern(offset_ - size, size));
  }

  std::unique_ptr<Flow> MakeSource(Material material) {
    std::vector<absl::Cord> cords;
    std::vector<std::string> strings;
    for (const std::string& piece : pieces_) {
      cords.emplace_back(piece);
      strings.push_back(piece);
    }
    switch (material) {
      case kCords:
        return MakeCordFlow(std::move(cords), &cord_sink_);
      case kStrings:
        return MakeStringFlow(std::move(strings), &sink_);
      case kBytes: {
        sink_.resize(kRoom);
        const absl::Span<char> sink = absl::MakeSpan(sink_);
        return MakeStringFlow(
            std::move(strings),
            std::vector<absl::Span<char>>{sink.first(20), sink.subspan(20)});
      }
      case kFunction:
        break;
    }
    FunctionFlowOptions options;
    options.input = Input::Buffers(
        [this, next = size_t{0}]() mutable -> absl::StatusOr<absl::Cord> {
          if (next == pieces_.size()) {
            if (!end_.ok()) return end_;
            return absl::Cord();
          }
          const std::string& piece = pieces_[next++];
          if (piece.empty()) return absl::DeadlineExceededError("late");
          return absl::Cord(piece);
        });
    options.output = OutputString(&sink_);
    return MakeFunctionFlow(std::move(options));
  }

  // Reads another flow before what there is, or after it.
  void Concat(bool before, Other other, size_t size) {
    std::string bytes = Bytes(size);
    std::unique_ptr<Flow> flow;
    switch (other) {
      case kCord:
        flow = MakeInputFlow(InputCord(absl::Cord(bytes)));
        break;
      case kString:
        flow = MakeInputFlow(InputString(bytes));
        break;
      case kRepeatedCord: {
        const std::string pattern(Pattern(0, kRepeated));
        for (size_t i = 0; i < bytes.size(); ++i) {
          bytes[i] = pattern[i % kRepeated];
        }
        flow = MakeInputFlow(InputRepeated(absl::Cord(pattern),
                                           static_cast<int64_t>(bytes.size())));
        break;
      }
    }
    std::deque<std::string> pieces;
    if (!bytes.empty()) pieces.push_back(std::move(bytes));
    auto model = std::make_unique<FlowModel>(
        std::make_unique<SourcePart>(std::move(pieces), Code::kOk, /*room=*/0));

    std::vector<std::unique_ptr<Flow>> flows;
    std::vector<std::unique_ptr<FlowModel>> models;
    flows.push_back(std::move(flow));
    flows.push_back(std::move(top().flow));
    models.push_back(std::move(model));
    models.push_back(std::move(top().model));
    if (!before) std::swap(flows[0], flows[1]);
    if (!before) std::swap(models[0], models[1]);
    stack_.pop_back();
    Push(ConcatInputs(std::move(flows)),
         std::make_unique<ConcatenatedPart>(std::move(models)));
  }

  template <typename Function>
  void Read(size_t max_bytes, Function read) {
    const absl::StatusOr<std::string> data = read();
    if (max_bytes == 0) return Expect(data.status(), Code::kInvalidArgument);
    const Next next = model().Read(max_bytes);
    Expect(data.status(), next.code);
    if (!data.ok()) return;
    ABSL_CHECK_EQ(data->empty(), next.data.empty()) << flow().DebugString();
    ABSL_CHECK(absl::StartsWith(next.data, *data)) << flow().DebugString();
    if (!data->empty()) model().Take(data->size());
  }

  void Close(bool late) {
    const Code expected = model().Close(late);
    Expect(flow().Close(late ? absl::InfinitePast() : absl::InfiniteFuture()),
           expected);
    stack_.pop_back();
  }

  void Expect(const absl::Status& status, Code code) {
    ABSL_CHECK_EQ(status.code(), code)
        << status << ", " << flow().DebugString();
    ABSL_CHECK_EQ(IsClosed(status), code == Code::kFailedPrecondition);
  }

  std::deque<std::string> pieces_;  // an empty one is a deadline that passes
  absl::Status end_;                // Ok: end-of-file
  std::string sink_;
  absl::Cord cord_sink_;
  std::string given_;  // what was accepted
  Budget budget_{kMaxTotal};
  size_t offset_ = 0;
  std::vector<Level> stack_;  // each borrows from the one below
};

void RunParts(const Script& script) { const Run run(script); }

const Registration kTarget("parts_fuzz", Words(), RunParts);

}  // namespace
}  // namespace flow::fuzz
