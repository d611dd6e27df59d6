#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Bazel modules that few workspaces need, for the private Debian root
# (debian_root.sh). They are added to a root that is there already.
#
#   tools/debian_modules.sh   prints the start-up options, one per line, with
#                             which Bazel finds in the root what the workspace
#                             around the working folder asks for; adds first
#                             what is not in there
#
# The only one is asio: Debian's package of its headers, as a module like that of
# the registry. It asks for no OpenSSL, so asio/ssl.hpp is of no use.

set -euo pipefail

workspace=$PWD
until [[ -e $workspace/MODULE.bazel || -e $workspace/WORKSPACE || -z $workspace ]]; do
  workspace=${workspace%/*}
done
# Bazel refuses the override of a module that the workspace does not have.
grep -qs 'name = "asio"' "$workspace/MODULE.bazel" || exit 0

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
# Only the output of this script is for its caller.
"$tools/debian_root.sh" with libasio-dev true >&2
root=$("$tools/debian_root.sh" path)
module=$root/usr/src/flow/asio

# write FILE: its content is the standard input. Others may read it meanwhile.
write() {
  local new
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  chmod 644 "$new"
  if cmp -s "$new" "$1"; then rm "$new"; else mv "$new" "$1"; fi
}

mkdir -p "$module"
[[ -e $module/include ]] || {
  mkdir -p "$module/include"
  ln -sfn /usr/include/asio.hpp /usr/include/asio "$module/include/"
}
write "$module/MODULE.bazel" <<'END'
module(name = "asio")
END
write "$module/BUILD.bazel" <<'END'
cc_library(
    name = "asio",
    hdrs = glob([
        "include/**/*.hpp",
        "include/**/*.ipp",
    ]),
    defines = ["ASIO_STANDALONE"],
    includes = ["include"],
    visibility = ["//visibility:public"],
)

alias(
    name = "asio_no_openssl",
    actual = ":asio",
    visibility = ["//visibility:public"],
)
END
write "$root/etc/bazel/asio.bazelrc" <<'END'
common --override_module=asio=/usr/src/flow/asio
END
echo --bazelrc=/etc/bazel/asio.bazelrc
