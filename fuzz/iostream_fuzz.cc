// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads any bytes, which come in any pieces, with deadlines that pass in
// between, by the calls of a streambuf and of a stream; writes in the same way
// to an output that takes less, refuses, fails, is late or lies; and holds both
// against plain strings (docs/semantics.md, "iostream"):
//
//  * what is read is the string, and one character can always be put back, and
//    no other one;
//  * the end, a deadline and an error each stop a read, and the state of the
//    stream and status() tell them apart;
//  * up to 4 KiB are collected, larger pieces are written through, and what the
//    output has not taken by its deadline comes again, and once;
//  * destruction flushes.
//
// Pieces and deadlines are what comes from the other end, wherever they stand
// in the script. The settings: how the stream ends, and the shape of the
// output.

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <streambuf>
#include <string>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/iostream.h"
#include "fuzz/pattern.h"
#include "fuzz/planned_output.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

enum Word {
  kPiece,
  kLate,
  kPeek,
  kBump,
  kNext,
  kGetN,
  kUnget,
  kPutBack,
  kInAvail,
  kGetLine,
  kGetWord,
  kOutput,
  kPut,
  kPutN,
  kPrint,
  kSync,
  kShutdown,
  kAbort,
};

Grammar IostreamGrammar() {
  Grammar grammar;
  grammar.settings = absl::StrCat("whole|torn ", PlannedOutput::kShapes);
  grammar.words = {
      {kPiece, "piece BYTES"}, {kLate, "late"},
      {kPeek, "peek"},         {kBump, "bump"},
      {kNext, "next"},         {kGetN, "get_n SIZE"},
      {kUnget, "unget"},       {kPutBack, "put_back same|other"},
      {kInAvail, "in_avail"},  {kGetLine, "get_line"},
      {kGetWord, "get_word"},  {kOutput, PlannedOutput::kWord},
      {kPut, "put BYTE"},      {kPutN, "put_n SIZE"},
      {kPrint, "print BYTE"},  {kSync, "sync"},
      {kShutdown, "shutdown"}, {kAbort, "abort"},
  };
  grammar.large_sizes = {100, 512, 1000, 4094, 4095, 4096, 4097, 10000};
  grammar.letters = "\n a\xff";
  grammar.max_operations = 48;
  return grammar;
}

constexpr size_t kCollected = 4096;

// What comes from the other end.
struct Source {
  std::vector<std::string> items;  // an empty one is a deadline that passes
  absl::Status end;                // Ok: end-of-file
  size_t next = 0;

  // In two chunks, which a stream reads one after the other.
  absl::StatusOr<absl::Cord> Next() {
    if (next == items.size()) {
      if (!end.ok()) return end;
      return absl::Cord();
    }
    const absl::string_view item = items[next++];
    if (item.empty()) return absl::DeadlineExceededError("late");
    absl::Cord cord =
        absl::MakeCordFromExternal(item.substr(0, item.size() / 2), [] {});
    cord.Append(
        absl::MakeCordFromExternal(item.substr(item.size() / 2), [] {}));
    return cord;
  }
};

// What a stream should read.
class Reader {
 public:
  explicit Reader(const Source& source) : source_(source) {}

  // Whether there is a next character. Reads on if nothing is left.
  bool Fill() {
    if (position_ < text_.size()) return true;
    if (broken_.ok() && next_ < source_.items.size()) {
      const std::string& item = source_.items[next_++];
      text_ += item;
      status_ =
          item.empty() ? absl::DeadlineExceededError("late") : absl::OkStatus();
      return !item.empty();
    }
    if (broken_.ok()) broken_ = source_.end;
    status_ = broken_;
    return false;
  }
  void Abort() {
    if (broken_.ok()) broken_ = absl::CancelledError("aborted");
  }

  int peek() const { return static_cast<unsigned char>(text_[position_]); }
  char Take() {
    can_put_back_ = true;
    return text_[position_++];
  }
  bool has_last() const { return position_ > 0; }
  char last() const { return text_[position_ - 1]; }
  bool can_put_back() const { return can_put_back_; }
  void PutBack() {
    can_put_back_ = false;
    --position_;
  }
  size_t left() const { return text_.size() - position_; }

  // What the last read of the flow came to, and how many pieces and deadlines
  // were taken.
  const absl::Status& status() const { return status_; }
  size_t next() const { return next_; }

 private:
  const Source& source_;
  std::string text_;  // what has come
  size_t position_ = 0;
  size_t next_ = 0;
  bool can_put_back_ = false;
  absl::Status status_;
  absl::Status broken_;
};

class Model {
 public:
  Model(Source& source, PlannedOutput::Shape shape)
      : source_(source), reader_(source) {
    FunctionFlowOptions options;
    options.input = Input::Buffers([this] { return source_.Next(); });
    options.output = output_.Make(shape);
    flow_ = MakeFunctionFlow(std::move(options));
    stream_ = std::make_unique<FlowStream>(*flow_);
  }

