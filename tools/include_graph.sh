#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# Includes point one way: from a higher floor of the house to the same or a lower
# one.
#
#   tools/include_graph.sh            checks that, and draws docs/includes.svg
#   tools/include_graph.sh --check    only checks; prints each include that is
#                                     wrong, and fails if there is one
#
# `dot` and `tred` are PATH's, or come with the package graphviz of the private
# Debian root. The check needs neither.

set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/.."

# The floors, the lowest first: their names, and the headers of flow/ or the
# folders that are on them.
readonly kFloors='
values:          status socket_address ip_network socket_options inherited_descriptors canceller cstruct signal_watch
below flow:      outgoing transport engine operation
flow:            flow
implementations: function_flow pipe fd_flow file socket epoll_engine
adapters:        buffer_list string_flow cord_flow cstruct_flow copy started_copy proxy proxy_ends started_proxy forwarding_flow channel iostream borrow limit concat prepend join framing frame_writer tee rate_limit trace hang_up server server_connection
async:           flow/async
programs:        flowcat examples
'

case ${1:-} in
  "" | --check) ;;
  *)
    echo "usage: tools/include_graph.sh [--check]" >&2
    exit 2
    ;;
esac

# Prints `FILE:LINE:INCLUDED` for each include of a file of ours.
includes() {
  git grep --untracked -n -E '^#include "(flow|flowcat|examples|fuzz|benchmarks)/' -- '*.h' '*.cc' ':!examples/consumer' ':!examples/workspace_consumer' ':!integrations' |
    sed -E 's/#include "([^"]*)".*/\1/'
}

