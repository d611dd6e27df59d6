// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies from a source to one or several sinks. The source and the sinks do
// what the script has planned: they move less than they could, are late, fail,
// refuse, end and lie. A model that was written from flow/copy.h says which
// calls come, in which order, and what the results are:
//
//  * each byte that the source gave was accepted by the sink or is `unwritten`,
//    in order;
//  * the status, the side that failed, and the statistics of each sink;
//  * a copy that is resumed goes on where it was;
//  * Copy() ends its sinks if it is told to, and nothing otherwise; in either
//    case a sink sees a clean end only if it has everything.
//
// A source whose plan is over ends; a sink takes all. `copy` first writes what
// an earlier copy has left over, and leaves out a sink that misses bytes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "flow/transport.h"
#include "fuzz/copy_model.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

// No script has a source with more bytes than this, to keep runs short.
constexpr size_t kMaxTotal = 10000;

enum Word {
  kGive,
  kSourceIs,
  kSinkTakesAll,
  kSinkTakesPart,
  kSinkLies,
  kMaxRead,
  kMaxBytes,
  kNoMaxBytes,
  kExactly,
  kOutlivesSinks,
  kTimeouts,
  kGoOn,
  kCopy,
  kReadAll,
  kCloses,
};

Grammar Words() {
  Grammar grammar;
  grammar.settings = "one|list_of_one|list_of_two|list_of_three";
  grammar.words = {
      {kGive, "give SIZE"},
      {kSourceIs, "source_is late|closed|broken|over|lying"},
      {kSinkTakesAll, "take_all a|b|c"},
      {kSinkTakesPart, "take_part a|b|c SIZE late|closed|broken"},
      {kSinkLies, "take_and_lie a|b|c SIZE"},
      {kMaxRead, "max_read SIZE"},
      {kMaxBytes, "max_bytes SIZE"},
      {kNoMaxBytes, "no_max_bytes"},
      {kExactly, "exactly no|yes"},
      {kOutlivesSinks, "outlives_sinks no|yes"},
      {kTimeouts, "timeouts none|reads|writes|both"},
      {kGoOn, "go_on SIZE"},
      {kCopy, "copy"},
      {kReadAll, "read_all SIZE"},
      {kCloses, "closes no|yes"},
  };
  grammar.large_sizes = {100, 511, 512, 4097};
  return grammar;
}

std::string Name(int party) {
  if (party == kSource) return "source";
  return std::string("sink ") + "abc"[party - 1];
}

Outcome OutcomeOf(const absl::Status& status) {
  if (IsClosed(status)) return Outcome::kClosed;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return Outcome::kOk;
    case absl::StatusCode::kDeadlineExceeded:
      return Outcome::kLate;
    case absl::StatusCode::kDataLoss:
      return Outcome::kBroken;
    case absl::StatusCode::kOutOfRange:
      return Outcome::kOver;
    case absl::StatusCode::kInternal:
      return Outcome::kLying;
    default:
      return Outcome::kOther;
  }
}

void CheckStatus(const absl::Status& status, Result expected) {
  ABSL_CHECK(OutcomeOf(status) == expected.outcome)
      << status << " instead of " << static_cast<int>(expected.outcome);
  if (status.ok()) return;
  ABSL_CHECK(absl::StartsWith(status.message(), Name(expected.party)))
      << status << " is not of " << Name(expected.party);
}

absl::Status ToStatus(Outcome outcome) {
  if (outcome == Outcome::kLate) return absl::DeadlineExceededError("late");
  if (outcome == Outcome::kClosed) return ClosedError("closed");
  return absl::DataLossError("broken");
}

size_t HoursUntil(absl::Time deadline) {
  if (deadline == absl::InfiniteFuture()) return kNoDeadline;
  return static_cast<size_t>(absl::ToDoubleHours(deadline - absl::Now()) + 0.5);
}

std::string ToString(const Calls& calls) {
  static constexpr const char* kNames[] = {
      "read",        "write", "read_deadline", "write_deadline", "on_write",
      "on_deadline", "end",   "abort",         "unwanted"};
  return absl::StrJoin(calls, ", ", [](std::string* out, const Call& call) {
    absl::StrAppend(out, kNames[call.what], " ", Name(call.party), " ",
                    call.number);
  });
}

