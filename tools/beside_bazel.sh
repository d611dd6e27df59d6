#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command where bazelw runs Bazel: on this machine, or in the private
# Debian root. So a compiler's tools are of the version that Bazel compiles with.
#
#   tools/beside_bazel.sh COMMAND [ARGUMENT...]

set -euo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
if "$tools/find_bazel.sh" >/dev/null; then exec "$@"; fi
exec "$tools/debian_root.sh" exec "$@"
