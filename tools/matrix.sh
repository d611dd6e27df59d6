#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles all libraries with each supported compiler, level of the language and
# C++ library, and without exceptions and RTTI, with warnings as errors.
#
#   tools/matrix.sh            all combinations; about a minute each
#   tools/matrix.sh WORD...    those that contain all of these words, such as
#                              `clang-19 c++20`
#
# Prints a line for each; exits with 1 if one fails. A compiler that is missing
# comes from Debian 13 if bazelw uses the private root. Elsewhere it counts as
# failed.

set -uo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." || exit

# COMPILER LEVEL [WORD...]
readonly kCombinations=(
  "gcc-12 c++17" "gcc-12 c++20"
  "gcc-13 c++17" "gcc-13 c++23"
  "gcc-14 c++17" "gcc-14 c++20" "gcc-14 c++23" "gcc-14 c++17 lean"
  "clang-17 c++17" "clang-17 c++20"
  "clang-18 c++17" "clang-18 c++23"
  "clang-19 c++17" "clang-19 c++20" "clang-19 c++23" "clang-19 c++17 lean"
  "clang-19 c++17 libc++" "clang-19 c++23 libc++"
)

libraries=$(./bazelw query --noshow_progress \
  'kind(cc_library, //flow:all + //flow/async:all + //flow/internal:all + //flow/testing:all)') ||
  exit

# package COMPILER [WORD...]: what Debian calls it.
package() {
  case "$*" in
    *libc++*) echo "libc++-${1#clang-}-dev" ;;
    gcc-*) echo "g++-${1#gcc-}" ;;
    *) echo "$1" ;;
  esac
}

# has COMPILER [WORD...]
has() {
  if tools/find_bazel.sh >/dev/null; then
    command -v "$1" >/dev/null
  else
    tools/debian_root.sh with "$(package "$@")" "$1" --version >/dev/null
  fi
}

# compile COMPILER LEVEL [WORD...]
compile() {
  local options=(--config=ci --config=compile_only) word
  if [[ $1 == clang-* ]]; then options+=(--config=clang); fi
  options+=(--repo_env=CC="$1" --cxxopt=-std="$2" --host_cxxopt=-std="$2")
  for word in "${@:3}"; do
    case $word in
      lean) options+=(--config=lean) ;;
      libc++) options+=(--cxxopt=-stdlib=libc++ --host_cxxopt=-stdlib=libc++) ;;
    esac
  done
  # shellcheck disable=SC2086  # Labels have no spaces.
  ./bazelw build --noshow_progress --keep_going "${options[@]}" $libraries
}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0
failed=0
for combination in "${kCombinations[@]}"; do
  for word; do
    [[ " $combination " == *" $word "* ]] || continue 2
  done
  read -ra words <<<"$combination"
  if ! has "${words[0]}" "${words[@]:2}" >"$output" 2>&1; then
    echo "$combination: not found"
  elif compile "${words[@]}" >"$output" 2>&1; then
    echo "$combination: passed"
    passed=$((passed + 1))
    continue
  else
    cat "$output"
    echo "$combination: FAILED"
  fi
  failed=$((failed + 1))
done
echo "$passed combinations passed, $failed failed"
((failed == 0 && passed > 0))
