// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/copy_ends.h
//
// What tests copy from and to: each kind of descriptor, with the thread at its
// other end; and how much.
//
// Thread safety: none.

#ifndef FLOW_TESTING_INTERNAL_COPY_ENDS_H_
#define FLOW_TESTING_INTERNAL_COPY_ENDS_H_

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status_matchers.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/testing/internal/raw_files.h"
#include "flow/testing/internal/raw_sockets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow::testing {

// More than one step of any kind, and no round number.
inline constexpr size_t kLarge = (size_t{9} << 20) + 12345;
// More than a pipe of this library holds.
inline constexpr size_t kMedium = (size_t{600} << 10) + 321;
// What a Unix socket or a pipe of 256 KiB holds without a reader.
inline constexpr size_t kQueued = size_t{128} << 10;

// Returns a flow of a new file that holds `bytes`.
inline std::unique_ptr<Flow> FileFlow(absl::string_view bytes) {
  return FlowOf(RawFile(bytes));
}

// What a flow is of.
enum class EndKind { kFile, kNull, kPipe, kUnix, kTcp };

inline std::string NameOf(EndKind kind) {
  static constexpr const char* kNames[] = {"File", "Null", "Pipe", "Unix",
                                           "Tcp"};
  return kNames[static_cast<int>(kind)];
}

inline RawPair PairOf(EndKind kind) {
  return kind == EndKind::kPipe   ? RawPipe()
         : kind == EndKind::kUnix ? RawUnix()
                                  : RawTcp();
}

// A flow that gives `bytes`, and the thread that sends them.
class CopySource {
 public:
  CopySource(EndKind kind, std::string bytes) {
    if (kind == EndKind::kFile) {
      flow = FileFlow(bytes);
      return;
    }
    const RawPair pair = PairOf(kind);
    if (kind != EndKind::kPipe) SetNonBlocking(pair.left);
    flow = FlowOf(pair.left);
    thread_ = std::thread([fd = pair.right, bytes = std::move(bytes)] {
      RawWrite(fd, bytes);
      ::shutdown(fd, SHUT_WR);
      // A socket stays open, as closing it could be a reset.
      char byte;
      [[maybe_unused]] const ssize_t end = ::read(fd, &byte, 1);
      ::close(fd);
    });
  }
  ~CopySource() {
    flow.reset();
    if (thread_.joinable()) thread_.join();
  }

  std::unique_ptr<Flow> flow;

 private:
  std::thread thread_;
};

// A flow, and what it was given.
class CopySink {
 public:
  explicit CopySink(EndKind kind) {
    if (kind == EndKind::kNull) {
      flow = FlowOf(RawNull());
    } else if (kind == EndKind::kFile) {
      file_ = RawFile();
      flow = FlowOf(RawReopen(file_, O_WRONLY));
    } else {
      const RawPair pair = PairOf(kind);
      if (kind != EndKind::kPipe) SetNonBlocking(pair.right);
      flow = FlowOf(pair.right);
      thread_ = std::thread([this, fd = pair.left] {
        received_ = RawReadToEnd(fd).bytes;
        ::close(fd);
      });
    }
  }
  ~CopySink() {
    flow.reset();
    if (thread_.joinable()) thread_.join();
    if (file_ >= 0) ::close(file_);
  }

  std::string End() {
    EXPECT_THAT(flow->Shutdown(ShutdownMode::kWrite), ::absl_testing::IsOk());
    flow.reset();
    if (thread_.joinable()) thread_.join();
    return file_ >= 0 ? RawContents(file_) : received_;
  }

  std::unique_ptr<Flow> flow;

 private:
  int file_ = -1;
  std::string received_;
  std::thread thread_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_COPY_ENDS_H_
