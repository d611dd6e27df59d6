#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Does what OSS-Fuzz does with a project, without Docker: builds it with
# oss-fuzz/build.sh in the environment of its builder, then checks what is in
# $OUT as its runner does, and more strictly.
#
#   tools/oss_fuzz_check.sh             builds, and checks each fuzz test
#   tools/oss_fuzz_check.sh SANITIZER   address (the default), undefined, memory
#                                       or coverage
#   tools/oss_fuzz_check.sh --planted   checks fuzz tests that are not sound, and
#                                       fails if one of them passes
#
# Prints a line for each fuzz test; exits with 1 if one fails. docs/fuzzing.md
# says what is checked and in what it differs from OSS-Fuzz.
#
# clang and libc++ are PATH's where bazelw uses a Bazel of this machine. Elsewhere
# they are the private Debian root's (tools/debian_root.sh), which gets the
# package libc++-dev at the first call. FLOW_LIBCXX names a folder with another
# libc++.a, such as one that is compiled with MemorySanitizer.

set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
checkout=${self%/tools/*}
cd "$checkout"

readonly kJobs=2
# What OSS-Fuzz's own check wants: fuzz targets that link a library have more.
readonly kLeastEdges=100
# Inputs that each fuzz test makes up.
readonly kRuns=1000

fail() {
  echo "oss_fuzz_check: error: $1" >&2
  exit 1
}

# environment SANITIZER: sets the variables that OSS-Fuzz's builder sets, for
# libFuzzer on x86-64.
environment() {
  export SANITIZER=$1 FUZZING_ENGINE=libfuzzer FUZZING_LANGUAGE=c++ ARCHITECTURE=x86_64
  export LIB_FUZZING_ENGINE=-fsanitize=fuzzer
  local sanitize coverage=-fsanitize=fuzzer-no-link
  case $SANITIZER in
    address) sanitize="-fsanitize=address -fsanitize-address-use-after-scope" ;;
    undefined)
      local checks=array-bounds,bool,builtin,enum,function,integer-divide-by-zero
      checks+=,null,object-size,return,returns-nonnull-attribute,shift
      checks+=,signed-integer-overflow,unreachable,vla-bound,vptr
      sanitize="-fsanitize=$checks,unsigned-integer-overflow -fno-sanitize-recover=$checks"
      ;;
    memory) sanitize="-fsanitize=memory -fsanitize-memory-track-origins" ;;
    coverage)
      sanitize=
      coverage="-fprofile-instr-generate -fcoverage-mapping -pthread -Wl,--no-as-needed -Wl,-ldl -Wl,-lm -Wno-unused-command-line-argument"
      ;;
    *) fail "unknown sanitizer: $SANITIZER" ;;
  esac
  CFLAGS="-O1 -fno-omit-frame-pointer -gline-tables-only -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"
  export CFLAGS="$CFLAGS $sanitize $coverage"
  export CXXFLAGS="$CFLAGS -stdlib=libc++"
  # Debian's libFuzzer is made for libstdc++, for which clang would take libc++.
  export BAZEL_EXTRA_BUILD_FLAGS=--linkopt=-Wl,-lstdc++
  if [[ -n ${FLOW_LIBCXX:-} ]]; then BAZEL_EXTRA_BUILD_FLAGS+=" --linkopt=-L$FLOW_LIBCXX"; fi
  # By its path: a toolchain that Bazel found for `clang` may be older than the
  # libc++ here, and not know its folder.
  CC=$("${root[@]}" bash -c 'command -v clang') || fail "clang is missing."
  export CC CXX=$CC++
  echo '#include <string>' | "${root[@]}" "$CXX" -stdlib=libc++ -fsyntax-only -x c++ - ||
    fail "clang has no libc++."
}

# Stands in for the program of that name in OSS-Fuzz's builder.
bazel_build_fuzz_tests() {
  local label labels
  labels=$(bazel query --noshow_progress "$BAZEL_FUZZ_TEST_QUERY")
  # shellcheck disable=SC2086,SC2046  # Several flags, and labels have no spaces.
  bazel build \
    --@rules_fuzzing//fuzzing:cc_engine=@rules_fuzzing_oss_fuzz//:oss_fuzz_engine \
    --@rules_fuzzing//fuzzing:java_engine=@rules_fuzzing_oss_fuzz//:oss_fuzz_java_engine \
    --@rules_fuzzing//fuzzing:cc_engine_instrumentation=oss-fuzz \
    --@rules_fuzzing//fuzzing:cc_engine_sanitizer=none \
    --cxxopt=-stdlib=libc++ --linkopt=-lc++ --verbose_failures --spawn_strategy=standalone \
    --action_env=CC="$CC" --action_env=CXX="$CXX" \
    ${BAZEL_EXTRA_BUILD_FLAGS:-} $(printf '%s_oss_fuzz\n' $labels)
  # Only theirs: what an earlier build left is there as well.
  for label in $labels; do
    label=${label#//}
    tar -x --no-same-owner -f "bazel-bin/${label/://}_oss_fuzz.tar" -C "$OUT"
  done
  if [[ $SANITIZER == coverage ]]; then
    mkdir -p "$OUT/proc/self/cwd"
    tar -ch -C "$(bazel info execution_root)" flow fuzz | tar -x -C "$OUT/proc/self/cwd"
  fi
}

# Prints a line for each fuzz test of the checkout: NAME, and which of dict and
# options it declares.
declared() {
  local targets label package name parts
  targets=$(bazel query --noshow_progress --output=label_kind \
    'kind("^fuzzing_(regression_test|dictionary) rule$", //... except attr(tags, "no-oss-fuzz", //...))')
  while read -r label; do
    package=${label#//} package=${package%:*} name=${label##*:} parts=
    if grep -q "^fuzzing_dictionary rule ${label}_dict\$" <<<"$targets"; then parts+=" dict"; fi
    if [[ -e $package/$name.options ]]; then parts+=" options"; fi
    echo "$name$parts"
  done < <(sed -n 's/^fuzzing_regression_test rule //p' <<<"$targets")
}

# build: leaves in $work/out what OSS-Fuzz would have in $OUT, and in
# $work/declared what should be there.
build() {
  local name
  mkdir "$work/bin" "$work/out" "$work/src"
  # With this PATH, because bazelw looks for a bazel there, and must not find this.
  printf '#!/usr/bin/env bash\nPATH=%q exec %q "$@"\n' "$PATH" "$checkout/bazelw" >"$work/bin/bazel"
  printf '#!/usr/bin/env bash\nexec %q __bazel_build_fuzz_tests\n' "$self" >"$work/bin/bazel_build_fuzz_tests"
  chmod +x "$work"/bin/*
  PATH=$work/bin:$PATH
  export OUT=$work/out SRC=${checkout%/*} WORK=$work
  cp oss-fuzz/build.sh "$work/src"
  if ! bash -eu "$work/src/build.sh" >"$work/log" 2>&1; then
    tail -n 100 "$work/log"
    fail "oss-fuzz/build.sh failed."
  fi
  declared >"$work/declared"
  name=$(cut -d ' ' -f 1 "$work/declared" | sort | uniq -d)
  [[ -z $name ]] || fail "two fuzz tests have one name, and would have one place in \$OUT: $name"
}

# From here on everything runs where the fuzz tests can.

# run ARGUMENT...: runs $fuzz_test; its output, and what the shell says of its
# end, are in $scratch/output.
run() {
  {
    ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 \
      UBSAN_OPTIONS=print_stacktrace=1:silence_unsigned_overflow=1 \
      LLVM_PROFILE_FILE=$scratch/%p.profraw TMPDIR=$scratch \
      "${unprivileged[@]}" "$folder/$fuzz_test" -rss_limit_mb=2560 -timeout=25 -seed=1337 \
      -artifact_prefix="$scratch/" "$@"
  } >"$scratch/output" 2>&1 </dev/null
}

# bad WHAT: prints why the fuzz test is not sound, and what it said.
bad() {
  echo "$fuzz_test: FAILED: $1"
  if [[ -s $scratch/output ]]; then tail -n 15 "$scratch/output" | sed 's/^/    /'; fi
  return 1
}

# check_run WHAT ARGUMENT...: runs $fuzz_test, and says what it did wrong.
check_run() {
  local what=$1 status=0
  shift
  run "$@" || status=$?
  ((status != 0)) || return 0
  if grep -q 'LeakSanitizer: detected memory leaks' "$scratch/output"; then
    bad "it leaks memory when it $what"
  elif grep -q 'ParseDictionaryFile: error' "$scratch/output"; then
    bad "libFuzzer cannot read its dictionary"
  else
    bad "it fails when it $what (exit code $status)"
  fi
}

# check_instrumentation: wants the calls of one sanitizer, and those of no other.
# The numbers are those of OSS-Fuzz's own check.
check_instrumentation() {
  local calls sanitizer name least most count
  calls=$(objdump -d --no-show-raw-insn "$folder/$fuzz_test" | grep -oE 'call.*<__(asan|msan|ubsan)')
  while read -r sanitizer name least most; do
    count=$(grep -c "<__$name" <<<"$calls")
    if [[ $sanitizer == "$SANITIZER" ]]; then
      ((count >= least)) || bad "it is not compiled with $name" || return
    elif ((count > most)); then
      bad "it is compiled with $name, and is meant for the sanitizer $SANITIZER" || return
    fi
  done <<<"address asan 1000 0
memory msan 1000 3
undefined ubsan 169 200"
}

# check_coverage: wants a profile that says which lines the corpus has reached.
check_coverage() {
  local lines
  lines=$({
    llvm-profdata merge -o "$scratch/profile" "$scratch"/*.profraw &&
      llvm-cov export -summary-only -instr-profile="$scratch/profile" "$folder/$fuzz_test"
  } 2>"$scratch/output" | sed -nE 's/.*"totals":.*"lines":\{"count":([0-9]+),"covered":([0-9]+).*/\2 of \1 lines/p')
  [[ $lines == [1-9]* ]] || bad "it has no coverage instrumentation" || return
  [[ -e $folder/proc/self/cwd/flow/flow.h ]] || bad "the sources are not in \$OUT" || return
  reached=$lines
}

