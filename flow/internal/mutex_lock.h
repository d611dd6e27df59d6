// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/mutex_lock.h
//
// Locks an absl::Mutex by names that old and new releases of Abseil both have.
// The old ones take the mutex by pointer; the new ones, which call that
// deprecated, by reference. Not for users of the library.

#ifndef FLOW_INTERNAL_MUTEX_LOCK_H_
#define FLOW_INTERNAL_MUTEX_LOCK_H_

#include "absl/base/config.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace flow::internal {

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION < 20260107

// MutexLock
//
// Holds a mutex as long as it lives.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu)
      : mu_(mu) {
    mu_.Lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }

 private:
  absl::Mutex& mu_;
};

// Lock(), TryLock(), Unlock()
inline void Lock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) {
  mu.Lock();
}
inline bool TryLock(absl::Mutex& mu) ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true, mu) {
  return mu.TryLock();
}
inline void Unlock(absl::Mutex& mu) ABSL_UNLOCK_FUNCTION(mu) { mu.Unlock(); }

#else

using ::absl::MutexLock;

inline void Lock(absl::Mutex& mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) {
  mu.lock();
}
inline bool TryLock(absl::Mutex& mu) ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true, mu) {
  return mu.try_lock();
}
inline void Unlock(absl::Mutex& mu) ABSL_UNLOCK_FUNCTION(mu) { mu.unlock(); }

#endif

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_MUTEX_LOCK_H_
