// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages of one size through a pipe, beside what else could carry them in the
// same program:
//
//   PipeCord     flow::MakePipe(), each message a Cord that is shared
//   PipeBytes    flow::MakePipe(), each message borrowed and copied
//   PipeInto     PipeBytes, read into memory of the reader
//   Decorated    PipeBytes with a decorator at each end that only forwards
//   ChannelLine  flow::MakeChannel() on a pipe: each message a line, written
//                with a buffer and flushed, and read as a line
//   Queue        a queue of buffers with a mutex, of the same capacity: no
//                deadlines, no errors, no end; what the rules cost
//   Large...     the same with 1 MiB of capacity instead of 256 KiB
//   Socketpair   a pair of Unix sockets
//   KernelPipe   two pipe(2)
//
// in three ways: one thread writing and reading in turn, two threads streaming,
// two threads playing ping-pong. One iteration is one message (there and back).
//
//   ./bazelw run -c opt //benchmarks:pipe_benchmark

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "benchmarks/pipe_jobs.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/transport.h"

namespace flow {
namespace {

constexpr size_t kLargeCapacity = size_t{1} << 20;

class PipeBytes {
 public:
  explicit PipeBytes(size_t size, size_t capacity = kPipeCapacity)
      : pipe_(MakePipe(capacity)), message_(size, 'x') {}
  void Send(int end) { ABSL_CHECK_OK(flow(end).Write(message_)); }
  size_t Receive(int end) {
    absl::StatusOr<absl::Cord> data = flow(end).Read();
    ABSL_CHECK_OK(data);
    return data->size();
  }
  void End() { ABSL_CHECK_OK(pipe_.left->Shutdown(ShutdownMode::kWrite)); }

 protected:
  Flow& flow(int end) { return end == 0 ? *pipe_.left : *pipe_.right; }

  Pipe pipe_;

 private:
  const std::string message_;
};

class PipeInto : public PipeBytes {
 public:
  explicit PipeInto(size_t size)
      : PipeBytes(size),
        buffers_{std::string(size, '\0'), std::string(size, '\0')} {}
  size_t Receive(int end) {
    absl::StatusOr<size_t> n =
        flow(end).ReadInto(absl::MakeSpan(buffers_[end]));
    ABSL_CHECK_OK(n);
    return *n;
  }

 private:
  std::string buffers_[2];
};

class PipeCord : public PipeBytes {
 public:
  explicit PipeCord(size_t size, size_t capacity = kPipeCapacity)
      : PipeBytes(size, capacity), message_(std::string(size, 'x')) {}
  void Send(int end) { ABSL_CHECK_OK(flow(end).Write(message_)); }

 private:
  const absl::Cord message_;
};

class LargePipeCord : public PipeCord {
 public:
  explicit LargePipeCord(size_t size) : PipeCord(size, kLargeCapacity) {}
};

// Changes nothing.
class PlainTransport final : public ForwardingTransport {
 public:
  using ForwardingTransport::ForwardingTransport;
};

std::unique_ptr<Flow> Decorate(std::unique_ptr<Flow> flow) {
  return DecorateFlow(
      std::move(flow), [](std::unique_ptr<Transport> underneath) {
        return std::make_unique<PlainTransport>(std::move(underneath));
      });
}

class Decorated : public PipeBytes {
 public:
  explicit Decorated(size_t size) : PipeBytes(size) {
    pipe_.left = Decorate(std::move(pipe_.left));
    pipe_.right = Decorate(std::move(pipe_.right));
  }
};

class ChannelLine {
 public:
  explicit ChannelLine(size_t size) : line_(size - 1, 'x') {
    line_ += '\n';
    Pipe pipe = MakePipe(kPipeCapacity);
    ends_[0] = MakeChannel(std::move(pipe.left));
    ends_[1] = MakeChannel(std::move(pipe.right));
  }
  void Send(int end) {
    ABSL_CHECK_OK(ends_[end]->WriteBuffered(line_));
    ABSL_CHECK_OK(ends_[end]->Flush());
  }
  size_t Receive(int end) {
    absl::StatusOr<std::optional<std::string>> line =
        ends_[end]->ReadLine(line_.size());
    ABSL_CHECK_OK(line);
    // At the end of the stream there is none.
    return line->has_value() ? (*line)->size() + 1 : 0;
  }
  void End() { ABSL_CHECK_OK(ends_[0]->Shutdown(ShutdownMode::kWrite)); }

 private:
  std::string line_;
  std::unique_ptr<Channel> ends_[2];
};

class Queue {
 public:
  explicit Queue(size_t size, size_t capacity = kPipeCapacity)
      : message_(std::string(size, 'x')),
        directions_{Direction(capacity), Direction(capacity)} {}
  void Send(int end) { directions_[end].Push(message_); }
  size_t Receive(int end) { return directions_[1 - end].Pop().size(); }
  void End() { directions_[0].Push(absl::Cord()); }

