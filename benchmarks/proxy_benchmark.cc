// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages of one size through a proxy, beside the same bytes without it:
//
//   OnePipe     from one end of a pipe to the other: the limit
//   Relayed     two pipes with flow::Proxy() in between
//   WithIdle    the same with an idle timeout and a callback
//
// One thread writes, another one reads; the proxy has two of its own, one of
// which is blocked, as nothing comes back. One iteration is one message.
//
//   ./bazelw run -c opt //benchmarks:proxy_benchmark

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/proxy.h"

namespace flow {
namespace {

// Each transport has a `from()` and a `to()`. Both are ended before it goes.

class OnePipe {
 public:
  Flow& from() { return *pipe_.left; }
  Flow& to() { return *pipe_.right; }

 private:
  Pipe pipe_ = MakePipe();
};

class Relayed {
 public:
  explicit Relayed(ProxyOptions options = {})
      : proxy_([this, options = std::move(options)] {
          ABSL_CHECK_OK(Proxy(*near_.right, *far_.left, options).status);
        }) {}
  ~Relayed() { proxy_.join(); }
  Flow& from() { return *near_.left; }
  Flow& to() { return *far_.right; }

 private:
  Pipe near_ = MakePipe();
  Pipe far_ = MakePipe();
  std::thread proxy_;
};

class WithIdle : public Relayed {
 public:
  WithIdle() : Relayed(Options()) {}

 private:
  static ProxyOptions Options() {
    ProxyOptions options;
    options.idle_timeout = absl::Hours(1);
    options.on_write = [passed = int64_t{0}](ProxyDirection,
                                             int64_t bytes) mutable {
      passed += bytes;
      benchmark::DoNotOptimize(passed);
    };
    return options;
  }
};

template <typename Transport>
void BM_Stream(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  const absl::Cord message(std::string(size, 'x'));
  Transport transport;
  std::thread receiver([&] {
    while (true) {
      absl::StatusOr<absl::Cord> data = transport.to().Read();
      ABSL_CHECK_OK(data);
      if (data->empty()) break;
    }
    ABSL_CHECK_OK(transport.to().Shutdown(ShutdownMode::kWrite));
  });
  for (auto _ : state) ABSL_CHECK_OK(transport.from().Write(message));
  ABSL_CHECK_OK(transport.from().Shutdown(ShutdownMode::kWrite));
  receiver.join();
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(size));
}

void Sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(64)->Arg(4096)->Arg(int64_t{1} << 20);
}

BENCHMARK_TEMPLATE(BM_Stream, OnePipe)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, Relayed)->Apply(Sizes)->UseRealTime();
BENCHMARK_TEMPLATE(BM_Stream, WithIdle)->Apply(Sizes)->UseRealTime();

}  // namespace
}  // namespace flow
