// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/failing_system_calls.h
//
// System calls that fail when a test wants them to. Linking this replaces the
// functions of the C library that the library calls. They do what they always
// do, except as long as a SystemCallScope lives. Only for our own tests.
//
//   SystemCallScope scope(SystemCallFault{"recv", /*number=*/1, ENOMEM});
//   // The second recv() of the program fails with ENOMEM.
//
// Thread safety: the replaced functions may be called from any thread. There is
// one scope at a time.

#ifndef FLOW_TESTING_INTERNAL_FAILING_SYSTEM_CALLS_H_
#define FLOW_TESTING_INTERNAL_FAILING_SYSTEM_CALLS_H_

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace flow::testing {

// SystemCallFault
//
// What goes wrong in which call.
struct SystemCallFault {
  static constexpr size_t kEvery = static_cast<size_t>(-1);
  // Less than was asked for: about half of the bytes, or, of poll(2), that all
  // is ready although it may not be.
  static constexpr int kLess = 0;

  std::string name;  // of the function
  size_t number;     // of its calls in the scope, from 0; or kEvery
  int error;         // errno; of getaddrinfo(), what it returns; or kLess
};

// SystemCallScope
//
// Counts the calls of the whole program from its construction to its
// destruction, and makes one of them go wrong.
//
// close(2) closes in any case, as Linux does. So does a connect(2) of TCP that
// fails with EINTR go on.
class SystemCallScope {
 public:
  explicit SystemCallScope(std::optional<SystemCallFault> fault = std::nullopt);
  SystemCallScope(const SystemCallScope&) = delete;
  SystemCallScope& operator=(const SystemCallScope&) = delete;
  ~SystemCallScope();

  // SystemCallScope::calls()
  //
  // Returns how often each function was called, by its name.
  std::map<std::string, size_t> calls() const;

  // SystemCallScope::fired()
  //
  // Returns whether the fault has happened.
  bool fired() const;
};

// OwnSystemCalls
//
// As long as it lives, the calls of this thread are the test's own: they are
// not counted and do not fail.
class OwnSystemCalls {
 public:
  OwnSystemCalls();
  OwnSystemCalls(const OwnSystemCalls&) = delete;
  OwnSystemCalls& operator=(const OwnSystemCalls&) = delete;
  ~OwnSystemCalls();
};

// ExpectSurvivesEachFault()
//
// Runs `scenario` once without a fault, and it must be Ok; then once for each
// call that it has made and each way for that to go wrong:
//
//  * after EINTR where that is possible, and after less than was asked for, it
//    must be Ok;
//  * after any other error it must be Ok, or return an error that names what
//    was tried and has the errno.
//
// No run may leave a descriptor or hang. Each has a thread of its own, so that
// it begins with nothing. If `less` is false, calls that do less are left out.
void ExpectSurvivesEachFault(absl::FunctionRef<absl::Status()> scenario,
                             bool less = true);

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_FAILING_SYSTEM_CALLS_H_
