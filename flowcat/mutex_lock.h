// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Locks an absl::Mutex by names that old and new releases of Abseil both have:
// what takes the mutex by pointer in the old ones is deprecated in the new
// ones.

#ifndef FLOWCAT_MUTEX_LOCK_H_
#define FLOWCAT_MUTEX_LOCK_H_

#include "absl/base/config.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace flowcat {

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION < 20260107

inline void Lock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) {
  mu.Lock();
}
inline void Unlock(absl::Mutex& mu) ABSL_UNLOCK_FUNCTION(mu) { mu.Unlock(); }

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu)
      : mu_(mu) {
    Lock(mu_);
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { Unlock(mu_); }

 private:
  absl::Mutex& mu_;
};

#else

inline void Lock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) {
  mu.lock();
}
inline void Unlock(absl::Mutex& mu) ABSL_UNLOCK_FUNCTION(mu) { mu.unlock(); }

using ::absl::MutexLock;

#endif

}  // namespace flowcat

#endif  // FLOWCAT_MUTEX_LOCK_H_
