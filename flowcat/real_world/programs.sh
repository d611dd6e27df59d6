# shellcheck shell=bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Finds the programs that a script runs: those of Debian, which it unpacks if this
# machine lacks them, and ours, which it builds. kTop is the checkout, `work` a
# folder of the script, and say() tells people.

readonly system_path=$PATH
# shellcheck source=/dev/null
cache=$([[ ! -r /etc/os-release ]] || . /etc/os-release
  echo "${XDG_CACHE_HOME:-${HOME:?}/.cache}/flow-real-world/${VERSION_CODENAME:-any}")

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

# get_program NAME TARGET: sets NAME to a program that starts on this machine.
get_program() {
  local program=$work/$1.opt path=${2#//}
  [[ $path == *:* ]] || path=$path:${path##*/}
  starts() { [[ $("$1" --help 2>&1) == *[Uu]sage:* ]]; }
  if [[ -z ${!1:-} ]]; then
    say "building $2"
    (cd "$kTop" && ./bazelw build -c opt "$2" &&
      cp "bazel-bin/${path/://}" "$program") >"$work/build.log" 2>&1 || {
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
