// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Does the same to two pipes: to one as it is, and to one whose ends have any
// stack of decorators. A decorator is put on in between, whatever its end has
// been through. None of them changes the bytes, so nothing may differ: no
// outcome of a call, byte, count, or error with its cause. What a pipe must do
// is the subject of close_order_fuzz.
//
// All happens in one thread: deadlines are in the past, so what would wait
// gives up at once. If the environment has FLOW_START_CALLS, the calls of both
// start wherever the stack can.
//
// `put_back` puts what was read last back, by PrependInput(). On the bare side
// this file itself does that.
//
// `lend` puts a borrower on top, and decorators go on top of that. A lender
// must not be ended while it is lent, so what would do that closes the borrower
// first, which must change nothing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <sstream>
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
#include "flow/channel.h"
#include "flow/cord_flow.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/join.h"
#include "flow/limit.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/prepend.h"
#include "flow/rate_limit.h"
#include "flow/status.h"
#include "flow/tee.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/internal/shared_engine.h"
#include "flow/testing/internal/start_calls.h"
#include "flow/trace.h"
#include "flow/transport.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

constexpr size_t kCapacities[] = {0, 1, 2, 5, 64, 1000, kNoLimit};
// No script writes more bytes than this, to keep runs short.
constexpr size_t kMaxTotal = 20000;
// Each of them starts a thread.
constexpr int kMaxTees = 2;

enum Word {
  kRead,
  kReadInto,
  kWrite,
  kWriteString,
  kWriteCord,
  kWritev,
  kWriteFrom,
  kShutdown,
  kClose,
  kAbort,
  kDestroy,
  kAwaitRefusal,
  kPut,
  kPutBack,
  kLend,
  kGiveBack,
};

enum Decorator {
  kForward,
  kTrace,
  kLimit,
  kPrepend,
  kChannel,
  kRate,
  kTeeReads,
  kTeeWrites,
  kHalves,
  kFaults,
};

Grammar Words() {
  Grammar grammar;
  grammar.settings = "0|1|2|5|64|1000|unbounded";
  grammar.words = {
      {kRead, "read left|right SIZE"},
      {kReadInto, "read_into left|right SIZE"},
      {kWrite, "write left|right SIZE"},
      {kWriteString, "write_string left|right SIZE"},
      {kWriteCord, "write_cord left|right SIZE"},
      {kWritev, "writev left|right SIZE SIZE"},
      {kWriteFrom, "write_from left|right SIZE"},
      {kShutdown, "shutdown left|right read|write|both"},
      {kClose, "close left|right now|after_read|patiently"},
      {kAbort, "abort left|right broken|late"},
      {kDestroy, "destroy left|right"},
      {kAwaitRefusal, "await_refusal left|right"},
      {kPut,
       "put left|right forward|trace|limit|prepend|channel|rate|tee_reads|"
       "tee_writes|halves|faults discards|fails|refuses"},
      {kPutBack, "put_back left|right"},
      {kLend, "lend left|right"},
      {kGiveBack, "give_back left|right"},
  };
  grammar.large_sizes = {100, 511, 512, 1000, 4097};
  return grammar;
}

class ForwardTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
};

// Where what a tee has seen goes. It must not matter.
std::unique_ptr<Flow> MakeSide(size_t kind) {
  if (kind == 0) return MakeOutputFlow(OutputDiscarded());
  if (kind == 1) {
    return MakeOutputFlow(Output::Buffers(
        [](absl::Cord) { return absl::DataLossError("of the side"); }));
  }
  return MakeFunctionFlow({});
}

