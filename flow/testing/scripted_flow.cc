// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/testing/scripted_flow.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/mutex_lock.h"
#include "flow/outgoing.h"
#include "flow/testing/matchers.h"
#include "flow/transport.h"
#include "gtest/gtest.h"

namespace flow::testing {
namespace {

// Of data, in messages.
constexpr size_t kShown = 48;

std::string Quoted(absl::string_view data) {
  const std::string shown =
      absl::StrCat("\"", absl::CHexEscape(data.substr(0, kShown)), "\"");
  if (data.size() <= kShown) return shown;
  return absl::StrCat(shown, "... (", data.size(), " bytes)");
}

std::string ShownMax(size_t max_bytes) {
  if (max_bytes == kNoLimit) return "kNoLimit";
  return absl::StrCat(max_bytes);
}

std::string ShownDeadline(const std::optional<absl::Time>& deadline) {
  return deadline.has_value() ? absl::FormatTime(*deadline) : "";
}

}  // namespace

// --- The entries

Expect Expect::Read(absl::string_view data, Line line) {
  ABSL_CHECK(!data.empty()) << "Expect::Read(\"\"): did you mean ReadEof()?";
  Expect entry(Kind::kRead, line);
  entry.data_ = std::string(data);
  return entry;
}

Expect Expect::ReadEof(Line line) { return Expect(Kind::kRead, line); }

Expect Expect::ReadError(absl::Status status, Line line) {
  ABSL_CHECK(!status.ok()) << "Expect::ReadError() with an Ok status";
  Expect entry(Kind::kRead, line);
  entry.status_ = std::move(status);
  return entry;
}

Expect Expect::AskingFor(size_t max_bytes) && {
  ABSL_CHECK(kind_ == Kind::kRead) << ToString() << " asks for nothing";
  max_ = max_bytes;
  return std::move(*this);
}

Expect Expect::Write(absl::string_view data, Line line) {
  ABSL_CHECK(!data.empty())
      << line.file << ":" << line.number
      << ": Expect::Write() of nothing, which never reaches the flow (a "
         "literal that begins with NUL? Say absl::string_view(data, size))";
  Expect entry(Kind::kWrite, line);
  entry.data_ = std::string(data);
  return entry;
}

Expect Expect::WriteError(absl::string_view data, size_t accepted,
                          absl::Status status, Line line) {
  ABSL_CHECK(!status.ok()) << "Expect::WriteError() with an Ok status";
  ABSL_CHECK_LE(accepted, data.size());
  Expect entry = Write(data, line);
  entry.accepted_ = accepted;
  entry.status_ = std::move(status);
  return entry;
}

Expect Expect::ShutdownWrite(absl::Status status, Line line) {
  Expect entry(Kind::kShutdownWrite, line);
  entry.status_ = std::move(status);
  return entry;
}

Expect Expect::ShutdownRead(Line line) {
  return Expect(Kind::kShutdownRead, line);
}

Expect Expect::Close(absl::Status status, Line line) {
  Expect entry(Kind::kClose, line);
  entry.status_ = std::move(status);
  return entry;
}

Expect Expect::Abort(std::optional<absl::StatusCode> code, Line line) {
  Expect entry(Kind::kAbort, line);
  entry.code_ = code;
  return entry;
}

Expect Expect::SetReadDeadline(std::optional<absl::Time> deadline, Line line) {
  Expect entry(Kind::kSetReadDeadline, line);
  entry.deadline_ = deadline;
  return entry;
}

Expect Expect::SetWriteDeadline(std::optional<absl::Time> deadline, Line line) {
  Expect entry(Kind::kSetWriteDeadline, line);
  entry.deadline_ = deadline;
  return entry;
}

std::string Expect::ToString() const {
  const std::string answer = status_.ok() ? "" : status_.ToString();
  switch (kind_) {
    case Kind::kRead: {
      const std::string read =
          !status_.ok()   ? absl::StrCat("ReadError(", answer)
          : data_.empty() ? "ReadEof("
                          : absl::StrCat("Read(", Quoted(data_));
      if (!max_.has_value()) return absl::StrCat(read, ")");
      return absl::StrCat(read, ").AskingFor(", ShownMax(*max_), ")");
    }
    case Kind::kWrite:
      if (status_.ok()) return absl::StrCat("Write(", Quoted(data_), ")");
      return absl::StrCat("WriteError(", Quoted(data_), ", ", accepted_, ", ",
                          answer, ")");
    case Kind::kShutdownWrite:
      return absl::StrCat("ShutdownWrite(", answer, ")");
    case Kind::kShutdownRead:
      return "ShutdownRead()";
    case Kind::kClose:
      return absl::StrCat("Close(", answer, ")");
    case Kind::kAbort:
      return absl::StrCat(
          "Abort(", code_.has_value() ? absl::StatusCodeToString(*code_) : "",
          ")");
    case Kind::kSetReadDeadline:
      return absl::StrCat("SetReadDeadline(", ShownDeadline(deadline_), ")");
    case Kind::kSetWriteDeadline:
      return absl::StrCat("SetWriteDeadline(", ShownDeadline(deadline_), ")");
  }
  return "unknown";
}

// --- The transport

class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(std::vector<Expect> script, Expect::Line line)
      : script_(std::move(script)), line_(line) {}

