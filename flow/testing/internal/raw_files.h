// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/raw_files.h
//
// Files without a name, for tests of what flows do with descriptors. Only for
// our own tests.
//
// Whatever fails here ends the test program.

#ifndef FLOW_TESTING_INTERNAL_RAW_FILES_H_
#define FLOW_TESTING_INTERNAL_RAW_FILES_H_

#include <fcntl.h>
#include <stdlib.h>  // mkostemp
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/strings/string_view.h"

namespace flow::testing {

// Returns a new file, open for reading and writing, at offset 0 of `bytes`. Who
// uses it closes it.
inline int RawFile(absl::string_view bytes = "") {
  std::string path = "/tmp/raw_file.XXXXXX";
  const int fd = ::mkostemp(path.data(), O_CLOEXEC);
  ABSL_PCHECK(fd >= 0);
  ::unlink(path.c_str());
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::pwrite(fd, bytes.data() + at, bytes.size() - at,
                               static_cast<off_t>(at));
    ABSL_PCHECK(n > 0);
    at += static_cast<size_t>(n);
  }
  return fd;
}

// Returns a descriptor of /dev/null, for writing.
inline int RawNull() {
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ABSL_PCHECK(fd >= 0);
  return fd;
}

// Returns a descriptor for the same file that shares no offset with `fd`.
inline int RawReopen(int fd, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int again = ::open(path.c_str(), flags | O_CLOEXEC);
  ABSL_PCHECK(again >= 0);
  return again;
}

// All that a file holds, whatever its offset is.
inline std::string RawContents(int fd) {
  struct stat info = {};
  ABSL_PCHECK(::fstat(fd, &info) == 0);
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::pread(fd, bytes.data() + at, bytes.size() - at,
                              static_cast<off_t>(at));
    ABSL_PCHECK(n > 0);
    at += static_cast<size_t>(n);
  }
  return bytes;
}

inline int RawDuplicate(int fd) {
  const int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  ABSL_PCHECK(duplicate >= 0);
  return duplicate;
}

inline void SetNonBlocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  ABSL_PCHECK(::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_RAW_FILES_H_
