# shellcheck shell=bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# The tests of real_world_test.sh that are about examples/server, which SERVER
# is. They are as those of tests.sh.

# start_server: serves the folder `site`; sets `pid` and `port`.
start_server() {
  start server "$SERVER" tcp:127.0.0.1:0 site
  await has '^listening on ' server.out ||
    fail "the server does not listen: $(tail -n 1 server.err)"
  port=$(sed -n 's/^listening on tcp:.*://p' server.out)
}

# expect_report EXPRESSION: the server has ended in order. Sets `report`.
expect_report() {
  expect_exit server "$pid" 0
  report=$(tail -n 1 server.out)
  [[ $report =~ $1 ]] || fail "the server reports: $report"
}

test_server() {
  local url sum length list start rate each answers
  mkdir -p site/folder
  random_bytes "$kServedBytes" >site/large
  echo inner >site/folder/inner
  ln -s ../log site/outside
  start_server
  url=http://127.0.0.1:$port
  start=$EPOCHREALTIME
  sum=$(curl -sS --fail "$url/large" | sha256) || fail "curl: $(tail -n 1 log)"
  rate=$(rate "$kServedBytes" "$(seconds_since "$start")")
  [[ $sum == "$(sha256 site/large)" ]] || fail "the file has another checksum"
  length=$(curl -sS --head "$url/large" | sed -n 's/^Content-Length: \([0-9]*\)\r$/\1/p')
  ((length == kServedBytes)) || fail "HEAD says that the length is $length"
  list=$(curl -sS --fail "$url/folder") || fail "curl: $(tail -n 1 log)"
  [[ " ${list//$'\n'/ } " == *" inner "* ]] || fail "the list of the folder is: $list"
  # All on one connection. What is on standard input goes out in chunks.
  each=(-sS -o /dev/null -w '%{http_code} %{num_connects}, ')
  answers=$(curl "${each[@]}" "$url/folder/inner" \
    --next "${each[@]}" --header Expect: --upload-file - "$url/new" \
    --next "${each[@]}" "$url/outside" \
    --next "${each[@]}" --path-as-is "$url/../log" \
    --next "${each[@]}" "$url/folder/inner" <site/folder/inner)
  [[ $answers == "200 1, 405 0, 404 0, 404 0, 200 0, " ]] ||
    fail "curl gets these answers on these new connections: $answers"
  kill -TERM "$pid"
  expect_report "^4 connections: .* 0 aborted, 0 refused$"
  echo "$((kServedBytes >> 20)) MiB, checksum equal, $rate; 5 requests on a connection, a chunked upload among them"
}

# Under load, twice: from wrk, and from a client that knows which of its requests
# the server had to answer. For wrk, what comes after the stop are errors: a
# connection that ends between two requests, and then none.
test_server_stop() {
  local server client rate by_wrk
  mkdir site
  random_bytes 1024 >site/small
  random_bytes $((4 << 20)) >site/large
  start_server
  server=$pid
  start wrk wrk --connections "$kClients" --threads 2 --duration 20s \
    "http://127.0.0.1:$port/small"
  client=$pid
  sleep 10
  kill -TERM "$server"
  # It has connected once more, to see whether it can.
  pid=$server expect_report "^$((kClients + 1)) connections: 1 ended .* 0 aborted, 0 refused$"
  by_wrk=$report
  expect_exit wrk "$client" 0
  ! grep -q 'Non-2xx' wrk.out || fail "wrk got other answers: $(grep Non-2xx wrk.out)"
  # Up to the stop, in half of the time.
  rate=$(sed -n 's/^ *\([0-9]*\) requests in .*/\1/p' wrk.out)
  ((rate > 0)) || fail "wrk counts no requests"

  start_server
  "$kPeer" load connect "$port" "$kClients" /large "$pid" >load.out ||
    fail "the client: $(tail -n 1 log)"
  expect_report "^$kClients connections: 0 ended .* [1-9][0-9]* in time, 0 aborted, 0 refused$"
  echo "wrk: $((rate / 10)) requests per s; $by_wrk; then $report, $(tail -n 1 load.out)"
}
