#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Measures what the library costs, and says of each bar in bars.txt whether it
# is met.
#
#   benchmarks/report.sh            measures, ten minutes on an idle machine
#   benchmarks/report.sh --peers    measures other libraries at the same jobs, and
#                                   ours beside them: peers/bars.txt
#   benchmarks/report.sh --doc      also replaces the tables and the picture of
#                                   docs/performance.md
#   benchmarks/report.sh --quick    runs each benchmark for a moment, so that its
#                                   times mean nothing: for copies and blocks
#
# The clock is the CPU's, or that of the wall for two threads, for copies between
# descriptors and for the network. Each benchmark runs nine times, in an order
# that changes, so that a busy moment of the machine meets all of them.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

folder=benchmarks
picture=docs/performance.svg
repetitions=9
seconds=0.1
doc=false
for argument; do
  case $argument in
    --peers) folder=benchmarks/peers picture=docs/peers.svg ;;
    --doc) doc=true ;;
    --quick) repetitions=2 seconds=0.001 ;;
    *)
      echo "usage: benchmarks/report.sh [--peers] [--doc] [--quick]" >&2
      exit 2
      ;;
  esac
done

# Gets the peers, which are packages of Debian. Without a private Debian root this
# machine has them, or it has not.
build=(-c opt)
missing=()
filter=.
# get_peer NAME PACKAGE COMMAND...: COMMAND succeeds if PACKAGE is there.
get_peer() {
  local beside=()
  tools/find_bazel.sh >/dev/null || beside=(tools/debian_root.sh with "$2")
  "${beside[@]}" "${@:3}" >&2 || {
    build+=("--define=$1=no")
    missing+=("$1 (Debian's $2)")
  }
}
if [[ $folder == */peers ]]; then
  get_peer kj libcapnp-dev test -e /usr/include/kj/async-io.h
  get_peer boost libboost1.83-dev test -e /usr/include/boost/beast.hpp
  get_peer go golang-go go version
  # Of ours, what stands beside a peer.
  filter=$(tools/beside_bazel.sh python3 benchmarks/report.py --filter "$folder/bars.txt")
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
targets=$(./bazelw query --noshow_progress "attr(tags, 'benchmark', //$folder:all)")
# shellcheck disable=SC2086  # Labels have no spaces.
./bazelw build "${build[@]}" $targets
for target in $targets; do
  echo "-- $target" >&2
  ./bazelw run "${build[@]}" "$target" -- \
    --benchmark_repetitions="$repetitions" --benchmark_min_time="${seconds}s" \
    --benchmark_enable_random_interleaving=true --benchmark_filter="$filter" \
    --benchmark_out="$work/${target##*:}.json" --benchmark_out_format=json \
    >"$work/${target##*:}.log" 2>&1 || {
    cat "$work/${target##*:}.log" >&2
    exit 1
  }
done
report=(tools/beside_bazel.sh python3 benchmarks/report.py)
if $doc; then report+=(--doc docs/performance.md --picture "$picture"); fi
status=0
"${report[@]}" "$folder/bars.txt" "$work"/*.json || status=$?
for peer in "${missing[@]}"; do echo "could not get $peer: not measured"; done
exit "$status"
