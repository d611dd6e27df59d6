// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/fork_generation.h
//
// Tells a process from the one that it was forked from, so that a child's copy
// of an object does not act for its parent. Not for users of the library.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOW_INTERNAL_FORK_GENERATION_H_
#define FLOW_INTERNAL_FORK_GENERATION_H_

#include <cstdint>

namespace flow::internal {

// ForkGeneration()
//
// Returns how many calls of fork(2) lie between this process and the one that
// first called this. It makes no system call, so an object that a fork may copy
// can cheaply keep the number and compare it. (It does not notice a child that
// vfork(2) or clone(2) made without the C library.)
uint32_t ForkGeneration();

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FORK_GENERATION_H_
