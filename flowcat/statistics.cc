// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/statistics.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flowcat/mutex_lock.h"
#include "flowcat/relay.h"

namespace flowcat {
namespace {

void Add(const flow::CopyStatistics& more, flow::CopyStatistics* sum) {
  sum->bytes += more.bytes;
  sum->reads += more.reads;
  sum->writes += more.writes;
  sum->duration += more.duration;
}

std::string Count(int64_t n, absl::string_view noun) {
  return absl::StrCat(n, " ", noun, n == 1 ? "" : "s");
}

absl::string_view NameOf(Mode mode) {
  switch (mode) {
    case Mode::kCopy:
      return "copy";
    case Mode::kRelay:
      return "relay";
    case Mode::kServe:
      return "serve";
  }
  return "";
}

std::string Json(const flow::CopyStatistics& direction) {
  return absl::StrFormat(R"({"bytes":%d,"reads":%d,"writes":%d})",
                         direction.bytes, direction.reads, direction.writes);
}

}  // namespace

void Statistics::Begin() {
  MutexLock lock(mu_);
  ++totals_.connections;
  ++open_;
}

void Statistics::End(const RelayResult& result) {
  MutexLock lock(mu_);
  --open_;
  if (!result.error.empty()) ++totals_.failed;
  Add(result.a_to_b, &totals_.a_to_b);
  Add(result.b_to_a, &totals_.b_to_a);
}

Totals Statistics::totals() const {
  MutexLock lock(mu_);
  return totals_;
}

int64_t Statistics::open() const {
  MutexLock lock(mu_);
  return open_;
}

std::vector<std::string> FormatText(const Totals& totals,
                                    const Ending& ending) {
  switch (ending.mode) {
    case Mode::kCopy:
      return {totals.a_to_b.ToString()};
    case Mode::kRelay:
      return {absl::StrCat("A to B: ", totals.a_to_b.ToString()),
              absl::StrCat("B to A: ", totals.b_to_a.ToString())};
    case Mode::kServe:
      break;
  }
  return {absl::StrCat(
      Count(totals.connections, "connection"), " (", totals.failed,
      " failed) in ",
      absl::FormatDuration(absl::Trunc(ending.elapsed, absl::Milliseconds(1))),
      "; A to B: ", Count(totals.a_to_b.bytes, "byte"),
      "; B to A: ", Count(totals.b_to_a.bytes, "byte"))};
}

std::string FormatJson(const Totals& totals, const Ending& ending) {
  return absl::StrFormat(
      R"({"mode":"%s","exit_code":%d,"signal":%d,"seconds":%.6f,)"
      R"("connections":%d,"failed":%d,"a_to_b":%s,"b_to_a":%s})",
      NameOf(ending.mode), ending.exit_code, ending.signal,
      absl::ToDoubleSeconds(ending.elapsed), totals.connections, totals.failed,
      Json(totals.a_to_b), Json(totals.b_to_a));
}

}  // namespace flowcat