  void Do(const Operation& operation) {
    stream_->clear();
    output_.Begin("");  // unless this operation says otherwise
    switch (static_cast<Word>(operation.word)) {
      case kPiece:
      case kLate:
        return;
      case kPeek:
        Peek();
        break;
      case kBump:
        Bump();
        break;
      case kNext:
        Next();
        break;
      case kGetN:
        GetN(operation.numbers[0]);
        break;
      case kUnget:
        ExpectPutBack(buffer().sungetc(), /*is_last=*/true);
        break;
      case kPutBack: {
        const bool same = operation.numbers[0] == 0;
        const char last = reader_.has_last() ? reader_.last() : 'x';
        ExpectPutBack(
            buffer().sputbackc(same ? last : static_cast<char>(last ^ 1)),
            same);
        break;
      }
      case kInAvail: {
        const auto size = buffer().in_avail();
        ABSL_CHECK_EQ(size > 0, reader_.left() > 0);
        ABSL_CHECK_LE(size, static_cast<std::streamsize>(reader_.left()));
        break;
      }
      case kGetLine:
        GetLine();
        break;
      case kGetWord:
        GetWord();
        break;
      case kOutput:
        output_.Plan(operation);
        break;
      case kPut:
        Put(static_cast<char>(operation.numbers[0]));
        break;
      case kPutN: {
        const absl::string_view bytes =
            Pattern(written_, budget_.Take(operation.numbers[0]));
        written_ += bytes.size();
        const size_t accepted = PutN(bytes, [&] {
          return buffer().sputn(bytes.data(),
                                static_cast<std::streamsize>(bytes.size()));
        });
        ABSL_CHECK_LE(accepted, bytes.size());
        break;
      }
      case kPrint: {
        const size_t number = operation.numbers[0] * 1000 + 7;
        const std::string digits = absl::StrCat(number);
        PutN(digits, [&] {
          *stream_ << number;
          return stream_->bad() ? -1
                                : static_cast<std::streamsize>(digits.size());
        });
        break;
      }
      case kSync:
        Sync();
        break;
      case kShutdown:
        Shutdown();
        break;
      case kAbort:
        flow_->Abort(absl::CancelledError("aborted"));
        reader_.Abort();
        if (broken_.ok()) broken_ = absl::CancelledError("aborted");
        break;
    }
    ABSL_CHECK_EQ(source_.next, reader_.next());
    ExpectStatus();
  }

  void End() {
    const std::string rest = collected_;
    output_.Begin(rest);
    const int calls = output_.calls();
    stream_ = nullptr;
    if (broken_.ok() && !ended_ && !rest.empty()) {
      ABSL_CHECK(output_.rest().empty() || !output_.outcome().ok());
    } else {
      ABSL_CHECK_EQ(output_.calls(), calls);
    }
  }

 private:
  static constexpr int kEof = std::streambuf::traits_type::eof();

  std::streambuf& buffer() { return *stream_->rdbuf(); }

  // --- Reading

  // A call that should have returned the next character, if there is one.
  void ExpectCharacter(int character, bool exists) {
    ABSL_CHECK_EQ(character, exists ? reader_.peek() : kEof);
    ABSL_CHECK_EQ(stream_->bad(), !exists && !reader_.status().ok());
  }

  void Peek() {
    const int character = buffer().sgetc();
    ExpectCharacter(character, reader_.Fill());
  }

  void Bump() {
    const int character = buffer().sbumpc();
    const bool exists = reader_.Fill();
    ExpectCharacter(character, exists);
    if (exists) reader_.Take();
  }

  void Next() {
    const int character = buffer().snextc();
    if (!reader_.Fill()) return ExpectCharacter(character, false);
    reader_.Take();
    ExpectCharacter(character, reader_.Fill());
  }

  void GetN(size_t size) {
    std::string space(size, '\0');
    const auto got =
        buffer().sgetn(space.data(), static_cast<std::streamsize>(size));
    std::string expected;
    while (expected.size() < size && reader_.Fill()) expected += reader_.Take();
    ABSL_CHECK_EQ(static_cast<size_t>(got), expected.size());
    ABSL_CHECK(space.substr(0, expected.size()) == expected);
  }

  void ExpectPutBack(int character, bool is_last) {
    if (character == kEof) {
      ABSL_CHECK(!is_last || !reader_.can_put_back());
      return;
    }
    ABSL_CHECK(is_last && reader_.has_last());
    ABSL_CHECK_EQ(character, static_cast<unsigned char>(reader_.last()));
    reader_.PutBack();
  }

  void GetLine() {
    std::string line;
    std::getline(*stream_, line);
    std::string expected;
    bool is_whole = false;
    while (!is_whole && reader_.Fill()) {
      const char c = reader_.Take();
      if (c == '\n') {
        is_whole = true;
      } else {
        expected += c;
      }
    }
    ABSL_CHECK(line == expected);
    ExpectState(/*stopped=*/!is_whole,
                /*failed=*/!is_whole && expected.empty());
  }

