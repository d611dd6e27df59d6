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

# use_unpacked: finds programs that have been unpacked, and PostgreSQL's, which
# Debian keeps off PATH.
use_unpacked() {
  local folder
  PATH=$system_path
  for folder in /usr/local/sbin /usr/sbin /sbin {,"$cache"}/usr/lib/postgresql/*/bin \
    "$cache"/usr/{s,}bin; do
    [[ ! -d $folder ]] || PATH+=:$folder
  done
  # Debian's psql is a script that needs an installation.
  for folder in {,"$cache"}/usr/lib/postgresql/*/bin; do
    [[ ! -x $folder/initdb ]] || PATH=$folder:$PATH
  done
  for folder in "$cache"/usr/lib/*-linux-*; do
    [[ ! -d $folder ]] || LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  done
  export PATH LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
}

# unpack PACKAGE...: with what they depend on and this machine does not have.
unpack() {
  local names folder status
  names=$(LC_ALL=C apt-get --simulate --no-install-recommends install "$@" |
    sed -n 's/^Inst \([^ ]*\) (.*/\1/p') && [[ -n $names ]] || return
  mkdir -p "$cache" && folder=$(mktemp -d "$cache/packages.XXXXXX") || return
  # shellcheck disable=SC2086  # Packages have no spaces in their names.
  (cd "$folder" && apt-get -qq -o APT::Sandbox::User=root download $names &&
    for package in ./*.deb; do dpkg-deb --extract "$package" "$cache" || exit; done)
  status=$?
  rm -rf "$folder"
  return "$status"
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

# get_program NAME TARGET: sets NAME to a program that starts on this machine.
get_program() {
  local program=$work/$1.opt
  starts() { [[ $("$1" --help 2>&1) == *[Uu]sage:* ]]; }
  if [[ -z ${!1:-} ]]; then
    say "building $2"
    (cd "$kTop" && ./bazelw build -c opt "$2" &&
      cp "bazel-bin/${2#//}/${2##*/}" "$program") >"$work/build.log" 2>&1 || {
      cat "$work/build.log" >&2
      say "cannot build $2"
      exit 2
    }
    if ! starts "$program"; then
      # Built in the private root, with a newer C library: it runs there.
      printf '#!/bin/sh\nexec %q exec %q "$@"\n' "$kTop/tools/debian_root.sh" \
        "$program" >"$work/$1"
      chmod +x "$work/$1"
      program=$work/$1
    fi
    printf -v "$1" %s "$program"
  fi
  starts "${!1}" || {
    say "${!1} does not start"
    exit 2
  }
  export "${1?}"
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
  readonly system_path=$PATH
  # shellcheck source=/dev/null
  cache=$([[ ! -r /etc/os-release ]] || . /etc/os-release
    echo "${XDG_CACHE_HOME:-${HOME:?}/.cache}/flow-real-world/${VERSION_CODENAME:-any}")
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
