// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/inherited_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "flow/internal/escaped.h"

namespace flow {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START

absl::Status Invalid(absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("InheritedDescriptors(): ", why));
}

// Returns the number in the variable `name`, and 0 if that is not set.
absl::StatusOr<int> NumberIn(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return 0;
  int number;
  if (absl::SimpleAtoi(text, &number) && number >= 0) return number;
  return Invalid(
      absl::StrCat(name, " is '", internal::Escaped(text), "', not a number"));
}

}  // namespace

absl::StatusOr<std::vector<InheritedDescriptor>> InheritedDescriptors() {
  const absl::StatusOr<int> process = NumberIn("LISTEN_PID");
  if (!process.ok()) return process.status();
  std::vector<InheritedDescriptor> descriptors;
  if (*process != ::getpid()) return descriptors;
  const absl::StatusOr<int> count = NumberIn("LISTEN_FDS");
  if (!count.ok()) return count.status();
  std::vector<std::string> names;
  if (const char* const text = std::getenv("LISTEN_FDNAMES")) {
    names = absl::StrSplit(text, ':', absl::AllowEmpty());
    if (names.size() != static_cast<size_t>(*count)) {
      return Invalid(absl::StrCat("LISTEN_FDNAMES has ", names.size(),
                                  " names for ", *count, " descriptors"));
    }
  }
  for (int i = 0; i < *count; ++i) {
    InheritedDescriptor each;
    each.fd = kFirst + i;
    if (!names.empty()) each.name = names[static_cast<size_t>(i)];
    const int flags = ::fcntl(each.fd, F_GETFD);
    if (flags < 0) {
      return Invalid(absl::StrCat("LISTEN_FDS is ", *count, ", but descriptor ",
                                  each.fd, " is not open"));
    }
    ::fcntl(each.fd, F_SETFD, flags | FD_CLOEXEC);
    descriptors.push_back(each);
  }
  return descriptors;
}

}  // namespace flow
