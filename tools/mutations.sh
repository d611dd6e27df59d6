#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the tests can fail: plants mistakes in the code that ships, one at a
# time, and runs the tests that are to find each of them.
#
#   tools/mutations.sh              all mistakes
#   tools/mutations.sh WORD...      those whose file name or text contains a WORD
#   tools/mutations.sh --check      none; only sees whether all patches apply
#   tools/mutations.sh --sample N   N of them that need no sanitizer; another
#                                   commit has others
#   tools/mutations.sh --write ...  also writes the results to docs/mutations.md
#
# Prints a line for each mistake, with its finder and the seconds that the build
# and the tests took. Exits with 1 if one was not found, if a patch no longer
# applies, or if a test fails with no mistake planted.
#
# A mistake is a file mutations/NAME.patch. Its head has these lines, then an
# empty one, then what diff(1) prints:
#
#   Mistake: what is wrong
#   Found by: //the:test //another:test
#   Config: tsan           (if the tests show it only in that configuration)
#   Budget: 60 s           (how long a test may run; one that hangs is a finder)
#
# The tree stays as it is: Bazel takes the packages from a temporary copy.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kTable=docs/mutations.md

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failures=0
checks_only=
sample=
writes=
words=()
while (($# > 0)); do
  case $1 in
    --check) checks_only=yes ;;
    --sample)
      sample=$2
      shift
      ;;
    --write) writes=yes ;;
    *) words+=("$1") ;;
  esac
  shift
done

fail() {
  failures=$((failures + 1))
  echo "$*"
}

# field KEY PATCH: what the head says of KEY.
field() { sed -n "/^\$/q; s/^$1: *//p" "$2"; }

name_of() { basename "$1" .patch; }

# Plants a mistake, or with -R takes it back. Lines may have moved, but what is
# around them must be the same.
plant() { patch -d "$work" -p1 --fuzz=0 -s "${@:2}" <"$1" >"$work/output" 2>&1; }

# --- Which