// Returns bytes that nobody may see.
absl::Cord Lie(size_t size) {
  static const auto* const bytes =
      new absl::Cord(std::string(CopyOptions().max_read + 1, 'x'));
  return bytes->Subcord(0, size);
}

// What a sink has taken, and whether it has seen a clean end.
struct Taken {
  std::string bytes;
  bool is_whole = false;
};

// A source or a sink, which does what is planned.
class PlannedTransport final : public Transport {
 public:
  PlannedTransport(int party, Plan& plan, Calls& calls, Taken& taken)
      : party_(party), plan_(plan), calls_(calls), taken_(taken) {}

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    calls_.push_back({Call::kRead, party_, max_bytes});
    const Step step = Next(plan_).value_or(Step{Outcome::kOver});
    switch (step.outcome) {
      case Outcome::kOk:
        break;
      case Outcome::kOver:
        return absl::Cord();
      case Outcome::kLying:
        return Lie(max_bytes + 1);
      default:
        return ToStatus(step.outcome);
    }
    const size_t size = std::min(step.size, max_bytes);
    absl::Cord data(Pattern(given_, size));
    given_ += size;
    return data;
  }
  absl::Status Write(Outgoing& data) override {
    const size_t size = data.size();
    calls_.push_back({Call::kWrite, party_, size});
    const Step step = Next(plan_).value_or(Step());
    if (step.outcome == Outcome::kOk) {
      Take(data, size);
      return absl::OkStatus();
    }
    if (step.outcome == Outcome::kLying && size == 1) {
      data.Accept(2);
      return absl::OkStatus();
    }
    if (step.outcome == Outcome::kLying) {
      Take(data, std::min(std::max(step.size, size_t{1}), size - 1));
      return absl::OkStatus();
    }
    Take(data, std::min(step.size, size));
    return ToStatus(step.outcome);
  }
  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    if (!outcome.ok()) return absl::OkStatus();  // it has just failed
    calls_.push_back({Call::kEnd, party_});
    const Step step = Next(plan_).value_or(Step());
    taken_.is_whole = step.outcome == Outcome::kOk;
    return taken_.is_whole ? absl::OkStatus() : ToStatus(step.outcome);
  }
  void RefuseRead() override { calls_.push_back({Call::kUnwanted, party_}); }
  void Abort(const absl::Status&) override {
    calls_.push_back({Call::kAbort, party_});
  }
  void SetReadDeadline(absl::Time deadline) override {
    calls_.push_back({Call::kSetReadDeadline, party_, HoursUntil(deadline)});
  }
  void SetWriteDeadline(absl::Time deadline) override {
    calls_.push_back({Call::kSetWriteDeadline, party_, HoursUntil(deadline)});
  }
  std::string Describe() const override { return Name(party_); }

 private:
  void Take(Outgoing& data, size_t size) {
    size_t left = size;
    data.ForEachPiece([&](absl::string_view piece) {
      piece = piece.substr(0, left);
      taken_.bytes.append(piece.data(), piece.size());
      left -= piece.size();
    });
    data.Accept(size);
  }

  const int party_;
  Plan& plan_;
  Calls& calls_;
  Taken& taken_;
  size_t given_ = 0;
};

class Run {
 public:
  explicit Run(const Script& script)
      : as_list_(script.settings.numbers[0] != 0) {
    const size_t sinks = std::max(script.settings.numbers[0], size_t{1});
    source_ = Make(kSource);
    for (int party = 1; party <= static_cast<int>(sinks); ++party) {
      sinks_.push_back(Make(party));
      live_.push_back(party);
    }
    for (const Operation& operation : script.operations) Do(operation);
    End();
  }

