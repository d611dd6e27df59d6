// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/kernel_copy.h"

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11)
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/flow_state.h"
#include "flow/internal/kernel_end.h"
#include "flow/operation.h"
#include "flow/outgoing.h"
#include "flow/transport.h"

namespace flow::internal {
namespace {

using Kind = SpliceFile::Kind;

// What nothing can interrupt takes a few milliseconds.
constexpr size_t kMaxMove = size_t{4} << 20;

// A piece that takes longer to drain is too large to tell of the progress.
constexpr std::chrono::milliseconds kQuick{10};

// One call in one direction of a flow, as Read() and Write() are.
class Call {
 public:
  enum class Way { kRead, kWrite };

  Call(Flow& flow, Way way)
      : core_(FlowAccess::Core(flow)),
        way_(way),
        gate_(way == Way::kRead ? core_.read_gate() : core_.write_gate()),
        has_begun_(gate_.Take(ThisThread())) {}
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (!has_begun_ || gate_.Give()) return;
    core_.Move([this](FlowState& state) {
      if (way_ == Way::kRead) {
        state.EndRead();
      } else {
        state.EndWrite();
      }
    });
  }

  // Null if the call may not begin, or the transport cannot do it.
  KernelEnd* end() const {
    return has_begun_ ? core_.transport().kernel_end() : nullptr;
  }

  // The call has moved `size` bytes. An abort or a refusal that came meanwhile
  // is taken for one that came just afterwards, since the bytes have moved.
  void Count(size_t size) {
    if (has_begun_) gate_.Count(size);
  }

 private:
  FlowCore& core_;
  const Way way_;
  Gate& gate_;
  const bool has_begun_;
};

SpliceFile SourceOf(Flow& flow) {
  const KernelEnd* const end = FlowAccess::Core(flow).transport().kernel_end();
  return end == nullptr ? SpliceFile() : end->source();
}

SpliceFile SinkOf(Flow& flow) {
  const KernelEnd* const end = FlowAccess::Core(flow).transport().kernel_end();
  return end == nullptr ? SpliceFile() : end->sink();
}

}  // namespace

bool KernelCopy::IsPossible(Flow& source, Flow& sink) {
  const SpliceFile from = SourceOf(source);
  if (from.kind == Kind::kNone || from.kind == Kind::kNull) return false;
  const SpliceFile to = SinkOf(sink);
  // Within one file, pages on their way would change as the sink is written.
  return to.kind != Kind::kNone && !from.IsSameFile(to);
}

KernelCopy::KernelCopy(Flow& source, Flow& sink)
    : source_(source), sink_(sink), splices_(true) {
  const Kind to = SinkOf(sink).kind;
  is_bulk_ = SourceOf(source).kind == Kind::kRegular;
  moves_ = is_bulk_ && (to == Kind::kRegular || to == Kind::kNull);
}

size_t KernelCopy::Move(uint64_t max_bytes) {
  if (!moves_ || !is_bulk_ || max_bytes < kMinSplice) return 0;
  Call read(source_, Call::Way::kRead);
  Call write(sink_, Call::Way::kWrite);
  KernelEnd* const from = read.end();
  KernelEnd* const to = write.end();
  if (from == nullptr || to == nullptr) return 0;
  const std::optional<size_t> moved =
      from->MoveTo(*to, std::min<uint64_t>(max_bytes, kMaxMove));
  if (!moved.has_value()) moves_ = false;
  if (moved == size_t{0}) GiveUpPipe();
  read.Count(moved.value_or(0));
  write.Count(moved.value_or(0));
  return moved.value_or(0);
}

template <typename FillPipe>
size_t KernelCopy::FillBy(size_t max_bytes, FillPipe fill) {
  if (!splices_ || !is_bulk_ || max_bytes < kMinSplice) {
    GiveUpPipe();
    return 0;
  }
  Call read(source_, Call::Way::kRead);
  KernelEnd* const from = read.end();
  if (pipe_ == nullptr && from != nullptr) pipe_ = from->MakePipe();
  std::optional<size_t> size;
  if (from != nullptr && pipe_ != nullptr) {
    size = fill(*from, std::min({max_bytes, piece_, pipe_->capacity()}));
  }
  splices_ = size.has_value();
  filled_ = size.value_or(0);
  read.Count(filled_);
  if (filled_ == 0) GiveUpPipe();
  return filled_;
}

