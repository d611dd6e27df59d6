// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/no_threads.h
//
// A machine on which no thread can be started. Only for our own tests.
//
// Thread safety: no thread may be started while one is made or destroyed.

#ifndef FLOW_TESTING_INTERNAL_NO_THREADS_H_
#define FLOW_TESTING_INTERNAL_NO_THREADS_H_

#include <pthread.h>

#include <cstddef>

#include "absl/log/absl_check.h"

namespace flow::testing {

// NoThreads
//
// While there is one, std::thread cannot start any: their stacks would have to
// be larger than all memory.
class NoThreads {
 public:
  NoThreads() {
    pthread_attr_t attributes;
    ABSL_CHECK_EQ(::pthread_getattr_default_np(&attributes), 0);
    ABSL_CHECK_EQ(::pthread_attr_getstacksize(&attributes, &before_), 0);
    ::pthread_attr_destroy(&attributes);
    SetStackSize(size_t{1} << 60);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;
  ~NoThreads() { SetStackSize(before_); }

 private:
  static void SetStackSize(size_t size) {
    pthread_attr_t attributes;
    ABSL_CHECK_EQ(::pthread_getattr_default_np(&attributes), 0);
    ABSL_CHECK_EQ(::pthread_attr_setstacksize(&attributes, size), 0);
    ABSL_CHECK_EQ(::pthread_setattr_default_np(&attributes), 0);
    ::pthread_attr_destroy(&attributes);
  }

  size_t before_;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_NO_THREADS_H_
