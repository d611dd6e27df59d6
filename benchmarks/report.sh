#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Measures what the library costs, and says of each bar in bars.txt whether it
# is met.
#
#   benchmarks/report.sh            measures, ten minutes on an idle machine
#   benchmarks/report.sh --doc      also replaces the tables and the picture of
#                                   docs/performance.md
#   benchmarks/report.sh --quick    runs each benchmark for a moment, so that its
#                                   times mean nothing: for copies and blocks
#
# The clock is the CPU's, or that of the wall for two threads and for copies
# between descriptors. Each benchmark runs nine times, in an order that changes,
# so that a busy moment of the machine meets all of them.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

repetitions=9
seconds=0.1
report=()
for argument; do
  case $argument in
    --doc) report+=(--doc docs/performance.md) ;;
    --quick) repetitions=2 seconds=0.001 ;;
    *)
      echo "usage: benchmarks/report.sh [--doc] [--quick]" >&2
      exit 2
      ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
targets=$(./bazelw query --noshow_progress 'attr(tags, "benchmark", //benchmarks:all)')
# shellcheck disable=SC2086  # Labels have no spaces.
./bazelw build -c opt $targets
for target in $targets; do
  echo "-- $target" >&2
  ./bazelw run -c opt "$target" -- \
    --benchmark_repetitions="$repetitions" --benchmark_min_time="${seconds}s" \
    --benchmark_enable_random_interleaving=true \
    --benchmark_out="$work/${target##*:}.json" --benchmark_out_format=json \
    >"$work/${target##*:}.log" 2>&1 || {
    cat "$work/${target##*:}.log" >&2
    exit 1
  }
done
tools/beside_bazel.sh python3 benchmarks/report.py "${report[@]}" "$work"/*.json