  void GetWord() {
    std::string word;
    *stream_ >> word;
    bool exists;
    while ((exists = reader_.Fill()) &&
           absl::ascii_isspace(static_cast<unsigned char>(reader_.peek()))) {
      reader_.Take();
    }
    std::string expected;
    while (exists &&
           !absl::ascii_isspace(static_cast<unsigned char>(reader_.peek()))) {
      expected += reader_.Take();
      exists = reader_.Fill();
    }
    ABSL_CHECK(word == expected);
    ExpectState(/*stopped=*/!exists, /*failed=*/expected.empty());
  }

  void ExpectState(bool stopped, bool failed) {
    const bool bad = stopped && !reader_.status().ok();
    ABSL_CHECK_EQ(stream_->eof(), stopped);
    ABSL_CHECK_EQ(stream_->bad(), bad);
    ABSL_CHECK_EQ(stream_->fail(), failed || bad);
  }

  void ExpectStatus() {
    const auto& buffer = static_cast<FlowStreambuf&>(*stream_->rdbuf());
    ABSL_CHECK_EQ(buffer.read_status().code(), reader_.status().code());
    ABSL_CHECK_EQ(buffer.write_status().code(), write_status_.code());
    ABSL_CHECK_EQ(stream_->status().code(), reader_.status().ok()
                                                ? write_status_.code()
                                                : reader_.status().code());
  }

  // --- Writing

  // Calls `write`, which hands on what was collected and `more`. Returns how
  // much of `more` was accepted.
  template <typename Write>
  size_t Flush(absl::string_view more, Write write) {
    const std::string all = absl::StrCat(collected_, more);
    output_.Begin(all);
    const int calls = output_.calls();
    write();
    if (all.empty()) return 0;
    const size_t taken = all.size() - output_.rest().size();
    if (!broken_.ok() || ended_) {
      ABSL_CHECK_EQ(output_.calls(), calls);
      write_status_ =
          broken_.ok() ? absl::FailedPreconditionError("closed") : broken_;
      return 0;
    }
    ABSL_CHECK_GT(output_.calls(), calls);
    write_status_ = output_.outcome();
    if (!write_status_.ok() && !absl::IsDeadlineExceeded(write_status_)) {
      broken_ = write_status_;
    }
    const size_t flushed = std::min(taken, collected_.size());
    collected_.erase(0, flushed);
    return taken - flushed;
  }

  void Put(char c) {
    const bool is_full = collected_.size() == kCollected;
    int result = kEof;
    const auto put = [&] { result = buffer().sputc(c); };
    if (is_full) {
      Flush("", put);
    } else {
      put();
    }
    if (is_full && !write_status_.ok()) {
      ABSL_CHECK_EQ(result, kEof);
      return;
    }
    ABSL_CHECK_EQ(result, static_cast<unsigned char>(c));
    collected_ += c;
  }

  // `put` returns how much was accepted, or -1 if not all was.
  template <typename PutFunction>
  size_t PutN(absl::string_view bytes, PutFunction put) {
    if (bytes.size() < kCollected - collected_.size() || bytes.empty()) {
      ABSL_CHECK_EQ(static_cast<size_t>(put()), bytes.size());
      collected_ += bytes;
      return bytes.size();
    }
    std::streamsize result = 0;
    const size_t accepted = Flush(bytes, [&] { result = put(); });
    if (result < 0) {
      ABSL_CHECK_LT(accepted, bytes.size());
    } else {
      ABSL_CHECK_EQ(static_cast<size_t>(result), accepted);
    }
    return accepted;
  }

  void Sync() {
    const bool is_empty = collected_.empty();
    int result = 0;
    Flush("", [&] { result = buffer().pubsync(); });
    ABSL_CHECK_EQ(result, is_empty || write_status_.ok() ? 0 : -1);
    ABSL_CHECK_EQ(result == 0, collected_.empty());
  }

  // Of the flow; what was collected stays.
  void Shutdown() {
    const absl::Status status = flow_->Shutdown(ShutdownMode::kWrite);
    if (!broken_.ok() || ended_) return;
    ended_ = true;
    ABSL_CHECK_EQ(output_.ends(), 1);
    if (!status.ok()) broken_ = status;
  }

  Source& source_;
  Reader reader_;

  PlannedOutput output_;
  std::string collected_;
  Budget budget_{100000};
  size_t written_ = 0;  // of the pattern
  absl::Status write_status_;
  absl::Status broken_;
  bool ended_ = false;

  std::unique_ptr<Flow> flow_;
  std::unique_ptr<FlowStream> stream_;
};

void Run(const Script& script) {
  Source source;
  for (const Operation& operation : script.operations) {
    if (operation.word == kLate) source.items.emplace_back();
    if (operation.word == kPiece && !operation.bytes.empty()) {
      source.items.push_back(operation.bytes);
    }
  }
  if (script.settings.numbers[0] == 1) source.end = absl::DataLossError("torn");
  Model model(source,
              static_cast<PlannedOutput::Shape>(script.settings.numbers[1]));
  for (const Operation& operation : script.operations) model.Do(operation);
  model.End();
}

const Registration kTarget("iostream_fuzz", IostreamGrammar(), Run);

}  // namespace
}  // namespace flow::fuzz
