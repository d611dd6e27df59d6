// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: replay_main.cc
//
// A main() for fuzz tests that needs no fuzzing engine: it runs every file that
// the arguments name, and every file below the folders that they name, as one
// input each, in the order of their names. Without any, it runs the empty
// input. Arguments that start with a dash are another engine's: ignored.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc,
                                                          char*** argv);

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);

  std::vector<std::string> inputs;
  bool any_named = false;
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] == '-') continue;
    any_named = true;
    if (!fs::is_directory(argv[i])) {
      inputs.push_back(argv[i]);
      continue;
    }
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(
             argv[i], fs::directory_options::follow_directory_symlink)) {
      if (entry.is_regular_file()) inputs.push_back(entry.path().string());
    }
  }
  std::sort(inputs.begin(), inputs.end());

  for (const std::string& input : inputs) {
    // Said before it runs, so that a crash has a name.
    std::cerr << "Running: " << input << std::endl;
    std::ifstream file(input, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    if (!file) {
      std::cerr << "Cannot read " << input << std::endl;
      return 1;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                           bytes.size());
  }
  if (!any_named || inputs.empty()) {
    static constexpr uint8_t kNothing[1] = {};
    LLVMFuzzerTestOneInput(kNothing, 0);
    std::cerr << "Ran the empty input." << std::endl;
  } else {
    std::cerr << "Ran " << inputs.size() << " inputs." << std::endl;
  }
  return 0;
}
