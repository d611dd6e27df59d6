#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# What a newcomer copies first must work: runs the commands of README.md and of
# pages in docs/ as printed there (each block fenced as ```sh, in the checkout's
# top folder), and checks that each block fenced as ```cpp or ```starlark is part
# of an example that is built and run.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

# check PAGE EXAMPLE...
check() {
  local page=$1 examples block='' inside='' line checked=0
  shift
  examples=$(cat "$@")$'\n'
  while IFS= read -r line; do
    if [[ -z $inside ]]; then
      case $line in '```sh' | '```cpp' | '```starlark') inside=${line#\`\`\`} block= ;; esac
      continue
    elif [[ $line != '```' ]]; then
      block+=$line$'\n'
      continue
    fi
    checked=$((checked + 1))
    if [[ $inside == sh ]]; then
      echo "$page, block $checked:"
      # shellcheck disable=SC2001  # Every line, not the first one.
      sed 's/^/    /' <<<"${block%$'\n'}"
      bash -euo pipefail -c "$block" </dev/null
    elif [[ $examples != *"$block"* ]]; then
      echo "$page has code that is not in $*:" >&2
      echo "$block" >&2
      exit 1
    fi
    inside=
  done <"$page"
  if ((checked == 0)); then
    echo "$page has no block fenced as \`\`\`sh or \`\`\`cpp" >&2
    exit 1
  fi
  echo "$page: $checked blocks are right."
}

check README.md examples/quick_start.cc examples/shout.cc \
  examples/consumer/MODULE.bazel examples/consumer/BUILD.bazel
check docs/tutorial.md examples/quick_start.cc examples/consumer/MODULE.bazel \
  examples/consumer/BUILD.bazel examples/consumer/*.cc examples/consumer/*.h
check docs/started.md examples/started_echo.h \
  examples/coroutine_server.h flow/async/operations_test.cc \
  integrations/asio/example/echo_server.cc
check docs/servers.md examples/snippets_test.cc
check docs/combinators.md examples/snippets_test.cc
check docs/testing.md examples/masked_flow_test.cc
check docs/transports.md examples/deflate/deflate_flow.cc
