#!/usr/bin/env bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# flowcat -k between TCP sockets beside other relays at the same jobs, on loopback
# addresses: HAProxy, one in Go (io.Copy), socat (a process for each connection).
#
#   benchmarks/relay_table.sh           all jobs, six minutes on an idle machine
#   benchmarks/relay_table.sh JOB...    those of connections, http, echo, idle, bulk
#   benchmarks/relay_table.sh --quick ...  a moment each, so that times mean nothing
#   benchmarks/relay_table.sh --check      echo, idle and bulk of flowcat alone
#
# Prints a line for each figure, the median of the rounds, in which the relays take
# turns; then each goal with `met` or `NOT MET`. Exits with 0 in both cases, with 1
# if flowcat has failed at a job, and with 2 if it could not begin. The load runs on
# the same machine, so compare the relays with each other only.
#
# Debian's programs are found as by flowcat/real_world_test.sh. A relay or a job
# whose program cannot be had is left out, which is said. FLOWCAT names the program
# to measure instead of the one that this checkout builds.

set -uo pipefail

self=$(realpath "${BASH_SOURCE[0]}")
readonly kTop=${self%/benchmarks/*}
readonly kJobs=(connections http echo idle bulk)
readonly kPort=21000

say() { echo "relay_table: $*" >&2; }

rounds=3
requests=10000
seconds=4 # of a job
http_seconds=4
relays_idle=2000
jobs=()
check=false
quick() { rounds=1 requests=500 seconds=0.5 http_seconds=1 relays_idle=200; }
for argument; do
  case $argument in
    --quick) quick ;;
    --check) quick && check=true jobs=(echo idle bulk) ;;
    connections | http | echo | idle | bulk) jobs+=("$argument") ;;
    *)
      say "usage: benchmarks/relay_table.sh [--quick] [JOB...] or --check; jobs: ${kJobs[*]}"
      exit 2
      ;;
  esac
done
((${#jobs[@]} > 0)) || jobs=("${kJobs[@]}")

work=$(mktemp -d) || exit 2
relay_pid=
end() {
  # shellcheck disable=SC2046  # One by one.
  kill $(jobs -p) 2>/dev/null
  wait 2>/dev/null
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# shellcheck source=flowcat/real_world/programs.sh
source "$kTop/flowcat/real_world/programs.sh"

# --- What there is

# get PROGRAM PACKAGE: Debian's; says so if it cannot be had.
get() {
  use_unpacked
  command -v "$1" >/dev/null && return
  say "getting the package $2"
  unpack "$2" >"$work/apt.log" 2>&1 ||
    { ((EUID == 0)) && apt-get update && unpack "$2"; } >>"$work/apt.log" 2>&1
  use_unpacked
  command -v "$1" >/dev/null || {
    echo "could not get $1 (Debian's $2): not measured"
    return 1
  }
}

# get_go: builds the relay in Go.
get_go() {
  local go=(go)
  "$kTop/tools/find_bazel.sh" >/dev/null || go=("$kTop/tools/debian_root.sh" with golang-go go)
  CGO_ENABLED=0 GOCACHE=$work/go "${go[@]}" build -o "$work/go_relay" \
    "$kTop/benchmarks/peers/relay/relay.go" >"$work/go.log" 2>&1 || {
    echo "could not get go (Debian's golang-go): not measured"
    return 1
  }
}

processors=$(nproc)
ulimit -n "$(ulimit -Hn)"

get_program FLOWCAT //flowcat
get_program LOAD //benchmarks:relay_load
relays=(flowcat)
has_nginx=false has_ab=false has_wrk=false
if ! $check; then
  get haproxy haproxy && relays+=(haproxy)
  get_go && relays+=(go)
  get socat socat && relays+=(socat)
  get nginx nginx && has_nginx=true
  get ab apache2-utils && has_ab=true
  get wrk wrk && has_wrk=true
fi

# --- Servers and relays

free_port() {
  while (: <>"/dev/tcp/127.0.0.1/$next_port") 2>/dev/null; do next_port=$((next_port + 1)); done
  port=$next_port
  next_port=$((next_port + 1))
}
next_port=$kPort
echoes='' sink='' http='' # the ports of the servers

# await_port PORT: until somebody listens there.
await_port() {
  local tries
  for ((tries = 0; tries < 200; ++tries)); do
    (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.05
  done
  say "nobody listens on port $1"
  return 1
}

# start_server NAME MODE: one of relay_load; sets NAME to its port.
start_server() {
  "$LOAD" "$2" >"$work/$1.port" &
  until [[ -s $work/$1.port ]]; do sleep 0.02; done
  printf -v "$1" %s "$(cat "$work/$1.port")"
}

start_nginx() {
  local user=''
  ((EUID != 0)) || user='user root;'
  free_port
  http=$port
  mkdir -p "$work/nginx"
  cat >"$work/nginx.conf" <<END
$user
daemon off;
pid $work/nginx.pid;
error_log stderr crit;
worker_processes $processors;
worker_rlimit_nofile 20000;
events { worker_connections 8000; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path $work/nginx/body;
  proxy_temp_path $work/nginx/proxy;
  fastcgi_temp_path $work/nginx/fastcgi;
  uwsgi_temp_path $work/nginx/uwsgi;
  scgi_temp_path $work/nginx/scgi;
  server {
    listen 127.0.0.1:$http backlog=4096;
    location / { return 200 "hello\n"; }
  }
}
END
  nginx -e stderr -p "$work" -c "$work/nginx.conf" 2>"$work/nginx.err" &
  await_port "$http"
}

# start_relay RELAY TO: sets relay_pid and port.
start_relay() {
  free_port
  case $1 in
    flowcat)
      exec "$FLOWCAT" -k -q --max-connections=10000 "tcp-listen:127.0.0.1:$port" "tcp:127.0.0.1:$2"
      ;;
    threads) # One connection without -k, which threads carry.
      exec "$FLOWCAT" -q "tcp-listen:127.0.0.1:$port" "tcp:127.0.0.1:$2"
      ;;
    haproxy)
      cat >"$work/haproxy.conf" <<END
global
  nbthread $processors
  maxconn 8000
defaults
  mode tcp
  timeout connect 10s
  timeout client 1h
  timeout server 1h
listen relay
  bind 127.0.0.1:$port backlog 4096
  server one 127.0.0.1:$2
END
      exec haproxy -db -f "$work/haproxy.conf"
      ;;
    go) exec "$work/go_relay" "$port" "$2" ;;
    socat) exec socat "TCP-LISTEN:$port,bind=127.0.0.1,fork,reuseaddr,backlog=4096" "TCP:127.0.0.1:$2" ;;
  esac >/dev/null 2>"$work/relay.err" &
  relay_pid=$!
  # A connection more would be the only one of `threads`.
  if [[ $1 == threads ]]; then sleep 0.5; else await_port "$port"; fi
}

stop_relay() {
  # shellcheck disable=SC2046  # The processes of socat.
  kill "$relay_pid" $(pgrep -P "$relay_pid") 2>/dev/null
  wait "$relay_pid" 2>/dev/null
}

# memory: of the relay and its processes, in kB: its share of what it shares.
memory() {
  local pid
  for pid in "$relay_pid" $(pgrep -P "$relay_pid"); do
    cat "/proc/$pid/smaps_rollup" 2>/dev/null
  done | awk '/^Pss:/ { sum += $2 } END { print sum + 0 }'
}

# --- Jobs: each prints figures of the relay at $port, one for each name

names_of() {
  case $1 in
    connections) echo connections/s ;;
    http) echo requests/s p99_ms timeouts ;;
    echo) echo messages/s p99_us ;;
    idle) echo kB/relay ;;
    bulk) echo GB/s ;;
  esac
}

# target_of JOB: the port that is relayed to.
target_of() {
  case $1 in
    connections | http) echo "$http" ;;
    bulk) echo "$sink" ;;
    *) echo "$echoes" ;;
  esac
}

run_connections() {
  ab -q -n "$requests" -c 100 "http://127.0.0.1:$port/" 2>/dev/null |
    awk '/^Requests per second/ { print $4 }'
}

run_http() {
  wrk -t1 -c1000 -d"${http_seconds}s" --timeout 2s --latency "http://127.0.0.1:$port/" |
    awk '
      /99%/ {
        p99 = $2
        if (p99 ~ /us$/) p99 = p99 / 1000
        else if (p99 !~ /ms$/) p99 = p99 * 1000
        else p99 += 0
      }
      /Socket errors/ { timeouts = $NF }
      /^Requests\/sec/ { print $2, p99, timeouts + 0 }'
}

run_echo() { timeout 60 "$LOAD" echo "$port" 1000 50 "$seconds"; }

run_idle() {
  local count=$relays_idle before after
  # So many processes would be too much.
  [[ $1 != socat ]] || count=$((count / 10))
  before=$(memory)
  mkfifo "$work/hold" 2>/dev/null
  "$LOAD" idle "$port" "$count" <"$work/hold" >"$work/idle" &
  exec 9>"$work/hold"
  until [[ -s $work/idle ]] || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
  sleep 1
  after=$(memory)
  exec 9>&-
  wait $!
  rm -f "$work/idle"
  awk "BEGIN { printf \"%.2f\n\", ($after - $before) / $count }"
}

run_bulk() { timeout 60 "$LOAD" bulk "$port" "$seconds"; }

# measure JOB RELAY: adds a line of figures to a file.
measure() {
  if ! start_relay "$2" "$(target_of "$1")" ||
    ! "run_$1" "$2" >>"$work/$1.$2" 2>"$work/job.err"; then
    say "$1 of $2 failed: $(tail -n 1 "$work/job.err" "$work/relay.err" | xargs)"
  fi
  stop_relay
}

# median JOB RELAY FIELD: nothing if there is no figure.
median() {
  [[ -s $work/$1.$2 ]] || return
  awk -v field="$3" 'NF { print $field }' "$work/$1.$2" | sort -g |
    awk '{ value[NR] = $1 } END { if (NR) print value[int((NR + 1) / 2)] }'
}

can_run() {
  case $1 in
    connections) $has_nginx && $has_ab ;;
    http) $has_nginx && $has_wrk ;;
    *) true ;;
  esac
}

# goal TEXT OWN OTHER EXPRESSION: the goal is met if EXPRESSION is true of the figures
# `own` and `other`.
goal() {
  if [[ -z $2 || -z $3 ]]; then
    echo "not measured: $1"
  elif awk -v own="$2" -v other="$3" "BEGIN { exit !($4) }"; then
    echo "met: $1 ($2; $3)"
  else
    echo "NOT MET: $1 ($2; $3)"
  fi
}

# goals JOB: of this job.
goals() {
  local own other
  own=$(median "$1" flowcat 1) other=$(median "$1" haproxy 1)
  case $1 in
    connections)
      goal 'new connections a second >= 0.8 x those of HAProxy' "$own" "$other" 'own >= 0.8 * other'
      ;;
    http)
      goal 'requests a second >= those of HAProxy' "$own" "$other" 'own >= other'
      goal '99th percentile <= that of HAProxy, in ms' "$(median http flowcat 2)" \
        "$(median http haproxy 2)" 'own <= other'
      goal 'no request timed out' "$(median http flowcat 3)" 0 'own == other'
      ;;
    echo)
      goal 'messages a second >= those of HAProxy' "$own" "$other" 'own >= other'
      goal '99th percentile <= that of HAProxy, in us' "$(median echo flowcat 2)" \
        "$(median echo haproxy 2)" 'own <= other'
      ;;
    idle) goal 'memory of an idle relay <= 3.3 kB' "$own" 3.3 'own <= other' ;;
    bulk)
      goal 'not slower than with threads' "$own" "$(median bulk threads 1)" 'own >= other'
      ;;
  esac
}

# print_table JOB RELAY...
print_table() {
  local relay name field
  for relay in "${@:2}"; do
    field=0
    for name in $(names_of "$1"); do
      field=$((field + 1))
      printf '%-12s %-8s %12s %s\n' "$1" "$relay" "$(median "$1" "$relay" "$field")" "$name"
    done
  done
}

main() {
  local job round relay all status=0
  start_server echoes serve
  start_server sink sink
  ! $has_nginx || start_nginx
  for job in "${jobs[@]}"; do
    can_run "$job" || continue
    all=("${relays[@]}")
    [[ $job != bulk ]] || all+=(threads)
    for ((round = 0; round < rounds; ++round)); do
      for relay in "${all[@]}"; do measure "$job" "$relay"; done
    done
    print_table "$job" "${all[@]}"
  done
  if ! $check; then
    echo
    for job in "${jobs[@]}"; do goals "$job"; done
  fi
  for job in "${jobs[@]}"; do
    ! can_run "$job" || [[ -n $(median "$job" flowcat 1) ]] || status=1
  done
  return "$status"
}

main
