# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""Compiler and linker options by flag value, and the transition to them."""

def _options(copts = [], linkopts = []):
    return struct(copts = copts, linkopts = linkopts)

_NONE = _options()
_ASAN = _options(["-fsanitize=address"], ["-fsanitize=address"])
_UBSAN = _options(
    ["-fsanitize=undefined"],
    # Bazel links through clang, which does not add the C++ half of UBSan.
    ["-fsanitize=undefined", "-fsanitize-link-c++-runtime"],
)

# By cc_engine_instrumentation.
ENGINE_OPTIONS = {
    "none": _NONE,
    "libfuzzer": _options(["-fsanitize=fuzzer-no-link"]),
}

# By cc_engine_sanitizer.
SANITIZER_OPTIONS = {
    "none": _NONE,
    "asan": _ASAN,
    "ubsan": _UBSAN,
    "asan-ubsan": _options(
        _ASAN.copts + _UBSAN.copts,
        _ASAN.linkopts + _UBSAN.linkopts,
    ),
}

_FLAG = "//fuzzing:cc_engine_%s"
_BUILD_MODE = "//fuzzing:cc_fuzzing_build_mode"
_COPT = "//command_line_option:copt"
_LINKOPT = "//command_line_option:linkopt"
_DYNAMIC_MODE = "//command_line_option:dynamic_mode"

def _instrument(settings, _attr):
    engine = ENGINE_OPTIONS[settings[_FLAG % "instrumentation"]]
    sanitizer = SANITIZER_OPTIONS[settings[_FLAG % "sanitizer"]]
    copts = engine.copts + sanitizer.copts
    if not copts:
        # The same configuration as everything else, so that replaying the
        # corpora does not build the dependencies a second time.
        return {key: settings[key] for key in [_COPT, _LINKOPT, _DYNAMIC_MODE]}
    if settings[_BUILD_MODE]:
        copts = copts + ["-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"]
    return {
        _COPT: settings[_COPT] + copts,
        _LINKOPT: settings[_LINKOPT] + engine.linkopts + sanitizer.linkopts,
        # Shared libraries of the system would not be instrumented.
        _DYNAMIC_MODE: "off",
    }

# To the configuration in which a fuzz test *and all that it depends on* have
# the instrumentation that the flags ask for.
instrument = transition(
    implementation = _instrument,
    inputs = [
        _FLAG % "instrumentation",
        _FLAG % "sanitizer",
        _BUILD_MODE,
        _COPT,
        _LINKOPT,
        _DYNAMIC_MODE,
    ],
    outputs = [_COPT, _LINKOPT, _DYNAMIC_MODE],
)
