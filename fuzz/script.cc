// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/script.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow::fuzz {
namespace {

// A byte below kSmallCodes is a small size, another one a large size.
constexpr size_t kSmallSizes = 40;
constexpr size_t kSmallCodes = 200;
constexpr size_t kMaxBytes = 255;

size_t Below(size_t n, Random& random) { return random() % n; }

bool OneIn(size_t n, Random& random) { return Below(n, random) == 0; }

}  // namespace

// Takes bytes apart. At the end they are 0.
class Language::Decoder {
 public:
  explicit Decoder(absl::Span<const uint8_t> bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }

  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const uint8_t byte = rest_.front();
    rest_.remove_prefix(1);
    return byte;
  }

  std::string Bytes(size_t size) {
    size = std::min(size, rest_.size());
    std::string bytes(reinterpret_cast<const char*>(rest_.data()), size);
    rest_.remove_prefix(size);
    return bytes;
  }

 private:
  absl::Span<const uint8_t> rest_;
};

// Cuts text into words, quoted strings, and the marks between them.
class Language::Scanner {
 public:
  explicit Scanner(absl::string_view text) : rest_(text) { Skip(); }

  bool done() const { return rest_.empty(); }
  absl::string_view rest() const { return rest_; }

  bool Take(char mark) {
    if (rest_.empty() || rest_.front() != mark) return false;
    rest_.remove_prefix(1);
    Skip();
    return true;
  }

  absl::string_view Word() {
    size_t end = 0;
    while (end < rest_.size() && !absl::ascii_isspace(rest_[end]) &&
           rest_[end] != ':' && rest_[end] != ';' && rest_[end] != '"') {
      ++end;
    }
    return Advance(end);
  }

  absl::StatusOr<std::string> Quoted() {
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != '"') {
      end += rest_[end] == '\\' ? 2 : 1;
    }
    std::string bytes;
    if (rest_.empty() || rest_.front() != '"' || end >= rest_.size() ||
        !absl::CUnescape(rest_.substr(1, end - 1), &bytes) ||
        bytes.size() > kMaxBytes) {
      return Error("no quoted string");
    }
    Advance(end + 1);
    return bytes;
  }

  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " at '", rest_.substr(0, 40), "'"));
  }

 private:
  absl::string_view Advance(size_t size) {
    const absl::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    Skip();
    return word;
  }
  void Skip() { rest_ = absl::StripLeadingAsciiWhitespace(rest_); }

  absl::string_view rest_;
};

// --- The table

Language::Language(const Grammar& grammar)
    : settings_{"", ParseArguments(grammar.settings)},
      large_sizes_(grammar.large_sizes),
      letters_(grammar.letters),
      max_operations_(grammar.max_operations) {
  ABSL_CHECK(!grammar.words.empty());
  ABSL_CHECK_LE(large_sizes_.size(), kMaxBytes - kSmallCodes + 1);
  for (const auto& [index, text] : grammar.words) {
    ABSL_CHECK_EQ(static_cast<size_t>(index), words_.size())
        << text << " is not in the order of the enum";
    const size_t space = std::min(text.find(' '), text.size());
    words_.push_back({text.substr(0, space),
                      ParseArguments(absl::string_view(text).substr(space))});
  }
}

std::vector<Language::Argument> Language::ParseArguments(
    absl::string_view text) {
  std::vector<Argument> arguments;
  size_t numbers = 0;
  for (absl::string_view name : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    Argument argument = {Argument::Kind::kChoice, {}};
    if (name == "SIZE") {
      argument.kind = Argument::Kind::kSize;
    } else if (name == "BYTE") {
      argument.kind = Argument::Kind::kByte;
    } else if (name == "BYTES") {
      argument.kind = Argument::Kind::kBytes;
    } else {
      argument.choices = absl::StrSplit(name, '|');
    }
    if (argument.kind != Argument::Kind::kBytes) ++numbers;
    arguments.push_back(std::move(argument));
  }
  ABSL_CHECK_LE(numbers, Operation::kMaxNumbers) << text;
  ABSL_CHECK_LE(arguments.size() - numbers, 1u) << text;
  return arguments;
}

