#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs the commands of README.md as printed there: each block fenced as ```sh, in
# the checkout's top folder. What a newcomer copies first must work.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

blocks=0
block=
inside=false
while IFS= read -r line; do
  if ! $inside; then
    if [[ $line == '```sh' ]]; then
      inside=true
      block=
    fi
  elif [[ $line == '```' ]]; then
    inside=false
    blocks=$((blocks + 1))
    echo "README.md, block $blocks:"
    # shellcheck disable=SC2001  # Every line, not the first one.
    sed 's/^/    /' <<<"${block%$'\n'}"
    bash -euo pipefail -c "$block" </dev/null
  else
    block+=$line$'\n'
  fi
done <README.md

if ((blocks == 0)); then
  echo 'README.md has no block fenced as ```sh' >&2
  exit 1
fi
echo "$blocks blocks of README.md ran."
