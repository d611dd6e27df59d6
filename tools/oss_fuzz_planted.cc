// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The fuzz targets of `tools/oss_fuzz_check.sh --planted`: a sound one and, by
// a macro, some that are not.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

#ifdef PLANT_LITTLE_CODE
constexpr int kMostSteps = 3;
#else
// As much code as in a small fuzz target that links a library.
constexpr int kMostSteps = 300;
#endif

template <int kSteps>
__attribute__((noinline)) void Step(volatile uint8_t* state, uint8_t byte) {
  if (state[kSteps % 7] == byte) state[kSteps % 5] += state[kSteps % 3];
  if constexpr (kSteps > 0) Step<kSteps - 1>(state, byte);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char*** argv) {
#ifdef PLANT_FILE_BESIDE_ITSELF
  const std::string path = std::string(**argv) + ".state";
  if (std::fopen(path.c_str(), "w") == nullptr) std::abort();
#endif
  static_cast<void>(argv);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  volatile uint8_t state[7] = {};
  for (size_t i = 0; i < size; ++i) Step<kMostSteps>(state, data[i]);
  if (std::string(reinterpret_cast<const char*>(data), size) == "seed") {
#ifdef PLANT_CRASH
    std::abort();
#endif
#ifdef PLANT_LEAK
    // Volatile, so that no compiler leaves it out.
    void* volatile leaked = std::malloc(size);
    leaked = nullptr;
#endif
  }
  return 0;
}