// --- Bytes

size_t Language::ToSize(uint8_t byte) const {
  if (byte < kSmallCodes || large_sizes_.empty()) return byte % kSmallSizes;
  return large_sizes_[(byte - kSmallCodes) % large_sizes_.size()];
}

uint8_t Language::ToByte(const Argument& argument, size_t number) const {
  if (argument.kind == Argument::Kind::kSize && number >= kSmallSizes) {
    const auto large =
        std::find(large_sizes_.begin(), large_sizes_.end(), number);
    ABSL_CHECK(large != large_sizes_.end()) << number;
    number = kSmallCodes + static_cast<size_t>(large - large_sizes_.begin());
  }
  return static_cast<uint8_t>(number);
}

void Language::Decode(const Word& word, Decoder& decoder,
                      Operation& operation) const {
  size_t i = 0;
  for (const Argument& argument : word.arguments) {
    const uint8_t byte = decoder.Byte();
    switch (argument.kind) {
      case Argument::Kind::kSize:
        operation.numbers[i++] = ToSize(byte);
        break;
      case Argument::Kind::kByte:
        operation.numbers[i++] = byte;
        break;
      case Argument::Kind::kChoice:
        operation.numbers[i++] = byte % argument.choices.size();
        break;
      case Argument::Kind::kBytes:
        operation.bytes = decoder.Bytes(byte);
        break;
    }
  }
}

void Language::Encode(const Word& word, const Operation& operation,
                      std::string& bytes) const {
  size_t i = 0;
  for (const Argument& argument : word.arguments) {
    if (argument.kind == Argument::Kind::kBytes) {
      bytes += static_cast<char>(operation.bytes.size());
      bytes += operation.bytes;
    } else {
      bytes += static_cast<char>(ToByte(argument, operation.numbers[i++]));
    }
  }
}

Script Language::ToScript(absl::Span<const uint8_t> bytes) const {
  Decoder decoder(bytes);
  Script script;
  Decode(settings_, decoder, script.settings);
  script.operations.reserve(std::min(bytes.size(), max_operations_));
  while (!decoder.done() && script.operations.size() < max_operations_) {
    Operation& operation = script.operations.emplace_back();
    operation.word = static_cast<int>(decoder.Byte() % words_.size());
    Decode(words_[operation.word], decoder, operation);
  }
  return script;
}

std::string Language::ToBytes(const Script& script, size_t max_size) const {
  std::string bytes;
  Encode(settings_, script.settings, bytes);
  if (bytes.size() > max_size) return "";
  for (const Operation& operation : script.operations) {
    const size_t before = bytes.size();
    bytes += static_cast<char>(operation.word);
    Encode(words_[operation.word], operation, bytes);
    if (bytes.size() > max_size) {
      bytes.resize(before);
      break;
    }
  }
  return bytes;
}

// --- Text

void Language::Print(const Word& word, const Operation& operation,
                     std::string& text) const {
  text += word.name;
  size_t i = 0;
  for (const Argument& argument : word.arguments) {
    if (!text.empty() && text.back() != ' ') text += ' ';
    if (argument.kind == Argument::Kind::kBytes) {
      absl::StrAppend(&text, "\"", absl::CHexEscape(operation.bytes), "\"");
    } else if (argument.kind == Argument::Kind::kChoice) {
      text += argument.choices[operation.numbers[i++]];
    } else {
      absl::StrAppend(&text, operation.numbers[i++]);
    }
  }
}

std::string Language::ToString(const Script& script) const {
  std::string text;
  Print(settings_, script.settings, text);
  text += ':';
  absl::string_view separator = " ";
  for (const Operation& operation : script.operations) {
    text += separator;
    separator = "; ";
    Print(words_[operation.word], operation, text);
  }
  return text;
}

