#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks what a release needs.
#
#   tools/release.sh                    what always holds: one version everywhere,
#                                       nothing that only works in this checkout
#   tools/release.sh --check VERSION    also what holds on the day of a release
#
# Prints a line for each thing that is wrong, and fails if there is one.

set -uo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.." || exit

wrong=0
# expect MESSAGE COMMAND...: COMMAND must succeed.
expect() {
  "${@:2}" >/dev/null 2>&1 && return
  echo "release: $1"
  wrong=1
}
# has FILE TEXT, lacks PATTERN FILE...
has() { grep -qF -- "$2" "$1"; }
lacks() { ! grep -qE -- "$@"; }

version=$(sed -nE 's/^    version = "(.*)",$/\1/p' MODULE.bazel)
case "$#:${1:-}" in
  0:) ;;
  2:--check) expect "MODULE.bazel says version $version" [ "$version" = "$2" ] ;;
  *)
    echo "usage: tools/release.sh [--check VERSION]" >&2
    exit 2
    ;;
esac

dependency="bazel_dep(name = \"flow\", version = \"$version\")"
expect "README.md lacks $dependency" has README.md "$dependency"
expect "examples/consumer lacks $dependency" has examples/consumer/MODULE.bazel "$dependency"
expect "CHANGELOG.md does not begin with version $version" \
  grep -qE "^## ${version//./[.]}, " <(grep -m 1 '^## ' CHANGELOG.md)
expect "MODULE.bazel or .bazelrc overrides a module" lacks '_override' MODULE.bazel .bazelrc
expect "the registry's test module is missing" \
  [ -e "$(sed -n 's/^  module_path: //p' .bcr/presubmit.yml)/MODULE.bazel" ]
expect ".bcr/source.template.json does not take the version from the tag" \
  has .bcr/source.template.json "download/v{VERSION}/"
for file in .bcr/*.json; do
  expect "$file is no JSON" python3 -m json.tool "$file"
done

if (($# > 0)); then
  expect "CHANGELOG.md has no date for $version" \
    grep -qE "^## ${version//./[.]}, [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md
  expect "the working tree is not clean" [ -z "$(git status --porcelain)" ]
  expect "the tag v$version is another commit's" \
    [ "$(git tag --list "v$version")" = "$(git tag --points-at HEAD --list "v$version")" ]
  expect ".bcr and SECURITY.md's address are still those of an example" \
    lacks 'example[./]' .bcr/metadata.template.json oss-fuzz/project.yaml
fi
((wrong == 0)) && echo "release: version $version is consistent"
