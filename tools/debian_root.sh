#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# A private Debian 13 root with Bazel, compilers and the sources of our
# dependencies, for machines that can reach Debian's packages and little else.
#
#   tools/debian_root.sh bazel [ARGUMENT...]          runs Bazel in the root
#   tools/debian_root.sh exec COMMAND [ARGUMENT...]   runs COMMAND in the root
#   tools/debian_root.sh with PACKAGE COMMAND [ARGUMENT...]
#       the same for a program that few need, as in `with graphviz dot -Tsvg`:
#       first adds Debian's PACKAGE to the root if it is not in there
#   tools/debian_root.sh path                         prints the root's folder
#
# Each builds the root first if it is not there: about two minutes, 1.5 GB, under
# ${XDG_CACHE_HOME:-$HOME/.cache}/flow-bazel, shared by all checkouts. A set-up
# that was interrupted goes on at the step where it stopped. To start afresh,
# remove that folder.
#
# Inside, the system (/usr, /etc, /var, ...) is the root's; everything else
# (/home, /root, /tmp, ...), the user, the environment and the working folder
# are the host's. FLOW_DEBIAN_MIRROR names the mirror to use instead of the one
# in this machine's apt configuration.

# shellcheck disable=SC2016  # Expanded by apt-get, mmdebstrap and other shells.

set -euo pipefail

readonly kPackages=(
  bazel-bootstrap          # from forky, all else from Debian 13
  gcc g++ clang lld llvm libclang-rt-dev clang-format clang-tidy
  git python3 ca-certificates mount dpkg-dev
)
# Source package of Debian 13 -> name of the Bazel module.
readonly kSources=(
  abseil:abseil-cpp googletest:googletest re2:re2 benchmark:google_benchmark
  zlib:zlib
)
# Modules that these, or Bazel, depend on though nothing that we build uses them.
readonly kUnusedModules=(apple_support buildozer protobuf pybind11_bazel)

say() { echo "flow: $*" >&2; }

# fail SUMMARY [WHAT_TO_DO...]: one line each, on standard error.
fail() {
  say "error: $1"
  shift
  local line
  for line; do echo "      $line" >&2; done
  exit 1
}

# step NUMBER TEXT: announces a step of the set-up.
step() { say "[$1/5] $2"; }

# logged COMMAND...: runs it, its output in the log; shows the log's end and
# exits if it fails.
logged() {
  local child
  # In a process group of its own: mmdebstrap would live through a Ctrl-C.
  set -m
  "$@" </dev/null >>"$log" 2>&1 &
  child=$!
  set +m
  trap 'kill -- -$child; wait $child || fail "interrupted; the same command goes on from here."' \
    INT TERM HUP
  if wait "$child"; then
    trap - INT TERM HUP
    return
  fi
  trap - INT TERM HUP
  say "error: this step of the set-up failed. The end of $log:"
  tail -n 15 "$log" | sed 's/^/    /' >&2
  fail "could not set up the Debian root." \
    "Is Debian's mirror ${mirror:-(not found yet)} reachable? FLOW_DEBIAN_MIRROR=URL names another." \
    "Running the same command again goes on with this step." \
    "With a network, installing Bazelisk instead avoids all of this."
}

require_debian() {
  local ID="" VERSION_CODENAME=""
  # shellcheck source=/dev/null
  [[ ! -r /etc/os-release ]] || . /etc/os-release
  [[ $ID == debian ]] || fail "no Bazel found, and this is not Debian." \
    "Install Bazelisk (or Bazel 7) so that it is on PATH, or set FLOW_BAZEL to a Bazel program."
  release=$VERSION_CODENAME
}

