// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: testing/internal/counted.h
//
// Operations of started calls that count how often they are told. Not for users
// of the library.
//
// Thread safety: none.

#ifndef FLOW_TESTING_INTERNAL_COUNTED_H_
#define FLOW_TESTING_INTERNAL_COUNTED_H_

namespace flow::testing {

// Counted
template <typename Operation>
struct Counted final : Operation {
  void Done() override { ++done; }
  int done = 0;
};

}  // namespace flow::testing

#endif  // FLOW_TESTING_INTERNAL_COUNTED_H_
