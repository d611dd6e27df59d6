// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/relay_words.h"

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/proxy.h"
#include "flow/status.h"

namespace flowcat {

absl::Status ErrorOfProxy(const flow::ProxyResult& result,
                          absl::Duration idle_timeout) {
  if (!absl::IsDeadlineExceeded(result.status)) return result.status;
  return absl::UnavailableError(
      absl::StrCat("no bytes passed for ", absl::FormatDuration(idle_timeout)));
}

absl::Status ErrorOfClose(const absl::Status& closed, absl::string_view name,
                          absl::Duration idle_timeout, bool free_to_refuse) {
  if (free_to_refuse && flow::IsClosed(closed)) return absl::OkStatus();
  if (!absl::IsDeadlineExceeded(closed)) return closed;
  return absl::UnavailableError(
      absl::StrCat(name, " took nothing and did not end for ",
                   absl::FormatDuration(idle_timeout)));
}

std::string ExtentBothWays(const flow::ProxyResult& result) {
  return absl::StrCat("bytes from A to B: ", result.a_to_b.statistics.bytes,
                      ", from B to A: ", result.b_to_a.statistics.bytes);
}

}  // namespace flowcat
