#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles //flow and runs its tests with other releases of Abseil and GoogleTest
# than those of the checkout, with warnings (what is deprecated, too) as errors.
#
#   tools/upstreams.sh                    the newest that Debian has
#   tools/upstreams.sh ABSEIL GOOGLETEST [RULES_CC]
#                                         those in these folders
#
# Prints the releases, then what Bazel prints. In the private root nothing can be
# downloaded by Bazel. Without RULES_CC, its rules_cc is taken there, with what
# a newer Abseil asks of it. No folder may be below /tmp, of which a sandbox has
# its own.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kNewest=sid
folders=${XDG_CACHE_HOME:-$HOME/.cache}/flow-bazel/upstreams

fail() {
  echo "upstreams: $*" >&2
  exit 1
}

# fetch: puts the newest sources of Debian into $folders, and removes older ones.
fetch() {
  local source mirror
  ! tools/find_bazel.sh >/dev/null || fail "name the folders; only the private root fetches them."
  mirror=$(sed -n 's/^deb-src \([^ ]*\) .*/\1/p' \
    "$(tools/debian_root.sh path)/etc/apt/sources.list")
  rm -rf "$folders"
  mkdir -p "$folders/lists/partial" "$folders/archives"
  echo "deb-src $mirror $kNewest main" >"$folders/sources.list"
  # shellcheck disable=SC2016  # Expanded in the root.
  tools/debian_root.sh exec bash -euo pipefail -c '
    cd "$1/archives"
    options=(-q -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false
      -o Dir::Etc::sourcelist="$1/sources.list" -o Dir::Etc::sourceparts=/dev/null
      -o Dir::State::lists="$1/lists")
    apt-get "${options[@]}" update
    apt-get "${options[@]}" source --download-only --tar-only abseil googletest
    ' - "$folders" >"$folders/log" 2>&1 || {
    cat "$folders/log" >&2
    fail "could not fetch the sources from $mirror."
  }
  for source in abseil googletest; do
    mkdir "$folders/$source"
    tar -x -f "$folders/archives/${source}_"*.orig.tar.* -C "$folders/$source" \
      --strip-components=1 --no-same-owner
  done
}

# own_rules_cc: copies those of the root, with a compiler that Abseil names since
# 2026 and that they do not know.
own_rules_cc() {
  local folder=$folders/rules_cc
  rm -rf "$folder"
  mkdir -p "$folders"
  cp -r "$(tools/debian_root.sh path)/usr/share/bazel/rules/cc" "$folder"
  grep -q emscripten "$folder/cc/compiler/BUILD" ||
    cat >>"$folder/cc/compiler/BUILD" <<'EOT'

config_setting(
    name = "emscripten",
    flag_values = {"@rules_cc//cc/private/toolchain:compiler": "emscripten"},
)
EOT
  echo "$folder"
}

# release FOLDER: as its MODULE.bazel says.
release() {
  [[ -r $1/MODULE.bazel ]] || fail "no MODULE.bazel in the folder $1"
  sed -n '/^module(/,/^)/s/ *version = "\(.*\)",/\1/p' "$1/MODULE.bazel"
}

case $# in
  0)
    fetch
    set -- "$folders/abseil" "$folders/googletest"
    ;;
  2 | 3) ;;
  *) fail "usage: tools/upstreams.sh [ABSEIL GOOGLETEST [RULES_CC]]" ;;
esac
abseil=$(realpath "$1")
googletest=$(realpath "$2")
rules_cc=${3:-}
if [[ -z $rules_cc ]] && ! tools/find_bazel.sh >/dev/null; then
  rules_cc=$(own_rules_cc)
fi

echo "Abseil $(release "$abseil"), GoogleTest $(release "$googletest")"
overrides=("--override_module=abseil-cpp=$abseil" "--override_module=googletest=$googletest")
[[ -z $rules_cc ]] || overrides+=("--override_module=rules_cc=$(realpath "$rules_cc")")
# Tests wait more than they compute.
jobs=$((2 * $(nproc)))
exec ./bazelw test "--jobs=$jobs" "--local_test_jobs=$jobs" --keep_going --config=ci \
  "${overrides[@]}" //flow/...