# Reads what includes() prints. Prints a graph for dot on standard output and
# what is wrong on standard error; fails if anything is.
graph() {
  awk -F: -v floors="$kFloors" '
    # What checks the library and ships with no program; it may include any floor.
    function is_test(file) {
      return file ~ /_((test|fuzz)\.cc|fixture\.h)$/ || file ~ /^(fuzz|benchmarks|flow\/testing|flow\/verification)\//
    }
    # The node of a file: a header of flow/ with its .cc, or a folder.
    function node(file) {
      if (file ~ /^flow\/[a-z_]*\.(h|cc)$/) {
        sub(/^flow\//, "", file)
        sub(/\.(h|cc)$/, "", file)
        return file
      }
      if (file ~ /^flow\/testing\/internal\//) return "flow/testing/internal"
      if (match(file, /^flow\/[a-z]*\//)) return substr(file, 1, RLENGTH - 1)
      sub(/\/.*/, "", file)
      return file
    }
    function stem(file) {
      sub(/\.(h|cc)$/, "", file)
      return file
    }
    # The floor of a file. One of flow/internal is where the highest header is
    # that it includes.
    function floor(file,   i, highest, at, name) {
      if (file !~ /^flow\/internal\//) {
        name = node(file)
        if (!(name in floor_of)) {
          print file " has no floor; give it one in tools/include_graph.sh" > "/dev/stderr"
          wrong = 1
          floor_of[name] = floor_count
        }
        return floor_of[name]
      }
      file = stem(file)
      if (file in internal_floor) return internal_floor[file]
      highest = internal_floor[file] = 1
      for (i = 1; i <= count; ++i) {
        if (stem(from[i]) != file || is_test(from[i]) || stem(to[i]) == file) continue
        if (is_test(to[i])) continue
        at = floor(to[i])
        if (at > highest) highest = at
      }
      return internal_floor[file] = highest
    }
    # The node of the picture; flow/internal has one on each of its floors.
    function draw(file,   name) {
      name = node(file)
      if (name == "flow/internal") name = name ", " floor_name[floor(file)]
      if (!(name in drawn)) {
        drawn[name]
        nodes[++node_count] = name
        beside[name] = is_test(file)
        if (!beside[name]) picture_floor[name] = floor(file)
      }
      return name
    }
    function bad(i, why) {
      print from[i] ":" line[i] ": includes " to[i] ": " why > "/dev/stderr"
      wrong = 1
    }
    # Follows the includes of a header and its .cc, to find one that leads back.
    function follow(file,   i, next_file) {
      being_followed[file] = 1
      for (i = 1; i <= count; ++i) {
        next_file = stem(to[i])
        if (stem(from[i]) != file || next_file == file) continue
        if (!(next_file in being_followed)) {
          follow(next_file)
        } else if (being_followed[next_file]) {
          bad(i, "which leads back to here")
        }
      }
      being_followed[file] = 0
    }
    BEGIN {
      floor_count = 0
      n = split(floors, rows, "\n")
      for (i = 1; i <= n; ++i) {
        if (rows[i] == "") continue
        split(rows[i], parts, /: */)
        floor_name[++floor_count] = parts[1]
        m = split(parts[2], names, " ")
        for (j = 1; j <= m; ++j) floor_of[names[j]] = floor_count
      }
    }
    {
      ++count
      from[count] = $1
      line[count] = $2
      to[count] = $3
    }
    END {
      for (i = 1; i <= count; ++i) {
        if (to[i] ~ /^flow\/internal\// && from[i] !~ /^flow\//) {
          bad(i, "flow/internal is not for what is outside flow/")
        }
        if (to[i] ~ /^flow\/testing\/conformance\// && from[i] !~ /^flow\/testing\/conformance[.\/]/) {
          bad(i, "only the suite is made of it")
        }
        if (from[i] ~ /^flow\/testing\/[a-z_]*\.(h|cc)$/ && from[i] !~ /_test\.cc$/ &&
            to[i] ~ /^flow\/(testing\/internal|verification)\//) {
          bad(i, "what is for users includes what is for our own tests")
        }
        if (from[i] ~ /^flow\// && to[i] !~ /^flow\//) {
          bad(i, "the library includes what stands on it")
        }
        if (!is_test(from[i])) {
          if (is_test(to[i])) {
            bad(i, "what ships includes what tests")
          } else if (from[i] ~ /^flow\/internal\// && floor(to[i]) > floor_of["flow"]) {
            bad(i, "flow/internal includes what is above flow.h")
          } else if (floor(from[i]) < floor(to[i])) {
            bad(i, "a lower floor (" floor_name[floor(from[i])] ") includes a higher one (" floor_name[floor(to[i])] ")")
          }
        }
        if (from[i] ~ /^flow\// && !is_test(from[i]) && !(stem(from[i]) in being_followed)) follow(stem(from[i]))
        if (from[i] ~ /_(test|fuzz)\.cc$/) continue
        left = draw(from[i])
        right = draw(to[i])
        edge = "\"" left "\" -> \"" right "\""
        if (left == right || edge in drawn) continue
        drawn[edge]
        edges[++edge_count] = edge
      }
      print "digraph includes {"
      print "  node [shape = box, style = \"rounded,filled\", fillcolor = white, fontname = Helvetica, fontsize = 11];"
      print "  edge [arrowsize = 0.6, color = gray40];"
      print "  graph [fontname = Helvetica, fontsize = 11, style = filled, color = gray95, labeljust = l];"
      for (i = 1; i <= node_count; ++i) {
        name = nodes[i]
        if (beside[name]) {
          print "  \"" name "\" [fillcolor = gray85];"
        } else {
          at = picture_floor[name]
          label = name
          sub(/, .*/, "", label)
          print "  subgraph cluster_" at " { label = \"" floor_name[at] "\"; \"" name "\" [label = \"" label "\"] }"
        }
      }
      for (i = 1; i <= edge_count; ++i) print "  " edges[i] ";"
      print "}"
      exit wrong
    }
  '
}

# render: without arrows that follow from others, or the version of the renderer.
render() {
  local run=()
  command -v dot >/dev/null || run=(tools/debian_root.sh with graphviz)
  "${run[@]}" tred | "${run[@]}" dot -Tsvg | sed '/^<!-- Generated by/,/-->/d'
}

dot=$(mktemp)
picture=$(mktemp)
trap 'rm -f "$dot" "$picture"' EXIT
includes | graph >"$dot" || {
  echo "include_graph: an include points up" >&2
  exit 1
}
[[ ${1:-} != --check ]] || exit 0
render <"$dot" >"$picture"
[[ -s $picture ]]
cat "$picture" >docs/includes.svg
echo "docs/includes.svg: made"
