# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""The repositories that are no modules."""

load("//fuzzing/private:oss_fuzz_repository.bzl", "oss_fuzz_repository")

def _non_module_dependencies_impl(_module_ctx):
    oss_fuzz_repository(name = "rules_fuzzing_oss_fuzz")

non_module_dependencies = module_extension(
    implementation = _non_module_dependencies_impl,
)
