// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What started operations and coroutines cost (docs/started.md), on pipes and
// one thread of an EpollEngine:
//
//   BM_PingPong_Coroutines  two coroutines, each of which awaits the other one
//   BM_ReadAtOnce_...       a message that is written and then read, by a call
//                           that is started or blocks
//   BM_PendingRead          a read that waits until the other end writes
//   BM_PendingWrite         a write that waits until the other end reads
//   BM_Close_...            a pipe that is made, closed by both ends and
//                           destroyed, by calls that are started or block
//
// Every Cord that is sent is shared. So blocks and copies are those of the
// operations, and none is due to the data.
//
//   ./bazelw run -c opt //benchmarks:started_benchmark

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "benchmark/benchmark.h"
#include "benchmarks/measure.h"
#include "flow/async/operations.h"
#include "flow/async/task.h"
#include "flow/epoll_engine.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"

namespace flow {
namespace {

constexpr size_t kPipeCapacity = size_t{256} << 10;

absl::Cord MessageOf(const benchmark::State& state) {
  return absl::Cord(std::string(static_cast<size_t>(state.range(0)), 'x'));
}

// A pipe whose ends have an engine, which runs on this thread.
struct StartedPipe {
  explicit StartedPipe(size_t capacity = kPipeCapacity)
      : pipe(MakePipe(capacity)) {
    left().SetEngine(engine.get());
    right().SetEngine(engine.get());
  }
  Flow& left() { return *pipe.left; }
  Flow& right() { return *pipe.right; }

  const std::unique_ptr<EpollEngine> engine = EpollEngine::Make().value();
  Pipe pipe;
};

// --- Coroutines

// Runs two coroutines, and stops the engine when both have ended.
class PingPong {
 public:
  PingPong(benchmark::State& state, absl::Cord message)
      : state_(state), message_(std::move(message)) {}

  void Run() {
    async::Spawn(Pong());
    async::Spawn(Ping());
    pipe_.engine->Run();
  }

 private:
  async::Task<void> Ping() {
    Flow& flow = pipe_.left();
    ABSL_CHECK_OK(co_await async::Write(flow, message_));
    absl::StatusOr<absl::Cord> first = co_await async::Read(flow);
    ABSL_CHECK_OK(first);
    state_.counters["copied"] =
        static_cast<double>(testing::CopiedBytes(message_, *first));
    Iterations iterations(state_);
    while (iterations.Next()) {
      ABSL_CHECK_OK(co_await async::Write(flow, message_));
      absl::StatusOr<absl::Cord> data = co_await async::Read(flow);
      ABSL_CHECK(data.ok() && data->size() == message_.size());
    }
    ABSL_CHECK_OK(co_await async::Close(flow));
    Leave();
  }

  async::Task<void> Pong() {
    Flow& flow = pipe_.right();
    while (true) {
      absl::StatusOr<absl::Cord> data = co_await async::Read(flow);
      ABSL_CHECK_OK(data);
      if (data->empty()) break;
      ABSL_CHECK_OK(co_await async::Write(flow, *std::move(data)));
    }
    ABSL_CHECK_OK(co_await async::Close(flow));
    Leave();
  }

  void Leave() {
    if (--coroutines_ == 0) pipe_.engine->Stop();
  }

  benchmark::State& state_;
  const absl::Cord message_;
  StartedPipe pipe_;
  int coroutines_ = 2;
};

void BM_PingPong_Coroutines(benchmark::State& state) {
  PingPong(state, MessageOf(state)).Run();
}
BENCHMARK(BM_PingPong_Coroutines)->Arg(64)->Arg(4096)->UseRealTime();

// --- Over at once

struct NeverDone final : Flow::ReadOperation {
  void Done() override { ABSL_CHECK(false) << "it was over at once"; }
};

void BM_ReadAtOnce_Started(benchmark::State& state) {
  StartedPipe pipe;
  const absl::Cord message = MessageOf(state);
  NeverDone operation;
  Measure(state, [&] {
    ABSL_CHECK_OK(pipe.left().Write(message));
    ABSL_CHECK(pipe.right().StartRead(&operation));
    ABSL_CHECK(operation.result.ok());
  });
}
BENCHMARK(BM_ReadAtOnce_Started)->Arg(64);

void BM_ReadAtOnce_Limit_Read(benchmark::State& state) {
  StartedPipe pipe;
  const absl::Cord message = MessageOf(state);
  Measure(state, [&] {
    ABSL_CHECK_OK(pipe.left().Write(message));
    absl::StatusOr<absl::Cord> data = pipe.right().Read();
    ABSL_CHECK(data.ok());
  });
}
BENCHMARK(BM_ReadAtOnce_Limit_Read)->Arg(64);

// --- Pending

// An operation that is started again whenever it is done.
struct PendingRead final : Flow::ReadOperation {
  PendingRead(benchmark::State& state, absl::Cord message)
      : iterations(state), message(std::move(message)) {}
  void Next() {
    if (!iterations.Next()) return pipe.engine->Stop();
    ABSL_CHECK(!pipe.right().StartRead(this));
    ABSL_CHECK_OK(pipe.left().Write(message));
  }
  void Done() override {
    ABSL_CHECK(result.ok() && result->size() == message.size());
    Next();
  }