absl::StatusOr<size_t> Language::ParseNumber(const Argument& argument,
                                             absl::string_view text) const {
  size_t number;
  bool valid;
  if (argument.kind == Argument::Kind::kChoice) {
    number = static_cast<size_t>(
        std::find(argument.choices.begin(), argument.choices.end(), text) -
        argument.choices.begin());
    valid = number < argument.choices.size();
  } else if (!absl::SimpleAtoi(text, &number)) {
    valid = false;
  } else if (argument.kind == Argument::Kind::kByte) {
    valid = number <= 255;
  } else {
    valid = number < kSmallSizes ||
            std::count(large_sizes_.begin(), large_sizes_.end(), number) > 0;
  }
  if (valid) return number;
  return absl::InvalidArgumentError(
      absl::StrCat("'", text, "' is not a value of this argument"));
}

absl::Status Language::ParseArguments(const Word& word, Scanner& scanner,
                                      Operation& operation) const {
  size_t i = 0;
  for (const Argument& argument : word.arguments) {
    if (argument.kind == Argument::Kind::kBytes) {
      absl::StatusOr<std::string> bytes = scanner.Quoted();
      if (!bytes.ok()) return bytes.status();
      operation.bytes = *std::move(bytes);
      continue;
    }
    const absl::StatusOr<size_t> number = ParseNumber(argument, scanner.Word());
    if (!number.ok()) return number.status();
    operation.numbers[i++] = *number;
  }
  return absl::OkStatus();
}

absl::StatusOr<Script> Language::Parse(absl::string_view text) const {
  Scanner scanner(text);
  Script script;
  absl::Status status = ParseArguments(settings_, scanner, script.settings);
  if (!status.ok()) return status;
  if (!scanner.Take(':')) return scanner.Error("no colon");
  while (!scanner.done()) {
    if (script.operations.size() == max_operations_) {
      return scanner.Error("too many operations");
    }
    const absl::string_view name = scanner.Word();
    const auto word =
        std::find_if(words_.begin(), words_.end(),
                     [&](const Word& known) { return known.name == name; });
    if (word == words_.end()) {
      return absl::InvalidArgumentError(absl::StrCat("no word '", name, "'"));
    }
    Operation& operation = script.operations.emplace_back();
    operation.word = static_cast<int>(word - words_.begin());
    status = ParseArguments(*word, scanner, operation);
    if (!status.ok()) return status;
    if (!scanner.Take(';') && !scanner.done()) {
      return scanner.Error("no semicolon");
    }
  }
  return script;
}

// --- Chance

size_t Language::AnyNumber(const Argument& argument, Random& random) const {
  switch (argument.kind) {
    case Argument::Kind::kChoice:
      return Below(argument.choices.size(), random);
    case Argument::Kind::kByte:
      return Below(256, random);
    case Argument::Kind::kSize:
    case Argument::Kind::kBytes:
      break;
  }
  if (!large_sizes_.empty() && OneIn(5, random)) {
    return large_sizes_[Below(large_sizes_.size(), random)];
  }
  return Below(OneIn(2, random) ? 5 : kSmallSizes, random);
}

char Language::AnyByte(Random& random) const {
  if (!letters_.empty() && !OneIn(3, random)) {
    return letters_[Below(letters_.size(), random)];
  }
  return static_cast<char>(Below(256, random));
}

std::string Language::AnyBytes(Random& random) const {
  std::string bytes(Below(OneIn(8, random) ? kMaxBytes + 1 : 12, random), 0);
  for (char& byte : bytes) byte = AnyByte(random);
  return bytes;
}

void Language::AnyArguments(const Word& word, Random& random,
                            Operation& operation) const {
  size_t i = 0;
  for (const Argument& argument : word.arguments) {
    if (argument.kind == Argument::Kind::kBytes) {
      operation.bytes = AnyBytes(random);
    } else {
      operation.numbers[i++] = AnyNumber(argument, random);
    }
  }
}

