// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/copy_model.h
//
// Which calls Copy() makes to its source and its sinks, and what it returns for
// each sink, as flow/copy.h says: what copy_fuzz holds the real one against. It
// knows neither flows nor Copy() itself.
//
// Thread safety: that of a value.

#ifndef FLOW_FUZZ_COPY_MODEL_H_
#define FLOW_FUZZ_COPY_MODEL_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flow/copy.h"
#include "fuzz/pattern.h"

namespace flow::fuzz {

using Side = CopyResult::Side;

// What a call comes to, and who says so.
enum class Outcome { kOk, kLate, kClosed, kBroken, kOver, kLying, kOther };
inline constexpr int kSource = 0;  // sinks have the numbers from 1

struct Result {
  Outcome outcome = Outcome::kOk;
  int party = kSource;

  bool ok() const { return outcome == Outcome::kOk; }
};

// What a source or a sink does in one call.
struct Step {
  Outcome outcome = Outcome::kOk;
  size_t size = 0;
};
using Plan = std::deque<Step>;

inline std::optional<Step> Next(Plan& plan) {
  if (plan.empty()) return std::nullopt;
  const Step step = plan.front();
  plan.pop_front();
  return step;
}

// What Copy() calls, in order: the flows, and the functions of the options.
struct Call {
  enum What {
    kRead,
    kWrite,
    kSetReadDeadline,
    kSetWriteDeadline,
    kOnWrite,
    kOnDeadline,
    kEnd,
    kAbort,
    kUnwanted,
  };
  What what;
  int party = kSource;
  size_t number = 0;  // of bytes, or of hours until the deadline

  friend bool operator==(const Call& a, const Call& b) {
    return a.what == b.what && a.party == b.party && a.number == b.number;
  }
};
using Calls = std::vector<Call>;

inline constexpr size_t kNoDeadline = 0;
inline constexpr size_t kReadHours = 1;
inline constexpr size_t kWriteHours = 2;
inline constexpr size_t kCloseHours = 3;

struct Options {
  size_t max_read = CopyOptions().max_read;
  std::optional<size_t> max_bytes;
  bool exactly = false;
  bool outlives_sinks = false;
  bool bounds_reads = false;
  bool bounds_writes = false;
  bool closes = false;
  size_t go_on = 0;  // how often; 0: there is no function to ask
};

// CopyResult, as it should be.
struct Expected {
  Result result;
  Side failed = Side::kNone;
  std::string unwritten;
  size_t bytes = 0;
  size_t reads = 0;
  size_t writes = 0;
};

class Model {
 public:
  Plan& plan(int party) { return parties_[party].plan; }
  const std::string& taken(int party) const { return parties_[party].taken; }
  const std::string& copied() const { return copied_; }
  // Returns the calls since the last time.
  Calls TakeCalls() { return std::exchange(calls_, {}); }

  // What a Flow makes of what its source does: end and errors stay.
  Result Read(size_t max_bytes, std::string* data) {
    Party& source = parties_[kSource];
    data->clear();
    if (source.over) return source.end;
    calls_.push_back({Call::kRead, kSource, max_bytes});
    const Step step = Next(source.plan).value_or(Step{Outcome::kOver});
    if (step.outcome == Outcome::kOk) {
      *data = std::string(Pattern(given_, std::min(step.size, max_bytes)));
      given_ += data->size();
      return {};
    }
    Result result;
    if (step.outcome != Outcome::kOver) result.outcome = step.outcome;
    source.over = step.outcome != Outcome::kLate;
    source.end = result;
    return result;
  }

  // Removes from `*rest` what is accepted.
  Result Write(int party, std::string* rest) {
    Party& sink = parties_[party];
    if (sink.over) return sink.end;
    if (rest->empty()) return {};
    calls_.push_back({Call::kWrite, party, rest->size()});
    const Step step = Next(sink.plan).value_or(Step());
    size_t size = std::min(step.size, rest->size());
    if (step.outcome == Outcome::kOk) size = rest->size();
    if (step.outcome == Outcome::kLying) {
      size = std::min(std::max(step.size, size_t{1}), rest->size() - 1);
    }
    sink.taken += rest->substr(0, size);
    rest->erase(0, size);
    const Result result = {step.outcome, party};
    sink.over = !result.ok() && result.outcome != Outcome::kLate;
    sink.end = result;
    return result;
  }

  // Of a sink that is closed and has not failed. An error must last.
  Result End(int party) {
    calls_.push_back({Call::kEnd, party});
    const Step step = Next(parties_[party].plan).value_or(Step());
    if (step.outcome == Outcome::kLate) return {Outcome::kOther, party};
    if (step.outcome == Outcome::kLying) return {Outcome::kBroken, party};
    return {step.outcome, party};
  }