# check FUZZ_TEST PART...
check() {
  local fuzz_test=$1 scratch=$work/scratch/$1 part inputs edges reached arguments=()
  shift
  mkdir -p "$scratch/corpus"
  [[ -x $folder/$fuzz_test ]] || bad "it is not in \$OUT" || return
  [[ -e $folder/${fuzz_test}_seed_corpus.zip ]] || bad "it has no seed corpus" || return
  unzip -q -d "$scratch/corpus" "$folder/${fuzz_test}_seed_corpus.zip" >"$scratch/output" 2>&1 || true
  inputs=$(find "$scratch/corpus" -type f | wc -l)
  ((inputs > 0)) || bad "its seed corpus is empty" || return
  for part; do
    [[ -e $folder/$fuzz_test.$part ]] || bad "its .$part file is not in \$OUT" || return
  done
  if [[ -e $folder/$fuzz_test.dict ]]; then arguments+=("-dict=$folder/$fuzz_test.dict"); fi
  if [[ -e $folder/$fuzz_test.options ]]; then
    mapfile -t -O "${#arguments[@]}" arguments < <(awk -F ' *= *' \
      '/^\[/ {section = $0} section == "[libfuzzer]" && NF == 2 {print "-" $1 "=" $2}' "$folder/$fuzz_test.options")
  fi
  if [[ $SANITIZER == coverage ]]; then
    check_run "replays its corpus" -runs=0 "${arguments[@]}" "$scratch/corpus" || return
    check_coverage || return
  else
    check_run "starts" -runs=4 "${arguments[@]}" || return
    edges=$(sed -nE 's/^INFO: Loaded 1 modules +\(([0-9]+) .*/\1/p' "$scratch/output")
    [[ -n $edges ]] || bad "it has no coverage instrumentation" || return
    ((edges >= kLeastEdges)) || bad "it has only $edges edges that are instrumented" || return
    check_run "replays its corpus" -runs=0 "${arguments[@]}" "$scratch/corpus" || return
    check_run "makes up $kRuns inputs" -runs="$kRuns" -max_total_time=20 "${arguments[@]}" "$scratch/corpus" || return
    : >"$scratch/output"
    check_instrumentation || return
    reached="$edges edges"
  fi
  echo "$fuzz_test: passed ($reached, $inputs inputs${*:+, }$*)"
}

