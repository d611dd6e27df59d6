# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""Fuzzing engines: something with a main() that calls the fuzz test."""

load("@rules_cc//cc:defs.bzl", "CcInfo")

FuzzingEngineInfo = provider(
    doc = "A fuzzing engine.",
    fields = {"display_name": "Its name, for people."},
)

def _cc_fuzzing_engine_impl(ctx):
    return [
        ctx.attr.library[CcInfo],
        FuzzingEngineInfo(display_name = ctx.attr.display_name),
    ]

cc_fuzzing_engine = rule(
    implementation = _cc_fuzzing_engine_impl,
    doc = "A library with a main() that calls LLVMFuzzerTestOneInput.",
    attrs = {
        "display_name": attr.string(mandatory = True),
        "library": attr.label(mandatory = True, providers = [CcInfo]),
    },
    provides = [CcInfo, FuzzingEngineInfo],
)
