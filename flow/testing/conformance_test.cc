// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The conformance suite on our own flows. One line adds another kind.

#include "flow/testing/conformance.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/internal/mutex_lock.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

// --- Pipes

ConformanceOptions Pipes(size_t capacity) {
  ConformanceOptions options;
  options.name = capacity == kNoLimit ? "without_limit"
                                      : absl::StrCat("capacity_", capacity);
  options.make_pair = [capacity] {
    Pipe pipe = MakePipe(capacity);
    return FlowPair{std::move(pipe.left), std::move(pipe.right)};
  };
  if (capacity != kNoLimit) options.make_full = options.make_pair;
  if (capacity < 10) {
    // Byte by byte, a mebibyte takes its time.
    options.more_than_full = 16 << 10;
    options.hang_timeout = absl::Minutes(1);
  }
  return options;
}

INSTANTIATE_TEST_SUITE_P(Pipe, FlowConformanceTest,
                         ::testing::Values(Pipes(0), Pipes(1), Pipes(4 << 10),
                                           Pipes(256 << 10), Pipes(kNoLimit)),
                         ConformanceName);

// --- Function flows, back to back

// One direction between two function flows: bytes that one has put and the
// other has not taken yet.
class Conveyor {
 public:
  // Takes a prefix of `bytes`, when there is room; 0 if nobody reads any more.
  size_t Put(absl::string_view bytes) {
    flow::internal::MutexLock lock(mu_);
    mu_.Await(absl::Condition(
        +[](Conveyor* c) {
          c->mu_.AssertReaderHeld();
          return c->bytes_.size() < kCapacity || c->refused_;
        },
        this));
    if (refused_) return 0;
    const size_t n = std::min(bytes.size(), kCapacity - bytes_.size());
    bytes_.append(bytes.data(), n);
    return n;
  }

  // Returns up to `most` bytes, when there are any; none at the end.
  absl::StatusOr<std::string> Take(size_t most) {
    flow::internal::MutexLock lock(mu_);
    mu_.Await(absl::Condition(
        +[](Conveyor* c) {
          c->mu_.AssertReaderHeld();
          return !c->bytes_.empty() || c->ended_ || c->broken_;
        },
        this));
    if (bytes_.empty() && !ended_) return absl::AbortedError("broken");
    std::string taken = bytes_.substr(0, most);
    bytes_.erase(0, taken.size());
    return taken;
  }

  void End() {
    flow::internal::MutexLock lock(mu_);
    ended_ = true;
  }

  // The writer is gone; without End() that is no end.
  void Break() {
    flow::internal::MutexLock lock(mu_);
    broken_ = true;
  }

  // The reader is gone.
  void Refuse() {
    flow::internal::MutexLock lock(mu_);
    refused_ = true;
  }

 private:
  static constexpr size_t kCapacity = 4096;

  absl::Mutex mu_;
  std::string bytes_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool refused_ ABSL_GUARDED_BY(mu_) = false;
};

Input InputOf(std::shared_ptr<Conveyor> conveyor, bool by_the_byte) {
  if (by_the_byte) {
    return Input::Bytes(
        [conveyor](absl::Span<char> buffer) -> absl::StatusOr<size_t> {
          absl::StatusOr<std::string> taken = conveyor->Take(buffer.size());
          if (!taken.ok()) return taken.status();
          std::copy(taken->begin(), taken->end(), buffer.begin());
          return taken->size();
        });
  }
  return Input::Buffers([conveyor]() -> absl::StatusOr<absl::Cord> {
    absl::StatusOr<std::string> taken = conveyor->Take(kNoLimit);
    if (!taken.ok()) return taken.status();
    return absl::Cord(*std::move(taken));
  });
}

Output OutputOf(std::shared_ptr<Conveyor> conveyor, bool by_the_byte) {
  const auto end = [conveyor] { conveyor->End(); };
  if (by_the_byte) {
    return Output::Bytes(
        [conveyor](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          return conveyor->Put(absl::string_view(bytes.data(), bytes.size()));
        },
        end);
  }
  return Output::Buffers(
      [conveyor](absl::Cord buffer) -> absl::Status {
        for (absl::string_view chunk : buffer.Chunks()) {
          while (!chunk.empty()) {
            const size_t n = conveyor->Put(chunk);
            if (n == 0) return ClosedError("nobody reads any more");
            chunk.remove_prefix(n);
          }
        }
        return absl::OkStatus();
      },
      end);
}

ConformanceOptions FunctionFlows(bool by_the_byte) {
  ConformanceOptions options;
  options.name = by_the_byte ? "by_the_byte" : "by_the_buffer";
  options.make_pair = [by_the_byte] {
    const auto there = std::make_shared<Conveyor>();
    const auto back = std::make_shared<Conveyor>();
    const auto make = [by_the_byte](std::string name,
                                    std::shared_ptr<Conveyor> in,
                                    std::shared_ptr<Conveyor> out) {
      FunctionFlowOptions flow;
      flow.name = std::move(name);
      flow.input = InputOf(in, by_the_byte);
      flow.output = OutputOf(out, by_the_byte);
      flow.close = [in, out] {
        in->Refuse();
        out->Break();
      };
      return MakeFunctionFlow(std::move(flow));
    };
    return FlowPair{make("left", back, there), make("right", there, back)};
  };
  options.make_full = options.make_pair;
  // An Abort() calls no function, so the other flow does not learn of it; and
  // what a function waits for, no other one can interrupt.
  options.traits.carries_abort = false;
  options.traits.awaits_remote_end = false;
  options.traits.refuses = false;
  options.traits.interruptible = false;
  return options;
}

INSTANTIATE_TEST_SUITE_P(FunctionFlow, FlowConformanceTest,
                         ::testing::Values(FunctionFlows(true),
                                           FunctionFlows(false)),
                         ConformanceName);

}  // namespace
}  // namespace flow::testing
