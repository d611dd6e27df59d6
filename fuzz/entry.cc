// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What libFuzzer calls, for the one target of the program. Its own mutations
// would break most scripts; these keep them well-formed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/log/absl_check.h"
#include "absl/types/span.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace {

using ::flow::fuzz::Random;
using ::flow::fuzz::Script;
using ::flow::fuzz::ScriptOf;
using ::flow::fuzz::Target;

const Target& TheTarget() {
  ABSL_CHECK_EQ(flow::fuzz::Targets().size(), 1u);
  return *flow::fuzz::Targets().front();
}

// Writes `script` to `out`, and returns its size.
size_t Emit(Script script, uint8_t* out, size_t max_size) {
  if (TheTarget().tidy != nullptr) TheTarget().tidy(script);
  const std::string bytes = TheTarget().language.ToBytes(script, max_size);
  std::copy(bytes.begin(), bytes.end(), out);
  return bytes.size();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  RunScript(TheTarget(),
            ScriptOf(TheTarget(), absl::MakeConstSpan(data, size)));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                          size_t max_size, unsigned int seed) {
  Random random(seed);
  Script script = ScriptOf(TheTarget(), absl::MakeConstSpan(data, size));
  for (size_t steps = 1 + random() % 4; steps > 0; --steps) {
    TheTarget().language.Mutate(script, random);
  }
  return Emit(script, data, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data1, size_t size1,
                                            const uint8_t* data2, size_t size2,
                                            uint8_t* out, size_t max_out_size,
                                            unsigned int seed) {
  Random random(seed);
  const Target& target = TheTarget();
  return Emit(target.language.Cross(
                  ScriptOf(target, absl::MakeConstSpan(data1, size1)),
                  ScriptOf(target, absl::MakeConstSpan(data2, size2)), random),
              out, max_out_size);
}
