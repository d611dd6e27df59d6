#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a fuzz test: until it finds a bug (NAME_run), or over its corpus (NAME).
# The variables FUZZER_... come from the script that Bazel makes for the target.
#
#   bazel run --config=fuzz //PACKAGE:NAME_run -- [FLAG...] [ARGUMENT...]
#
#   --timeout_secs=N            stop after N seconds (default: 0, never)
#   --clean                     forget the inputs and crashes of earlier runs
#   --fuzzing_output_root=DIR   where those are (default: /tmp/fuzzing)
#   --regression                only run the corpus, once
#
# Further arguments are the engine's, such as libFuzzer's -max_len=N. The corpus
# is only read; inputs that reach new code are written to the output folder, and
# the next run starts from them too.

set -euo pipefail

timeout_secs=0
clean=false
output_root=/tmp/fuzzing
arguments=()
for argument; do
  case $argument in
    --timeout_secs=*) timeout_secs=${argument#*=} ;;
    --clean) clean=true ;;
    --noclean) clean=false ;;
    --fuzzing_output_root=*) output_root=${argument#*=} ;;
    --regression) FUZZER_IS_REGRESSION=1 ;;
    --noregression) FUZZER_IS_REGRESSION=0 ;;
    *) arguments+=("$argument") ;;
  esac
done
if ! [[ $timeout_secs =~ ^[0-9]+$ ]]; then
  echo "--timeout_secs wants a number of seconds, not '$timeout_secs'" >&2
  exit 2
fi

binary=$PWD/$FUZZER_BINARY
corpus=$PWD/$FUZZER_SEED_CORPUS_DIR
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
dictionary=${FUZZER_DICTIONARY_PATH:+$PWD/$FUZZER_DICTIONARY_PATH}
# What the user names is relative to where the user is.
cd "${BUILD_WORKING_DIRECTORY:-.}"

if ((FUZZER_IS_REGRESSION)); then
  # -runs=0: libFuzzer runs what it is given and makes up nothing.
  exec "$binary" -runs=0 "${arguments[@]}" "$corpus"
fi

if [[ $FUZZER_ENGINE != libFuzzer ]]; then
  echo "The $FUZZER_ENGINE engine only runs the corpus. To fuzz, add --config=fuzz." >&2
  exec "$binary" "${arguments[@]}" "$corpus"
fi

name=${FUZZER_LABEL#//}
name=${name%_bin}
output=$output_root/${name//[\/:]/-}
if $clean; then rm -rf "$output"; fi
mkdir -p "$output/corpus" "$output/artifacts"
output=$(realpath "$output")
cat >&2 <<EOF
Fuzzing $FUZZER_LABEL
  new inputs: $output/corpus
  crashes:    $output/artifacts
  A crash again: bazel run --config=fuzz $FUZZER_LABEL -- FILE
EOF
exec "$binary" \
  ${dictionary:+"-dict=$dictionary"} \
  -artifact_prefix="$output/artifacts/" \
  -max_total_time="$timeout_secs" \
  "${arguments[@]}" "$output/corpus" "$corpus"
