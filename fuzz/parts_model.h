// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/parts_model.h
//
// What flows read that take a stream apart and put it together, as limit.h,
// prepend.h, concat.h and borrow.h say: what parts_fuzz holds the real ones
// against. It knows no flows. A Part is what a transport is to a flow.
//
// Thread safety: that of a value.

#ifndef FLOW_FUZZ_PARTS_MODEL_H_
#define FLOW_FUZZ_PARTS_MODEL_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace flow::fuzz {

using Code = absl::StatusCode;

// What a read comes to: an error, or a part of `data`, or the end if that is
// empty.
struct Next {
  Code code = Code::kOk;
  std::string data;

  bool ok() const { return code == Code::kOk; }
};

class Part {
 public:
  virtual ~Part() = default;

  virtual Next Read(size_t max_bytes) = 0;
  // Removes what the last Read() has shown.
  virtual void Take(size_t size) = 0;
  virtual Code Write(size_t size) = 0;
  // By a deadline that has passed.
  virtual Code AwaitRefusal() { return Code::kDeadlineExceeded; }
  virtual void Refuse() = 0;
  // What a Close() waits for. `late`: its deadline has passed.
  virtual Code AwaitEnd(bool late) = 0;
  virtual void Abort(Code reason) = 0;
  virtual Code Free() = 0;
  virtual bool is_lent() const = 0;
  virtual bool ends_early() const = 0;
  // The lender refuses what follows.
  virtual void RefuseLender() {}
};

// What a Flow makes of it.
class FlowModel {
 public:
  explicit FlowModel(std::unique_ptr<Part> part) : part_(std::move(part)) {}

  int64_t bytes_read() const { return read_; }
  Code abort_reason() const { return abort_reason_; }

  Next Read(size_t max_bytes) {
    if (in_ == In::kBroken) return {in_error_, ""};
    if (in_ != In::kOpen) return {};
    Next next = part_->Read(max_bytes);
    if (next.ok() && next.data.empty()) in_ = In::kEnded;
    if (!next.ok() && next.code != Code::kDeadlineExceeded) {
      in_ = In::kBroken;
      in_error_ = next.code;
    }
    return next;
  }
  void Take(size_t size) {
    part_->Take(size);
    read_ += static_cast<int64_t>(size);
  }
  Code Write(size_t size) {
    if (out_error_ == Code::kOk) out_error_ = part_->Write(size);
    return out_error_;
  }
  Code AwaitRefusal() const {
    return out_error_ == Code::kOk ? part_->AwaitRefusal() : out_error_;
  }
  Code Refuse() {
    if (abort_reason_ != Code::kOk) return abort_reason_;
    if (in_ == In::kBroken) return in_error_;
    if (in_ != In::kOpen || closed_) return Code::kOk;
    in_ = In::kRefused;
    part_->Refuse();
    return Code::kOk;
  }
  void Abort(Code reason) {
    if (closed_ || abort_reason_ != Code::kOk) return;
    abort_reason_ = reason;
    if (in_ != In::kBroken) in_error_ = reason;
    in_ = In::kBroken;
    if (out_error_ == Code::kOk) out_error_ = reason;
    part_->Abort(reason);
  }
  Code Close(bool late) {
    if (closed_) return result_;
    Code remote = Code::kOk;
    const bool waits =
        in_ == In::kEnded ? part_->ends_early() : in_ != In::kBroken;
    if (waits) remote = part_->AwaitEnd(late);
    const Code freed = part_->Free();
    closed_ = true;
    // Past its deadline a Close() aborts, and the reason comes first. That of a
    // borrower does not, as the lender goes on.
    if (late && remote == Code::kDeadlineExceeded && !part_->is_lent()) {
      result_ = remote;
    }
    for (Code code : {abort_reason_, out_error_, in_error_, remote, freed}) {
      if (result_ == Code::kOk) result_ = code;
    }
    return result_;
  }
  void Destroy() {
    if (closed_) return;
    Abort(Code::kAborted);
    part_->Free();
    closed_ = true;
  }

  // Puts `decorate(part)` in the place of its part. An end or an error that was
  // told comes again.
  template <typename Decorator>
  void Decorate(Decorator decorate);

 private:
  enum class In { kOpen, kEnded, kRefused, kBroken };

