// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes any bytes, in pieces of any kind, by any mix of Write, Writev and
// WriteFrom, into outputs that take less than they are shown, refuse, fail or
// lie, and holds the outcome against the contract (docs/semantics.md, "Write"):
//
//  * what the output is shown, and takes, is the concatenation, in order;
//  * what was accepted is a prefix, bytes_written() is its length, and
//    WriteFrom() leaves exactly the rest;
//  * the outcome is that of the output, and Ok if and only if it took all;
//  * an error other than kDeadlineExceeded stays, and the output is not called
//    again;
//  * the end is sent once, after all of it and in good order only.
//
// A write takes the pieces and the plan of the output that stand before it. The
// settings are the shape of the output.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/outgoing.h"
#include "flow/status.h"
#include "fuzz/pattern.h"
#include "fuzz/planned_output.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow {
namespace {

enum Word {
  kPiece,
  kOutput,
  kWrite,
  kWritev,
  kWriteFrom,
  kShutdown,
  kAbort,
};

// The kind of an argument.
enum Form { kView, kString, kMoved, kSpan, kCord, kChunks, kMovedCord };
enum List { kBuffers, kCords, kViews, kStrings };

fuzz::Grammar Grammar() {
  fuzz::Grammar grammar;
  grammar.settings = fuzz::PlannedOutput::kShapes;
  grammar.words = {
      {kPiece, "piece view|string|moved|span|cord|chunks|moved_cord SIZE"},
      {kOutput, fuzz::PlannedOutput::kWord},
      {kWrite, "write view|string|moved|span|cord|chunks|moved_cord"},
      {kWritev, "writev buffers|cords|views|strings"},
      {kWriteFrom, "write_from"},
      {kShutdown, "shutdown"},
      {kAbort, "abort"},
  };
  // Beyond what is copied (511), gathered (4096) or put into one block (65536).
  grammar.large_sizes = {511, 512, 4095, 4096, 4097, 65000, 65536, 70000};
  grammar.max_operations = 32;
  return grammar;
}

struct Piece {
  Form form;
  absl::string_view bytes;  // of the pattern
};

absl::Cord SharedCord(absl::string_view bytes) {
  return absl::MakeCordFromExternal(bytes, [] {});
}

absl::Cord OfTwoChunks(absl::string_view bytes) {
  absl::Cord cord = SharedCord(bytes.substr(0, bytes.size() / 2));
  cord.Append(SharedCord(bytes.substr(bytes.size() / 2)));
  return cord;
}

// What one write is given. It dies with the write, so that nothing can keep
// what was lent.
class Arguments {
 public:
  Arguments(const std::vector<Piece>& pieces, absl::string_view all)
      : pieces_(pieces), all_(all) {}

  absl::Cord ChunkOfEachPiece() const {
    absl::Cord cord;
    for (const Piece& piece : pieces_) cord.Append(SharedCord(piece.bytes));
    return cord;
  }

  absl::Status Write(Flow& flow, Form form) {
    switch (form) {
      case kView:
        return flow.Write(absl::string_view(all_));
      case kString:
        return flow.Write(all_);
      case kMoved:
        return flow.Write(std::move(all_));
      case kSpan:
        return flow.Write(absl::MakeConstSpan(all_.data(), all_.size()));
      case kCord:
        return flow.Write(absl::Cord(all_));
      case kChunks: {
        const absl::Cord cord = ChunkOfEachPiece();
        return flow.Write(cord);
      }
      case kMovedCord:
        return flow.Write(ChunkOfEachPiece());
    }
    return absl::OkStatus();
  }

  absl::Status Writev(Flow& flow, List list) {
    switch (list) {
      case kBuffers:
        return flow.Writev(Buffers());
      case kCords:
        for (const Piece& piece : pieces_) {
          cords_.push_back(OfTwoChunks(piece.bytes));
        }
        return flow.Writev(cords_);
      case kViews:
        for (const Piece& piece : pieces_) views_.push_back(Lent(piece));
        return flow.Writev(views_);
      case kStrings:
        for (const Piece& piece : pieces_) strings_.emplace_back(piece.bytes);
        return flow.Writev(strings_);
    }
    return absl::OkStatus();
  }

 private:
  // The bytes of a piece in memory of this object. Takes them in order.
  absl::string_view Lent(const Piece& piece) {
    const absl::string_view bytes =
        absl::string_view(all_).substr(lent_, piece.bytes.size());
    lent_ += piece.bytes.size();
    return bytes;
  }

  absl::Span<const Buffer> Buffers() {
    // Buffers refer to their elements.
    strings_.reserve(pieces_.size());
    cords_.reserve(pieces_.size());
    for (const Piece& piece : pieces_) {
      const absl::string_view lent = Lent(piece);
      switch (piece.form) {
        case kView:
          buffers_.push_back(lent);
          break;
        case kString:
          buffers_.push_back(strings_.emplace_back(lent));
          break;
        case kMoved:
          buffers_.push_back(std::move(strings_.emplace_back(lent)));
          break;
        case kSpan:
          buffers_.push_back(absl::MakeConstSpan(lent.data(), lent.size()));
          break;
        case kCord:
          buffers_.push_back(cords_.emplace_back(lent));
          break;
        case kChunks:
          buffers_.push_back(cords_.emplace_back(OfTwoChunks(piece.bytes)));
          break;
        case kMovedCord:
          buffers_.push_back(
              std::move(cords_.emplace_back(SharedCord(piece.bytes))));
          break;
      }
    }
    return buffers_;
  }

