// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/internal/start_thread.h"

#include <functional>
#include <system_error>  // NOLINT(build/c++11)
#include <thread>        // NOLINT(build/c++11)
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/status.h"

namespace flow::internal {

absl::StatusOr<std::thread> StartThread(std::function<void()> function,
                                        absl::string_view what) {
  try {
    return std::thread(std::move(function));
  } catch (const std::system_error& error) {
    return WithErrno(absl::ResourceExhaustedError(
                         absl::StrCat(what, " (", error.what(), ")")),
                     error.code().value());
  }
}

}  // namespace flow::internal