 private:
  void Do(const Operation& operation) {
    const size_t number = operation.numbers[0];
    switch (static_cast<Word>(operation.word)) {
      case kGive:
        // A Read of nothing would be the end.
        if (const size_t size = budget_.Take(std::max(number, size_t{1}))) {
          AddStep(kSource, {Outcome::kOk, size});
        }
        break;
      case kSourceIs: {
        static constexpr Outcome kOutcomes[] = {
            Outcome::kLate, Outcome::kClosed, Outcome::kBroken, Outcome::kOver,
            Outcome::kLying};
        AddStep(kSource, {kOutcomes[number]});
        break;
      }
      case kSinkTakesAll:
        AddStep(1 + static_cast<int>(number), {});
        break;
      case kSinkTakesPart: {
        static constexpr Outcome kOutcomes[] = {
            Outcome::kLate, Outcome::kClosed, Outcome::kBroken};
        AddStep(1 + static_cast<int>(number),
                {kOutcomes[operation.numbers[2]], operation.numbers[1]});
        break;
      }
      case kSinkLies:
        AddStep(1 + static_cast<int>(number),
                {Outcome::kLying, operation.numbers[1]});
        break;
      case kMaxRead:
        options_.max_read = number;
        break;
      case kMaxBytes:
        options_.max_bytes = number;
        break;
      case kNoMaxBytes:
        options_.max_bytes.reset();
        break;
      case kExactly:
        options_.exactly = number != 0;
        break;
      case kOutlivesSinks:
        options_.outlives_sinks = number != 0;
        break;
      case kTimeouts:
        options_.bounds_reads = number % 2 != 0;
        options_.bounds_writes = number >= 2;
        break;
      case kGoOn:
        options_.go_on = number;
        break;
      case kCloses:
        options_.closes = number != 0;
        break;
      case kCopy:
        WriteRests();
        if (!live_.empty()) CopyAll();
        break;
      case kReadAll: {
        const Result expected = model_.ReadAll(number, &expected_all_);
        const absl::Status status = flow::ReadAll(*source_, number, &all_);
        CheckCalls();
        CheckStatus(status, expected);
        ABSL_CHECK(all_ == expected_all_);
        break;
      }
    }
  }

  std::unique_ptr<Flow> Make(int party) {
    return MakeFlow(std::make_unique<PlannedTransport>(party, plans_[party],
                                                       calls_, taken_[party]));
  }

  void AddStep(int party, Step step) {
    plans_[party].push_back(step);
    model_.plan(party).push_back(step);
  }

  Flow& sink(int party) { return *sinks_[party - 1]; }

  // "To resume it, write `unwritten` first."
  void WriteRests() {
    std::vector<int> ready;
    for (int party : live_) {
      absl::Cord& rest = results_[party].unwritten;
      std::string expected_rest(rest);
      const Result expected = model_.Write(party, &expected_rest);
      CheckStatus(sink(party).WriteFrom(&rest), expected);
      CheckCalls();
      ABSL_CHECK(rest == expected_rest);
      ABSL_CHECK(taken_[party].bytes == model_.taken(party));
      if (expected.ok()) {
        ready.push_back(party);
      } else {
        results_[party].status = ToStatus(expected.outcome);
      }
    }
    live_ = std::move(ready);
  }

  void CopyAll() {
    const int64_t read_before = source_->bytes_read();
    std::vector<Expected> expected;
    const Result expected_whole = model_.Copy(options_, live_, &expected);

    CopyOptions options;
    options.max_read = options_.max_read;
    if (options_.max_bytes.has_value()) {
      options.max_bytes = static_cast<int64_t>(*options_.max_bytes);
    }
    options.exactly = options_.exactly;
    options.outlives_sinks = options_.outlives_sinks;
    if (options_.bounds_reads) options.read_timeout = absl::Hours(kReadHours);
    if (options_.bounds_writes) {
      options.write_timeout = absl::Hours(kWriteHours);
    }
    if (options_.closes) options.close_timeout = absl::Hours(kCloseHours);
    options.on_write = [this](int64_t bytes) {
      calls_.push_back({Call::kOnWrite, kSource, static_cast<size_t>(bytes)});
    };
    size_t go_on = options_.go_on;
    if (go_on != 0) {
      options.on_deadline = [this, &go_on](Flow& late) {
        calls_.push_back({Call::kOnDeadline, PartyOf(late)});
        if (go_on == 0) return false;
        --go_on;
        return true;
      };
    }
    std::vector<CopyResult> results;
    if (as_list_) {
      std::vector<Flow*> sinks;
      for (int party : live_) sinks.push_back(&sink(party));
      MultiCopyResult result = flow::Copy(*source_, sinks, options);
      CheckStatus(result.status, expected_whole);
      results = std::move(result.sinks);
    } else {
      results.push_back(flow::Copy(*source_, sink(live_[0]), options));
    }
    CheckCalls();
    ABSL_CHECK_EQ(results.size(), live_.size());
    const int64_t read = source_->bytes_read() - read_before;
    std::vector<int> complete;
    for (size_t i = 0; i < live_.size(); ++i) {
      CheckResult(results[i], expected[i]);
      CheckConservation(results[i], read);
      const int party = live_[i];
      closed_[party] = options_.closes;
      ABSL_CHECK(taken_[party].bytes == model_.taken(party));
      // The copy may have gone on without it, or have ended it.
      if (!closed_[party] &&
          taken_[party].bytes.size() + results[i].unwritten.size() ==
              model_.copied().size()) {
        complete.push_back(party);
      }
      results_[party] = std::move(results[i]);
    }
    live_ = std::move(complete);
  }

