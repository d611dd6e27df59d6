# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""Fuzz tests in C++: what BUILD files load."""

load("@rules_cc//cc:defs.bzl", "cc_binary")
load("//fuzzing/private:engine.bzl", _cc_fuzzing_engine = "cc_fuzzing_engine")
load(
    "//fuzzing/private:fuzz_test.bzl",
    "fuzzing_binary",
    "fuzzing_corpus",
    "fuzzing_dictionary",
    "fuzzing_launcher",
    "fuzzing_regression_test",
    "oss_fuzz_package",
)

cc_fuzzing_engine = _cc_fuzzing_engine

def cc_fuzz_test(
        name,
        corpus = None,
        dicts = None,
        engine = Label("//fuzzing:cc_engine"),
        size = None,
        tags = None,
        timeout = None,
        **binary_kwargs):
    """A function LLVMFuzzerTestOneInput, and all that one does with it.

    Defines these targets:

    * NAME: a test that runs every input of the corpus once, tagged "fuzz-test".
    * NAME_bin: the program, built with the engine, instrumentation and
      sanitizers that the flags in //fuzzing ask for. Runs the inputs that its
      arguments name; understands the engine's own flags.
    * NAME_run: starts fuzzing; see private/launcher.sh for its flags.
    * NAME_corpus, NAME_dict: the corpus in one folder, the dictionaries in one
      file (only if there are dictionaries).
    * NAME_oss_fuzz: NAME_oss_fuzz.tar with everything that an OSS-Fuzz build
      copies to its output folder.

    Args:
      name: the name of the test.
      corpus: files, each one an input to start from.
      dicts: files with words of the input's language, in libFuzzer's format.
      engine: a cc_fuzzing_engine.
      size: the size of the test NAME.
      tags: tags of the test NAME.
      timeout: the timeout of the test NAME.
      **binary_kwargs: the arguments of the cc_binary (srcs, deps, ...).
    """
    raw = name + "_raw_"
    binary_kwargs["deps"] = binary_kwargs.get("deps", []) + [engine]
    binary_kwargs.setdefault("testonly", True)
    cc_binary(
        name = raw,
        # Built through NAME_bin, in the configuration that instruments it.
        tags = ["manual"],
        **binary_kwargs
    )
    fuzzing_corpus(
        name = name + "_corpus",
        testonly = True,
        srcs = corpus,
    )
    if dicts:
        fuzzing_dictionary(
            name = name + "_dict",
            testonly = True,
            srcs = dicts,
        )
    fuzzing_binary(
        name = name + "_bin",
        testonly = True,
        binary = raw,
        corpus = name + "_corpus",
        dictionary = name + "_dict" if dicts else None,
        engine = engine,
        tags = ["manual"],
    )
    fuzzing_launcher(
        name = name + "_run",
        testonly = True,
        binary = name + "_bin",
        tags = ["manual"],
    )
    fuzzing_regression_test(
        name = name,
        size = size,
        timeout = timeout,
        binary = name + "_bin",
        tags = (tags or []) + ["fuzz-test"],
    )
    oss_fuzz_package(
        name = name + "_oss_fuzz",
        testonly = True,
        base_name = name,
        binary = name + "_bin",
        tags = ["manual"],
    )
