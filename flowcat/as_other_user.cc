// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
//   as_other_user USER PROCESSES PROGRAM [ARGUMENT...]
//
// Runs PROGRAM as the user with the number USER, who need not exist and can be
// given no more than so many processes and threads; for tests that root runs,
// who is never limited. Exits with 77 if that is not possible here.

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace {

constexpr int kNotPossible = 77;

// Returns a copy of a program that whoever has it open can run, wherever the
// program is; -1 if that fails.
int Copy(const char* program) {
  const int from = ::open(program, O_RDONLY | O_CLOEXEC);
  struct stat info;
  if (from < 0 || ::fstat(from, &info) != 0) return -1;
  const int to = ::memfd_create("program", MFD_CLOEXEC);
  for (off_t left = info.st_size; to >= 0 && left > 0;) {
    const ssize_t size =
        ::sendfile(to, from, nullptr, static_cast<size_t>(left));
    if (size <= 0) return -1;
    left -= size;
  }
  return to;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return EXIT_FAILURE;
  const auto user = static_cast<uid_t>(std::atoi(argv[1]));
  const auto processes = static_cast<rlim_t>(std::atoi(argv[2]));
  const int program = Copy(argv[3]);
  const struct rlimit limit = {processes, processes};
  if (program < 0 || ::setrlimit(RLIMIT_NPROC, &limit) != 0 ||
      ::setgroups(0, nullptr) != 0 || ::setresgid(user, user, user) != 0 ||
      ::setresuid(user, user, user) != 0) {
    std::perror("as_other_user");
    return kNotPossible;
  }
  ::fexecve(program, argv + 3, environ);
  std::perror("fexecve");
  return kNotPossible;
}