  std::unique_ptr<Part> part_;
  In in_ = In::kOpen;
  Code in_error_ = Code::kOk;
  Code out_error_ = Code::kOk;
  Code abort_reason_ = Code::kOk;
  bool closed_ = false;
  Code result_ = Code::kOk;
  int64_t read_ = 0;
};

// Pieces, deadlines that pass, and an end.
class SourcePart final : public Part {
 public:
  // An empty piece is a deadline. `room` is for what is written.
  SourcePart(std::deque<std::string> pieces, Code end, size_t room)
      : pieces_(std::move(pieces)), end_(end), room_(room) {}

  Next Read(size_t max_bytes) override {
    if (pieces_.empty()) return {end_, ""};
    if (!pieces_.front().empty()) return {Code::kOk, Front(max_bytes)};
    pieces_.pop_front();
    return {Code::kDeadlineExceeded, ""};
  }
  void Take(size_t size) override {
    if (size == 0) return;
    pieces_.front().erase(0, size);
    if (pieces_.front().empty()) pieces_.pop_front();
  }
  Code Write(size_t size) override {
    const bool fits = size <= room_;
    room_ -= std::min(size, room_);
    return fits ? Code::kOk : Code::kFailedPrecondition;
  }
  void Refuse() override {}
  Code AwaitEnd(bool) override { return Code::kOk; }
  void Abort(Code) override {}
  Code Free() override { return Code::kOk; }
  bool is_lent() const override { return false; }
  bool ends_early() const override { return false; }

 private:
  std::string Front(size_t max_bytes) const {
    return pieces_.front().substr(0, max_bytes);
  }

  std::deque<std::string> pieces_;
  Code end_;
  size_t room_;
};

// A loan of `lender`, which outlives it.
class BorrowPart final : public Part {
 public:
  explicit BorrowPart(FlowModel& lender) : lender_(lender) {}

  // The lender is not at its end.
  Next Read(size_t max_bytes) override {
    if (is_refused_) return {Code::kFailedPrecondition, ""};
    return lender_.Read(max_bytes);
  }
  void Take(size_t size) override { lender_.Take(size); }
  Code Write(size_t size) override { return lender_.Write(size); }
  Code AwaitRefusal() override { return lender_.AwaitRefusal(); }
  void Refuse() override { is_refused_ = true; }
  Code AwaitEnd(bool) override { return Code::kOk; }
  void Abort(Code reason) override { lender_.Abort(reason); }
  Code Free() override { return lender_.abort_reason(); }
  bool is_lent() const override { return true; }
  bool ends_early() const override { return false; }
  void RefuseLender() override { lender_.Refuse(); }

 private:
  FlowModel& lender_;
  bool is_refused_ = false;
};

// What changes the input, and nothing else.
class DecoratedPart : public Part {
 public:
  explicit DecoratedPart(std::unique_ptr<Part> inner)
      : inner_(std::move(inner)) {}

  Code Write(size_t size) override { return inner_->Write(size); }
  Code AwaitRefusal() override { return inner_->AwaitRefusal(); }
  void Refuse() override { inner_->Refuse(); }
  Code AwaitEnd(bool late) override { return inner_->AwaitEnd(late); }
  void Abort(Code reason) override { inner_->Abort(reason); }
  Code Free() override { return inner_->Free(); }
  bool is_lent() const override { return inner_->is_lent(); }
  bool ends_early() const override { return inner_->ends_early(); }
  void RefuseLender() override { inner_->RefuseLender(); }

 protected:
  Part& inner() { return *inner_; }

 private:
  std::unique_ptr<Part> inner_;
};

// An end or an error that comes again.
class EndedPart final : public DecoratedPart {
 public:
  EndedPart(std::unique_ptr<Part> inner, Code end)
      : DecoratedPart(std::move(inner)), end_(end) {}

  Next Read(size_t) override { return {end_, ""}; }
  void Take(size_t) override {}
  void Refuse() override {}
  Code AwaitEnd(bool late) override {
    if (end_ != Code::kOk || !ends_early()) return end_;
    return DecoratedPart::AwaitEnd(late);
  }

 private:
  Code end_;
};

