#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands of README.md as printed there: each block fenced as ```sh, in
# the checkout's top folder. What a newcomer copies first must work. And each
# block fenced as ```cpp must be part of the example that is built.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kExample=examples/quick_start.cc

blocks=0
block=
inside=
while IFS= read -r line; do
  if [[ -z $inside ]]; then
    case $line in '```sh' | '```cpp') inside=${line#\`\`\`} block= ;; esac
  elif [[ $line != '```' ]]; then
    block+=$line$'\n'
  elif [[ $inside == cpp ]]; then
    inside=
    if [[ $(<"$kExample")$'\n' != *"$block"* ]]; then
      echo "README.md has C++ that is not in $kExample:" >&2
      echo "$block" >&2
      exit 1
    fi
  else
    inside=
    blocks=$((blocks + 1))
    echo "README.md, block $blocks:"
    # shellcheck disable=SC2001  # Every line, not the first one.
    sed 's/^/    /' <<<"${block%$'\n'}"
    bash -euo pipefail -c "$block" </dev/null
  fi
done <README.md

if ((blocks == 0)); then
  echo 'README.md has no block fenced as ```sh' >&2
  exit 1
fi
echo "$blocks blocks of README.md ran."
