# shellcheck shell=bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# What the tests of real_world_test.sh are made of: how they end, and how they
# start flowcat, servers and clients in the folder that is theirs. FLOWCAT is the
# program, kPeer peer.py.

readonly kSkipped=77

# fail WHY...: ends the test.
fail() {
  echo "$*"
  exit 1
}

skip() {
  echo "$*"
  exit "$kSkipped"
}

# stop_all: whatever still runs of what the test started.
stop_all() {
  local pids
  pids=$(jobs -p)
  # shellcheck disable=SC2086  # One by one.
  [[ -z $pids ]] || kill $pids 2>/dev/null
  wait
}

# await COMMAND...: until it succeeds; fails after kPatience seconds.
await() {
  local end=$((SECONDS + kPatience))
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.02
  done
} 2>/dev/null

ended() { ! kill -0 "$1" 2>/dev/null; }
has() { grep -q "$1" "$2"; }

free_port() { "$kPeer" port; }

# expect_exit NAME PID CODE
expect_exit() {
  local code
  await ended "$2" || fail "$1 goes on running"
  wait "$2"
  code=$?
  ((code == $3)) || fail "$1 ended with exit code $code instead of $3: $(tail -n 1 "$1.err")"
}

# start NAME COMMAND...: in the background, its output in NAME.out and NAME.err;
# sets `pid`.
start() {
  # Not to find what another program of that name has printed.
  rm -f "$1.out" "$1.err"
  # Without <&0, a shell gives to the background /dev/null.
  "${@:2}" <&0 >"$1.out" 2>"$1.err" &
  pid=$!
}

# expect_answer NAME PORT: awaits that the program just started accepts there.
expect_answer() {
  answers() { (: <>"/dev/tcp/127.0.0.1/$1"); }
  answers_or_ended() { answers "$1" || ended "$pid"; }
  await answers_or_ended "$2" && answers "$2" ||
    fail "$1 does not start: $(cat "$1.out" "$1.err" | tail -n 1)"
}

# start_peer NAME ARGUMENT...: one that listens; sets `pid` and `port`.
start_peer() {
  start "$1" "$kPeer" "${@:2}"
  await has . "$1.out" || fail "$1 does not listen: $(tail -n 1 "$1.err")"
  port=$(head -n 1 "$1.out")
}

# start_flowcat NAME ARGUMENT...: sets `pid`, and `port` if it is TCP.
start_flowcat() {
  # A shell makes what it puts in the background deaf to SIGINT.
  start "$1" env --default-signal=INT "$FLOWCAT" "${@:2}"
  await has '^flowcat: listening on ' "$1.err" ||
    fail "flowcat does not listen: $(tail -n 1 "$1.err")"
  port=$(sed -n 's/^flowcat: listening on tcp:.*://p' "$1.err" | head -n 1)
}

# expect_statistics NAME EXPRESSION: flowcat has printed statistics, for whose
# fields the Python EXPRESSION is true.
expect_statistics() {
  grep '^{' "$1.err" | python3 -c 'import json, sys
sys.exit(not eval(sys.argv[1], {}, json.load(sys.stdin)))' "$2" 2>eval.log ||
    fail "not $2 in the statistics of $1: $(tail -n 1 "$1.err")"
}

# random_bytes COUNT: different at every place, the same in every run.
random_bytes() {
  head -c "$1" /dev/zero |
    openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass pass:flow 2>/dev/null
}

sha256() { sha256sum "$@" | cut -d ' ' -f 1; }

# seconds_since START: as 1.23; START is a value of EPOCHREALTIME.
seconds_since() { awk "BEGIN { printf \"%.2f\", $EPOCHREALTIME - $1 }"; }

# rate BYTES SECONDS: as "123 MB/s".
rate() { awk "BEGIN { printf \"%.0f MB/s\", $1 / 1e6 / ($2 + 1e-6) }"; }

# start_nginx [DIRECTIVE]: serves the folder `site`; sets `nginx_port`.
start_nginx() {
  local user=''
  # It would drop to a user who cannot enter our folder.
  ((EUID != 0)) || user='user root;'
  nginx_port=$(free_port)
  mkdir -p site nginx
  cat >nginx/conf <<END
$user
daemon off;
pid nginx/pid;
error_log stderr;
worker_processes 2;
events { worker_connections 1024; }
http {
  log_format connections '\$status \$connection';
  access_log nginx/access connections;
  client_body_temp_path nginx/body;
  proxy_temp_path nginx/proxy;
  fastcgi_temp_path nginx/fastcgi;
  uwsgi_temp_path nginx/uwsgi;
  scgi_temp_path nginx/scgi;
  sendfile on;
  keepalive_timeout 0;
  client_max_body_size 0;
  server {
    listen 127.0.0.1:$nginx_port backlog=512;
    location / {
      root $PWD/site;
      ${1:-}
    }
  }
}
END
  start nginx nginx -e stderr -p "$PWD" -c "$PWD/nginx/conf"
  expect_answer nginx "$nginx_port"
}
