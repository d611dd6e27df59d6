#!/bin/bash -eu
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds all fuzz tests into $OUT. OSS-Fuzz and ClusterFuzzLite run it in the
# checkout; tools/oss_fuzz_check.sh does so without Docker.

# The default query leaves out what a macro around cc_fuzz_test defines.
export BAZEL_FUZZ_TEST_QUERY='
  attr(tags, "fuzz-test", //...) except attr(tags, "no-oss-fuzz", //...)'
bazel_build_fuzz_tests

# cc_fuzz_test has no attribute for these.
find flow fuzz -name '*_fuzz.options' -exec cp -t "$OUT" {} +
