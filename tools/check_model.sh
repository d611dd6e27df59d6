#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Checks two models with SPIN: that of two ends with threads
# (flow/verification/pipe.pml), and that of a started call (started_call.pml). It
# tries every order in which the threads can take their steps, in each
# configuration.
#
#   tools/check_model.sh             every rule holds, and what must be reachable is
#   tools/check_model.sh --planted   every error planted in a model is found, by
#                                    the rule that it breaks
#
# Prints a line for each check; exits with 1 if one of them fails. A failed check
# says how to see the run that breaks the rule. docs/formal_model.md explains.
#
# spin and gcc are PATH's. Where they are missing, a machine that has a Bazel of
# its own gets them from apt (as root); any other uses the private Debian root
# (tools/debian_root.sh), which gets the package spin at the first call.

set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")/.."

readonly kPipe=$PWD/flow/verification/pipe.pml
readonly kStarted=$PWD/flow/verification/started_call.pml
model=$kPipe
readonly kJobs=2

case ${1:-} in
  "" | --planted) ;;
  *)
    echo "usage: tools/check_model.sh [--planted]" >&2
    exit 2
    ;;
esac

have_spin() { command -v spin && { command -v gcc || command -v cc; }; } >/dev/null

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -qq --no-install-recommends "$@" >/dev/null ||
    { apt-get update -qq && apt-get install -qq --no-install-recommends "$@" >/dev/null; }
}

if ! have_spin && tools/find_bazel.sh >/dev/null && ((EUID == 0)) && command -v apt-get >/dev/null; then
  echo "check_model: installing the packages spin and gcc" >&2
  apt_install spin gcc libc6-dev || true
fi
have_spin || exec tools/debian_root.sh with spin "$self" "$@"
cc=$(command -v gcc || command -v cc)