size_t KernelCopy::Fill(size_t max_bytes) {
  return FillBy(max_bytes, [this](KernelEnd& from, size_t size) {
    return from.FillPipe(pipe_->write_fd(), size);
  });
}

size_t KernelCopy::TryFill(size_t max_bytes) {
  if (IsDrained()) return 0;
  return FillBy(max_bytes, [this](KernelEnd& from, size_t size) {
    return from.TryFillPipe(pipe_->write_fd(), size);
  });
}

// A pipe for nothing would cost more than the look at it.
bool KernelCopy::IsDrained() {
  if (!is_bulk_) return false;
  Call read(source_, Call::Way::kRead);
  if (read.end() == nullptr || !read.end()->IsDrained()) return false;
  GiveUpPipe();
  return true;
}

absl::Status KernelCopy::Drain(absl::Cord* rest) {
  drain_start_ = std::chrono::steady_clock::now();
  const absl::Status status =
      FlowAccess::WriteWith(sink_, filled_, [&](size_t* accepted) {
        Transport& transport = FlowAccess::Core(sink_).transport();
        KernelEnd* const to = transport.kernel_end();
        std::optional<size_t> size;
        if (to != nullptr) size = to->DrainPipe(pipe_->read_fd(), filled_);
        EndPiece();
        splices_ = size.has_value();
        *accepted = size.value_or(0);
        filled_ -= *accepted;
        if (filled_ == 0) return absl::OkStatus();
        // This goes on with the same write, or says why it cannot.
        *rest = TakeRest();
        Outgoing data{Buffer(*rest)};
        absl::Status status = transport.Write(data);
        const size_t more = status.ok() ? data.size() : data.accepted();
        *accepted += more;
        rest->RemovePrefix(more);
        return status;
      });
  // The sink takes no write.
  if (filled_ != 0) *rest = TakeRest();
  return status;
}

bool KernelCopy::StartDrain(Flow::WriteOperation& operation) {
  drain_start_ = std::chrono::steady_clock::now();
  operation.rest.Clear();
  operation.status = absl::OkStatus();
  return FlowAccess::StartWriteWith(sink_, operation, *this);
}

std::optional<absl::Status> KernelCopy::Try(absl::Cord* rest, Retry* retry) {
  Transport& transport = FlowAccess::Core(sink_).transport();
  KernelEnd* const to = transport.kernel_end();
  while (filled_ != 0) {
    std::optional<size_t> size;
    if (to != nullptr) {
      size = to->TryDrainPipe(pipe_->read_fd(), filled_, retry);
    }
    if (size == size_t{0}) return std::nullopt;
    splices_ = size.has_value();
    if (!splices_) {
      // This goes on with the same write, or says why it cannot.
      *rest = TakeRest();
    } else {
      filled_ -= *size;
    }
  }
  if (rest->empty()) return absl::OkStatus();
  return transport.TryWrite(rest, retry);
}

void KernelCopy::EndDrain(Flow::WriteOperation& operation) {
  EndPiece();
  // The sink takes no write, or was late.
  if (filled_ != 0) operation.rest = TakeRest();
}

void KernelCopy::EndPiece() {
  const bool is_quick =
      std::chrono::steady_clock::now() - drain_start_ < kQuick;
  piece_ = std::clamp(is_quick ? 2 * piece_ : piece_ / 2, kMinPiece, kMaxMove);
}

absl::Cord KernelCopy::TakeRest() {
  const size_t size = filled_;
  filled_ = 0;
  return pipe_->Take(size);
}

void KernelCopy::Tell(size_t size) {
  if (size >= kMinSplice) {
    is_bulk_ = true;
  } else {
    GiveUpPipe();
  }
}

// What waits for long holds no descriptors but its own.
void KernelCopy::GiveUpPipe() {
  is_bulk_ = false;
  pipe_.reset();
}

}  // namespace flow::internal
