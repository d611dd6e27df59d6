// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// KJ, the library underneath Cap'n Proto (Debian's libcapnp-dev), at our jobs.

#include <kj/array.h>
#include <kj/async-io.h>
#include <kj/async.h>
#include <kj/common.h>
#include <kj/filesystem.h>
#include <kj/io.h>
#include <kj/memory.h>
#include <unistd.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/copy_jobs.h"
#include "benchmarks/fd_jobs.h"
#include "benchmarks/measure.h"
#include "benchmarks/pipe_jobs.h"
#include "flow/testing/internal/raw_sockets.h"

namespace flow {
namespace {

using Bytes = kj::ArrayPtr<const kj::byte>;

Bytes BytesOf(absl::string_view text) {
  return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

// --- The hot path

// An array that is filled from an array.
void BM_ReadByTheByte_Kj(benchmark::State& state) {
  const std::string source(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    kj::ArrayInputStream in(BytesOf(source));
    kj::Array<kj::byte> data = kj::heapArray<kj::byte>(source.size());
    in.read(data.begin(), data.size());
    benchmark::DoNotOptimize(data);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_ReadByTheByte_Kj)->Arg(64)->Arg(1024)->Arg(4096)->Arg(65536);

void BM_WriteByTheByte_Kj(benchmark::State& state) {
  const std::string data(state.range(0), 'x');
  kj::VectorOutputStream memory(1 << 20);
  for (auto _ : state) {
    if (memory.getArray().size() + data.size() > 1 << 20) memory.clear();
    memory.write(data.data(), data.size());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_WriteByTheByte_Kj)->Arg(64)->Arg(4096)->Arg(65536);

void BM_Writev_Kj(benchmark::State& state) {
  const std::string piece(state.range(0), 'x');
  const std::vector<Bytes> list(16, BytesOf(piece));
  kj::VectorOutputStream memory(16 * piece.size());
  kj::OutputStream& out = memory;
  for (auto _ : state) {
    memory.clear();
    out.write(kj::arrayPtr(list.data(), list.size()));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Writev_Kj)->Arg(64)->Arg(1024);

// --- The pipe

// Both ends are on one event loop, since KJ has no pipe between two threads.
class KjPipe {
 public:
  explicit KjPipe(size_t size)
      : scope_(loop_),
        pipe_(kj::newTwoWayPipe()),
        message_(size, 'x'),
        buffer_(size, '\0') {}
  void Send(int end) {
    written_.wait(scope_);
    written_ = pipe_.ends[end]->write(message_.data(), message_.size());
  }
  size_t Receive(int end) {
    return pipe_.ends[end]
        ->tryRead(buffer_.data(), 1, buffer_.size())
        .wait(scope_);
  }

 private:
  kj::EventLoop loop_;
  kj::WaitScope scope_;
  kj::TwoWayPipe pipe_;
  const std::string message_;
  std::string buffer_;
  // Of the last message: a pipe has no capacity.
  kj::Promise<void> written_ = kj::READY_NOW;
};
BENCHMARK_TEMPLATE(BM_Alternate, KjPipe)->Apply(FittingSizes);

void BM_PingPong_KjInOneLoop(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  KjPipe pipe(size);
  for (auto _ : state) {
    pipe.Send(0);
    ReceiveMessage(pipe, 1, size);
    pipe.Send(1);
    ReceiveMessage(pipe, 0, size);
  }
}
BENCHMARK(BM_PingPong_KjInOneLoop)->Arg(64)->UseRealTime();

// Two chains of promises, each of which waits for the other one. (gcc 14 does
// not survive KJ's coroutines.)
class KjPingPong {
 public:
  explicit KjPingPong(benchmark::State& state)
      : message_(static_cast<size_t>(state.range(0)), 'x'),
        ping_(message_),
        pong_(message_),
        iterations_(state) {}

  void Run() {
    kj::EventLoop loop;
    kj::WaitScope scope(loop);
    kj::TwoWayPipe pipe = kj::newTwoWayPipe();
    kj::Promise<void> pong = Pong(*pipe.ends[1]);
    Ping(*pipe.ends[0]).wait(scope);
    pong.wait(scope);
  }

 private:
  kj::Promise<void> Ping(kj::AsyncIoStream& stream) {
    if (!iterations_.Next()) {
      stream.shutdownWrite();
      return kj::READY_NOW;
    }
    return stream.write(message_.data(), message_.size())
        .then([&] { return stream.read(ping_.data(), ping_.size()); })
        .then([&] { return Ping(stream); });
  }

  kj::Promise<void> Pong(kj::AsyncIoStream& stream) {
    return stream.tryRead(pong_.data(), pong_.size(), pong_.size())
        .then([&](size_t n) -> kj::Promise<void> {
          if (n < pong_.size()) return kj::READY_NOW;
          return stream.write(pong_.data(), n).then([&] {
            return Pong(stream);
          });
        });
  }

  const std::string message_;
  std::string ping_;
  std::string pong_;
  Iterations iterations_;
};

void BM_PingPong_KjPromises(benchmark::State& state) {
  KjPingPong(state).Run();
}
BENCHMARK(BM_PingPong_KjPromises)->Arg(64)->UseRealTime();

// --- Descriptors

class KjUnix {
 public:
  explicit KjUnix(size_t size) : KjUnix(size, testing::RawUnix()) {}
  void Send() { out_.write(message_.data(), message_.size()); }
  void SendList(const std::vector<absl::string_view>& list) {
    list_.clear();
    for (absl::string_view piece : list) list_.push_back(BytesOf(piece));
    out_.write(kj::arrayPtr(list_.data(), list_.size()));
  }
  size_t Receive() { return in_.tryRead(buffer_.data(), 1, buffer_.size()); }

 private:
  KjUnix(size_t size, testing::RawPair pair)
      : in_(kj::AutoCloseFd(pair.left)),
        out_(kj::AutoCloseFd(pair.right)),
        message_(size, 'x'),
        buffer_(size_t{64} << 10, '\0') {}

  kj::FdInputStream in_;
  kj::FdOutputStream out_;
  const std::string message_;
  std::string buffer_;
  std::vector<Bytes> list_;
};
BENCHMARK_TEMPLATE(InTurn, KjUnix)->Arg(4096);
BENCHMARK_TEMPLATE(ListOf16, KjUnix)->Arg(64)->Arg(1024);

// --- Copy

void ByKj(benchmark::State& state, CopyEnd from, CopyEnd to) {
  kj::AsyncIoContext io = kj::setupAsyncIo();
  RunCopies(state, from, to, [&](int source_fd, int sink_fd) {
    kj::AutoCloseFd source(source_fd);
    kj::AutoCloseFd sink(sink_fd);
    size_t copied = 0;
    if (to == kFile || to == kNull) {
      const auto file = kj::newDiskReadableFile(kj::mv(source));
      copied = kj::newDiskFile(kj::mv(sink))->copy(0, *file, 0, kCopiedBytes);
    } else if (from == kFile) {
      const auto file = kj::newDiskReadableFile(kj::mv(source));
      kj::FileInputStream in(*file);
      auto out = io.lowLevelProvider->wrapSocketFd(kj::mv(sink));
      copied = in.pumpTo(*out).wait(io.waitScope);
    } else {
      auto in = io.lowLevelProvider->wrapInputFd(kj::mv(source));
      auto out = io.lowLevelProvider->wrapOutputFd(kj::mv(sink));
      copied = in->pumpTo(*out).wait(io.waitScope);
    }
    ABSL_CHECK_EQ(copied, kCopiedBytes);
  });
}
COPY_BENCHMARKS(ByKj);

}  // namespace
}  // namespace flow
