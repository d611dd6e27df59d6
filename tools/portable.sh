#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles what is not for Linux alone with a compiler for another system: MinGW's,
# for Windows. What passes needs nothing but standard C++ and Abseil. What is for
# Linux alone says so by `target_compatible_with` in its BUILD file.
#
# Prints the number of sources. Where the compiler is missing, it comes from
# Debian if bazelw uses the private root.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kCompiler=x86_64-w64-mingw32-g++-posix
readonly kLibraries='kind(cc_library, //flow/...)'
readonly kPortable="$kLibraries except
  rdeps($kLibraries, attr(target_compatible_with, linux, $kLibraries))"

query() { ./bazelw query --noshow_progress "$@"; }

# folder MODULE: where Bazel has it.
folder() {
  dirname "$(query --output=location "@$1//:BUILD.bazel" | sed 's/:.*//')"
}

beside=()
if ! tools/find_bazel.sh >/dev/null; then
  beside=(tools/debian_root.sh with g++-mingw-w64-x86-64-posix)
fi
googletest=$(folder googletest)
command=(
  "${beside[@]}" "$kCompiler" -std=c++17 -Wall -Werror -fsyntax-only -I.
  -isystem "$(folder abseil-cpp)"
  -isystem "$googletest/googletest/include" -isystem "$googletest/googlemock/include"
)
sources=$(query "labels(srcs, $kPortable)" | sed -n 's|^//\(.*\):\(.*\.cc\)$|\1/\2|p')
xargs -P "$(nproc)" -n 4 "${command[@]}" <<<"$sources"
echo "$(wc -l <<<"$sources") sources are portable"
