// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes frames and blocks by a FrameWriter to a pipe that has too little room,
// while the far end reads, refuses or aborts, and holds the outcomes against
// frame_writer.h:
//
//  * the far end reads frames that were accepted, whole and in order; the rest
//    of one that was cut comes before the next one;
//  * a frame is Ok if all of it was accepted, and IsFrameBegun() tells whether
//    some of it was; one that was not begun leaves nothing behind;
//  * a frame that was posted is kept;
//  * waiting_bytes() is what was kept, and no more than the limit is;
//  * the stream ends in good order only if nothing is left.
//
// All happens in one thread: deadlines are in the past, so what would wait
// gives up at once. How much the pipe takes then is not the subject. The
// settings: its capacity, and the limit of what may wait.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/frame_writer.h"
#include "flow/framing.h"
#include "flow/pipe.h"
#include "flow/status.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

constexpr size_t kCapacities[] = {0, 1, 64, 1000, kNoLimit};
constexpr size_t kMaxTotal = 20000;

enum Word {
  kWrite,
  kWriteBlock,
  kPost,
  kPostBlock,
  kFlush,
  kFinish,
  kRead,
  kRefuse,
  kAbort,
};

Grammar Words() {
  Grammar grammar;
  grammar.settings = "0|1|64|1000|unbounded SIZE";
  grammar.words = {
      {kWrite, "write view|cord|list wait|fail SIZE"},
      {kWriteBlock, "write_block wait|fail SIZE"},
      {kPost, "post view|cord|list SIZE"},
      {kPostBlock, "post_block SIZE"},
      {kFlush, "flush"},
      {kFinish, "finish"},
      {kRead, "read SIZE"},
      {kRefuse, "refuse"},
      {kAbort, "abort"},
  };
  grammar.large_sizes = {100, 255, 256, 512, 1000, 4097};
  return grammar;
}

class Run {
 public:
  explicit Run(const Script& script)
      : capacity_(kCapacities[script.settings.numbers[0]]),
        max_waiting_(script.settings.numbers[1]) {
    Pipe pipe = MakePipe(capacity_);
    flow_ = std::move(pipe.left);
    far_ = std::move(pipe.right);
    far_->SetReadDeadline(absl::InfinitePast());
    FrameWriterOptions options;
    options.max_waiting_bytes = max_waiting_;
    writer_ = std::make_unique<FrameWriter>(*flow_, options);
    for (const Operation& operation : script.operations) Do(operation);
    End();
  }

 private:
  using Code = absl::StatusCode;

  void Do(const Operation& operation) {
    const auto& n = operation.numbers;
    switch (static_cast<Word>(operation.word)) {
      case kWrite: {
        const std::string frame = NextFrame(n[2]);
        const auto when = n[1] == 0 ? WhenFull::kWait : WhenFull::kFail;
        Write(frame, when, [&] {
          switch (n[0]) {
            case 0:
              return writer_->Write(frame, absl::InfinitePast(), when);
            case 1:
              return writer_->Write(absl::Cord(frame), absl::InfinitePast(),
                                    when);
            default:
              return writer_->Write(
                  {frame.substr(0, 1), absl::Cord(frame.substr(1))},
                  absl::InfinitePast(), when);
          }
        });
        break;
      }
      case kWriteBlock: {
        const std::string block = NextFrame(n[1]);
        const auto when = n[0] == 0 ? WhenFull::kWait : WhenFull::kFail;
        Write(Block(block), when, [&] {
          return writer_->WriteBlock(Format(), block, absl::InfinitePast(),
                                     when);
        });
        break;
      }
      case kPost: {
        const std::string frame = NextFrame(n[1]);
        Post(frame, [&] {
          switch (n[0]) {
            case 0:
              return writer_->Post(frame);
            case 1:
              return writer_->Post(absl::Cord(frame));
            default:
              return writer_->Post(
                  {frame.substr(0, 1), absl::Cord(frame.substr(1))});
          }
        });
        break;
      }
      case kPostBlock: {
        const std::string block = NextFrame(n[0]);
        Post(Block(block), [&] { return writer_->PostBlock(Format(), block); });
        break;
      }
      case kFlush:
        if (!is_finishing_) Flush();
        break;
      case kFinish:
        Finish();
        break;
      case kRead:
        if (n[0] > 0) Read(n[0]);
        break;
      case kRefuse:
        if (broken_ == Code::kOk) broken_ = Code::kFailedPrecondition;
        ABSL_CHECK_EQ(far_->Shutdown(ShutdownMode::kRead).ok(), !is_aborted_);
        break;
      case kAbort:
        if (broken_ == Code::kOk) broken_ = Code::kDataLoss;
        is_aborted_ = true;
        far_->Abort(absl::DataLossError("aborted"));
        break;
    }
    if (broken_ == Code::kOk) {
      ABSL_CHECK_EQ(writer_->waiting_bytes(), kept_.size());
    }
  }

  std::string NextFrame(size_t size) {
    size = std::max(budget_.Take(size), size_t{1});
    offset_ += size;
    return std::string(Pattern(offset_ - size, size));
  }
  // With one byte of length.
  static BlockFormat Format() {
    return BlockFormat(/*max_bytes=*/1000, LengthPrefix::k8Bit);
  }
  static std::string Block(const std::string& bytes) {
    if (bytes.size() > 255) return "";
    return absl::StrCat(std::string(1, static_cast<char>(bytes.size())), bytes);
  }

