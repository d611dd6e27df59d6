#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Prints the Bazel of this machine: the program that FLOW_BAZEL names, Bazelisk on
# PATH, or a Bazel on PATH that is version 7 or newer, in this order. Fails if
# there is none; then bazelw runs one in a private Debian root, and so must
# everything that wants the same compilers.

if [[ -n ${FLOW_BAZEL:-} ]]; then
  echo "$FLOW_BAZEL"
elif command -v bazelisk >/dev/null; then
  echo bazelisk
else
  # "bazel 7.7.1"
  [[ $(bazel --version 2>/dev/null) =~ ^bazel\ ([0-9]+)\. ]] &&
    ((BASH_REMATCH[1] >= 7)) && echo bazel
fi
