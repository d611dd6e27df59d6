// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Flows of descriptors beside the bare system calls, which are their limit:
//
//   Flow   MakeFdFlow() on both ends; Write() of borrowed bytes, Read()
//   Bare   write(2), or writev(2) of a list, and read(2) into one buffer
//
// over a pair of Unix sockets, TCP on loopback, and pipe(2). One iteration is
// one message: written and read in turn by one thread, or streamed from one
// thread to another.
//
//   ./bazelw run -c opt //benchmarks:fd_benchmark

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"
#include "benchmarks/fd_jobs.h"
#include "flow/flow.h"
#include "flow/testing/internal/raw_sockets.h"

namespace flow {
namespace {

using ::flow::testing::FlowOf;
using ::flow::testing::RawPair;
using ::flow::testing::RawPipe;
using ::flow::testing::RawTcp;
using ::flow::testing::RawUnix;

struct Unix {
  static RawPair Make() { return RawUnix(); }
};
struct Tcp {
  static RawPair Make() { return RawTcp(); }
};
struct KernelPipe {
  static RawPair Make() { return RawPipe(); }
};

// Right sends, left receives.

template <typename Transport>
class Flows {
 public:
  explicit Flows(size_t size) : message_(size, 'x') {
    const RawPair pair = Transport::Make();
    reader_ = FlowOf(pair.left);
    writer_ = FlowOf(pair.right);
  }
  void Send() { ABSL_CHECK_OK(writer_->Write(absl::string_view(message_))); }
  void SendList(const std::vector<absl::string_view>& list) {
    ABSL_CHECK_OK(writer_->Writev(list));
  }
  size_t Receive() {
    const absl::StatusOr<absl::Cord> data = reader_->Read();
    ABSL_CHECK_OK(data);
    return data->size();
  }
  void End() { ABSL_CHECK_OK(writer_->Shutdown(ShutdownMode::kWrite)); }

 private:
  const std::string message_;
  std::unique_ptr<Flow> reader_;
  std::unique_ptr<Flow> writer_;
};

template <typename Transport>
class Bare {
 public:
  explicit Bare(size_t size)
      : message_(size, 'x'),
        buffer_(size_t{64} << 10, '\0'),
        pair_(Transport::Make()) {}
  ~Bare() {
    ::close(pair_.left);
    if (pair_.right >= 0) ::close(pair_.right);
  }
  void Send() { SendList({message_}); }
  // Of messages that fit: the caller has read what came before, or waits.
  void SendList(const std::vector<absl::string_view>& list) {
    list_.clear();
    for (absl::string_view piece : list) {
      list_.push_back({const_cast<char*>(piece.data()), piece.size()});
    }
    size_t first = 0;
    while (first < list_.size()) {
      const size_t count = list_.size() - first;
      const ssize_t n = count == 1 ? ::write(pair_.right, list_[first].iov_base,
                                             list_[first].iov_len)
                                   : ::writev(pair_.right, &list_[first],
                                              static_cast<int>(count));
      ABSL_CHECK_GT(n, 0);
      auto left = static_cast<size_t>(n);
      for (; first < list_.size() && left >= list_[first].iov_len; ++first) {
        left -= list_[first].iov_len;
      }
      if (left == 0) continue;
      list_[first].iov_base = static_cast<char*>(list_[first].iov_base) + left;
      list_[first].iov_len -= left;
    }
  }
  size_t Receive() {
    const ssize_t n = ::read(pair_.left, buffer_.data(), buffer_.size());
    ABSL_CHECK_GE(n, 0);
    return static_cast<size_t>(n);
  }
  void End() {
    ::shutdown(pair_.right, SHUT_WR);
    ::close(std::exchange(pair_.right, -1));
  }

 private:
  const std::string message_;
  std::string buffer_;
  std::vector<struct iovec> list_;
  RawPair pair_;
};

#define FOR_TRANSPORT(transport)                                               \
  BENCHMARK_TEMPLATE(InTurn, Flows<transport>)                                 \
      ->Arg(64)                                                                \
      ->Arg(4096)                                                              \
      ->Arg(32768);                                                            \
  BENCHMARK_TEMPLATE(InTurn, Bare<transport>)->Arg(64)->Arg(4096)->Arg(32768); \
  BENCHMARK_TEMPLATE(ListOf16, Flows<transport>)->Arg(64)->Arg(1024);          \
  BENCHMARK_TEMPLATE(ListOf16, Bare<transport>)->Arg(64)->Arg(1024);           \
  BENCHMARK_TEMPLATE(Stream, Flows<transport>)->Arg(1 << 20)->UseRealTime();   \
  BENCHMARK_TEMPLATE(Stream, Bare<transport>)->Arg(1 << 20)->UseRealTime()

FOR_TRANSPORT(Unix);
FOR_TRANSPORT(Tcp);
FOR_TRANSPORT(KernelPipe);

}  // namespace
}  // namespace flow