work=$(mktemp -d)
clean_up() {
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT

# check RULE NAME LEFT RIGHT [MACRO...]: RULE is the one that must be broken, or
# "" if none may be.
check() {
  local rule=$1 name=$2 left=$3 right=$4 start=${EPOCHREALTIME/./} macro
  local folder=$work/$BASHPID result=FAILED broken states
  local options=("-DLEFT=$left" "-DRIGHT=$right")
  for macro in "${@:5}"; do options+=("-D$macro"); done
  mkdir "$folder"
  cd "$folder"
  # Without optimization the compiler takes less time than it saves.
  {
    spin -a "-P$cc -std=gnu99 -E -x c" "${options[@]}" "$model" &&
      "$cc" -w -O0 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM=3000 -o pan pan.c &&
      ./pan -n -m20000
  } >output 2>&1 || true
  broken=$(sed -nE 's/^pan:1: assertion violated \((\w+)\|\|.*/\1/p' output)
  states=$(sed -nE 's/^ *([0-9]+) states, stored.*/\1/p' output)
  if [[ -n $rule ]]; then
    if [[ $broken == "$rule" ]]; then result=found; fi
    if [[ $broken == "$rule" && $rule == NotReached ]]; then result=reached; fi
  elif grep -q 'errors: 0$' output &&
    ! grep -qE 'not completed|max search depth too small|^pan:1:' output; then
    result=passed
  fi
  # NotReached is how SPIN is asked to find a run that reaches something.
  if [[ $rule == NotReached ]]; then rule=; fi
  printf '%-8s %-50s %8s states %5d.%d s\n' "$result" \
    "$name${rule:+: $rule}" "${states:-?}" \
    $(((${EPOCHREALTIME/./} - start) / 1000000)) \
    $(((${EPOCHREALTIME/./} - start) / 100000 % 10))
  if [[ $result == FAILED ]]; then
    grep -E '^(pan|spin): ?|[Ee]rror' output | sed 's/^/    /' || true
    echo "    To see the run: cd to an empty folder;" \
      "spin -a ${options[*]} $model && gcc -DSAFETY -DVECTORSZ=2048 -o pan pan.c &&" \
      "./pan -m20000; spin -t -p -g ${options[*]} $model"
  fi
  cd "$work" && rm -rf "$folder"
  [[ $result != FAILED ]]
}

running=0
checks=0
failed=0

finish_one() {
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
}

# start ARGUMENT...: check ARGUMENT..., beside others.
start() {
  if ((running == kJobs)); then finish_one; fi
  checks=$((checks + 1))
  running=$((running + 1))
  # In a process group of its own, so that clean_up ends all of it.
  set -m
  check "$@" &
  set +m
}

passes() { start "" "$@"; }
reaches() { start NotReached "$1" "${@:2}" "REACH=$1"; }
# finds ERROR RULE LEFT RIGHT [MACRO...]
finds() { start "$2" "$1" "${@:3}" "PLANT_$1"; }

check_rules() {
  local all=READER+WRITER+CLOSER
  # The longest first.
  passes "both ways, one end aborts" READER+WRITER READER+WRITER+ABORTER BYTES=1
  passes "both ways, rendezvous" $all $all CAPACITY=0
  passes "both ways, capacity 1" $all $all CAPACITY=1
  passes "both ways, capacity 2" $all $all CAPACITY=2
  passes "Close past its deadline, both ways" READER+WRITER+HASTY_CLOSER WRITER+CLOSER BYTES=1
  passes "two Closes past their deadlines" READER+HASTY_CLOSER WRITER+HASTY_CLOSER
  passes "Close past its deadline, refusal" WRITER+HASTY_CLOSER READER+CLOSER+REFUSER
  passes "two Closes, one past its deadline" WRITER+CLOSER+HASTY_CLOSER READER+CLOSER
  passes "two Closes, the remote gives up" WRITER+CLOSER+JOINER READER+HASTY_CLOSER
  passes "the writing end aborts" WRITER+CLOSER+ABORTER READER+CLOSER
  passes "the reading end aborts" WRITER+CLOSER READER+CLOSER+ABORTER
  passes "the remote of Shutdowns aborts" CLOSER+ENDER+REFUSER CLOSER+ABORTER
  passes "two Closes, one past its deadline, abort" CLOSER+HASTY_CLOSER+ABORTER ENDER
  passes "refusal and abort at one end" CLOSER+REFUSER+ABORTER WRITER+ENDER
  passes "writes past their deadline, Shutdown" WRITER+CLOSER+ENDER+HASTY_WRITES READER+CLOSER
  passes "the same, abort, rendezvous" WRITER+ENDER+ABORTER+HASTY_WRITES READER+CLOSER CAPACITY=0
  passes "Shutdown, refusal" WRITER+ENDER READER+CLOSER+REFUSER WRITES=2 BYTES=1
  passes "Shutdown, refusal, rendezvous" WRITER+ENDER READER+CLOSER+REFUSER CAPACITY=0 WRITES=2 BYTES=1
  passes "the remote is destroyed" READER+WRITER+CLOSER DESTROYER BYTES=1
  passes "the remote is destroyed, more to write" READER+WRITER+CLOSER DESTROYER
  passes "the remote never ends" READER+WRITER+CLOSER READER

  reaches ALL_READ_AND_BOTH_CLOSED $all $all
  reaches END_SENT_BY_THE_WRITE WRITER+CLOSER READER+CLOSER
  reaches FREED_BY_THE_LAST_READ WRITER+CLOSER READER+CLOSER+ABORTER
  reaches TWO_CLOSES_AGREED_ON_OK WRITER+CLOSER+JOINER READER+CLOSER
  reaches DEADLINE_TOLD_TO_THE_REMOTE WRITER+HASTY_CLOSER READER+CLOSER
  reaches CLOSE_WAITS_FOR_EVER READER+WRITER+CLOSER READER
  reaches ALL_READ_THEN_THE_REASON WRITER+ABORTER READER+CLOSER
  reaches ENDED_THEN_ABORTED WRITER+ENDER+ABORTER READER
  reaches LOSS_TOLD_TO_CLOSE WRITER+CLOSER DESTROYER BYTES=1

  # A started call, and what can happen to it. It has no other end.
  model=$kStarted
  passes "started: the transport wakes it, and others, too" WAKE+NUDGE ""
  passes "started: a descriptor is ready" READY ""
  passes "started: its deadline passes" CLOCK ""
  passes "started: woken, deadline, others" WAKE+CLOCK+NUDGE ""
  passes "started: descriptor, deadline, others" READY+CLOCK+NUDGE ""
  passes "started: all of these" WAKE+READY+CLOCK+NUDGE ""
}

check_planted() {
  local writes=WRITER+CLOSER reads=READER+CLOSER
  finds PLAIN_STORE EveryWaitIsDocumented $writes $reads
  finds END_DURING_WRITE EndAfterTheWrite $writes $reads
  finds FAILED_WRITE_ENDS FailedWriteNeverEnds $writes+ENDER+HASTY_WRITES $reads
  finds FREED_TWICE FreedOnce $writes $reads
  finds FREED_WHILE_BUSY FreedAfterEveryHook $writes $reads+ABORTER
  finds READS_GO_ON FreedAfterEveryHook $writes $reads
  finds CLOSE_DOES_NOT_WAIT CloseWaitsForTheRemote $writes $reads
  finds JOINER_HAS_ITS_OWN_RESULT ClosesAgree $writes+HASTY_CLOSER $reads
  finds FREE_KEEPS_QUIET LostDataIsNoSuccess $writes DESTROYER BYTES=1
  finds LOST_WAKE_UP EveryWaitIsDocumented $writes $reads
  finds READ_WAKES_NO_WRITER EveryWaitIsDocumented $writes $reads
  finds MOVE_WAKES_NO_WRITER EveryWaitIsDocumented $writes CLOSER+REFUSER
  finds MOVE_WAKES_NO_READER EveryWaitIsDocumented $writes $reads
  finds MOVE_WAKES_NO_CLOSER EveryWaitIsDocumented $writes $reads
  finds ABORT_OVERWRITES_END FirstMoveWins $writes+ABORTER $reads
  finds END_OVERWRITES_ABORT NoEndOfFileAfterAbort ENDER+ABORTER READER
  finds END_OF_FILE_FOR_REASON NoEndOfFileAfterAbort $writes+ABORTER $reads
  finds END_BEFORE_DATA EndOfFileAfterTheLastByte $writes $reads
  finds BYTE_DROPPED NoByteLostOrRepeated $writes $reads CAPACITY=2
  finds DESTROYED_IS_DRAINED LostDataIsNoSuccess $writes DESTROYER BYTES=1

  model=$kStarted
  finds LOST_MARK NoWakeIsLost WAKE ""
  finds MARK_CLEARED_AFTER_THE_TRY NoWakeIsLost WAKE ""
  finds CANCEL_IS_NOT_REPORTED NoWakeIsLost WAKE+READY ""
  finds RUN_TWICE OneThreadAtATime WAKE+NUDGE ""
  finds WAKES_WHAT_IS_OVER NothingAfterTheEnd WAKE+NUDGE ""
  finds TIMER_LEFT_BEHIND ToldOnce WAKE+CLOCK ""
  finds TIMER_NOT_WAITED_FOR ToldOnce WAKE+CLOCK ""
  finds WATCH_NOT_WAITED_FOR ToldOnce WAKE+READY ""
  finds NO_LAST_TRY ReadyBeforeLate WAKE+CLOCK ""
}

if [[ ${1:-} == --planted ]]; then check_planted; else check_rules; fi
while ((running > 0)); do finish_one; done
echo "$checks checks of the model, $failed failed"
((failed == 0))
