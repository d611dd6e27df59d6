# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""The rules that cc_fuzz_test is made of."""

load("//fuzzing/private:engine.bzl", "FuzzingEngineInfo")
load("//fuzzing/private:instrumentation.bzl", "instrument")

_FuzzTestInfo = provider(
    doc = "An instrumented fuzz test.",
    fields = {
        "corpus": "A folder.",
        "dictionary": "A file, or None.",
        "engine": "A FuzzingEngineInfo.",
        "executable": "The program.",
    },
)

def _fuzzing_corpus_impl(ctx):
    folder = ctx.actions.declare_directory(ctx.label.name)

    # Files of different folders may have the same name: keep them apart.
    arguments = ctx.actions.args()
    arguments.use_param_file("%s", use_always = True)
    arguments.set_param_file_format("multiline")
    for file in ctx.files.srcs:
        arguments.add(file.path)
        arguments.add(file.short_path.removeprefix(ctx.label.package + "/").replace("/", "-"))
    ctx.actions.run_shell(
        inputs = ctx.files.srcs,
        outputs = [folder],
        arguments = [folder.path, arguments],
        command = """
while IFS= read -r file && IFS= read -r name; do
  cp -L "$file" "$1/$name" || exit
done <"$2"
""",
        mnemonic = "FuzzingCorpus",
    )
    return [DefaultInfo(
        files = depset([folder]),
        runfiles = ctx.runfiles([folder]),
    )]

fuzzing_corpus = rule(
    implementation = _fuzzing_corpus_impl,
    doc = "One folder with all the files.",
    attrs = {"srcs": attr.label_list(allow_files = True)},
)

def _fuzzing_dictionary_impl(ctx):
    file = ctx.actions.declare_file(ctx.label.name.removesuffix("_dict") + ".dict")
    ctx.actions.run_shell(
        inputs = ctx.files.srcs,
        outputs = [file],
        arguments = [file.path] + [source.path for source in ctx.files.srcs],
        # A line that libFuzzer cannot read would end it at its start. A last
        # line that lacks its newline must not join with the next file.
        command = r"""
out=$1
shift
if grep -HnvE '^[[:space:]]*(#.*|[^"#]*"([^\\"]|\\[\\"]|\\x[[:xdigit:]]{2})+"[[:space:]]*)?$' "$@" >&2; then
  echo 'A line of a dictionary is [NAME=]"WORD", where WORD has only the escapes \\, \" and \xAB.' >&2
  exit 1
fi
for file; do cat "$file" && echo || exit; done >"$out"
""",
        mnemonic = "FuzzingDictionary",
    )
    return [DefaultInfo(files = depset([file]), runfiles = ctx.runfiles([file]))]

fuzzing_dictionary = rule(
    implementation = _fuzzing_dictionary_impl,
    doc = "One file with all the words.",
    attrs = {"srcs": attr.label_list(allow_files = True, mandatory = True)},
)

def _fuzzing_binary_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = ctx.executable.binary,
        is_executable = True,
    )
    files = [ctx.file.corpus] + ([ctx.file.dictionary] if ctx.file.dictionary else [])

    # A list, because a transition could split it.
    runfiles = ctx.attr.binary[0][DefaultInfo].default_runfiles
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.runfiles(files).merge(runfiles),
        ),
        _FuzzTestInfo(
            corpus = ctx.file.corpus,
            dictionary = ctx.file.dictionary,
            engine = ctx.attr.engine[FuzzingEngineInfo],
            executable = executable,
        ),
        coverage_common.instrumented_files_info(ctx, dependency_attributes = ["binary"]),
    ]

fuzzing_binary = rule(
    implementation = _fuzzing_binary_impl,
    doc = "The program in its instrumented configuration.",
    attrs = {
        "binary": attr.label(cfg = instrument, executable = True, mandatory = True),
        "corpus": attr.label(allow_single_file = True, mandatory = True),
        "dictionary": attr.label(allow_single_file = True),
        "engine": attr.label(mandatory = True, providers = [FuzzingEngineInfo]),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
    provides = [_FuzzTestInfo],
)

def _launch(ctx, regression):
    """A script that calls launcher.sh with what it must know of this fuzz test."""
    test = ctx.attr.binary[_FuzzTestInfo]
    script = ctx.actions.declare_file(ctx.label.name)
    label = ctx.attr.binary.label
    variables = {
        "FUZZER_BINARY": test.executable.short_path,
        "FUZZER_DICTIONARY_PATH": test.dictionary.short_path if test.dictionary else "",
        "FUZZER_ENGINE": test.engine.display_name,
        "FUZZER_IS_REGRESSION": "1" if regression else "0",
        "FUZZER_LABEL": "//%s:%s" % (label.package, label.name),
        "FUZZER_SEED_CORPUS_DIR": test.corpus.short_path,
    }
    ctx.actions.write(script, is_executable = True, content = """#!/usr/bin/env bash
cd "${RUNFILES_DIR:-$0.runfiles}/%s" || exit
%s
exec bash '%s' "$@"
""" % (
        ctx.workspace_name,
        "\n".join(["export %s='%s'" % item for item in variables.items()]),
        ctx.file._launcher.short_path,
    ))
    return [
        DefaultInfo(
            executable = script,
            runfiles = ctx.runfiles([ctx.file._launcher]).merge(
                ctx.attr.binary[DefaultInfo].default_runfiles,
            ).merge(ctx.runfiles([test.executable])),
        ),
        coverage_common.instrumented_files_info(ctx, dependency_attributes = ["binary"]),
    ]

_LAUNCH_ATTRS = {
    "binary": attr.label(mandatory = True, providers = [_FuzzTestInfo]),
    "_launcher": attr.label(
        allow_single_file = True,
        default = "//fuzzing/private:launcher.sh",
    ),
}

fuzzing_launcher = rule(
    implementation = lambda ctx: _launch(ctx, regression = False),
    doc = "Starts fuzzing.",
    attrs = _LAUNCH_ATTRS,
    executable = True,
)

fuzzing_regression_test = rule(
    implementation = lambda ctx: _launch(ctx, regression = True),
    doc = "Runs every input of the corpus once.",
    attrs = _LAUNCH_ATTRS,
    test = True,
)

def _oss_fuzz_package_impl(ctx):
    test = ctx.attr.binary[_FuzzTestInfo]
    archive = ctx.actions.declare_file(ctx.label.name + ".tar")
    files = [test.executable, test.corpus] + ([test.dictionary] if test.dictionary else [])
    ctx.actions.run_shell(
        inputs = files,
        outputs = [archive],
        arguments = [archive.path, ctx.attr.base_name] + [file.path for file in files],
        # OSS-Fuzz finds the parts by these names.
        command = """
set -e
folder=$(mktemp -d)
cp -L "$3" "$folder/$2"
(cd "$4" && python3 -m zipfile -c "$folder/$2_seed_corpus.zip" .)
if [ -n "${5:-}" ]; then cp -L "$5" "$folder/$2.dict"; fi
tar --sort=name --owner=0 --group=0 --mode=a+rX,u+w --mtime=@0 -cf "$1" -C "$folder" .
rm -r "$folder"
""",
        mnemonic = "OssFuzzPackage",
    )
    return [DefaultInfo(files = depset([archive]))]

oss_fuzz_package = rule(
    implementation = _oss_fuzz_package_impl,
    doc = "The program, its corpus and its dictionary, as OSS-Fuzz wants them.",
    attrs = {
        "base_name": attr.string(mandatory = True),
        "binary": attr.label(mandatory = True, providers = [_FuzzTestInfo]),
    },
)