  ~ScriptedTransport() override {
    flow::internal::MutexLock lock(mu_);
    if (error_.ok() && next_ < script_.size()) {
      ADD_FAILURE_AT(script_[next_].line_.file, script_[next_].line_.number)
          << "The flow was destroyed before the end of its script.\n"
          << Rest();
    }
  }

 private:
  using Kind = Expect::Kind;

  // The next entry if it is of this kind.
  Expect* Next(Kind kind) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (next_ == script_.size() || script_[next_].kind_ != kind) return nullptr;
    return &script_[next_];
  }

  std::string Rest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (next_ == script_.size()) return "The script has ended.";
    Expect entry = script_[next_];
    entry.data_.erase(0, begun_);
    std::string rest = absl::StrCat("The rest of the script:\n  ", next_ + 1,
                                    ": ", entry.ToString());
    for (size_t i = next_ + 1; i < script_.size(); ++i) {
      absl::StrAppend(&rest, "\n  ", i + 1, ": ", script_[i].ToString());
    }
    return rest;
  }

  // `actual` is not what the script says. Reports that the first time, and
  // returns the error that is the answer from here on.
  absl::Status Differs(absl::string_view actual, absl::string_view detail = "")
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (!error_.ok()) return error_;
    const bool ended = next_ == script_.size();
    const std::string expected =
        ended ? "the end of the script"
              : absl::StrCat("entry ", next_ + 1, " of ", script_.size(), ", ",
                             script_[next_].ToString());
    error_ = absl::InternalError(
        absl::StrCat("expected ", expected, "; there was ", actual));
    const Expect::Line line = ended ? line_ : script_[next_].line_;
    ADD_FAILURE_AT(line.file, line.number)
        << "Expected " << expected << "\nActual: " << actual << "\n"
        << detail << (detail.empty() ? "" : "\n") << Rest();
    return error_;
  }

  absl::StatusOr<absl::Cord> Read(size_t max_bytes) override {
    flow::internal::MutexLock lock(mu_);
    Expect* const entry = Next(Kind::kRead);
    if (!error_.ok() || entry == nullptr ||
        entry->max_.value_or(max_bytes) != max_bytes) {
      return Differs(absl::StrCat("Read(", ShownMax(max_bytes), ")"));
    }
    const absl::string_view rest =
        absl::string_view(entry->data_).substr(begun_);
    if (rest.size() > max_bytes) {
      begun_ += max_bytes;
      return absl::Cord(rest.substr(0, max_bytes));
    }
    ++next_;
    begun_ = 0;
    if (!entry->status_.ok()) return entry->status_;
    return absl::Cord(rest);
  }

  absl::Status Write(Outgoing& outgoing) override {
    const absl::Cord data = outgoing.TakeCord();
    flow::internal::MutexLock lock(mu_);
    Expect* const entry = Next(Kind::kWrite);
    if (!error_.ok() || entry == nullptr || data != entry->data_) {
      const std::string actual =
          absl::StrCat("Write(", Quoted(std::string(data)), ")");
      if (entry == nullptr) return Differs(actual);
      return Differs(actual,
                     SameData(data, absl::Cord(entry->data_)).message());
    }
    ++next_;
    outgoing.Accept(entry->accepted_);
    return entry->status_;
  }

  absl::Status EndWrite(const absl::Status& outcome, absl::Time) override {
    // Of a write that failed, the test knows.
    if (!outcome.ok()) return absl::OkStatus();
    flow::internal::MutexLock lock(mu_);
    if (error_.ok() && Next(Kind::kClose) != nullptr) return absl::OkStatus();
    Expect* const entry = Next(Kind::kShutdownWrite);
    if (!error_.ok() || entry == nullptr) return Differs("ShutdownWrite()");
    ++next_;
    return entry->status_;
  }

  void RefuseRead() override {
    flow::internal::MutexLock lock(mu_);
    if (!error_.ok() || Next(Kind::kShutdownRead) == nullptr) {
      Differs("ShutdownRead()").IgnoreError();
      return;
    }
    ++next_;
  }

  absl::Status AwaitRemoteEnd(absl::Time) override {
    flow::internal::MutexLock lock(mu_);
    if (!error_.ok() || Next(Kind::kClose) == nullptr) {
      return Differs("Close()");
    }
    return absl::OkStatus();
  }

  void Abort(const absl::Status& reason) override {
    flow::internal::MutexLock lock(mu_);
    destroyed_ = absl::EndsWith(reason.message(), internal::kDestroyed);
    if (destroyed_) return;
    aborted_ = true;
    Expect* const entry = Next(Kind::kAbort);
    if (!error_.ok() || entry == nullptr ||
        entry->code_.value_or(reason.code()) != reason.code()) {
      Differs(absl::StrCat("Abort(", reason.ToString(), ")")).IgnoreError();
      return;
    }
    ++next_;
  }

  absl::Status Free() override {
    flow::internal::MutexLock lock(mu_);
    if (destroyed_) return absl::OkStatus();
    Expect* const entry = Next(Kind::kClose);
    if (!error_.ok() || entry == nullptr) {
      // What frees after an abort cannot be seen; it need not be a Close().
      return aborted_ ? absl::OkStatus() : Differs("Close()");
    }
    ++next_;
    return entry->status_;
  }

  void SetDeadline(Kind kind, absl::string_view name, absl::Time deadline) {
    flow::internal::MutexLock lock(mu_);
    Expect* const entry = Next(kind);
    if (!error_.ok() || entry == nullptr ||
        entry->deadline_.value_or(deadline) != deadline) {
      Differs(absl::StrCat(name, "(", absl::FormatTime(deadline), ")"))
          .IgnoreError();
      return;
    }
    ++next_;
  }
  void SetReadDeadline(absl::Time deadline) override {
    SetDeadline(Kind::kSetReadDeadline, "SetReadDeadline", deadline);
  }
  void SetWriteDeadline(absl::Time deadline) override {
    SetDeadline(Kind::kSetWriteDeadline, "SetWriteDeadline", deadline);
  }

  std::string Describe() const override { return "scripted flow"; }

  absl::Mutex mu_;
  std::vector<Expect> script_ ABSL_GUARDED_BY(mu_);
  const Expect::Line line_;
  size_t next_ ABSL_GUARDED_BY(mu_) = 0;   // in `script_`
  size_t begun_ ABSL_GUARDED_BY(mu_) = 0;  // bytes of that entry, if a Read
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  bool aborted_ ABSL_GUARDED_BY(mu_) = false;
  bool destroyed_ ABSL_GUARDED_BY(mu_) = false;
};

std::unique_ptr<Flow> MakeScriptedFlow(std::vector<Expect> script,
                                       Expect::Line line) {
  return MakeFlow(std::make_unique<ScriptedTransport>(std::move(script), line));
}

}  // namespace flow::testing
