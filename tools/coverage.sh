#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Measures which lines and branches of what ships (flow/ without its tests) run.
#
#   tools/coverage.sh            by all tests, which replay the corpora as well
#   tools/coverage.sh corpora    by the corpora of the fuzz tests alone
#   tools/coverage.sh TARGET...  by these tests
#
# Prints a line for each file that is not covered whole: lines, those that did
# not run, branches, those that were not taken. Then come the totals of the
# library, of its portable part, which is what the names of its files do not say
# to be about descriptors, sockets, signals or files, of flow/testing, and of
# the conformance suite, in which each expectation has a branch for its failure.
# With FLOW_COVERAGE_LINES=FILE it also writes every file with the number of
# runs before each line to FILE.
#
# clang, llvm-profdata and llvm-cov are PATH's, or those of the private Debian
# root if bazelw runs in it.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

query() { ./bazelw query --noshow_progress "$1"; }

case ${1:-} in
  "")
    # The exhaustive ones take minutes here, and run what others run as well.
    targets=$(query 'tests(//flow/... + //fuzz/...) - attr(tags, "exhaustive", //...)')
    ;;
  corpora) targets=$(query 'attr(tags, "fuzz-test", tests(//...))') ;;
  -*)
    echo "usage: tools/coverage.sh [corpora | TARGET...]" >&2
    exit 2
    ;;
  *) targets=$* ;;
esac

# Not below /tmp, of which a test in Bazel's sandbox has one of its own.
mkdir -p "${XDG_CACHE_HOME:-$HOME/.cache}"
work=$(mktemp -d -p "${XDG_CACHE_HOME:-$HOME/.cache}" flow-coverage.XXXXXX)
trap 'rm -rf "$work"' EXIT

# One file of counts for each program, to which its processes add.
# shellcheck disable=SC2086  # Labels have no spaces.
./bazelw test --config=coverage --nocache_test_results \
  --sandbox_writable_path="$work" \
  --test_env=LLVM_PROFILE_FILE="$work/%c%m.profraw" $targets

# What a fuzz test runs is its NAME_bin.
# shellcheck disable=SC2086
fuzz_tests=$(query "attr(tags, 'fuzz-test', set($(echo $targets)))")
# shellcheck disable=SC2086
programs=$(./bazelw cquery --noshow_progress --config=coverage --output=files \
  "set($(echo $targets $(sed '/./s/$/_bin/' <<<"$fuzz_tests"))) - set($(echo $fuzz_tests))" |
  sort -u)
objects=()
for program in $programs; do objects+=(-object "$program"); done

tools/beside_bazel.sh llvm-profdata merge -sparse "$work"/*.profraw -o "$work/all.profdata"
readonly kOptions=(
  -instr-profile "$work/all.profdata" "${objects[@]}"
  -ignore-filename-regex '(^|/)(external|fuzz|verification)/|_test\.cc$|/internal/[^/]*fixture|flow/testing/internal/|broken_flow'
)
if [[ -n ${FLOW_COVERAGE_LINES:-} ]]; then
  tools/beside_bazel.sh llvm-cov show "${kOptions[@]}" --show-branches=count >"$FLOW_COVERAGE_LINES"
fi
readonly kKernel='^flow/(internal/)?(acceptor|bind_|blocked_signal|call_error|close_fd|connect|descriptor|dial_|fd_|file|inherited_|ip_|kernel_|listening_|owned_fd|packet_pipe|poll_|resolve|set_socket|signal_|socket|splice)'
# FILE, then LINES MISSED SHARE for lines, and for branches.
tools/beside_bazel.sh llvm-cov report "${kOptions[@]}" --show-region-summary=false \
  --show-branch-summary >"$work/report"
# llvm-cov leaves out the folder that all files have in common.
awk -v kernel="$kKernel" '
  function share(what, l, m, b, u) {
    if (l > 0)
      printf "%s: %.1f %% of %d lines, %.1f %% of %d branches\n",
        what, 100 * (l - m) / l, l, (b > 0 ? 100 * (b - u) / b : 100), b
  }
  function count(part) {
    lines[part] += $(NF - 5); misses[part] += missed
    branches[part] += $(NF - 2); untakens[part] += untaken
  }
  BEGIN { printf "%-45s %6s %7s %8s %9s\n", "", "lines", "not run", "branches", "not taken" }
  $1 ~ /\.(cc|h)$/ {
    sub(/^(flow\/)?/, "flow/", $1)
    part = $1 ~ /^flow\/testing\/conformance/ ? "suite" : $1 ~ /^flow\/testing\// ? "testing" : "library"
    missed = $(NF - 4); untaken = $(NF - 1)
    count(part)
    if (part == "library" && $1 !~ kernel) count("portable")
    if (missed > 0 || untaken > 0)
      printf "%-45s %6d %7d %8d %9d\n", $1, $(NF - 5), missed, $(NF - 2), untaken
  }
  END {
    share("library", lines["library"], misses["library"], branches["library"], untakens["library"])
    share("of that, portable", lines["portable"], misses["portable"], branches["portable"], untakens["portable"])
    share("testing", lines["testing"], misses["testing"], branches["testing"], untakens["testing"])
    share("conformance suite", lines["suite"], misses["suite"], branches["suite"], untakens["suite"])
  }' "$work/report"