 private:
  class Direction {
   public:
    explicit Direction(size_t capacity) : capacity_(capacity) {}

    void Push(absl::Cord buffer) {
      absl::MutexLock lock(&mu_);
      while (queued_ >= capacity_) room_.Wait(&mu_);
      queued_ += buffer.size();
      buffers_.push_back(std::move(buffer));
      if (reader_waits_) data_.Signal();
    }
    absl::Cord Pop() {
      absl::MutexLock lock(&mu_);
      reader_waits_ = true;
      while (buffers_.empty()) data_.Wait(&mu_);
      reader_waits_ = false;
      absl::Cord buffer = std::move(buffers_.front());
      buffers_.pop_front();
      if (queued_ >= capacity_) room_.Signal();
      queued_ -= buffer.size();
      return buffer;
    }

   private:
    const size_t capacity_;
    absl::Mutex mu_;
    absl::CondVar data_;
    absl::CondVar room_;
    std::deque<absl::Cord> buffers_ ABSL_GUARDED_BY(mu_);
    size_t queued_ ABSL_GUARDED_BY(mu_) = 0;
    bool reader_waits_ ABSL_GUARDED_BY(mu_) = false;
  };

  const absl::Cord message_;
  Direction directions_[2];
};

class LargeQueue : public Queue {
 public:
  explicit LargeQueue(size_t size) : Queue(size, kLargeCapacity) {}
};

class Descriptors {
 public:
  explicit Descriptors(size_t size)
      : message_(size, 'x'),
        buffers_{std::string(std::max(size, size_t{65536}), '\0'),
                 std::string(std::max(size, size_t{65536}), '\0')} {}
  ~Descriptors() {
    for (int end : {0, 1}) {
      close(read_[end]);
      if (write_[end] != read_[end]) close(write_[end]);
    }
  }
  void Send(int end) {
    size_t sent = 0;
    while (sent < message_.size()) {
      const ssize_t n =
          write(write_[end], message_.data() + sent, message_.size() - sent);
      ABSL_CHECK_GT(n, 0);
      sent += static_cast<size_t>(n);
    }
  }
  size_t Receive(int end) {
    const ssize_t n =
        read(read_[end], buffers_[end].data(), buffers_[end].size());
    ABSL_CHECK_GE(n, 0);
    return static_cast<size_t>(n);
  }

 protected:
  int read_[2];
  int write_[2];

 private:
  const std::string message_;
  std::string buffers_[2];
};

class Socketpair : public Descriptors {
 public:
  explicit Socketpair(size_t size) : Descriptors(size) {
    ABSL_CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, read_), 0);
    std::copy(read_, read_ + 2, write_);
  }
  void End() { shutdown(write_[0], SHUT_WR); }
};

class KernelPipe : public Descriptors {
 public:
  explicit KernelPipe(size_t size) : Descriptors(size) {
    int there[2];
    int back[2];
    ABSL_CHECK_EQ(pipe(there), 0);
    ABSL_CHECK_EQ(pipe(back), 0);
    write_[0] = there[1];
    read_[1] = there[0];
    write_[1] = back[1];
    read_[0] = back[0];
  }
  void End() { close(std::exchange(write_[0], -1)); }
};

BENCHMARK_TEMPLATE(BM_Alternate, PipeCord)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_Alternate, PipeBytes)->Apply(FittingSizes);
BENCHMARK_TEMPLATE(BM_Alternate, PipeInto)->Apply(FittingSizes);
BENCHMARK_TEMPLATE(BM_Alternate, Decorated)->Arg(64);
BENCHMARK_TEMPLATE(BM_Alternate, ChannelLine)->Arg(64);
BENCHMARK_TEMPLATE(BM_Alternate, Queue)->Apply(Sizes);
BENCHMARK_TEMPLATE(BM_Alternate, Socketpair)->Apply(FittingSizes);
BENCHMARK_TEMPLATE(BM_Alternate, KernelPipe)->Apply(FittingSizes);

BENCHMARK_TEMPLATE(BM_Stream, PipeCord)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, LargePipeCord)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, PipeBytes)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, Decorated)->Arg(64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, ChannelLine)->Arg(64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, Queue)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, LargeQueue)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, Socketpair)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, KernelPipe)->Apply(Sizes)->UseRealTime();

BENCHMARK_TEMPLATE(BM_PingPong, PipeCord)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, PipeBytes)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, Decorated)->Arg(64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, ChannelLine)->Arg(64)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, Queue)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, Socketpair)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, KernelPipe)->Apply(Sizes)->UseRealTime();

}  // namespace
}  // namespace flow