  const std::vector<Piece>& pieces_;
  std::string all_;
  size_t lent_ = 0;
  std::vector<std::string> strings_;
  std::vector<absl::Cord> cords_;
  std::vector<absl::string_view> views_;
  std::vector<Buffer> buffers_;
};

// A flow, and what it must be like.
class Model {
 public:
  explicit Model(fuzz::PlannedOutput::Shape shape) {
    FunctionFlowOptions options;
    options.output = output_.Make(shape);
    flow_ = MakeFunctionFlow(std::move(options));
  }

  void Do(const fuzz::Operation& operation) {
    switch (static_cast<Word>(operation.word)) {
      case kPiece: {
        const absl::string_view bytes =
            fuzz::Pattern(written_, budget_.Take(operation.numbers[1]));
        pieces_.push_back({static_cast<Form>(operation.numbers[0]), bytes});
        written_ += bytes.size();
        break;
      }
      case kOutput:
        output_.Plan(operation);
        break;
      case kWrite:
      case kWritev:
      case kWriteFrom:
        Write(operation);
        pieces_.clear();
        begin_ = written_;
        output_.Forget();
        break;
      case kShutdown:
        ExpectEnd(flow_->Shutdown(ShutdownMode::kWrite));
        output_.Forget();
        break;
      case kAbort: {
        const int calls = output_.calls();
        flow_->Abort(absl::CancelledError("aborted"));
        ABSL_CHECK_EQ(output_.calls(), calls);
        aborted_ = absl::CancelledError("aborted");
        if (broken_.ok()) broken_ = aborted_;
        break;
      }
    }
  }

  void Close() {
    const int calls = output_.calls();
    ExpectEnd(flow_->Close());
    ABSL_CHECK_EQ(output_.ends(), ended_ ? 1 : 0);
    const int calls_of_close = output_.calls() - calls;
    ABSL_CHECK_LE(calls_of_close, 1);
    ABSL_CHECK(!flow_->Write("x").ok());
    ABSL_CHECK_EQ(output_.calls(), calls + calls_of_close);
  }

 private:
  void Write(const fuzz::Operation& operation) {
    const absl::string_view all = fuzz::Pattern(begin_, written_ - begin_);
    output_.Begin(all);
    const int calls_before = output_.calls();
    const int64_t count_before = flow_->bytes_written();
    Arguments arguments(pieces_, all);
    absl::Cord source;
    absl::Status status;
    switch (operation.word) {
      case kWrite:
        status =
            arguments.Write(*flow_, static_cast<Form>(operation.numbers[0]));
        break;
      case kWritev:
        status =
            arguments.Writev(*flow_, static_cast<List>(operation.numbers[0]));
        break;
      case kWriteFrom:
        source = arguments.ChunkOfEachPiece();
        status = flow_->WriteFrom(&source);
        ABSL_CHECK(source == output_.rest()) << "not the rest";
        break;
    }
    const size_t count =
        static_cast<size_t>(flow_->bytes_written() - count_before);
    ABSL_CHECK_EQ(count, all.size() - output_.rest().size());
    const int calls = output_.calls() - calls_before;
    if (!broken_.ok()) {
      ABSL_CHECK_EQ(status, broken_);
      ABSL_CHECK_EQ(calls, 0);
    } else if (ended_) {
      ABSL_CHECK(IsClosed(status)) << status;
      ABSL_CHECK_EQ(calls, 0);
    } else if (all.empty()) {
      ABSL_CHECK_OK(status);
      ABSL_CHECK_EQ(calls, 0);
    } else {
      ABSL_CHECK_EQ(status.code(), output_.outcome().code()) << status;
      ABSL_CHECK_EQ(IsClosed(status), IsClosed(output_.outcome())) << status;
      ABSL_CHECK_EQ(status.ok(), output_.rest().empty()) << status;
      if (!absl::IsDeadlineExceeded(status)) broken_ = status;
    }
  }

  // What a Shutdown or Close must return.
  void ExpectEnd(const absl::Status& status) {
    if (!aborted_.ok()) {
      ABSL_CHECK_EQ(status, aborted_);
      return;
    }
    if (broken_.ok() && !ended_) {
      ended_ = true;
      ABSL_CHECK_EQ(output_.ends(), 1);
      // The deadline of a function that ends something is nobody's.
      const absl::StatusCode code = output_.outcome().code();
      ABSL_CHECK_EQ(status.code(), code == absl::StatusCode::kDeadlineExceeded
                                       ? absl::StatusCode::kAborted
                                       : code);
      broken_ = status;
    }
    ABSL_CHECK_EQ(status, broken_);
  }

  fuzz::PlannedOutput output_;
  std::unique_ptr<Flow> flow_;
  fuzz::Budget budget_{200000};
  std::vector<Piece> pieces_;
  size_t begin_ = 0;    // of the pieces, in the pattern
  size_t written_ = 0;  // their end
  absl::Status broken_;
  bool ended_ = false;
  absl::Status aborted_;
};

void Run(const fuzz::Script& script) {
  Model model(
      static_cast<fuzz::PlannedOutput::Shape>(script.settings.numbers[0]));
  for (const fuzz::Operation& operation : script.operations) {
    model.Do(operation);
  }
  model.Close();
}

const fuzz::Registration kTarget("writev_fuzz", Grammar(), Run);

}  // namespace
}  // namespace flow
