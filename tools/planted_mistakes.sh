#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Shows that the exhaustive tests can fail: plants mistakes in the rules of a flow
# and of a pipe (flow/internal/flow_state.cc, pipe_state.cc), one at a time, and
# runs the tests on each.
#
#   tools/planted_mistakes.sh           all mistakes
#   tools/planted_mistakes.sh WORD...   those whose names contain one of the words
#
# Prints a line for each mistake, and exits with 1 unless all of them were caught.
# It takes about ten seconds a mistake. The tree stays as it is: Bazel takes the
# package flow/internal from a temporary copy.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

readonly kTests=(
  //flow/verification:flow_state_exhaustive_test
  //flow/verification:pipe_state_exhaustive_test
)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/flow"
cp -r flow/internal "$work/flow/"

words=("$@")
mistakes=0
caught=0

# run_tests: their output in $work/output; fails if one of them does.
run_tests() {
  ./bazelw test --package_path="$work:%workspace%" --keep_going \
    --test_timeout=120 --noshow_progress --test_output=errors \
    "${kTests[@]}" >"$work/output" 2>&1
}

# finders: the tests that failed, such as `a_test, b_test`.
finders() {
  sed -nE 's/^[^ ]*:([^ :]+) +(FAILED|TIMEOUT) in.*/\1/p' "$work/output" |
    paste -sd , | sed 's/,/, /g'
}

# plant NAME FILE EDIT: EDIT is a script of sed, and must change FILE.
plant() {
  local name=$1 file=flow/internal/$2 edit=$3 word found
  if ((${#words[@]} > 0)); then
    found=
    for word in "${words[@]}"; do
      if [[ $name == *"$word"* ]]; then found=yes; fi
    done
    if [[ -z $found ]]; then return; fi
  fi
  mistakes=$((mistakes + 1))
  sed -E "$edit" "$file" >"$work/$file"
  if cmp -s "$file" "$work/$file"; then
    echo "$name: NOT PLANTED: the edit does not fit $file"
  elif run_tests; then
    echo "$name: NOT CAUGHT"
  elif found=$(finders) && [[ -n $found ]]; then
    caught=$((caught + 1))
    echo "$name: caught by $found"
  else
    echo "$name: NOT TESTED:"
    sed 's/^/    /' "$work/output"
  fi
  cp "$file" "$work/$file"
}

if ! run_tests; then
  echo "The tests fail with no mistake planted:"
  cat "$work/output"
  exit 1
fi

# --- Calls

plant "the error of a read does not stay" flow_state.cc \
  's/if \(!passes && !absl::IsDeadlineExceeded\(error\)\)/if (false)/'
plant "end-of-file does not stay" flow_state.cc \
  '/in_ = Direction::kEnded;/,/read_.Shut\(\);/d'
plant "the error of a write does not stay" flow_state.cc \
  's/if \(!absl::IsDeadlineExceeded\(status\)\)/if (false)/'
plant "a discarded read is counted" flow_state.cc \
  's/^( *)(if \(aborted\(\) .. in_ != Direction::kOpen\) return ReadAnswer)/\1read_.Count(size);\n\1\2/'
plant "a cut write ends well" flow_state.cc \
  's/else if \(end_requested_\) \{/else if (false) {/'
plant "after an abort a broken direction forgets its error" flow_state.cc \
  's/if \(in_ == Direction::kBroken\) return/if (in_ == Direction::kBroken \&\& !aborted()) return/'

# --- Ends

plant "the end is sent while a write is under way" flow_state.cc \
  's/end_due_ = !busy;/end_due_ = true;/'
plant "a write that was aborted sends the end" flow_state.cc \
  's/end_due_ = !aborted\(\) && /end_due_ = /'
plant "the end is sent after an abort" flow_state.cc \
  '/^  end_due_ = false;$/d'
plant "a refusal after Free()" flow_state.cc \
  's/if \(aborted\(\) .. freed_ .. in_ != /if (aborted() || in_ != /'

# --- Aborts

plant "an abort forgets the outbound direction" flow_state.cc \
  '/abort_reason_ = local;/,/^\}/{/write_\.Shut\(\);/d}'
plant "the last abort counts" flow_state.cc \
  's/if \(aborted\(\) .. freed_ .. closed_/if (freed_ || closed_/'
plant "an abort lets nobody free" flow_state.cc \
  '/if \(!idle\(\)\) free_when_idle_ = true;/d'
plant "a close waits for the remote after an abort" flow_state.cc \
  '/if \(await_ == Await::kDue\) await_ = Await::kDone;/d'
plant "the last call that frees forgets the abort" flow_state.cc \
  's/if \(closed_\.has_value\(\) .. aborted\(\)\) break;/if (closed_.has_value()) break;/'

# --- Closes

plant "a close does not wait for the remote" flow_state.cc \
  's/const bool waits = [^;]*;/const bool waits = false;/'
plant "a close does not wait for a refused remote" flow_state.cc \
  's/ .. in_ == Direction::kRefused;/;/'
plant "a patient close is not" flow_state.cc \
  's/arrives_ = !patient;/arrives_ = true;/'
plant "a late close forgets its result" flow_state.cc \
  '/^  closed_ = result;$/d'
plant "a joined close has a result of its own" flow_state.cc \
  's/if \(closed_\.has_value\(\)\) return;//
   s/if \(!closed_\.has_value\(\)\) closed_ = result;/closed_ = result;/'
plant "a close from inside frees nothing" flow_state.cc \
  's/^  Latch\(abort_reason_\);$/  closed_ = abort_reason_;/'
plant "a close waits though a read has failed" flow_state.cc \
  '/refuse_due_ = closing_;/d'
plant "a close forgets the error of the remote" flow_state.cc \
  's/in_error_, remote_error_, status/in_error_, status/'
plant "reads go on while a close frees" flow_state.cc \
  '/await_ == Await::kDone && arrives_/,/freed_ = true/{/read_\.Shut\(\);/d}'
plant "a close frees while a read is under way" flow_state.cc \
  's/return !read_\.busy\(\) && /return /'
plant "freed twice" flow_state.cc \
  's/if \(free_when_idle_ && !freed_ && idle\(\)\)/if (free_when_idle_ \&\& idle())/'
plant "freed before the abort is told" flow_state.cc \
  's/!end_due_ && !abort_due_;/!end_due_;/'

# --- Pipes

plant "an abort overwrites an end" pipe_state.cc \
  's/if \(direction\.state != State::kOpen\) return/if (direction.state != State::kOpen \&\& state != State::kBroken) return/'
plant "a reason reads as end-of-file" pipe_state.cc \
  '/if \(in\.state == State::kBroken\) return in\.reason;/d'
plant "an abort wakes no close" pipe_state.cc \
  '/exchange\(direction\.closer_waits/d'
plant "an end wakes nobody who waits for a refusal" pipe_state.cc \
  '/exchange\(direction\.watched/d'
plant "a read that makes room wakes no write" pipe_state.cc \
  '/in\.offer = nullptr;/,/\}/{/\*wakes .= Writer/d}'
plant "lost data are a success" pipe_state.cc \
  's/const bool drained = .*/const bool drained = true;/'
plant "copied bytes go beyond the capacity" pipe_state.cc \
  's/if \(offer\.strict .. capacity_ == 0\)/if (capacity_ == 0)/'

echo "$caught of $mistakes caught"
((caught == mistakes && mistakes > 0))