std::unique_ptr<Flow> Put(Decorator decorator, size_t side,
                          std::unique_ptr<Flow> flow) {
  switch (decorator) {
    case kForward:
      return DecorateFlow(
          std::move(flow), [](std::unique_ptr<Transport> inner) {
            return std::make_unique<ForwardTransport>(std::move(inner));
          });
    case kTrace: {
      TraceOptions options;
      options.max_data = 4;
      return TraceFlow(
          std::move(flow),
          [](const TraceEvent& event) {
            std::ostringstream out;
            TraceTo(out, "t")(event);
            ABSL_CHECK(absl::StartsWith(out.str(), "t: " + event.What()));
          },
          options);
    }
    case kLimit:
      return LimitInput(std::move(flow), std::numeric_limits<int64_t>::max());
    case kPrepend:
      return PrependInput(absl::Cord(), std::move(flow));
    case kChannel: {
      ChannelOptions options;
      options.max_buffered_read = 0;
      options.max_buffered_write = 0;
      return MakeChannel(std::move(flow), options);
    }
    case kRate: {
      constexpr int64_t kHuge = int64_t{1} << 40;
      const auto limiter = std::make_shared<RateLimiter>(kHuge, kHuge);
      return LimitRate(std::move(flow), {limiter, limiter});
    }
    case kTeeReads:
      return TeeReads(std::move(flow), MakeSide(side));
    case kTeeWrites:
      return TeeWrites(std::move(flow), MakeSide(side));
    case kHalves: {
      if (testing::StartsCalls()) testing::BindToSharedEngine(*flow);
      SplitHalves halves = SplitFlow(std::move(flow));
      return JoinFlow(std::move(halves.reader), std::move(halves.writer));
    }
    case kFaults:
      return testing::MakeFaultFlow(std::move(flow));
  }
  return flow;
}

// What an operation has come to, without what says in which flow.
struct Outcome {
  absl::StatusCode code = absl::StatusCode::kOk;
  bool closed = false;
  std::string cause;
  std::string data;  // read, or what WriteFrom() has left

  explicit Outcome(const absl::Status& status, std::string bytes = "")
      : code(status.code()),
        closed(IsClosed(status)),
        cause(status.message()),
        data(std::move(bytes)) {
    const size_t context = cause.rfind(": ");
    if (context != std::string::npos) cause.erase(0, context + 2);
  }
  friend bool operator==(const Outcome& a, const Outcome& b) {
    return a.code == b.code && a.closed == b.closed && a.cause == b.cause &&
           a.data == b.data;
  }
};

// An end of a pipe, and what is on top of it.
class End {
 public:
  ~End() { Destroy(); }

  void Init(std::unique_ptr<Flow> flow) {
    flow->SetReadDeadline(absl::InfinitePast());
    flow->SetWriteDeadline(absl::InfinitePast());
    stack_.push_back(std::move(flow));
  }

  bool exists() const { return !stack_.empty(); }
  bool is_lent() const { return stack_.size() > 1; }
  Flow& flow() const { return *stack_.back(); }
  // Knows what the borrowers have done, too.
  const Flow& lender() const { return *stack_.front(); }

  // Of the bare side: what was put back counts twice.
  int64_t bytes_read() const { return lender().bytes_read() + read_again_; }
  bool has_put_back() const { return !put_back_.empty(); }
  // A read has returned the end or an error, which a decorator of the input
  // tells once more.
  bool has_read_end() const { return has_read_end_; }

  void Put(Decorator decorator, size_t side) {
    // What a borrower with a limit has not read, its Close() would drop.
    if (is_lent() && decorator == kLimit) return;
    // "Precondition: neither is null or closed."
    if (closed_ && decorator == kHalves) return;
    stack_.back() = fuzz::Put(decorator, side, std::move(stack_.back()));
  }

  // On the stacked side and on the bare one.
  void PutBackByDecorator() {
    stack_.back() = PrependInput(absl::Cord(std::exchange(last_, "")),
                                 std::move(stack_.back()));
  }
  void PutBackHere() { put_back_.push_back(std::exchange(last_, "")); }
  bool can_put_back() const {
    return !last_.empty() && !is_lent() && !is_over_;
  }

  void Lend() {
    if (closed_) return;
    testing::BlockAgain(flow());
    stack_.push_back(BorrowFlow(flow()));
  }
  void GiveBack() {
    if (!is_lent()) return;
    flow().Close().IgnoreError();
    stack_.pop_back();
  }