  // Calls `write`. Returns how many bytes the flow has accepted, which must be
  // some if there is room for what was kept and `frame`.
  template <typename Function>
  size_t Accepted(absl::string_view frame, absl::Status* status,
                  Function write) {
    const int64_t before = flow_->bytes_written();
    *status = write();
    const auto accepted = static_cast<size_t>(flow_->bytes_written() - before);
    const std::string all = absl::StrCat(kept_, frame);
    ABSL_CHECK_LE(accepted, all.size());
    const bool is_taken =
        !IsClosed(*status) && !absl::IsResourceExhausted(*status);
    if (broken_ == Code::kOk && is_taken && capacity_ > unread_.size()) {
      ABSL_CHECK_GE(accepted, std::min(all.size(), capacity_ - unread_.size()));
    }
    unread_ += all.substr(0, accepted);
    return accepted;
  }

  bool CheckNotTaken(const std::string& frame, WhenFull when_full,
                     const absl::Status& status, size_t accepted) {
    const bool is_full = when_full == WhenFull::kFail && !kept_.empty() &&
                         kept_.size() + frame.size() > max_waiting_;
    const bool is_too_long = frame.empty();  // for the format
    if (is_too_long || (is_full && !is_finishing_ && broken_ == Code::kOk)) {
      ABSL_CHECK(absl::IsResourceExhausted(status)) << status;
    } else if (is_finishing_) {
      ABSL_CHECK(IsClosed(status)) << status;
    } else if (broken_ != Code::kOk) {
      ABSL_CHECK(status.code() == broken_ ||
                 (is_full && absl::IsResourceExhausted(status)))
          << status;
    } else {
      return false;
    }
    ABSL_CHECK_EQ(accepted, 0u);
    ABSL_CHECK(!IsFrameBegun(status));
    return true;
  }

  // An empty frame is one that the format does not allow.
  template <typename Function>
  void Write(const std::string& frame, WhenFull when_full, Function write) {
    absl::Status status;
    const size_t accepted = Accepted(frame, &status, write);
    if (CheckNotTaken(frame, when_full, status, accepted)) return;
    const size_t before = std::min(accepted, kept_.size());
    kept_.erase(0, before);
    const size_t sent = accepted - before;
    ABSL_CHECK_EQ(status.code(),
                  sent == frame.size() ? Code::kOk : Code::kDeadlineExceeded)
        << status;
    ABSL_CHECK_EQ(IsFrameBegun(status), sent > 0) << status;
    if (sent > 0) kept_ += frame.substr(sent);
  }

  template <typename Function>
  void Post(const std::string& frame, Function post) {
    absl::Status status;
    const size_t accepted = Accepted(frame, &status, post);
    if (CheckNotTaken(frame, WhenFull::kFail, status, accepted)) return;
    ABSL_CHECK_OK(status);
    kept_ = absl::StrCat(kept_, frame).substr(accepted);
  }

  void Flush() {
    absl::Status status;
    const size_t accepted = Accepted(
        "", &status, [&] { return writer_->Flush(absl::InfinitePast()); });
    kept_.erase(0, accepted);
    if (broken_ == Code::kOk) {
      ABSL_CHECK_EQ(status.code(),
                    kept_.empty() ? Code::kOk : Code::kDeadlineExceeded);
    } else if (!kept_.empty()) {
      ABSL_CHECK_EQ(status.code(), broken_) << status;
    }
  }

  void Finish() {
    is_finishing_ = true;
    absl::Status status;
    const size_t accepted = Accepted(
        "", &status, [&] { return writer_->Finish(absl::InfinitePast()); });
    kept_.erase(0, accepted);
    if (broken_ == Code::kOk) {
      ABSL_CHECK_EQ(status.code(),
                    kept_.empty() ? Code::kOk : Code::kDeadlineExceeded);
      has_finished_ = kept_.empty();
    } else if (!has_finished_ && !kept_.empty()) {
      ABSL_CHECK_EQ(status.code(), broken_) << status;
    }
  }

  // Of the far end, as long as that has not given up.
  void Read(size_t max_bytes) {
    if (broken_ != Code::kOk) return;
    const absl::StatusOr<absl::Cord> data = far_->Read(max_bytes);
    if (unread_.empty() && has_finished_) {
      ABSL_CHECK(IsEof(data)) << data.status();
    } else if (unread_.empty()) {
      ABSL_CHECK(absl::IsDeadlineExceeded(data.status())) << data.status();
    } else {
      ABSL_CHECK_OK(data.status());
      ABSL_CHECK(!data->empty());
      ABSL_CHECK(absl::StartsWith(unread_, std::string(*data)));
      unread_.erase(0, data->size());
    }
  }

  // A stream that was cut does not look whole.
  void End() {
    writer_ = nullptr;
    if (broken_ != Code::kOk) return;
    while (!unread_.empty()) Read(kNoLimit);
    if (kept_.empty()) return Read(1);
    ABSL_CHECK(absl::IsAborted(far_->Read().status()));
  }

  const size_t capacity_;
  const size_t max_waiting_;
  std::unique_ptr<Flow> flow_;
  std::unique_ptr<Flow> far_;
  std::unique_ptr<FrameWriter> writer_;
  Budget budget_{kMaxTotal};
  size_t offset_ = 0;
  std::string kept_;
  std::string unread_;       // by the far end
  Code broken_ = Code::kOk;  // by it
  bool is_aborted_ = false;
  bool is_finishing_ = false;
  bool has_finished_ = false;
};

void RunFrames(const Script& script) { const Run run(script); }

const Registration kTarget("frames_fuzz", Words(), RunFrames);

}  // namespace
}  // namespace flow::fuzz