  Iterations iterations;
  const absl::Cord message;
  StartedPipe pipe;
};

void BM_PendingRead(benchmark::State& state) {
  PendingRead read(state, MessageOf(state));
  read.Next();
  read.pipe.engine->Run();
}
BENCHMARK(BM_PendingRead)->Arg(64)->UseRealTime();

// The pipe is full whenever one begins.
struct PendingWrite final : Flow::WriteOperation {
  PendingWrite(benchmark::State& state, absl::Cord message)
      : iterations(state),
        message(std::move(message)),
        pipe(this->message.size()) {
    ABSL_CHECK_OK(pipe.left().Write(this->message));
  }
  void Next() {
    if (!iterations.Next()) return pipe.engine->Stop();
    rest = message;
    ABSL_CHECK(!pipe.left().StartWrite(this));
    ABSL_CHECK_EQ(pipe.right().Read()->size(), message.size());
  }
  void Done() override {
    ABSL_CHECK_OK(status);
    Next();
  }

  Iterations iterations;
  const absl::Cord message;
  StartedPipe pipe;
};

void BM_PendingWrite(benchmark::State& state) {
  PendingWrite write(state, MessageOf(state));
  write.Next();
  write.pipe.engine->Run();
}
BENCHMARK(BM_PendingWrite)->Arg(4096)->UseRealTime();

// --- Close

// Both ends of a pipe close, and then it is another one's turn.
class Closes {
 public:
  explicit Closes(benchmark::State& state) : iterations_(state) {}

  void Next() {
    if (!iterations_.Next()) return engine_->Stop();
    pipe_ = MakePipe();
    pipe_.left->SetEngine(engine_.get());
    pipe_.right->SetEngine(engine_.get());
    ABSL_CHECK(!pipe_.left->StartClose(&left_));
    if (pipe_.right->StartClose(&right_)) --pending_;
  }
  void Run() {
    Next();
    engine_->Run();
  }

 private:
  struct End final : Flow::CloseOperation {
    explicit End(Closes* closes) : closes(closes) {}
    void Done() override { closes->OnClosed(status); }
    Closes* const closes;
  };

  void OnClosed(const absl::Status& status) {
    ABSL_CHECK_OK(status);
    if (--pending_ > 0) return;
    pending_ = 2;
    Next();
  }

  Iterations iterations_;
  const std::unique_ptr<EpollEngine> engine_ = EpollEngine::Make().value();
  Pipe pipe_;
  End left_{this};
  End right_{this};
  int pending_ = 2;
};

void BM_Close_Started(benchmark::State& state) { Closes(state).Run(); }
BENCHMARK(BM_Close_Started)->UseRealTime();

// Neither waits, as the left end has ended what it sends.
void BM_Close_Limit_Close(benchmark::State& state) {
  const std::unique_ptr<EpollEngine> engine = EpollEngine::Make().value();
  Measure(state, [&] {
    Pipe pipe = MakePipe();
    pipe.left->SetEngine(engine.get());
    pipe.right->SetEngine(engine.get());
    ABSL_CHECK_OK(pipe.left->Shutdown(ShutdownMode::kWrite));
    ABSL_CHECK_OK(pipe.right->Close());
    ABSL_CHECK_OK(pipe.left->Close());
  });
}
BENCHMARK(BM_Close_Limit_Close)->UseRealTime();

}  // namespace
}  // namespace flow