  Outcome Do(const Operation& operation, size_t written) {
    const size_t size = operation.numbers[1];
    const absl::string_view text = Pattern(written, size);
    switch (static_cast<Word>(operation.word)) {
      case kRead:
      case kReadInto: {
        Outcome outcome = Read(size, operation.word == kReadInto);
        if (!outcome.data.empty()) {
          last_ = outcome.data;
        } else if (outcome.code != absl::StatusCode::kDeadlineExceeded &&
                   outcome.code != absl::StatusCode::kInvalidArgument) {
          has_read_end_ = true;
        }
        return outcome;
      }
      case kWrite:
        return Outcome(flow().Write(text));
      case kWriteString:
        return Outcome(flow().Write(std::string(text)));
      case kWriteCord:
        return Outcome(flow().Write(absl::Cord(text)));
      case kWritev: {
        const absl::string_view more =
            Pattern(written + size, operation.numbers[2]);
        return Outcome(flow().Writev({text, absl::Cord(more)}));
      }
      case kWriteFrom: {
        absl::Cord rest(text);
        const absl::Status status = flow().WriteFrom(&rest);
        return Outcome(status, std::string(rest));
      }
      case kShutdown: {
        static constexpr ShutdownMode kModes[] = {ShutdownMode::kRead,
                                                  ShutdownMode::kWrite,
                                                  ShutdownMode::kReadWrite};
        GiveBackAll();
        is_over_ = is_over_ || operation.numbers[1] != 1;
        return Outcome(flow().Shutdown(kModes[operation.numbers[1]]));
      }
      case kClose:
        GiveBackAll();
        closed_ = is_over_ = true;
        if (operation.numbers[1] == 1) {
          return Outcome(flow().CloseAfterRead(absl::InfinitePast()));
        }
        if (operation.numbers[1] == 2) {
          return Outcome(flow().PatientClose(absl::ZeroDuration()));
        }
        return Outcome(flow().Close(absl::InfinitePast()));
      case kAbort:
        is_over_ = true;
        flow().Abort(operation.numbers[1] == 0
                         ? absl::DataLossError("broken")
                         : absl::DeadlineExceededError("late"));
        // The borrower may not know of an error that counts before the reason.
        GiveBackAll();
        break;
      case kDestroy:
        Destroy();
        break;
      case kAwaitRefusal:
        return Outcome(flow().AwaitRefusal(absl::InfinitePast()));
      case kPut:
      case kPutBack:
      case kLend:
      case kGiveBack:
        break;
    }
    return Outcome(absl::OkStatus());
  }

 private:
  Outcome Read(size_t max_bytes, bool into) {
    if (has_put_back() && max_bytes != 0) {
      std::string& next = put_back_.back();
      std::string data = next.substr(0, max_bytes);
      next.erase(0, max_bytes);
      if (next.empty()) put_back_.pop_back();
      read_again_ += static_cast<int64_t>(data.size());
      return Outcome(absl::OkStatus(), std::move(data));
    }
    if (into) {
      std::string space(max_bytes, '-');
      const absl::StatusOr<size_t> read =
          flow().ReadInto(absl::MakeSpan(space));
      return Outcome(read.status(), space.substr(0, read.value_or(0)));
    }
    const absl::StatusOr<absl::Cord> data = flow().Read(max_bytes);
    return Outcome(data.status(), std::string(data.value_or(absl::Cord())));
  }

  // From the top: a borrower comes before its lender.
  void Destroy() {
    while (exists()) stack_.pop_back();
  }
  void GiveBackAll() {
    while (is_lent()) GiveBack();
  }

  std::vector<std::unique_ptr<Flow>> stack_;
  bool closed_ = false;
  bool is_over_ = false;  // nothing more is read
  bool has_read_end_ = false;
  std::string last_;                   // what was read
  std::vector<std::string> put_back_;  // the last one is read first
  int64_t read_again_ = 0;
};

class Run {
 public:
  explicit Run(const Script& script) {
    for (auto* ends : {&bare_, &stacked_}) {
      Pipe pipe = MakePipe(kCapacities[script.settings.numbers[0]]);
      (*ends)[0].Init(std::move(pipe.left));
      (*ends)[1].Init(std::move(pipe.right));
    }
    for (const Operation& operation : script.operations) {
      End& end = stacked_[operation.numbers[0]];
      if (!end.exists()) continue;
      Do(operation, bare_[operation.numbers[0]], end);
    }
  }