class PrependedPart final : public DecoratedPart {
 public:
  PrependedPart(std::unique_ptr<Part> inner, std::string bytes)
      : DecoratedPart(std::move(inner)), bytes_(std::move(bytes)) {}

  Next Read(size_t max_bytes) override {
    if (bytes_.empty()) return inner().Read(max_bytes);
    return {Code::kOk, bytes_.substr(0, max_bytes)};
  }
  void Take(size_t size) override {
    if (bytes_.empty()) return inner().Take(size);
    bytes_.erase(0, size);
  }

 private:
  std::string bytes_;
};

class LimitedPart final : public DecoratedPart {
 public:
  LimitedPart(std::unique_ptr<Part> inner, size_t size, bool exact)
      : DecoratedPart(std::move(inner)), left_(size), exact_(exact) {}

  Next Read(size_t max_bytes) override {
    if (is_refused_) return {};
    if (left_ == 0) {
      DecoratedPart::Refuse();
      return {};
    }
    const Next next = inner().Read(std::min(max_bytes, left_));
    if (!next.ok() || !next.data.empty()) return next;
    has_ended_ = true;
    return {EndTooEarly(), ""};
  }
  void Take(size_t size) override {
    inner().Take(size);
    left_ -= size;
  }
  void Refuse() override {
    // What is left is skipped, so it cannot be refused underneath.
    is_refused_ = is_lent();
    if (!is_lent()) DecoratedPart::Refuse();
  }
  Code AwaitEnd(bool late) override {
    // Skips the rest of a part that is lent.
    while (is_lent() && left_ > 0 && !has_ended_) {
      const Next next = inner().Read(left_);
      if (next.code == Code::kDeadlineExceeded && !late) return Code::kAborted;
      if (!next.ok()) return next.code;
      has_ended_ = next.data.empty();
      Take(next.data.size());
    }
    if (is_lent() && left_ > 0 && exact_) return EndTooEarly();
    return DecoratedPart::AwaitEnd(late);
  }
  Code Free() override {
    if (is_lent() && left_ > 0 && !has_ended_) RefuseLender();
    return DecoratedPart::Free();
  }
  bool ends_early() const override { return true; }

 private:
  Code EndTooEarly() const { return exact_ ? Code::kOutOfRange : Code::kOk; }

  size_t left_;
  const bool exact_;
  bool is_refused_ = false;
  bool has_ended_ = false;  // within the limit
};

// Several flows in turn.
class ConcatenatedPart final : public Part {
 public:
  explicit ConcatenatedPart(std::vector<std::unique_ptr<FlowModel>> inputs)
      : inputs_(std::move(inputs)) {}

  Next Read(size_t max_bytes) override {
    for (; current_ < inputs_.size(); ++current_) {
      Next next = inputs_[current_]->Read(max_bytes);
      if (!next.ok() || !next.data.empty()) return next;
      const Code closed = inputs_[current_]->Close(/*late=*/false);
      if (closed != Code::kOk) return {closed, ""};
    }
    return {};
  }
  void Take(size_t size) override {
    if (size > 0) inputs_[current_]->Take(size);
  }
  Code Write(size_t) override { return Code::kFailedPrecondition; }
  void Refuse() override {
    for (auto& input : inputs_) input->Refuse();
  }
  Code AwaitEnd(bool late) override {
    Refuse();
    Code result = Code::kOk;
    for (auto& input : inputs_) {
      const Code code = input->Close(late);
      if (result == Code::kOk) result = code;
    }
    return result;
  }
  void Abort(Code reason) override {
    for (auto& input : inputs_) input->Abort(reason);
  }
  Code Free() override {
    for (auto& input : inputs_) input->Destroy();
    return Code::kOk;
  }
  bool is_lent() const override { return false; }
  bool ends_early() const override { return true; }

 private:
  std::vector<std::unique_ptr<FlowModel>> inputs_;
  size_t current_ = 0;
};

template <typename Decorator>
void FlowModel::Decorate(Decorator decorate) {
  if (abort_reason_ == Code::kOk && (in_ == In::kEnded || in_ == In::kBroken)) {
    part_ = std::make_unique<EndedPart>(std::move(part_),
                                        std::exchange(in_error_, Code::kOk));
    in_ = In::kOpen;
  }
  part_ = decorate(std::move(part_));
}

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_PARTS_MODEL_H_
