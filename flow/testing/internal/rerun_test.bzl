# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0

"""A test that is another one's program, in another environment.

It compiles and links nothing.
"""

def _rerun_test_impl(ctx):
    executable = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(
        output = executable,
        target_file = ctx.executable.binary,
        is_executable = True,
    )
    return [
        DefaultInfo(
            executable = executable,
            runfiles = ctx.attr.binary[DefaultInfo].default_runfiles,
        ),
        RunEnvironmentInfo(environment = ctx.attr.env),
    ]

rerun_test = rule(
    implementation = _rerun_test_impl,
    doc = "Runs the test `binary` once more, with `env`.",
    attrs = {
        "binary": attr.label(
            mandatory = True,
            executable = True,
            cfg = "target",
        ),
        "env": attr.string_dict(mandatory = True),
    },
    test = True,
)
