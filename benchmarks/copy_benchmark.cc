// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Copy() between descriptors beside what a program can do by hand, which is its
// limit:
//
//   ByFlow    Copy() of two flows
//   Memory    the same with `through_memory`
//   Cat       read(2) and write(2) of 128 KiB, as cat(1) does
//   Kernel    the call that suits: sendfile(2), copy_file_range(2), splice(2)
//             from pipe to pipe, or splice(2) through a pipe of 1 MiB
//
// from a file to /dev/null, to a file in memory and to a Unix socket, and
// between two Unix sockets, TCP connections and pipes. One iteration copies 64
// MiB. Files are in memory, so no disk is measured. Where a thread sends and a
// thread receives, both use 128 KiB at a time. Look at the ratios: with few
// cores these threads are in the way of the copy.
//
//   ./bazelw run -c opt //benchmarks:copy_benchmark

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/log/absl_check.h"
#include "benchmark/benchmark.h"
#include "benchmarks/copy_jobs.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"

namespace flow {
namespace {

using ::flow::testing::FlowOf;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::SetNonBlocking;

// Copies by read(2) and write(2) until the source ends.
void CopyByHand(int source, int sink, size_t block) {
  std::vector<char> buffer(block);
  while (true) {
    const ssize_t n = ::read(source, buffer.data(), buffer.size());
    ABSL_PCHECK(n >= 0);
    if (n == 0) return;
    for (ssize_t written = 0; written < n;) {
      const ssize_t m = ::write(sink, buffer.data() + written,
                                static_cast<size_t>(n - written));
      ABSL_PCHECK(m > 0);
      written += m;
    }
  }
}

void CopyFlows(int source_fd, int sink_fd, CopyEnd from, CopyEnd to,
               const CopyOptions& options) {
  if (from == kUnix || from == kTcp) SetNonBlocking(source_fd);
  if (to == kUnix || to == kTcp) SetNonBlocking(sink_fd);
  const std::unique_ptr<Flow> source = FlowOf(source_fd);
  const std::unique_ptr<Flow> sink = FlowOf(sink_fd);
  const CopyResult result = Copy(*source, *sink, options);
  ABSL_CHECK_OK(result.status);
  ABSL_CHECK_EQ(result.statistics.bytes, static_cast<int64_t>(kCopiedBytes));
  ABSL_CHECK_OK(sink->Close());
  ABSL_CHECK_OK(source->Close());
}

void ByFlow(benchmark::State& state, CopyEnd from, CopyEnd to) {
  RunCopies(state, from, to, [=](int source, int sink) {
    CopyFlows(source, sink, from, to, {});
  });
}

void Memory(benchmark::State& state, CopyEnd from, CopyEnd to) {
  CopyOptions options;
  options.through_memory = true;
  RunCopies(state, from, to, [&](int source, int sink) {
    CopyFlows(source, sink, from, to, options);
  });
}

void Cat(benchmark::State& state, CopyEnd from, CopyEnd to) {
  RunCopies(state, from, to, [](int source, int sink) {
    CopyByHand(source, sink, kCopiedBlock);
    ::close(source);
    ::close(sink);
  });
}

// Calls `move`, which is like a read(2), until it is at the end.
template <typename Move>
void Repeat(Move move) {
  while (true) {
    const ssize_t n = move();
    ABSL_PCHECK(n >= 0);
    if (n == 0) return;
  }
}

void Kernel(benchmark::State& state, CopyEnd from, CopyEnd to) {
  RunCopies(state, from, to, [=](int source, int sink) {
    constexpr size_t kStep = size_t{4} << 20;
    if (from == kFile && to == kFile) {
      Repeat([=] {
        return ::copy_file_range(source, nullptr, sink, nullptr, kStep, 0);
      });
    } else if (from == kFile) {
      Repeat([=] { return ::sendfile(sink, source, nullptr, kStep); });
    } else if (from == kPipe && to == kPipe) {
      Repeat([=] {
        return ::splice(source, nullptr, sink, nullptr, kStep, SPLICE_F_MOVE);
      });
    } else {
      const RawPair pipe = RawPipe();
      ABSL_PCHECK(::fcntl(pipe.right, F_SETPIPE_SZ, 1 << 20) >= 0);
      Repeat([=] {
        const ssize_t n = ::splice(source, nullptr, pipe.right, nullptr, kStep,
                                   SPLICE_F_MOVE);
        for (ssize_t left = n; left > 0;) {
          const ssize_t m = ::splice(pipe.left, nullptr, sink, nullptr,
                                     static_cast<size_t>(left), SPLICE_F_MOVE);
          ABSL_PCHECK(m > 0);
          left -= m;
        }
        return n;
      });
      ::close(pipe.left);
      ::close(pipe.right);
    }
    ::close(source);
    ::close(sink);
  });
}

COPY_BENCHMARKS(ByFlow);
COPY_BENCHMARKS(Memory);
COPY_BENCHMARKS(Cat);
COPY_BENCHMARKS(Kernel);

}  // namespace
}  // namespace flow
