// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What copy_benchmark measures, for whatever copies from one descriptor to
// another.

#ifndef FLOW_BENCHMARKS_COPY_JOBS_H_
#define FLOW_BENCHMARKS_COPY_JOBS_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/log/absl_check.h"
#include "benchmark/benchmark.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"

namespace flow {

inline constexpr size_t kCopiedBytes = size_t{64} << 20;
inline constexpr size_t kCopiedBlock = size_t{128} << 10;

enum CopyEnd { kFile, kNull, kUnix, kTcp, kPipe };

// Two descriptors, and whoever is behind them. Who copies closes the two.
class CopyJob {
 public:
  CopyJob(CopyEnd from, CopyEnd to) {
    if (from == kFile) {
      source = testing::RawReopen(File(), O_RDONLY);
    } else {
      const testing::RawPair pair = Pair(from);
      source = pair.left;
      threads_.emplace_back([fd = pair.right] {
        Send(fd);
        ::close(fd);
      });
    }
    if (to == kNull) {
      sink = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    } else if (to == kFile) {
      sink = ::memfd_create("sink", MFD_CLOEXEC);
    } else {
      const testing::RawPair pair = Pair(to);
      sink = pair.right;
      threads_.emplace_back([fd = pair.left] {
        Receive(fd);
        ::close(fd);
      });
    }
  }
  ~CopyJob() {
    for (std::thread& thread : threads_) thread.join();
  }

  // The file that all copies read.
  static int File() {
    static const int file = [] {
      const int fd = ::memfd_create("source", MFD_CLOEXEC);
      ABSL_PCHECK(fd >= 0);
      Send(fd);
      return fd;
    }();
    return file;
  }

  int source;
  int sink;

 private:
  static void Send(int fd) {
    const std::vector<char> block(kCopiedBlock, 'x');
    for (size_t sent = 0; sent < kCopiedBytes;) {
      const ssize_t n = ::write(fd, block.data(), block.size());
      ABSL_PCHECK(n > 0);
      sent += static_cast<size_t>(n);
    }
  }
  static void Receive(int fd) {
    std::vector<char> block(kCopiedBlock);
    while (::read(fd, block.data(), block.size()) > 0) {
    }
  }
  static testing::RawPair Pair(CopyEnd kind) {
    return kind == kPipe   ? testing::RawPipe()
           : kind == kUnix ? testing::RawUnix()
                           : testing::RawTcp();
  }

  std::vector<std::thread> threads_;
};

// Measures `copy(source, sink)`, which closes both descriptors.
template <typename Copier>
void RunCopies(benchmark::State& state, CopyEnd from, CopyEnd to, Copier copy) {
  CopyJob::File();
  for (auto _ : state) {
    const CopyJob job(from, to);
    copy(job.source, job.sink);
  }
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * kCopiedBytes));
}

// Registers `function(state, from, to)` for each way to copy.
#define COPY_BENCHMARKS(function)                       \
  COPY_BENCHMARK(function, file_to_null, kFile, kNull); \
  COPY_BENCHMARK(function, file_to_file, kFile, kFile); \
  COPY_BENCHMARK(function, file_to_unix, kFile, kUnix); \
  COPY_BENCHMARK(function, unix_to_unix, kUnix, kUnix); \
  COPY_BENCHMARK(function, tcp_to_tcp, kTcp, kTcp);     \
  COPY_BENCHMARK(function, pipe_to_pipe, kPipe, kPipe)

#define COPY_BENCHMARK(function, name, from, to) \
  BENCHMARK_CAPTURE(function, name, from, to)    \
      ->MeasureProcessCPUTime()                  \
      ->UseRealTime()

}  // namespace flow

#endif  // FLOW_BENCHMARKS_COPY_JOBS_H_