  static void CheckResult(const CopyResult& result, const Expected& expected) {
    CheckStatus(result.status, expected.result);
    ABSL_CHECK(result.failed == expected.failed) << result.status;
    ABSL_CHECK(result.unwritten == expected.unwritten) << result.status;
    const CopyStatistics& statistics = result.statistics;
    ABSL_CHECK_EQ(statistics.bytes, static_cast<int64_t>(expected.bytes));
    ABSL_CHECK_EQ(statistics.reads, static_cast<int64_t>(expected.reads));
    ABSL_CHECK_EQ(statistics.writes, static_cast<int64_t>(expected.writes));
    ABSL_CHECK(statistics.duration >= absl::ZeroDuration());
    ABSL_CHECK(absl::StartsWith(
        statistics.ToString(),
        absl::StrCat(expected.bytes, expected.bytes == 1 ? " byte" : " bytes",
                     " in ")));
  }

  // Without the model, so that a mistake of both is found.
  void CheckConservation(const CopyResult& result, int64_t read) const {
    const auto unwritten = static_cast<int64_t>(result.unwritten.size());
    ABSL_CHECK_LE(result.statistics.bytes + unwritten, read);
    if (live_.size() == 1) {
      ABSL_CHECK_EQ(result.statistics.bytes + unwritten, read);
    }
    if (result.status.ok()) ABSL_CHECK_EQ(result.statistics.bytes, read);
  }

  // The same calls, in the same order.
  void CheckCalls() {
    const Calls calls = std::exchange(calls_, {});
    const Calls expected = model_.TakeCalls();
    ABSL_CHECK(calls == expected)
        << ToString(calls) << " instead of " << ToString(expected);
  }

  int PartyOf(const Flow& flow) const {
    if (&flow == source_.get()) return kSource;
    for (size_t i = 0; i < sinks_.size(); ++i) {
      if (&flow == sinks_[i].get()) return static_cast<int>(i) + 1;
    }
    return -1;
  }

  // Ends each sink by its result, unless Copy() did.
  void End() {
    for (int party = 1; party <= static_cast<int>(sinks_.size()); ++party) {
      const absl::Status& status = results_[party].status;
      bool is_whole = status.ok();
      if (!closed_[party]) {
        ABSL_CHECK(!taken_[party].is_whole);
        if (!is_whole) sink(party).Abort(status);
        if (is_whole) is_whole = model_.End(party).ok();
      }
      ABSL_CHECK_EQ(sink(party).Close().ok(), is_whole);
      ABSL_CHECK_EQ(taken_[party].is_whole, is_whole);
      if (is_whole) {
        ABSL_CHECK(taken_[party].bytes == model_.copied())
            << Name(party) << " looks whole";
      }
    }
  }

  const bool as_list_;
  Model model_;
  Options options_;
  Budget budget_{kMaxTotal};
  // By party.
  std::array<Plan, 4> plans_;
  std::array<Taken, 4> taken_;
  std::array<CopyResult, 4> results_;  // of the last copy
  std::array<bool, 4> closed_ = {};    // by it
  Calls calls_;
  std::unique_ptr<Flow> source_;
  std::vector<std::unique_ptr<Flow>> sinks_;
  std::vector<int> live_;  // the sinks that have all that was copied
  absl::Cord all_;
  std::string expected_all_;
};

void RunCopy(const Script& script) { const Run run(script); }

const Registration kTarget("copy_fuzz", Words(), RunCopy);

}  // namespace
}  // namespace flow::fuzz
