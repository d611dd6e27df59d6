#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes a reference of the public headers by Doxygen, as web pages.
#
#   tools/api_docs.sh            only checks: fails if Doxygen has a warning
#   tools/api_docs.sh FOLDER     also leaves them in FOLDER, from index.html on
#
# `doxygen` is PATH's, or comes with the package of the private Debian root.

set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

# What Doxygen sees of a header: our comments as its own. Indented code becomes
# Markdown's, and the line that only repeats a name is left out.
if [[ ${1:-} == --filter ]]; then
  exec sed -E -e '/^ *\/\//!b; /^\/\/ (Copyright|SPDX)/b' \
    -e 's#^( *)//   #\1///     #; t' \
    -e '/`/!{s#\\#\\\\#g; s#<#\\<#g}' -e 't reset' -e ':reset' \
    -e 's#^// File: .*#/// @file#; t' \
    -e 's#^( *)// [A-Za-z]+(::[A-Za-z]+)*(\(\))?$#\1///#; t' \
    -e 's#^( *)//#\1///#' "$2"
fi

work=$(mktemp -d -p /tmp)
trap 'rm -rf "$work"' EXIT
cat >"$work/Doxyfile" <<END
PROJECT_NAME = flow
PROJECT_BRIEF = "Reliable byte streams for C++"
INPUT = flow flow/testing
FILE_PATTERNS = *.h
INPUT_FILTER = "$self --filter"
OUTPUT_DIRECTORY = $work
GENERATE_LATEX = NO
HAVE_DOT = NO
JAVADOC_AUTOBRIEF = YES
AUTOLINK_SUPPORT = NO
EXCLUDE_SYMBOLS = *internal*
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = ABSL_GUARDED_BY(x)= ABSL_EXCLUSIVE_LOCKS_REQUIRED(x)=
WARN_IF_UNDOCUMENTED = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
QUIET = YES
END
doxygen=(doxygen)
command -v doxygen >/dev/null || doxygen=(tools/debian_root.sh with doxygen doxygen)
"${doxygen[@]}" "$work/Doxyfile"
pages=$(find "$work/html" -name '*.html' | wc -l)
((pages > 100))
if (($# > 0)); then
  mkdir -p "$1"
  cp -r "$work/html/." "$1"
fi
echo "$pages pages"