is_selected() {
  local word
  if ((${#words[@]} == 0)); then return 0; fi
  for word in "${words[@]}"; do
    if [[ "$(name_of "$1") $(field Mistake "$1")" == *"$word"* ]]; then
      return 0
    fi
  done
  return 1
}

# Prints those of a sample in an order that depends on the commit.
draw() {
  local seed patch
  seed=$(git rev-parse HEAD 2>/dev/null || date +%F)
  for patch in "$@"; do
    if [[ -n $(field 'Found by' "$patch") && -z $(field Config "$patch") ]]; then
      echo "$(sha256sum <<<"$seed $patch") $patch"
    fi
  done | sort | sed 's/.* //' | head -n "$sample"
}

# --- Running

# run CONFIG SECONDS TEST...: their output in $work/output; fails if one does.
run() {
  local config=$1 seconds=$2
  shift 2
  ./bazelw test --package_path="$work:%workspace%" ${config:+"--config=$config"} \
    --build_tests_only --notest_keep_going --test_timeout="$seconds" \
    --test_runner_fail_fast --test_output=errors --noshow_progress "$@" \
    >"$work/output" 2>&1
}

# finders: those that have failed, such as `copy_test (CopyTest.Counts)`. The
# case of googletest is the first that has failed, or the last that has begun.
finders() {
  awk '
    /^(FAIL|TIMEOUT): \/\// { how[$2] = $1 }
    /^=+ Test output for / { test = $5; sub(/:$/, "", test) }
    /^\[ RUN  / { if (!(test in failed)) begun[test] = $4 }
    /^\[  FAILED  \] [A-Z]/ { if (!(test in failed)) failed[test] = $4 }
    END {
      for (test in how) {
        item = test in failed ? failed[test] : begun[test]
        sub(/[,(].*/, "", item)
        if (how[test] == "TIMEOUT:") item = item " hangs"
        sub(/^ /, "", item)
        sub(/.*:/, "", test)
        printf "%s%s%s", separator, test, item == "" ? "" : " (" item ")"
        separator = ", "
      }
    }' "$work/output"
}

# report PATCH FINDER TIME: prints and keeps a line of the results.
report() {
  echo "$(name_of "$1"): $2, $3"
  echo "| $(name_of "$1") | $(field Mistake "$1") | $2 | $3 |" >>"$work/rows"
}

try() {
  local patch=$1 start=$SECONDS found tests
  read -ra tests <<<"$(field 'Found by' "$patch")"
  plant "$patch"
  if run "$(field Config "$patch")" "$(field Budget "$patch" | tr -cd 0-9)" \
    "${tests[@]}"; then
    fail "$(name_of "$patch"): NOT FOUND by ${tests[*]}"
  elif found=$(finders) && [[ -n $found ]]; then
    report "$patch" "$found" "$((SECONDS - start)) s"
  else
    fail "$(name_of "$patch"): NOT TESTED:"
    sed 's/^/    /' "$work/output"
  fi
  plant "$patch" -R
}

# A test that fails with no mistake planted finds nothing.
run_sound() {
  local config=$1 tests
  shift
  mapfile -t tests < <(for patch in "$@"; do field 'Found by' "$patch"; done |
    tr ' ' '\n' | sort -u)
  if ((${#tests[@]} == 0)) || run "$config" 300 "${tests[@]}"; then return 0; fi
  fail "These fail with no mistake planted: $(finders)"
  cat "$work/output"
  return 1
}

# --- The table

write_table() {
  {
    cat <<END
# Mutations

Mistakes that are planted in the code that ships, one at a time, and who finds each of them: a test, and the first of
its cases that fails. \`hangs\` means that the test had to be stopped. The seconds are those of building what depends on
the mistake and of the tests, on two cores. The mistakes are patches in \`mutations/\`, and this table is written by

    tools/mutations.sh --write

| mistake | what is wrong | found by | time |
|---|---|---|---|
END
    # The rows of this run, and those of others whose patches are still there.
    while IFS= read -r row; do
      name=$(cut -d' ' -f2 <<<"$row")
      if [[ -e mutations/$name.patch ]] &&
        ! grep -qF "| $name |" "$work/rows"; then
        echo "$row"
      fi
    done < <(grep -E '^\| [a-z_0-9]+\.' $kTable 2>/dev/null) | cat - "$work/rows" |
      LC_ALL=C sort
  } >"$work/table"
  cp "$work/table" $kTable
}

# --- All

main() {
  local folder patch config selected=() planted=()
  for folder in flow flowcat; do cp -r $folder "$work/"; done
  touch "$work/rows"

  for patch in mutations/*.patch; do
    if [[ -z $(field Mistake "$patch") ||
      -z $(field 'Found by' "$patch") ]]; then
      fail "$(name_of "$patch"): its head says no mistake, or no finder"
    elif ! plant "$patch" --dry-run; then
      fail "$(name_of "$patch"): DOES NOT APPLY: $(head -n 1 "$work/output")"
    elif is_selected "$patch"; then
      selected+=("$patch")
    fi
  done
  if [[ -n $checks_only ]]; then
    echo "${#selected[@]} patches apply, $failures do not"
    exit $((failures > 0))
  fi
  if [[ -n $sample ]]; then mapfile -t selected < <(draw "${selected[@]}"); fi

  # Another configuration costs a new analysis, so each has its turn.
  for config in '' asan tsan; do
    planted=()
    for patch in "${selected[@]}"; do
      if [[ $(field Config "$patch") == "$config" ]]; then
        planted+=("$patch")
      fi
    done
    if ((${#planted[@]} == 0)) || ! run_sound "$config" "${planted[@]}"; then
      continue
    fi
    for patch in "${planted[@]}"; do try "$patch"; done
  done

  if [[ -n $writes ]]; then write_table; fi
  echo "$(grep -c . "$work/rows") of ${#selected[@]} mistakes found"
  ((failures == 0 && ${#selected[@]} > 0))
}

# One line, so that an edit meanwhile does no harm.
main; exit
