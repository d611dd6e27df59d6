// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/target.h"

#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/log_severity.h"
#include "absl/log/log_entry.h"
#include "absl/log/log_sink.h"
#include "absl/log/log_sink_registry.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "fuzz/script.h"

namespace flow::fuzz {
namespace {

std::vector<const Target*>& MutableTargets() {
  static auto* const targets = new std::vector<const Target*>();
  return *targets;
}

// Prints the script that runs when a check fails.
class Witness final : public absl::LogSink {
 public:
  Witness(const Target& target, const Script& script)
      : target_(target), script_(script) {
    absl::AddLogSink(this);
  }
  ~Witness() override { absl::RemoveLogSink(this); }

  void Send(const absl::LogEntry& entry) override {
    // The same message comes again with the stack.
    if (entry.log_severity() != absl::LogSeverity::kFatal ||
        !entry.stacktrace().empty()) {
      return;
    }
    std::fprintf(stderr, "%s: %s%s\n", target_.name.c_str(),
                 std::string(kTextMark).c_str(),
                 target_.language.ToString(script_).c_str());
  }

 private:
  const Target& target_;
  const Script& script_;
};

}  // namespace

Registration::Registration(absl::string_view name, const Grammar& grammar,
                           void (*run)(const Script&), void (*tidy)(Script&)) {
  MutableTargets().push_back(
      new Target{std::string(name), Language(grammar), run, tidy});
}

const std::vector<const Target*>& Targets() { return MutableTargets(); }

void RunScript(const Target& target, const Script& script) {
  const Witness witness(target, script);
  target.run(script);
}

Script ScriptOf(const Target& target, absl::Span<const uint8_t> input) {
  const absl::string_view text(reinterpret_cast<const char*>(input.data()),
                               input.size());
  if (absl::StartsWith(text, kTextMark)) {
    absl::StatusOr<Script> script =
        target.language.Parse(text.substr(kTextMark.size()));
    if (script.ok()) return *std::move(script);
  }
  return target.language.ToScript(input);
}

}  // namespace flow::fuzz
