// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/target.h
//
// A fuzz target that runs scripts: its language, and what runs one. The file of
// a target ends with
//
//   const flow::fuzz::Registration kTarget("writev_fuzz", Words(), Run);
//
// and fuzz/script_fuzz_test.bzl makes a fuzz test of it. The same targets run
// random scripts in fuzz/property_test.cc, with any compiler.
//
// An input is the bytes of a script (Language::ToScript()) or, after "script ",
// its text, which is how inputs are written by hand.

#ifndef FLOW_FUZZ_TARGET_H_
#define FLOW_FUZZ_TARGET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "fuzz/script.h"

namespace flow::fuzz {

// What the text of an input begins with.
inline constexpr absl::string_view kTextMark = "script ";

// Target
struct Target {
  std::string name;
  Language language;
  // Ends the program if the library does not do what it should.
  void (*run)(const Script& script);
  // Leaves out what a run would skip. May be null.
  void (*tidy)(Script& script);
};

// Makes a target known to this program.
class Registration {
 public:
  Registration(absl::string_view name, const Grammar& grammar,
               void (*run)(const Script&), void (*tidy)(Script&) = nullptr);
};

// All that the program has.
const std::vector<const Target*>& Targets();

// Runs a script. If that ends the program by a failed check, prints the script.
void RunScript(const Target& target, const Script& script);

// Returns the script of an input. Text that cannot be parsed is taken as bytes.
Script ScriptOf(const Target& target, absl::Span<const uint8_t> input);

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_TARGET_H_