 private:
  void Do(Operation operation, End& bare, End& stacked) {
    const size_t end = operation.numbers[0];
    switch (static_cast<Word>(operation.word)) {
      case kPut: {
        const auto decorator = static_cast<Decorator>(operation.numbers[1]);
        const bool is_tee = decorator == kTeeReads || decorator == kTeeWrites;
        if (is_tee && ++tees_ > kMaxTees) break;
        stacked.Put(decorator, operation.numbers[2]);
        const bool is_of_input = decorator == kLimit || decorator == kPrepend;
        if (is_of_input && !bare.has_put_back()) ReadEndAgain(end);
        break;
      }
      case kPutBack:
        if (!stacked.can_put_back()) break;
        stacked.PutBackByDecorator();
        bare.PutBackHere();
        break;
      case kLend:
        stacked.Lend();
        break;
      case kGiveBack:
        stacked.GiveBack();
        break;
      case kShutdown:
      case kClose:
      case kAbort:
      case kDestroy:
        // The flow underneath knows nothing of what was put back.
        while (bare.has_put_back()) Compare({kRead, {end, kMaxTotal}, ""});
        ReadEndAgain(end);
        Compare(operation);
        break;
      case kWrite:
      case kWriteString:
      case kWriteCord:
      case kWritev:
      case kWriteFrom:
        operation.numbers[1] = budget_.Take(operation.numbers[1]);
        operation.numbers[2] = budget_.Take(operation.numbers[2]);
        // "As far as this end knows", and a borrower may not know yet.
        if (stacked.is_lent() &&
            operation.numbers[1] + operation.numbers[2] == 0) {
          break;
        }
        Compare(operation);
        break;
      default:
        Compare(operation);
    }
  }

  // A direction whose end comes again is open until it is read, and Close()
  // and CloseAfterRead() do not know of it before.
  void ReadEndAgain(size_t end) {
    if (bare_[end].has_read_end()) Compare({kRead, {end, 1}, ""});
  }

  void Compare(const Operation& operation) {
    End& bare = bare_[operation.numbers[0]];
    End& stacked = stacked_[operation.numbers[0]];
    const auto written = static_cast<size_t>(bare.flow().bytes_written());
    testing::StartOrBlockBoth(bare.flow(), stacked.flow());
    const Outcome expected = bare.Do(operation, written);
    const Outcome outcome = stacked.Do(operation, written);
    ABSL_CHECK(outcome == expected)
        << outcome.code << " " << outcome.cause << " \"" << outcome.data
        << "\" instead of " << expected.code << " " << expected.cause << " \""
        << expected.data << "\", "
        << (stacked.exists() ? stacked.flow().DebugString() : "destroyed");
    for (int end : {0, 1}) CheckEqual(bare_[end], stacked_[end]);
  }

  static void CheckEqual(const End& bare, const End& stacked) {
    if (!bare.exists()) return;
    ABSL_CHECK_EQ(stacked.bytes_read(), bare.bytes_read());
    ABSL_CHECK_EQ(stacked.lender().bytes_written(),
                  bare.flow().bytes_written());
    ABSL_CHECK_EQ(stacked.flow().bytes_in_transit(),
                  bare.flow().bytes_in_transit());
    ABSL_CHECK_EQ(stacked.flow().can_be_refused(),
                  bare.flow().can_be_refused());
    ABSL_CHECK_EQ(stacked.flow().local_address(), bare.flow().local_address());
    ABSL_CHECK_EQ(stacked.flow().remote_address(),
                  bare.flow().remote_address());
    ABSL_CHECK_EQ(stacked.flow().peer().status().code(),
                  bare.flow().peer().status().code());
  }

  std::array<End, 2> bare_;
  std::array<End, 2> stacked_;
  Budget budget_{kMaxTotal};
  int tees_ = 0;
};

void RunStack(const Script& script) { const Run run(script); }

const Registration kTarget("transport_stack_fuzz", Words(), RunStack);

}  // namespace
}  // namespace flow::fuzz