  // `sinks` are parties. Returns the result of the whole.
  Result Copy(const Options& options, const std::vector<int>& sinks,
              std::vector<Expected>* results) {
    Result result = CopyOnly(options, sinks, results);
    if (!options.closes) return result;
    for (size_t i = 0; i < sinks.size(); ++i) {
      if (!(*results)[i].result.ok()) Abort(sinks[i]);
    }
    for (size_t i = 0; i < sinks.size(); ++i) {
      Expected& expected = (*results)[i];
      if (!expected.result.ok()) continue;
      if (sinks.size() > 1) {
        calls_.push_back({Call::kSetWriteDeadline, sinks[i], kCloseHours});
      }
      expected.result = End(sinks[i]);
      if (!expected.result.ok()) expected.failed = Side::kSink;
      if (result.ok()) result = expected.result;
    }
    return result;
  }

  // Appends to `*all`. Over the limit is kOther, and not told by the source.
  Result ReadAll(size_t limit, std::string* all) {
    std::string data;
    while (all->size() <= limit) {
      const Result result =
          Read(std::max(limit - all->size(), size_t{1}), &data);
      if (data.empty()) return result;
      *all += data;
    }
    return {Outcome::kOther};
  }

 private:
  struct Party {
    Plan plan;
    std::string taken;
    bool over = false;
    bool aborted = false;
    Result end;  // of all calls since
  };

  void Abort(int party) {
    if (std::exchange(parties_[party].aborted, true)) return;
    calls_.push_back({Call::kAbort, party});
  }

  Result CopyOnly(const Options& options, const std::vector<int>& sinks,
                  std::vector<Expected>* results) {
    results->assign(sinks.size(), {});
    if (options.exactly && !options.max_bytes) {
      return EndAll({Outcome::kOther}, Side::kNone, results);
    }
    if (options.max_bytes == size_t{0}) return {};
    go_on_ = options.go_on;
    const Result result = ReadAndWrite(options, sinks, results);
    if (options.bounds_reads) {
      calls_.push_back({Call::kSetReadDeadline, kSource, kNoDeadline});
    }
    if (options.bounds_writes) {
      for (int sink : sinks) {
        calls_.push_back({Call::kSetWriteDeadline, sink, kNoDeadline});
      }
    }
    return result;
  }

  Result ReadAndWrite(const Options& options, const std::vector<int>& sinks,
                      std::vector<Expected>* results) {
    const size_t max_read = std::max(options.max_read, size_t{1});
    Result first_error;
    for (size_t copied = 0; copied < options.max_bytes.value_or(kNoLimit);) {
      std::string data;
      if (options.bounds_reads) {
        calls_.push_back({Call::kSetReadDeadline, kSource, kReadHours});
      }
      const Result read = Read(
          std::min(max_read, options.max_bytes.value_or(kNoLimit) - copied),
          &data);
      if (GoesOn(read, options)) continue;
      if (!read.ok()) return EndAll(read, Side::kSource, results);
      if (data.empty() && options.exactly) {
        return EndAll({Outcome::kOver}, Side::kSource, results);
      }
      if (data.empty()) return first_error;
      copied += data.size();
      copied_ += data;

      bool any_left = false;
      bool stopped = false;
      for (size_t i = 0; i < sinks.size(); ++i) {
        Expected& expected = (*results)[i];
        if (!expected.result.ok()) continue;
        ++expected.reads;
        expected.unwritten = data;
        if (stopped) continue;
        const Result written = WriteAll(options, sinks[i], expected);
        if (written.ok()) {
          any_left = true;
          continue;
        }
        expected.result = written;
        expected.failed = Side::kSink;
        if (options.closes) Abort(sinks[i]);
        if (first_error.ok()) first_error = written;
        stopped = !options.outlives_sinks;
      }
      if (stopped || !any_left) {
        return EndAll(first_error, Side::kNone, results);
      }
    }
    return first_error;
  }

  // Writes `expected.unwritten`, for as long as it may be late.
  Result WriteAll(const Options& options, int sink, Expected& expected) {
    while (true) {
      if (options.bounds_writes) {
        calls_.push_back({Call::kSetWriteDeadline, sink, kWriteHours});
      }
      const size_t before = expected.unwritten.size();
      const Result result = Write(sink, &expected.unwritten);
      const size_t accepted = before - expected.unwritten.size();
      ++expected.writes;
      expected.bytes += accepted;
      if (accepted != 0) calls_.push_back({Call::kOnWrite, kSource, accepted});
      if (!GoesOn(result, options)) return result;
    }
  }

  bool GoesOn(const Result& result, const Options& options) {
    if (result.outcome != Outcome::kLate || options.go_on == 0) return false;
    calls_.push_back({Call::kOnDeadline, result.party});
    if (go_on_ == 0) return false;
    --go_on_;
    return true;
  }

  // Those that have not failed by themselves.
  static Result EndAll(Result result, Side failed,
                       std::vector<Expected>* results) {
    for (Expected& expected : *results) {
      if (!expected.result.ok()) continue;
      expected.result = result;
      expected.failed = failed;
    }
    return result;
  }

  std::array<Party, 4> parties_;
  size_t given_ = 0;
  std::string copied_;
  size_t go_on_ = 0;
  Calls calls_;
};

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_COPY_MODEL_H_
