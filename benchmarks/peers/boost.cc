// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Boost.Beast and Boost.Asio (Debian's libboost1.83-dev) at our jobs: Beast's
// buffers and its stream in memory, Asio's sockets. Neither copies from one
// stream to another.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/_experimental/test/stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/fd_jobs.h"
#include "benchmarks/pipe_jobs.h"
#include "flow/testing/internal/raw_sockets.h"

namespace flow {
namespace {

namespace asio = ::boost::asio;
namespace beast = ::boost::beast;

// --- The hot path

// A buffer that is filled from an array.
void BM_ReadByTheByte_Beast(benchmark::State& state) {
  const std::string source(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    beast::flat_buffer data;
    data.commit(
        asio::buffer_copy(data.prepare(source.size()), asio::buffer(source)));
    benchmark::DoNotOptimize(data);
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_ReadByTheByte_Beast)->Arg(64)->Arg(1024)->Arg(4096)->Arg(65536);

void BM_WriteByTheByte_Beast(benchmark::State& state) {
  const std::string data(state.range(0), 'x');
  beast::flat_buffer memory;
  memory.reserve(1 << 20);
  for (auto _ : state) {
    if (memory.capacity() - memory.size() < data.size()) memory.clear();
    memory.commit(
        asio::buffer_copy(memory.prepare(data.size()), asio::buffer(data)));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_WriteByTheByte_Beast)->Arg(64)->Arg(4096)->Arg(65536);

void BM_Writev_Beast(benchmark::State& state) {
  const std::string piece(state.range(0), 'x');
  const std::vector<asio::const_buffer> list(16, asio::buffer(piece));
  beast::flat_buffer memory;
  memory.reserve(16 * piece.size());
  for (auto _ : state) {
    memory.clear();
    memory.commit(
        asio::buffer_copy(memory.prepare(asio::buffer_size(list)), list));
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Writev_Beast)->Arg(64)->Arg(1024);

// --- The pipe

// Its buffer grows without a limit: a writer never waits.
class BeastStream {
 public:
  explicit BeastStream(size_t size)
      : message_(size, 'x'),
        buffers_{std::string(size, '\0'), std::string(size, '\0')} {
    for (auto& end : ends_) end.emplace(context_);
    ends_[0]->connect(*ends_[1]);
  }
  void Send(int end) { ends_[end]->write_some(asio::buffer(message_)); }
  size_t Receive(int end) {
    beast::error_code error;  // end-of-file is one
    return ends_[end]->read_some(asio::buffer(buffers_[end]), error);
  }
  void End() { ends_[0]->close(); }

 private:
  asio::io_context context_;
  std::optional<beast::test::stream> ends_[2];
  const std::string message_;
  std::string buffers_[2];
};
BENCHMARK_TEMPLATE(BM_Alternate, BeastStream)->Apply(FittingSizes);
BENCHMARK_TEMPLATE(BM_Stream, BeastStream)->Arg(64)->Arg(4096)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, BeastStream)->Arg(64)->UseRealTime();

// --- Descriptors

class AsioUnix {
 public:
  explicit AsioUnix(size_t size)
      : reader_(context_),
        writer_(context_),
        message_(size, 'x'),
        buffer_(size_t{64} << 10, '\0') {
    const testing::RawPair pair = testing::RawUnix();
    reader_.assign({}, pair.left);
    writer_.assign({}, pair.right);
  }
  void Send() { asio::write(writer_, asio::buffer(message_)); }
  void SendList(const std::vector<absl::string_view>& list) {
    list_.clear();
    for (absl::string_view piece : list) {
      list_.push_back(asio::buffer(piece.data(), piece.size()));
    }
    asio::write(writer_, list_);
  }
  size_t Receive() { return reader_.read_some(asio::buffer(buffer_)); }

 private:
  asio::io_context context_;
  asio::local::stream_protocol::socket reader_;
  asio::local::stream_protocol::socket writer_;
  const std::string message_;
  std::string buffer_;
  std::vector<asio::const_buffer> list_;
};
BENCHMARK_TEMPLATE(InTurn, AsioUnix)->Arg(4096);
BENCHMARK_TEMPLATE(ListOf16, AsioUnix)->Arg(64)->Arg(1024);

}  // namespace
}  // namespace flow
