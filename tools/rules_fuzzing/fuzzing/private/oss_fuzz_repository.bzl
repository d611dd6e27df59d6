# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""The compiler's flags and the engine of an OSS-Fuzz build, as a repository."""

# The flag cc_fuzzing_build_mode decides on this one.
_BUILD_MODE = "-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"

def _flags(environ, name):
    flags = environ.get("FUZZING_" + name) or environ.get(name, "")
    return [flag for flag in flags.split(" ") if flag not in ["", _BUILD_MODE]]

def _oss_fuzz_repository_impl(repository_ctx):
    environ = repository_ctx.os.environ
    cflags = _flags(environ, "CFLAGS")
    cxxflags = _flags(environ, "CXXFLAGS")
    engine = environ.get("LIB_FUZZING_ENGINE", "")
    srcs = []
    linkopts = []
    if engine.startswith("-"):
        linkopts.append(engine)
    elif engine.endswith(".a"):
        repository_ctx.symlink(engine, "oss_fuzz_engine.a")
        srcs.append("oss_fuzz_engine.a")
    elif engine:
        fail("LIB_FUZZING_ENGINE is neither a flag nor an archive: " + engine)
    if environ.get("SANITIZER") == "undefined":
        # Bazel links through clang, which does not add the C++ half of UBSan.
        linkopts.append("-fsanitize-link-c++-runtime")

    # The linker needs -fsanitize=... and -stdlib=... as well.
    for flag in cflags + cxxflags:
        if flag not in linkopts:
            linkopts.append(flag)

    repository_ctx.file("instrum.bzl", "oss_fuzz_opts = struct(conlyopts = %r, cxxopts = %r)\n" % (
        cflags,
        cxxflags,
    ))
    repository_ctx.file("BUILD.bazel", """\
load("@rules_cc//cc:defs.bzl", "cc_library")
load("@rules_fuzzing//fuzzing:cc_defs.bzl", "cc_fuzzing_engine")

package(default_visibility = ["//visibility:public"])

cc_fuzzing_engine(
    name = "oss_fuzz_engine",
    display_name = "OSS-Fuzz",
    library = ":oss_fuzz_main",
)

cc_library(
    name = "oss_fuzz_main",
    srcs = %r,
    linkopts = %r,
    visibility = ["//visibility:private"],
)

# OSS-Fuzz names it, whatever the language. There are no fuzz tests in Java.
filegroup(name = "oss_fuzz_java_engine")
""" % (srcs, linkopts))

oss_fuzz_repository = repository_rule(
    implementation = _oss_fuzz_repository_impl,
    doc = """What OSS-Fuzz says in the environment.

    * //:oss_fuzz_engine: the cc_fuzzing_engine in LIB_FUZZING_ENGINE.
    * //:instrum.bzl: oss_fuzz_opts, from FUZZING_CFLAGS and FUZZING_CXXFLAGS or
      else from CFLAGS and CXXFLAGS.
    """,
    environ = [
        "CFLAGS",
        "CXXFLAGS",
        "FUZZING_CFLAGS",
        "FUZZING_CXXFLAGS",
        "LIB_FUZZING_ENGINE",
        "SANITIZER",
    ],
)
