# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""Fuzz tests of which an input is a script."""

load("@rules_cc//cc:defs.bzl", "cc_library")
load("@rules_fuzzing//fuzzing:cc_defs.bzl", "cc_fuzz_test")

def script_fuzz_test(name, deps):
    """A target of fuzz/target.h, as a fuzz test and for property_test.

    Defines the cc_fuzz_test NAME and the library NAME_target.

    Args:
      name: THIS_fuzz, the name of the target; its code is in THIS_fuzz.cc, its
        corpus in THIS_corpus.
      deps: those of the code.
    """
    cc_library(
        name = name + "_target",
        testonly = True,
        srcs = [name + ".cc"],
        deps = deps + [
            ":script",
            ":target",
        ],
        alwayslink = True,
    )
    cc_fuzz_test(
        name = name,
        size = "small",
        corpus = native.glob([name.removesuffix("_fuzz") + "_corpus/*"]),
        deps = [
            ":entry",
            ":" + name + "_target",
        ],
    )
