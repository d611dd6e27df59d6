#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# flowcat between real programs, on loopback addresses only: nginx and curl,
# openssl, redis, PostgreSQL, and peers that half-close, reset and wait. And
# examples/server before curl and wrk.
#
#   flowcat/real_world_test.sh             all tests: a minute or two, 2 GB in
#                                           TMPDIR
#   flowcat/real_world_test.sh TEST...     those
#   flowcat/real_world_test.sh --list      prints their names
#
# Prints for each test one line, `ok TEST (figures)`, `FAILED TEST: why` or
# `skipped TEST: why`, and last how many there were of each. Standard error says
# more about what failed. Exit status: 0 if none failed, 1 if one did, 2 if it
# could not begin.
#
# Programs that are not on PATH are taken, on Debian and its like, from its
# packages: unpacked into ${XDG_CACHE_HOME:-$HOME/.cache}/flow-real-world, not
# installed. Servers get a port, a configuration and a folder of their own and
# end with their test. FLOWCAT and SERVER name the programs to test instead of
# those that this checkout builds.

set -uo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
readonly self
readonly kTop=${self%/flowcat/*}
readonly kPeer=$kTop/flowcat/real_world/peer.py
readonly kTests=(
  download download_unix requests upload tls redis postgres half_close reset
  idle terminate server server_stop
)
# What one test may take, in seconds, and what it may wait for one thing.
readonly kTestLimit=90
readonly kPatience=20

readonly kBigBytes=$((1 << 30))
readonly kUploadBytes=$((256 << 20))
readonly kTlsBytes=$((50 << 20))
readonly kValueBytes=10000000
readonly kRequests=1000
readonly kParallel=50
readonly kRows=100000
readonly kIdle=200
readonly kServedBytes=$((256 << 20))
readonly kClients=200
# Of memory, in kB: what a first round may leave, and a second one add to that.
readonly kIdleGrowth=$((8 << 10))
readonly kIdleSecondGrowth=$((2 << 10))

# shellcheck source=flowcat/real_world/programs.sh
source "$kTop/flowcat/real_world/programs.sh"
# shellcheck source=flowcat/real_world/harness.sh
source "$kTop/flowcat/real_world/harness.sh"
# shellcheck source=flowcat/real_world/tests.sh
source "$kTop/flowcat/real_world/tests.sh"
# shellcheck source=flowcat/real_world/server_tests.sh
source "$kTop/flowcat/real_world/server_tests.sh"

say() { echo "real_world_test: $*" >&2; }

# programs TEST: what it needs, as PROGRAM:PACKAGE.
programs() {
  case $1 in
    download | download_unix | requests | upload | terminate)
      echo nginx:nginx curl:curl openssl:openssl
      ;;
    server) echo curl:curl openssl:openssl ;;
    server_stop) echo wrk:wrk openssl:openssl ;;
    tls) echo openssl:openssl ;;
    redis) echo redis-server:redis-server redis-cli:redis-tools openssl:openssl ;;
    postgres) echo initdb:postgresql pgbench:postgresql psql:postgresql ;;
  esac
  echo python3:python3
}

# get_programs TEST...: gets those that are missing, or says which and exits.
get_programs() {
  local test pair missing packages=()
  use_unpacked
  for test; do
    for pair in $(programs "$test"); do
      command -v "${pair%:*}" >/dev/null || packages+=("${pair#*:}")
    done
  done
  ((${#packages[@]} > 0)) || return 0
  if command -v apt-get >/dev/null; then
    say "getting the packages: $(printf '%s\n' "${packages[@]}" | sort -u | xargs)"
    unpack "${packages[@]}" >"$work/apt.log" 2>&1 ||
      { ((EUID == 0)) && apt-get update && unpack "${packages[@]}"; } \
        >>"$work/apt.log" 2>&1 || tail -n 5 "$work/apt.log" >&2
    use_unpacked
  fi
  missing=()
  for test; do
    for pair in $(programs "$test"); do
      command -v "${pair%:*}" >/dev/null || missing+=("${pair%:*}")
    done
  done
  ((${#missing[@]} == 0)) || {
    say "please install: $(printf '%s\n' "${missing[@]}" | sort -u | xargs)"
    exit 2
  }
}

# run TEST: runs it in a process group of its own and prints its line.
run() {
  local folder=$work/$1 status figures
  mkdir -p "$folder"
  timeout --kill-after=10 "$kTestLimit" bash "$self" --inside "$1" \
    >"$folder/figures" 2>"$folder/log" &
  child=$!
  wait "$child"
  status=$?
  child=
  figures=$(tail -n 1 "$folder/figures")
  case $status in
    0)
      passed=$((passed + 1))
      echo "ok $1 ($figures)"
      ;;
    "$kSkipped")
      skipped=$((skipped + 1))
      echo "skipped $1: $figures"
      ;;
    *)
      failed=$((failed + 1))
      ((status != 124 && status != 137)) ||
        figures="not done after $kTestLimit seconds"
      echo "FAILED $1: $figures"
      tail -n 20 "$folder"/log "$folder"/*.err 2>/dev/null | sed 's/^/    /' >&2
      ;;
  esac
  rm -rf "$folder"
}

main() {
  local test selected=("$@") passed=0 failed=0 skipped=0 summary
  ((${#selected[@]} > 0)) || selected=("${kTests[@]}")
  for test in "${selected[@]}"; do
    [[ " ${kTests[*]} " == *" $test "* ]] || {
      say "no test $test; there are: ${kTests[*]}"
      exit 2
    }
  done
  work=$(mktemp -d) || exit 2
  export work
  child=
  trap 'rm -rf "$work"' EXIT
  trap '[[ -z $child ]] || kill "$child"; wait; exit 130' INT TERM HUP
  get_programs "${selected[@]}"
  get_program FLOWCAT //flowcat
  get_program SERVER //examples/server
  for test in "${selected[@]}"; do run "$test"; done
  summary="$passed passed, $failed failed"
  ((skipped == 0)) || summary+=", $skipped skipped"
  echo "$summary"
  ((failed == 0 && passed > 0))
}

case ${1:-} in
  --list) printf '%s\n' "${kTests[@]}" ;;
  --inside)
    # Short names of sockets, and the one folder that is sure to be seen inside
    # the private root.
    cd "$work/$2" || exit
    trap stop_all EXIT
    "test_$2" </dev/null
    ;;
  -*)
    say "usage: flowcat/real_world_test.sh [--list | TEST...]"
    exit 2
    ;;
  *) main "$@" ;;
esac
