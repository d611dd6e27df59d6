// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes any bytes, split in any way, by any mix of Write, Writev and
// WriteFrom, into outputs that take less than they are shown, refuse, fail or
// lie, and holds the outcome against the contract (docs/semantics.md, "Write"):
//
//  * what the output took is the concatenation of what was accepted, and that
//    is a prefix of what was written;
//  * bytes_written() is its length, and WriteFrom() leaves exactly the rest;
//  * a write is Ok if and only if all of it was accepted;
//  * an error other than kDeadlineExceeded stays, and the output is not called
//    again.
//
// The input is a script: the first byte chooses the shape of the output, then
// come the operations, each followed by what the output will do.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
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
#include "flow/status.h"
#include "flow/testing/byte_pattern.h"

namespace flow {
namespace {

// No script asks for more bytes than this, to keep runs short.
constexpr size_t kMaxTotal = 200000;

// Takes a script apart. At its end everything is 0.
class Script {
 public:
  Script(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool done() const { return rest_.empty(); }

  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_.front();
    rest_.remove_prefix(1);
    return byte;
  }

  // A size that is small most of the time, and sometimes beyond what is copied
  // (511), gathered (4096) or put into one block (65536).
  size_t Size() {
    static constexpr size_t kLarge[] = {511,  512,   4095,  4096,
                                        4097, 65000, 65536, 70000};
    const uint8_t byte = Byte();
    const size_t size = std::min(
        byte < 200 ? byte % 40 : kLarge[byte % std::size(kLarge)], budget_);
    budget_ -= size;
    return size;
  }

 private:
  absl::Span<const uint8_t> rest_;
  size_t budget_ = kMaxTotal;
};

enum class Behavior { kTakeAll, kTakeSome, kClosed, kFail, kLate, kLie };

// The function behind the flow: does what it is told, keeps what it took.
class Sink {
 public:
  void Plan(Behavior behavior, size_t amount) {
    plan_.push_back({behavior, amount});
  }
  void Forget() { plan_.clear(); }

  Output ByTheByte() {
    return Output::Bytes(
        [this](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          ++calls_;
          ABSL_CHECK(!bytes.empty());
          const auto [behavior, amount] = Next();
          size_t n = bytes.size();
          switch (behavior) {
            case Behavior::kTakeAll:
              break;
            case Behavior::kTakeSome:
              n = std::min(n, amount + 1);
              break;
            case Behavior::kClosed:
              return size_t{0};
            case Behavior::kFail:
              return absl::DataLossError("failed");
            case Behavior::kLate:
              return absl::DeadlineExceededError("late");
            case Behavior::kLie:
              lied_ = true;
              return n + 1 + amount;
          }
          taken_.append(bytes.data(), n);
          return n;
        });
  }

  Output ByTheBuffer() {
    return Output::Buffers([this](absl::Cord buffer) -> absl::Status {
      ++calls_;
      ABSL_CHECK(!buffer.empty());
      switch (Next().behavior) {
        case Behavior::kClosed:
          return ClosedError("refused");
        case Behavior::kFail:
          return absl::DataLossError("failed");
        case Behavior::kLate:
          return absl::DeadlineExceededError("late");
        default:
          taken_ += std::string(buffer);
          return absl::OkStatus();
      }
    });
  }

  const std::string& taken() const { return taken_; }
  int calls() const { return calls_; }
  bool lied() const { return lied_; }

 private:
  struct Step {
    Behavior behavior = Behavior::kTakeAll;
    size_t amount = 0;
  };

  Step Next() {
    if (plan_.empty()) return {};
    const Step step = plan_.front();
    plan_.pop_front();
    return step;
  }

  std::deque<Step> plan_;
  std::string taken_;
  int calls_ = 0;
  bool lied_ = false;
};

// A Cord with a chunk for each of `pieces`.
absl::Cord Fragmented(const std::vector<std::string>& pieces) {
  absl::Cord cord;
  for (const std::string& piece : pieces) {
    auto* copy = new std::string(piece);
    cord.Append(absl::MakeCordFromExternal(*copy, [copy] { delete copy; }));
  }
  return cord;
}

void Run(Script script) {
  Sink sink;
  FunctionFlowOptions options;
  const bool by_the_byte = script.Byte() % 2 == 0;
  options.output = by_the_byte ? sink.ByTheByte() : sink.ByTheBuffer();
  const std::unique_ptr<Flow> flow = MakeFunctionFlow(std::move(options));

  std::string accepted;  // all that was accepted until now
  size_t written = 0;    // for the pattern
  absl::Status sticky;

  for (int operation = 0; !script.done() && operation < 64; ++operation) {
    const uint8_t kind = script.Byte() % 6;
    std::vector<std::string> pieces(script.Byte() % 20);
    std::string all;
    for (std::string& piece : pieces) {
      piece = testing::PatternString(written + all.size(), script.Size());
      all += piece;
    }
    written += all.size();
    sink.Forget();
    for (int steps = script.Byte() % 6; steps > 0; --steps) {
      const auto behavior = static_cast<Behavior>(script.Byte() % 6);
      sink.Plan(behavior, script.Size());
    }

    const std::vector<absl::string_view> views(pieces.begin(), pieces.end());
    std::vector<absl::Cord> cords(pieces.begin(), pieces.end());
    const absl::Cord fragmented = Fragmented(pieces);
    absl::Cord source = fragmented;
    const bool was_sticky = !sticky.ok();
    const int calls_before = sink.calls();
    const int64_t count_before = flow->bytes_written();
    absl::Status status;
    switch (kind) {
      case 0:
        status = flow->Write(absl::string_view(all));
        break;
      case 1:
        status = flow->Write(std::string(all));
        break;
      case 2:
        status = flow->Write(fragmented);
        break;
      case 3:
        status = flow->Writev(views);
        break;
      case 4:
        status = flow->Writev(cords);
        break;
      case 5:
        status = flow->WriteFrom(&source);
        break;
    }

    const size_t count =
        static_cast<size_t>(flow->bytes_written() - count_before);
    ABSL_CHECK_LE(count, all.size());
    accepted.append(all, 0, count);
    ABSL_CHECK(sink.taken() == accepted) << "not what was written";
    if (kind == 5) {
      ABSL_CHECK(std::string(source) == all.substr(count)) << "not the rest";
    }
    if (status.ok()) {
      ABSL_CHECK_EQ(count, all.size());
      ABSL_CHECK(!was_sticky);
    } else if (was_sticky) {
      ABSL_CHECK_EQ(status, sticky);
    } else {
      ABSL_CHECK_LT(count, all.size());
      if (!absl::IsDeadlineExceeded(status)) sticky = status;
    }
    if (sink.lied()) ABSL_CHECK(absl::IsInternal(sticky)) << status;
    if (all.empty() || was_sticky) ABSL_CHECK_EQ(sink.calls(), calls_before);
  }

  const int calls = sink.calls();
  const absl::Status closed = flow->Close();
  ABSL_CHECK_EQ(closed, sticky);
  ABSL_CHECK(!flow->Write("x").ok());
  ABSL_CHECK_EQ(sink.calls(), calls);
}

}  // namespace
}  // namespace flow

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  flow::Run(flow::Script(data, size));
  return 0;
}
