// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Any line is a request or kInvalidArgument, and a request that is written as a
// line again is the same one.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view line(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Request> request = ParseRequest(line);
  if (!request.ok()) {
    ABSL_CHECK(absl::IsInvalidArgument(request.status()));
    return 0;
  }
  ABSL_CHECK_LE(request->key.size(), kMaxKey);
  ABSL_CHECK_LE(request->size, kMaxValue);
  static constexpr absl::string_view kVerbs[] = {"GET ", "SET ", "DELETE "};
  std::string again =
      absl::StrCat(kVerbs[static_cast<size_t>(request->verb)], request->key);
  if (request->verb == Request::Verb::kSet) {
    absl::StrAppend(&again, " ", request->size);
  }
  const absl::StatusOr<Request> same = ParseRequest(again);
  ABSL_CHECK_OK(same);
  ABSL_CHECK(same->verb == request->verb && same->key == request->key &&
             same->size == request->size);
  return 0;
}
