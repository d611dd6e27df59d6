#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Formats C++ with clang-format and Bazel's files with buildifier.
#
#   tools/format.sh            rewrites what is not formatted
#   tools/format.sh --check    only says what is not, and fails if anything is
#
# CLANG_FORMAT and BUILDIFIER name programs to use. Without them, clang-format is
# the Debian root's where bazelw uses one (tools/debian_root.sh), else PATH's;
# buildifier is PATH's, else npm's, kept in the user's cache folder.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kBuildifierVersion=8.2.1

case ${1:-} in
  "") check=false ;;
  --check) check=true ;;
  *)
    echo "usage: tools/format.sh [--check]" >&2
    exit 2
    ;;
esac
failed=false

# files PATTERN...: those in version control or about to be, NUL-terminated.
files() {
  git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do
      [[ ! -f $file ]] || printf '%s\0' "$file"
    done
}

if [[ -n ${CLANG_FORMAT:-} ]]; then
  clang_format=("$CLANG_FORMAT")
else
  clang_format=(tools/beside_bazel.sh clang-format)
fi
options=(-i)
if $check; then options=(--dry-run --Werror); fi
files '*.cc' '*.h' |
  xargs -0 --no-run-if-empty "${clang_format[@]}" "${options[@]}" || failed=true

if [[ -n ${BUILDIFIER:-} ]]; then
  buildifier=$BUILDIFIER
elif command -v buildifier >/dev/null; then
  buildifier=buildifier
elif command -v npm >/dev/null; then
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/flow-bazel/buildifier-$kBuildifierVersion
  buildifier=$folder/node_modules/.bin/buildifier
  if [[ ! -e $buildifier ]]; then
    echo "format: getting buildifier $kBuildifierVersion from npm" >&2
    mkdir -p "$folder"
    npm install --silent --no-save --prefix "$folder" \
      "@bazel/buildifier@$kBuildifierVersion" >&2
  fi
else
  echo "format: skipped Bazel's files: neither buildifier nor npm is installed" >&2
  buildifier=
fi
if [[ -n $buildifier ]]; then
  options=(-mode=fix)
  if $check; then options=(-mode=check); fi
  files '*.bzl' '*.bazel' WORKSPACE 'WORKSPACE.*' |
    xargs -0 --no-run-if-empty "$buildifier" "${options[@]}" || failed=true
fi

if $failed; then
  if $check; then echo "format: not formatted; tools/format.sh does it" >&2; fi
  exit 1
fi