# Step 1. Sets $mirror.
prepare_host() {
  local missing=() tool
  for tool in mmdebstrap $( ((EUID == 0)) || echo newuidmap:uidmap); do
    command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}")
  done
  if ((${#missing[@]} > 0)); then
    ((EUID == 0)) || fail "not root, and these host packages are missing: ${missing[*]}" \
      "Run:  sudo apt-get install ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -qq --no-install-recommends "${missing[@]}")
    "${install[@]}" </dev/null >>"$log" 2>&1 || {
      logged apt-get update
      logged "${install[@]}"
    }
  fi
  "${namespace[@]}" true 2>>"$log" || fail "this machine does not allow mount namespaces (unshare failed)." \
    "In a container, allow them (such as docker run --privileged), or install Bazelisk."
  use_proxy_of_apt
  mirror=${FLOW_DEBIAN_MIRROR:-$(apt_mirror)}
  if [[ -z $mirror ]] && ((EUID == 0)); then
    logged apt-get update
    mirror=$(apt_mirror)
  fi
  [[ -n $mirror ]] || fail "found no Debian mirror in this machine's apt configuration." \
    "Name one: FLOW_DEBIAN_MIRROR=URL $self path"
}

# The proxy that apt uses here, unless the environment has one.
use_proxy_of_apt() {
  if [[ -z ${http_proxy:-} ]]; then
    eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [[ -z ${http_proxy:-} ]] || export http_proxy
  fi
}

# Prints the mirror of this machine's own release; else any that says that it is
# Debian. Knows only what apt-get update has fetched.
apt_mirror() {
  local filter found=""
  for filter in "Release: $release" "Label: Debian"; do
    [[ -n $found ]] || found=$(apt-get indextargets --format '$(SITE)' "$filter" \
      'Created-By: Packages' 'Component: main' 2>>"$log" | sed -n 1p)
  done
  echo "$found"
}

# Step 2, with $1 = the suite that has Bazel 7. As little as possible comes from
# there: its packages change and old ones disappear.
install_packages() {
  local suite=$1 packages
  rm -rf --one-file-system "$partial/root"
  cat >"$partial/preferences" <<EOF
Package: *
Pin: release n=$suite
Pin-Priority: 100

Package: bazel-* libabsl2026*
Pin: release n=$suite
Pin-Priority: 600
EOF
  packages=$(IFS=,; echo "${kPackages[*]}")
  local command=(
    mmdebstrap --variant=apt --include="$packages"
    # An index of testing can be past its date on a mirror that is rarely synced.
    --aptopt='Acquire::Check-Valid-Until "false"'
    --aptopt='Acquire::Retries "3"'
    --aptopt='APT::Install-Recommends "false"'
    --dpkgopt='path-exclude=/usr/share/doc/*'
    --dpkgopt='path-exclude=/usr/share/locale/*'
    --setup-hook='mkdir -p "$1/etc/apt/preferences.d"'
    --setup-hook="copy-in '$partial/preferences' /etc/apt/preferences.d"
  )
  local sources=("deb $mirror trixie main" "deb $mirror $suite main")
  if ((EUID == 0)); then
    "${command[@]}" trixie "$partial/root" "${sources[@]}"
  else
    # The owners inside would be other users of this machine: keep none of them.
    mkdir "$partial/root" &&
      "${command[@]}" --mode=unshare --format=tar trixie - "${sources[@]}" |
      tar -x --no-same-owner --exclude='./dev/*' -C "$partial/root"
  fi
}

# Step 3. Released sources, so that sanitizers see all code instrumented, without
# Debian's changes.
fetch_sources() {
  local from="$partial/root/usr/src/flow" pair
  rm -rf "$from"
  mkdir -p "$from"
  echo "deb-src $mirror trixie main" >"$partial/root/etc/apt/sources.list"
  in_root apt-get update &&
    in_root bash -c 'cd /usr/src/flow &&
      apt-get source --download-only --tar-only "$@"' - \
      "${kSources[@]%%:*}" || return 1
  for pair in "${kSources[@]}"; do
    mkdir "$from/${pair#*:}" &&
      tar -x -f "$from/${pair%%:*}"_*.orig.tar.* -C "$from/${pair#*:}" \
        --strip-components=1 --no-same-owner || return 1
  done
}

# unused_module NAME: makes a module with nothing in it.
unused_module() {
  local folder=$partial/root/usr/src/flow/unused/$1
  mkdir -p "$folder"
  echo "module(name = \"$1\")" >"$folder/MODULE.bazel"
  : >"$folder/BUILD.bazel"
  echo "common --override_module=$1=/usr/src/flow/unused/$1"
}

# `bazel mod` loads the extension of this one that Bazel's own module uses.
buildozer_module() {
  cat >"$partial/root/usr/src/flow/unused/buildozer/buildozer_binary.bzl" <<'EOF'
_empty = repository_rule(implementation = lambda ctx: ctx.file("BUILD.bazel"))
buildozer_binary = module_extension(implementation = lambda _: _empty(name = "buildozer_binary"))
EOF
}

# The other sources have Bazel files; those of zlib are the registry's.
zlib_module() {
  local folder=$partial/root/usr/src/flow/zlib
  echo 'module(name = "zlib")' >"$folder/MODULE.bazel"
  cat >"$folder/BUILD.bazel" <<'EOF'
cc_library(
    name = "zlib",
    srcs = glob(["*.c", "*.h"], exclude = ["zconf.h", "zlib.h"]),
    hdrs = ["zconf.h", "zlib.h"],
    copts = ["-DHAVE_UNISTD_H", "-DHAVE_STDARG_H", "-DHAVE_HIDDEN", "-w"],
    includes = ["."],
    visibility = ["//visibility:public"],
)
EOF
}

# Step 4. The root's Bazel configuration: what a checkout cannot know.
configure_bazel() {
  local etc=$partial/root/etc/bazel name
  zlib_module
  [[ -e $etc/bazelrc.debian ]] || cp "$etc/bazelrc" "$etc/bazelrc.debian"
  {
    # Debian's, without an option that Bazel 7 warns about at every call.
    grep -v -e host_javabase "$etc/bazelrc.debian"
    echo
    echo "# Added by flow's tools/debian_root.sh."
    # A new root gets a new server: the old one would go on in the old root.
    echo "startup --host_jvm_args=-Dflow.root=$key"
    # Makes a second clone, the consumer example and CI's fresh checkout fast.
    echo "common --disk_cache=/var/cache/flow-bazel"
    echo "common --experimental_disk_cache_gc_max_size=10G"
    # Debian's own setting prints pages of sandbox details at every failure.
    echo "build --nosandbox_debug"
    # Neither downloads what WORKSPACE needs nor writes this root's overrides
    # into anybody's lock file.
    echo "common --noenable_workspace"
    echo "common --lockfile_mode=off"
    # Whoever depends on Abseil or on flow has all of these.
    for name in abseil-cpp googletest re2 zlib; do
      echo "common --override_module=$name=/usr/src/flow/$name"
    done
    for name in "${kUnusedModules[@]}"; do unused_module "$name"; done
    buildozer_module
    echo
    echo "# WORKSPACE mode: bazelw build --config=workspace ..."
    echo "common:workspace --noenable_bzlmod --enable_workspace"
    for name in abseil-cpp googletest; do
      echo "common:workspace --override_repository=$name=/usr/src/flow/$name"
    done
    # The names that they once had.
    echo "common:workspace --override_repository=com_google_absl=/usr/src/flow/abseil-cpp"
    echo "common:workspace --override_repository=com_google_googletest=/usr/src/flow/googletest"
    for name in cc java python proto license; do
      echo "common:workspace --override_repository=rules_$name=/usr/share/bazel/rules/$name"
    done
    echo "common:workspace --override_repository=bazel_skylib=/usr/share/bazel/tools/skylib"
    echo "common:workspace --override_repository=platforms=/usr/share/bazel/tools/platforms"
  } >"$etc/bazelrc"
  # An override of a module that a workspace does not have is an error: these are
  # for those who have them. See find_bazel.
  {
    echo "common --override_module=google_benchmark=/usr/src/flow/google_benchmark"
    unused_module libpfm
    unused_module rules_foreign_cc
  } >"$etc/google_benchmark.bazelrc"
  # Not packaged by Debian; see tools/rules_fuzzing/README.md.
  rm -rf "$partial/root/usr/src/flow/rules_fuzzing"
  cp -r "$checkout/tools/rules_fuzzing" "$partial/root/usr/src/flow/"
  echo "common --override_module=rules_fuzzing=/usr/src/flow/rules_fuzzing" \
    >"$etc/rules_fuzzing.bazelrc"
  # For a workspace without a MODULE.bazel.
  echo "common --config=workspace" >"$etc/workspace.bazelrc"
}

# Step 5.
try_root() {
  local version
  version=$(in_root bazel --version) || return 1
  echo "$version"
  [[ $version == "bazel 7."* ]] || {
    echo "Expected Bazel 7, but the Debian mirror has: $version"
    return 1
  }
  in_root bash -c 'set -e
    for cc in gcc clang; do
      echo "int main() {}" | "$cc" -x c++ -std=c++17 -o "$1/try" -
      "$1/try"
    done' - "$partial"
}

# in_root COMMAND...: runs it in the root that is being built.
in_root() { "${namespace[@]}" "$self" __enter "$partial/root" "$@"; }

# once NUMBER TEXT FUNCTION: a step that is not repeated once it has succeeded.
once() {
  [[ ! -e $partial/done.$1 ]] || return 0
  step "$1" "$2"
  logged stamped "$1" "$3"
}

# A process of its own, so that the step counts even if this shell is killed.
stamped() { ("$2" && : >"$partial/done.$1"); }

install_packages_of_any_suite() {
  # forky is where Bazel 7 is; unstable often has the same one when a package
  # of forky has just been replaced on the mirror (error 404).
  install_packages forky || {
    echo "flow: once more, with Bazel from unstable"
    install_packages sid
  }
}

set_up() {
  require_debian
  mkdir -p "$partial" "$cache/disk"
  log=$cache/set-up.log
  : >"$log"
  say "setting up Bazel in a private Debian root, once: about 90 seconds, 1.5 GB in $cache"
  step 1 "checking the host's tools"
  prepare_host
  once 2 "installing Debian 13, Bazel and the compilers (about 65 s)" install_packages_of_any_suite
  once 3 "fetching the dependencies' sources (about 5 s)" fetch_sources
  once 4 "writing Bazel's configuration" configure_bazel
  step 5 "trying Bazel and the compilers"
  logged try_root
  mv -T "$partial/root" "$root"
  rm -rf "$partial"
  local old
  for old in "$cache"/root-*; do
    [[ $old == "$root" || ! -d $old ]] ||
      say "not needed by this version of the checkout, may be removed: $old"
  done
}

# add_package PACKAGE: not for packages that make users of their own, as the users
# inside are the host's.
add_package() {
  local as_root=("${namespace[@]}")
  # dpkg insists on being root.
  ((EUID == 0)) || as_root=(unshare --mount --user --map-root-user)
  log=$cache/add-package.log
  : >"$log"
  mirror=${FLOW_DEBIAN_MIRROR:-$(sed -n 's/^deb-src \([^ ]*\) .*/\1/p' "$root/etc/apt/sources.list")}
  say "adding Debian's package $1 to the private root, once"
  use_proxy_of_apt
  # What was interrupted before is finished first.
  logged "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$self" __enter "$root" bash -c '
    set -e
    cd /
    echo "deb $2 trixie main" >/etc/apt/sources.list.d/flow.list
    dpkg --configure -a
    apt-get -q -o APT::Sandbox::User=root update
    apt-get -q -y -o APT::Sandbox::User=root install --no-install-recommends "$1"
    ' - "$1" "$mirror"
  mkdir -p "$root/var/lib/flow/with"
  : >"$root/var/lib/flow/with/$1"
}

# Everything below runs in a mount namespace of its own ($1 = the root).
enter() {
  local root=$1 cwd=$PWD path
  shift
  # Where pivot_root is; not in everybody's PATH.
  PATH+=:/usr/sbin:/sbin
  mount --bind "$root" "$root"
  for path in /dev /proc /sys; do mount --rbind "$path" "$root$path"; done
  mkdir -p "$root/var/cache/flow-bazel"
  mount --bind "$cache/disk" "$root/var/cache/flow-bazel"
  for path in /etc/resolv.conf /etc/hosts /etc/passwd /etc/group; do
    [[ ! -e $path ]] || mount --bind "$(realpath "$path")" "$root$path"
  done
  # Whatever is not the Debian system itself, ...
  for path in /*; do
    case $path in
      /bin | /boot | /dev | /etc | /lib* | /lost+found | /proc | /run | /sbin | /sys | /usr | /var) ;;
      *) share "$path" ;;
    esac
  done
  # ... and what the user needs even if it lies in there (/var/lib/jenkins).
  for path in "${HOME:-/}" "$cache" "$checkout" "$cwd"; do
    [[ -n $(ls -A "$root$path" 2>/dev/null) ]] || share "$path"
  done
  mkdir -p "$root/.host"
  cd "$root"
  pivot_root . .host
  export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
  umount -l /.host
  # These name files of the host's system.
  unset LD_LIBRARY_PATH LD_PRELOAD JAVA_HOME
  cd "$cwd" 2>/dev/null || fail "the folder $cwd does not exist in the Debian root $root." \
    "Work from a folder outside the system's own (/usr, /etc, ...)."
  ((EUID != 0)) || exec "$@"
  exec setpriv --ambient-caps=-all --inh-caps=-all "$@"
}

# share FOLDER: the host's FOLDER at the same place in $root.
share() {
  if [[ -L $1 ]]; then
    [[ -e $root$1 || -L $root$1 ]] || cp -P "$1" "$root$1"
  elif [[ -d $1 ]]; then
    mkdir -p "$root$1"
    mount --rbind "$1" "$root$1"
  fi
}

# Sets $bazel to the start of Bazel's command line for the workspace around the
# working folder.
find_bazel() {
  local workspace=$PWD module file overrides=()
  bazel=(bazel --output_user_root="$cache/bazel")
  until [[ -e $workspace/MODULE.bazel || -e $workspace/WORKSPACE || -z $workspace ]]; do
    workspace=${workspace%/*}
  done
  [[ -z $workspace || -e $workspace/MODULE.bazel ]] ||
    overrides+=("--bazelrc=/etc/bazel/workspace.bazelrc")
  for module in google_benchmark rules_fuzzing; do
    ! grep -qs "name = \"$module\"" "$workspace/MODULE.bazel" ||
      overrides+=("--bazelrc=/etc/bazel/$module.bazelrc")
  done
  ((${#overrides[@]} > 0)) || return 0
  # Bazel reads what is named last, but the files of the workspace and of the user
  # must be able to override these: so all are named, in Bazel's own order.
  bazel+=(--nosystem_rc --noworkspace_rc --nohome_rc
    --bazelrc=/etc/bazel/bazelrc "${overrides[@]}")
  for file in "$workspace/.bazelrc" "${HOME:-}/.bazelrc"; do
    [[ ! -e $file ]] || bazel+=("--bazelrc=$file")
  done
}

self=$(realpath "${BASH_SOURCE[0]}")
checkout=${self%/tools/*}
[[ -n ${XDG_CACHE_HOME:-}${HOME:-} ]] ||
  fail "HOME is not set." "Set HOME (or XDG_CACHE_HOME): Bazel and its root live in the cache folder."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/flow-bazel
# The root depends on this recipe and on what it copies; new ones make a new root.
key=$(cat "$self" $(find "$checkout/tools/rules_fuzzing" -type f | LC_ALL=C sort) |
  sha256sum | cut -c 1-12)
root=$cache/root-$key
partial=$cache/partial-$key

# exec all the way down, so that exit codes, signals and standard streams are
# the command's own.
namespace=(unshare --mount)
((EUID == 0)) || namespace+=(--user --map-current-user --keep-caps)

package=
case ${1:-} in
  bazel)
    find_bazel
    set -- exec "${bazel[@]}" "${@:2}"
    ;;
  with)
    [[ $# -ge 3 && $2 =~ ^[a-z0-9][a-z0-9.+-]*$ ]] ||
      fail "usage: tools/debian_root.sh with PACKAGE COMMAND [ARGUMENT...]"
    package=$2
    set -- exec "${@:3}"
    ;;
  exec | path) ;;
  __enter) enter "${@:2}" ;;
  *) fail "usage: tools/debian_root.sh bazel [ARGUMENT...] | exec COMMAND [ARGUMENT...] | with PACKAGE COMMAND [ARGUMENT...] | path" ;;
esac

# ready: whether the root is there, with the package that is asked for.
ready() {
  [[ -d $root && (-z $package || -e $root/var/lib/flow/with/$package) ]]
}

if ! ready; then
  { mkdir -p "$cache" && [[ -w $cache ]]; } 2>/dev/null ||
    fail "cannot write to $cache." "Set HOME or XDG_CACHE_HOME to a folder that is yours."
  # Children keep the lock too: a set-up whose shell was killed ends first.
  exec 9>"$cache/lock"
  flock -n 9 || {
    say "another set-up is under way; waiting for it"
    flock 9
  }
  [[ -d $root ]] || set_up
  ready || add_package "$package"
  exec 9>&-
fi
if [[ $1 == path ]]; then
  echo "$root"
  exit
fi
shift
exec "${namespace[@]}" "$self" __enter "$root" "$@"
