// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Long sequences of operations at both ends of a pipe: every outcome, byte,
// count and wake-up against a model that was written from the documentation
// (flow/verification/pipe_model.h). Short ones need no fuzzing: they are
// enumerated by pipe_state_exhaustive_test and pipe_exhaustive_test.
//
// A script's first byte is the capacity, a digit, and each other byte an
// operation, a letter (any byte will do); one that is not legal where it stands
// is skipped. Each script is run on the state
// machine, with calls that wait, and on the real ends, where none does.
//
// A difference is told with its operations as text, such as
// `left.write2 right.close left.late_write`: put that into
// flow/verification/pipe_regression_test.cc, and the bug stays found.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <utility>
#include <vector>

#include "absl/log/absl_log.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/verification/pipe_checker.h"
#include "flow/verification/pipe_ends_checker.h"
#include "flow/verification/pipe_operation.h"

namespace flow::verification {
namespace {

constexpr size_t kMostOperations = 1000;
// By digit.
constexpr size_t kCapacities[] = {0, 1, 2, 3, 5, kNoLimit};

struct Script {
  size_t capacity = 0;
  std::vector<PipeOperation> operations;
};

constexpr int kOperationsPerEnd = PipeOperation::kKinds;

// One letter each, so that a script can be read: small ones for the left end.
constexpr absl::string_view kLetters = "abcdefghijklpmnoqABCDEFGHIJKLPMNOQ";
static_assert(kLetters.size() == 2 * kOperationsPerEnd);

PipeOperation ToOperation(uint8_t byte) {
  size_t i = kLetters.find(static_cast<char>(byte));
  if (i == absl::string_view::npos) i = byte % kLetters.size();
  PipeOperation operation;
  operation.end = static_cast<int>(i) / kOperationsPerEnd;
  operation.kind = static_cast<PipeOperation::Kind>(i % kOperationsPerEnd);
  return operation;
}

uint8_t ToByte(PipeOperation operation) {
  return static_cast<uint8_t>(
      kLetters[operation.end * kOperationsPerEnd + operation.kind]);
}

Script ToScript(absl::Span<const uint8_t> bytes) {
  Script script;
  if (bytes.empty()) return script;
  script.capacity = kCapacities[bytes[0] % std::size(kCapacities)];
  bytes = bytes.subspan(1, kMostOperations);
  for (uint8_t byte : bytes) script.operations.push_back(ToOperation(byte));
  return script;
}

// Runs what is legal of `script`; what that was goes to `*done`, if given.
template <typename Checker>
void Run(const Script& script, std::vector<PipeOperation>* done) {
  Checker checker(script.capacity);
  std::vector<PipeOperation> legal;
  for (PipeOperation operation : script.operations) {
    if (!checker.IsLegal(operation)) continue;
    legal.push_back(operation);
    const absl::Status status = checker.Apply(operation);
    if (!status.ok()) {
      ABSL_LOG(FATAL) << "capacity " << script.capacity << ": "
                      << ToString(legal) << ": " << status.message();
    }
  }
  if (done != nullptr) *done = std::move(legal);
}

// Changes `script` a little.
void Mutate(Script& script, std::mt19937& random) {
  std::vector<PipeOperation>& operations = script.operations;
  const auto somewhere = [&](size_t size) {
    return static_cast<ptrdiff_t>(random() % size);
  };
  const auto any = [&] {
    return ToOperation(
        static_cast<uint8_t>(kLetters[random() % kLetters.size()]));
  };
  const auto begin = [&] { return operations.begin(); };
  if (operations.empty()) {
    operations.push_back(any());
    return;
  }
  switch (random() % 6) {
    case 0:  // another capacity
      script.capacity = kCapacities[random() % std::size(kCapacities)];
      break;
    case 1:  // one more
      operations.insert(begin() + somewhere(operations.size() + 1), any());
      break;
    case 2:  // one less
      operations.erase(begin() + somewhere(operations.size()));
      break;
    case 3:  // another one
      operations[random() % operations.size()] = any();
      break;
    case 4: {  // two swapped
      const size_t i = random() % operations.size();
      std::swap(operations[i], operations[random() % operations.size()]);
      break;
    }
    case 5: {  // a stretch again, at the other end
      const size_t from = random() % operations.size();
      const size_t n =
          std::min<size_t>(1 + random() % 8, operations.size() - from);
      std::vector<PipeOperation> again(
          begin() + static_cast<ptrdiff_t>(from),
          begin() + static_cast<ptrdiff_t>(from + n));
      for (PipeOperation& operation : again) operation.end ^= 1;
      operations.insert(begin() + somewhere(operations.size() + 1),
                        again.begin(), again.end());
      break;
    }
  }
}

}  // namespace
}  // namespace flow::verification

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace flow::verification;  // NOLINT: these are its functions
  const Script script = ToScript(absl::MakeConstSpan(data, size));
  Run<PipeChecker>(script, nullptr);
  Run<PipeEndsChecker>(script, nullptr);
  return 0;
}

// Keeps scripts well-formed: what is not legal where it stands is left out, so
// that no mutation is wasted on it.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                          size_t max_size, unsigned int seed) {
  using namespace flow::verification;  // NOLINT: these are its functions
  std::mt19937 random(seed);
  Script script = ToScript(absl::MakeConstSpan(data, size));
  for (unsigned i = 1 + random() % 4; i > 0; --i) Mutate(script, random);
  Run<PipeChecker>(script, &script.operations);
  if (max_size == 0) return 0;
  data[0] = static_cast<uint8_t>(
      '0' + (std::find(std::begin(kCapacities), std::end(kCapacities),
                       script.capacity) -
             std::begin(kCapacities)));
  const size_t n = std::min(script.operations.size(), max_size - 1);
  for (size_t i = 0; i < n; ++i) data[1 + i] = ToByte(script.operations[i]);
  return 1 + n;
}