Operation Language::AnyOperation(Random& random) const {
  Operation operation;
  operation.word = static_cast<int>(Below(words_.size(), random));
  AnyArguments(words_[operation.word], random, operation);
  return operation;
}

Script Language::Any(Random& random) const {
  Script script;
  AnyArguments(settings_, random, script.settings);
  script.operations.resize(Below(max_operations_ + 1, random));
  for (Operation& operation : script.operations) {
    operation = AnyOperation(random);
  }
  return script;
}

void Language::MutateArgument(const Word& word, Random& random,
                              Operation& operation) const {
  if (word.arguments.empty()) return;
  const size_t which = Below(word.arguments.size(), random);
  const Argument& argument = word.arguments[which];
  if (argument.kind != Argument::Kind::kBytes) {
    size_t i = 0;
    for (size_t before = 0; before < which; ++before) {
      if (word.arguments[before].kind != Argument::Kind::kBytes) ++i;
    }
    size_t& number = operation.numbers[i];
    if (argument.kind == Argument::Kind::kSize && number < kSmallSizes &&
        OneIn(2, random)) {
      // The neighbors are where limits are missed.
      number =
          (number + (OneIn(2, random) ? 1 : kSmallSizes - 1)) % kSmallSizes;
    } else {
      number = AnyNumber(argument, random);
    }
    return;
  }
  std::string& bytes = operation.bytes;
  const size_t at = Below(bytes.size() + 1, random);
  switch (Below(4, random)) {
    case 0:
      bytes = AnyBytes(random);
      break;
    case 1:
      bytes.insert(at, 1, AnyByte(random));
      bytes.resize(std::min(bytes.size(), kMaxBytes));
      break;
    case 2:
      bytes.erase(at, 1);
      break;
    case 3:
      if (at < bytes.size()) bytes[at] = AnyByte(random);
      break;
  }
}

void Language::Mutate(Script& script, Random& random) const {
  std::vector<Operation>& operations = script.operations;
  const auto place = [&] {
    return operations.begin() +
           static_cast<ptrdiff_t>(Below(operations.size() + 1, random));
  };
  // The beginning and the end of a few operations.
  const auto stretch = [&](size_t longest) {
    const size_t from = Below(operations.size(), random);
    const size_t size =
        std::min(1 + Below(longest, random), operations.size() - from);
    return std::make_pair(
        operations.begin() + static_cast<ptrdiff_t>(from),
        operations.begin() + static_cast<ptrdiff_t>(from + size));
  };
  if (operations.empty() || OneIn(12, random)) {
    MutateArgument(settings_, random, script.settings);
  }
  const size_t kind = operations.empty() ? 0 : Below(8, random);
  switch (kind) {
    case 0:
    case 1:
      operations.insert(place(), AnyOperation(random));
      break;
    case 2: {
      const auto [begin, end] = stretch(OneIn(4, random) ? 8 : 1);
      operations.erase(begin, end);
      break;
    }
    case 3:
      *stretch(1).first = AnyOperation(random);
      break;
    case 4:
    case 5: {
      Operation& operation = *stretch(1).first;
      MutateArgument(words_[operation.word], random, operation);
      break;
    }
    case 6:
      std::iter_swap(stretch(1).first, stretch(1).first);
      break;
    case 7: {
      const auto [begin, end] = stretch(8);
      const std::vector<Operation> again(begin, end);
      operations.insert(place(), again.begin(), again.end());
      break;
    }
  }
  if (operations.size() > max_operations_) operations.resize(max_operations_);
}

Script Language::Cross(const Script& a, const Script& b, Random& random) const {
  Script script = a;
  script.operations.resize(Below(a.operations.size() + 1, random));
  const auto from =
      b.operations.begin() +
      static_cast<ptrdiff_t>(Below(b.operations.size() + 1, random));
  script.operations.insert(script.operations.end(), from, b.operations.end());
  if (script.operations.size() > max_operations_) {
    script.operations.resize(max_operations_);
  }
  return script;
}

}  // namespace flow::fuzz
