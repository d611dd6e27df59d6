// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: fuzz/script.h
//
// What a fuzz target does, as a value. A script is a list of operations, after
// the settings that they run with. A target says in a table which words its
// scripts are made of; this is all that it takes to turn any bytes into a
// script and back, to print one, to parse what was printed, to make one up, and
// to change one a little:
//
//   enum Word { kPiece, kTake, kFail, kWritev };
//   flow::fuzz::Grammar grammar;
//   grammar.settings = "byte|buffer";
//   grammar.words = {{kPiece, "piece string|cord SIZE"},
//                    {kTake, "take SIZE"}, {kFail, "fail"},
//                    {kWritev, "writev"}};
//   grammar.large_sizes = {511, 512, 4096};
//   const flow::fuzz::Language language(grammar);
//
//   language.Parse("buffer: piece cord 512; take 3; writev")
//
// When not to use it: for a target whose input is text or a packet of its own.
//
// Thread safety: that of a value.

#ifndef FLOW_FUZZ_SCRIPT_H_
#define FLOW_FUZZ_SCRIPT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow::fuzz {

// Fast, and the same for the same seed everywhere.
using Random = std::minstd_rand;

// Operation
//
// A word and its arguments. Those that the word does not have are 0 and empty.
struct Operation {
  static constexpr size_t kMaxNumbers = 4;

  int word = 0;
  // Sizes, bytes, and the indices of choices, in the order of the table.
  std::array<size_t, kMaxNumbers> numbers = {};
  std::string bytes;

  friend bool operator==(const Operation& a, const Operation& b) {
    return a.word == b.word && a.numbers == b.numbers && a.bytes == b.bytes;
  }
};

// Script
struct Script {
  Operation settings;  // `word` is not used
  std::vector<Operation> operations;

  friend bool operator==(const Script& a, const Script& b) {
    return a.settings == b.settings && a.operations == b.operations;
  }
};

// Grammar
//
// What the scripts of one target look like. The arguments of a word, at most
// kMaxNumbers of them and one BYTES, are
//
//   SIZE         0 to 39, or one of `large_sizes`
//   BYTE         0 to 255
//   a|b|c        the index of one of these names
//   BYTES        0 to 255 bytes, printed as a quoted string
struct Grammar {
  // Arguments only.
  std::string settings;
  // In the order of the enum, with a name before the arguments.
  std::vector<std::pair<int, std::string>> words;
  // At most 56 sizes that are worth trying, each above 39.
  std::vector<size_t> large_sizes;
  // What BYTES that are made up have more often than other bytes.
  std::string letters;
  // Longer scripts are cut.
  size_t max_operations = 64;
};

// Language
//
// Does all that a Grammar allows. Every script that it returns is well-formed:
// it can be printed, parsed, and turned into bytes and back without a change.
class Language {
 public:
  explicit Language(const Grammar& grammar);

  // Any bytes are a script. After the last one, all are 0.
  Script ToScript(absl::Span<const uint8_t> bytes) const;
  // Leaves out the operations that would make more than `max_size` bytes.
  std::string ToBytes(const Script& script, size_t max_size) const;

  // One line: settings, a colon, and the operations with semicolons between
  // them.
  std::string ToString(const Script& script) const;
  // Understands any white space. A semicolon may be missing at the end.
  absl::StatusOr<Script> Parse(absl::string_view text) const;

  // Returns any script, and changes one by a step: inserts, removes, replaces
  // and moves operations, repeats a stretch, changes an argument or a setting.
  Script Any(Random& random) const;
  void Mutate(Script& script, Random& random) const;
  // Returns the beginning of `a` and the end of `b`.
  Script Cross(const Script& a, const Script& b, Random& random) const;

 private:
  struct Argument {
    enum class Kind { kSize, kByte, kChoice, kBytes };
    Kind kind;
    std::vector<std::string> choices;
  };
  // A word, or the settings, which have no name.
  struct Word {
    std::string name;
    std::vector<Argument> arguments;
  };
  class Decoder;
  class Scanner;

  static std::vector<Argument> ParseArguments(absl::string_view text);

  size_t ToSize(uint8_t byte) const;
  uint8_t ToByte(const Argument& argument, size_t number) const;
  void Decode(const Word& word, Decoder& decoder, Operation& operation) const;
  void Encode(const Word& word, const Operation& operation,
              std::string& bytes) const;
  void Print(const Word& word, const Operation& operation,
             std::string& text) const;
  absl::Status ParseArguments(const Word& word, Scanner& scanner,
                              Operation& operation) const;
  absl::StatusOr<size_t> ParseNumber(const Argument& argument,
                                     absl::string_view text) const;

  size_t AnyNumber(const Argument& argument, Random& random) const;
  std::string AnyBytes(Random& random) const;
  char AnyByte(Random& random) const;
  void AnyArguments(const Word& word, Random& random,
                    Operation& operation) const;
  Operation AnyOperation(Random& random) const;
  void MutateArgument(const Word& word, Random& random,
                      Operation& operation) const;

  Word settings_;
  std::vector<Word> words_;
  std::vector<size_t> large_sizes_;
  std::string letters_;
  size_t max_operations_;
};

// Budget
//
// Keeps runs short: takes from all sizes what is too much in sum.
class Budget {
 public:
  explicit Budget(size_t bytes) : left_(bytes) {}

  size_t Take(size_t size) {
    if (size > left_) size = left_;
    left_ -= size;
    return size;
  }

 private:
  size_t left_;
};

}  // namespace flow::fuzz

#endif  // FLOW_FUZZ_SCRIPT_H_
