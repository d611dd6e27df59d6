# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""Compiler and linker options by flag value, and the transition to them."""

load("@rules_fuzzing_oss_fuzz//:instrum.bzl", "oss_fuzz_opts")

def _options(copts = [], linkopts = [], conlyopts = [], cxxopts = []):
    return struct(
        copts = copts,
        linkopts = linkopts,
        conlyopts = conlyopts,
        cxxopts = cxxopts,
    )

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
    # What the linker needs of it comes with @rules_fuzzing_oss_fuzz's engine.
    "oss-fuzz": _options(
        conlyopts = oss_fuzz_opts.conlyopts,
        cxxopts = oss_fuzz_opts.cxxopts,
    ),
}

# By cc_engine_sanitizer.
SANITIZER_OPTIONS = {
    "none": _NONE,
    "asan": _ASAN,
    # Only with a standard library that is instrumented as well.
    "msan": _options(["-fsanitize=memory"], ["-fsanitize=memory"]),
    "msan-origin-tracking": _options(
        ["-fsanitize=memory", "-fsanitize-memory-track-origins=2"],
        ["-fsanitize=memory"],
    ),
    "ubsan": _UBSAN,
    "asan-ubsan": _options(
        _ASAN.copts + _UBSAN.copts,
        _ASAN.linkopts + _UBSAN.linkopts,
    ),
}

_FLAG = "//fuzzing:cc_engine_%s"
_BUILD_MODE = "//fuzzing:cc_fuzzing_build_mode"
_COPT = "//command_line_option:copt"
_CONLYOPT = "//command_line_option:conlyopt"
_CXXOPT = "//command_line_option:cxxopt"
_LINKOPT = "//command_line_option:linkopt"
_DYNAMIC_MODE = "//command_line_option:dynamic_mode"
_OUTPUTS = [_COPT, _CONLYOPT, _CXXOPT, _LINKOPT, _DYNAMIC_MODE]

def _instrument(settings, _attr):
    engine = ENGINE_OPTIONS[settings[_FLAG % "instrumentation"]]
    sanitizer = SANITIZER_OPTIONS[settings[_FLAG % "sanitizer"]]
    copts = engine.copts + sanitizer.copts
    if engine == _NONE and sanitizer == _NONE:
        # The same configuration as everything else, so that replaying the
        # corpora does not build the dependencies a second time.
        return {key: settings[key] for key in _OUTPUTS}
    if settings[_BUILD_MODE]:
        copts = copts + ["-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"]
    return {
        _COPT: settings[_COPT] + copts,
        _CONLYOPT: settings[_CONLYOPT] + engine.conlyopts,
        _CXXOPT: settings[_CXXOPT] + engine.cxxopts,
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
    ] + _OUTPUTS,
    outputs = _OUTPUTS,
)