# check_all: checks each line of $work/declared, kJobs at a time.
check_all() {
  # OSS-Fuzz moves it as well: a path that was built in is found.
  folder=$work/not_out
  mv "$work/out" "$folder"
  chmod -R a-w "$folder"
  unprivileged=()
  # Permissions do not bind root unless it gives up its capabilities.
  ((EUID != 0)) || unprivileged=(setpriv --bounding-set=-all --inh-caps=-all)
  ! "${unprivileged[@]}" touch "$folder/file" 2>/dev/null ||
    fail "cannot make a folder read-only here."
  local line running=0 failed=0
  while read -r line; do
    if ((running == kJobs)); then
      wait -n || failed=$((failed + 1))
      running=$((running - 1))
    fi
    # shellcheck disable=SC2086  # Words.
    check $line &
    running=$((running + 1))
  done <"$work/declared"
  while ((running > 0)); do
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  done
  echo "$(wc -l <"$work/declared") fuzz tests for OSS-Fuzz ($SANITIZER), $failed failed"
  ((failed == 0))
}

# plant NAME "PART..." MESSAGE [FLAG...]: makes a fuzz test of
# oss_fuzz_planted.cc of which check must say MESSAGE.
plant() {
  local name=$1 parts=$2
  echo "$name $parts" >>"$work/declared"
  echo "$name: $3" >>"$work/expected"
  shift 3
  if (($# == 0)) && [[ $name != sound ]]; then
    cp "$work/out/sound" "$work/out/$name"
  else
    # shellcheck disable=SC2086  # Several flags.
    "$CXX" -std=c++17 $CXXFLAGS "$@" -c -o "$work/$name.o" tools/oss_fuzz_planted.cc
    # shellcheck disable=SC2086
    "$CXX" $CXXFLAGS "$@" -o "$work/out/$name" "$work/$name.o" $LIB_FUZZING_ENGINE -Wl,-lstdc++
  fi
  printf seed >"$work/seed"
  python3 -m zipfile -c "$work/out/${name}_seed_corpus.zip" "$work/seed"
}

check_planted() {
  local expected output missed=0
  mkdir "$work/out"
  plant sound "dict options" "passed"
  plant crash "" "FAILED: it fails when it replays its corpus" -DPLANT_CRASH
  plant leak "" "FAILED: it leaks memory when it replays its corpus" -DPLANT_LEAK
  plant file_beside_itself "" "FAILED: it fails when it starts" -DPLANT_FILE_BESIDE_ITSELF
  plant no_coverage "" "FAILED: it has no coverage instrumentation" -fno-sanitize=fuzzer-no-link
  plant few_edges "" "FAILED: it has only" -DPLANT_LITTLE_CODE
  plant no_sanitizer "" "FAILED: it is not compiled with asan" -fno-sanitize=address
  plant not_built "" "FAILED: it is not in \$OUT"
  rm "$work/out/not_built"
  plant no_corpus "" "FAILED: it has no seed corpus"
  rm "$work/out/no_corpus_seed_corpus.zip"
  plant empty_corpus "" "FAILED: its seed corpus is empty"
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1], "w").close()' "$work/out/empty_corpus_seed_corpus.zip"
  plant no_dictionary dict "FAILED: its .dict file is not in \$OUT"
  plant bad_dictionary dict "FAILED: libFuzzer cannot read its dictionary"
  plant no_options options "FAILED: its .options file is not in \$OUT"
  echo 'word="seed"' >"$work/out/sound.dict"
  echo 'word=seed' >"$work/out/bad_dictionary.dict"
  printf '[libfuzzer]\nmax_len = 16\n' >"$work/out/sound.options"
  output=$(check_all) || true
  while read -r expected; do
    if grep -qF "$expected" <<<"$output"; then
      echo "found    $expected"
    else
      echo "MISSED   $expected"
      missed=$((missed + 1))
    fi
  done <"$work/expected"
  if ((missed > 0)); then echo "$output"; fi
  echo "$(wc -l <"$work/expected") planted fuzz tests for OSS-Fuzz, $missed missed"
  ((missed == 0))
}

case ${1:-address} in
  __bazel_build_fuzz_tests)
    bazel_build_fuzz_tests
    exit
    ;;
  __check)
    work=$2
    "$3"
    exit
    ;;
  address | undefined | memory | coverage | --planted) ;;
  *)
    echo "usage: tools/oss_fuzz_check.sh [address | undefined | memory | coverage | --planted]" >&2
    exit 2
    ;;
esac

root=()
tools/find_bazel.sh >/dev/null || root=(tools/debian_root.sh with libc++-dev)
# In a folder that the private root shares.
work=$(mktemp -d -p /tmp)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
if [[ ${1:-} == --planted ]]; then
  environment address
  "${root[@]}" "$self" __check "$work" check_planted
else
  environment "${1:-address}"
  build
  "${root[@]}" "$self" __check "$work" check_all
fi
