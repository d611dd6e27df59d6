# shellcheck shell=bash
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# The tests of real_world_test.sh. Each is a function that runs in a process and
# a folder of its own, prints its figures last and returns 0, or calls fail or
# skip (harness.sh).

# serve_big_file: the same file for all tests that do; sets `big_sum`.
serve_big_file() {
  local file=$work/big
  if [[ ! -e $file ]]; then
    random_bytes "$kBigBytes" >"$file.new"
    sha256 "$file.new" >"$file.sum"
    mv "$file.new" "$file"
  fi
  mkdir -p site
  ln "$file" site/big
  big_sum=$(<"$file.sum")
  start_nginx
}

# fetch CURL_ARGUMENT...: downloads and forgets the big file; prints its rate.
fetch() {
  local start=$EPOCHREALTIME
  curl -sS --fail -o /dev/null "$@" || return
  rate "$kBigBytes" "$(seconds_since "$start")"
}

# Relayed once for the time and once, from a flowcat that ends by itself with
# its statistics, for the bytes.
test_download() {
  local direct relayed sum
  serve_big_file
  direct=$(fetch "http://127.0.0.1:$nginx_port/big") || fail "curl fails without flowcat"
  start_flowcat timed tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$nginx_port"
  relayed=$(fetch "http://127.0.0.1:$port/big") || fail "curl fails through flowcat"
  expect_exit timed "$pid" 0
  start_flowcat relay --stats=json tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$nginx_port"
  sum=$(curl -sS --fail "http://127.0.0.1:$port/big" | sha256) ||
    fail "curl fails through flowcat: $(tail -n 1 log)"
  [[ $sum == "$big_sum" ]] || fail "the file has another checksum"
  expect_exit relay "$pid" 0
  # The answer's header is in there, too.
  expect_statistics relay "0 < b_to_a['bytes'] - $kBigBytes < 1000"
  expect_statistics relay "connections == 1 and failed == 0 and exit_code == 0"
  echo "1 GiB, checksum equal, $relayed, without flowcat $direct"
}

# curl -> TCP -> flowcat -> Unix socket -> flowcat -> TCP -> nginx.
test_download_unix() {
  local relayed sum first second
  serve_big_file
  start_flowcat inner -k unix-listen:hop "tcp:127.0.0.1:$nginx_port"
  first=$pid
  start_flowcat outer -k tcp-listen:127.0.0.1:0 unix:hop
  second=$pid
  relayed=$(fetch "http://127.0.0.1:$port/big") || fail "curl fails through two flowcats"
  sum=$(curl -sS --fail "http://127.0.0.1:$port/big" | sha256) ||
    fail "curl fails through two flowcats: $(tail -n 1 log)"
  [[ $sum == "$big_sum" ]] || fail "the file has another checksum"
  kill -TERM "$first" "$second"
  expect_exit inner "$first" 143
  expect_exit outer "$second" 143
  [[ ! -e hop ]] || fail "the socket's file is still there"
  echo "1 GiB by way of a Unix socket, checksum equal, $relayed"
}

test_requests() {
  local i start seconds answered connections
  mkdir -p site/small got
  for ((i = 0; i < kRequests; i++)); do
    # Of many sizes, and no two alike.
    printf 'file %d %*d\n' "$i" $((i * 37 % 16384 + 1)) "$i" >"site/small/$i"
    printf 'url = http://127.0.0.1:%%PORT%%/small/%d\noutput = got/%d\n' "$i" "$i"
  done >urls
  start_nginx
  start_flowcat relay -k --max-connections 64 tcp-listen:127.0.0.1:0 \
    "tcp:127.0.0.1:$nginx_port"
  sed -i "s/%PORT%/$port/" urls
  start=$EPOCHREALTIME
  curl -sS --parallel --parallel-immediate --parallel-max "$kParallel" \
    --write-out '%{http_code}\n' --config urls >codes || fail "curl: $(tail -n 1 log)"
  seconds=$(seconds_since "$start")
  answered=$(grep -c '^200$' codes)
  ((answered == kRequests)) || fail "$answered of $kRequests answers are 200"
  diff -r site/small got >differences || fail "files differ: $(head -n 1 differences)"
  # nginx writes its log after the answer.
  all_logged() { (($(wc -l <nginx/access) >= kRequests)); }
  await all_logged || fail "nginx saw only $(wc -l <nginx/access) requests"
  connections=$(sort -u nginx/access | wc -l)
  ((connections == kRequests)) || fail "$kRequests requests took $connections connections"
  echo "$answered of $kRequests right, $kParallel at once, a connection each, $seconds s"
}

test_upload() {
  local start seconds sum
  random_bytes "$kUploadBytes" >upload
  start_nginx 'dav_methods PUT;'
  start_flowcat relay tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$nginx_port"
  start=$EPOCHREALTIME
  curl -sS --fail -o answer -T upload "http://127.0.0.1:$port/stored" ||
    fail "curl: $(tail -n 1 log)"
  seconds=$(seconds_since "$start")
  sum=$(sha256 site/stored)
  [[ $sum == "$(sha256 upload)" ]] || fail "the file has another checksum"
  expect_exit relay "$pid" 0
  echo "256 MiB, checksum equal, $(rate "$kUploadBytes" "$seconds")"
}

test_tls() {
  local server_port server client relay
  printf '[req]\ndistinguished_name = name\n[name]\n' >openssl.conf
  openssl req -config openssl.conf -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost 2>openssl.log || fail "openssl cannot make a certificate"
  random_bytes "$kTlsBytes" >down
  # Without the letters that s_client takes for commands.
  LC_ALL=C tr 'A-Zk' . <down >up
  mkfifo to_client to_server
  # Kept open here, so that what is sent in turns is one stream.
  exec 3<>to_client 4<>to_server
  server_port=$(free_port)
  start server openssl s_server -quiet -naccept 1 -accept "127.0.0.1:$server_port" \
    -cert cert.pem -key key.pem <to_server 3>&- 4>&-
  server=$pid
  # A connection would be the one that it accepts.
  listens() { grep -qi ":$(printf %04X "$server_port") 00000000:0000 0A" /proc/net/tcp; }
  await listens || fail "openssl s_server does not listen: $(tail -n 1 server.err)"
  start_flowcat relay tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$server_port" 3>&- 4>&-
  relay=$pid
  start client openssl s_client -quiet -no_ign_eof -verify_return_error -CAfile cert.pem \
    -connect "127.0.0.1:$port" <to_client 3>&- 4>&-
  client=$pid
  echo "hello, server" >&3
  await has '^hello, server$' server.out || fail "text does not reach the server"
  echo "hello, client" >&4
  await has '^hello, client$' client.out || fail "text does not reach the client"
  # Both at the same time.
  cat up >&3 &
  cat down >&4 &
  local size=$((kTlsBytes + 14))
  arrived() { (($(stat -c %s server.out) >= size && $(stat -c %s client.out) >= size)); }
  await arrived || fail "not all bytes arrive: $(stat -c %s server.out client.out | xargs)"
  tail -c +15 server.out | cmp - up || fail "the server got other bytes"
  tail -c +15 client.out | cmp - down || fail "the client got other bytes"
  exec 3>&-
  expect_exit client "$client" 0
  expect_exit relay "$relay" 0
  expect_exit server "$server" 0
  echo "text and 50 MiB each way at the same time, verified, closed cleanly"
}

test_redis() {
  local redis_port answer rates
  redis_port=$(free_port)
  start redis redis-server --port "$redis_port" --bind 127.0.0.1 --save '' \
    --appendonly no --dir "$PWD"
  expect_answer redis "$redis_port"
  start_flowcat relay -k tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$redis_port"
  answer=$(redis-cli -h 127.0.0.1 -p "$port" PING)
  [[ $answer == PONG ]] || fail "PING is answered by: $answer"
  random_bytes "$kValueBytes" >value
  answer=$(redis-cli -h 127.0.0.1 -p "$port" -x SET big <value)
  [[ $answer == OK ]] || fail "SET is answered by: $answer"
  redis-cli -h 127.0.0.1 -p "$port" GET big >got || fail "GET fails"
  # redis-cli ends the value with a newline.
  { cat value && echo; } | cmp - got || fail "GET gives another value"
  redis-benchmark -h 127.0.0.1 -p "$port" -n 20000 -c 50 -P 16 -t set,get --csv >rates ||
    fail "redis-benchmark: $(tail -n 1 rates)"
  rates=$(sed -n 's/^"\([SG]ET\)","\([0-9]*\).*/\1 \2 per s/p' rates | paste -s -d ,)
  [[ $rates == *SET*GET* ]] || fail "redis-benchmark measured nothing"
  echo "a value of 10 MB equal; 50 clients: ${rates//,/, }"
}

test_postgres() {
  local as=() otherwise=fail options database count rate
  if ((EUID == 0)); then
    # It refuses root. Of another name in a namespace, it still owns our files.
    as=(unshare --user --map-user=65534 --map-group=65534)
    "${as[@]}" true 2>/dev/null || {
      # In a container perhaps. Then it must find its programs as nobody.
      as=(setpriv --reuid=65534 --regid=65534 --clear-groups
        --inh-caps=+dac_override --ambient-caps=+dac_override)
      otherwise=skip
    }
  fi
  "${as[@]}" initdb -D data -U flow -A trust -E UTF8 --no-locale --no-sync >initdb.out ||
    "$otherwise" "$(tail -n 1 log)"
  database=$(free_port)
  start server "${as[@]}" postgres -D data -p "$database" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c fsync=off
  ready() { pg_isready -q -h 127.0.0.1 -p "$database"; }
  await ready || fail "PostgreSQL does not start: $(tail -n 1 server.err)"
  start_flowcat relay -k tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$database"
  options=(-h 127.0.0.1 -p "$port" -U flow)
  sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "${options[@]}" -c "$1" postgres; }
  sql 'CREATE TABLE there (i int PRIMARY KEY, t text)' || fail "psql: $(tail -n 1 log)"
  seq "$kRows" | awk '{ printf "%d\trow %d of many, a%s\n", $1, $1 * 7919, $1 % 97 }' >rows
  sql '\copy there FROM rows' || fail "COPY FROM: $(tail -n 1 log)"
  count=$(sql 'SELECT count(*) FROM there')
  ((count == kRows)) || fail "the table has $count of $kRows rows"
  sql '\copy (SELECT * FROM there ORDER BY i) TO back' || fail "COPY TO: $(tail -n 1 log)"
  cmp rows back || fail "the rows have changed"
  pgbench "${options[@]}" -i -q postgres >pgbench.out 2>&1 &&
    pgbench "${options[@]}" -c 8 -t 200 postgres >pgbench.out 2>&1 ||
    fail "pgbench: $(tail -n 1 pgbench.out)"
  rate=$(sed -n 's/^tps = \([0-9]*\).*/\1/p' pgbench.out)
  echo "COPY of $count rows there and back equal; 8 clients: $rate transactions per s"
}

test_half_close() {
  local answer sum
  random_bytes 5000000 >question
  sum=$(sha256 question)
  start_flowcat summing -k tcp-listen:127.0.0.1:0 exec:sha256sum
  answer=$("$kPeer" ask connect "$port" <question) || fail "the client: $(tail -n 1 log)"
  [[ $answer == "$sum  -" ]] || fail "sha256sum's answer is: $answer"
  start_flowcat echoing -k tcp-listen:127.0.0.1:0 exec:cat
  answer=$("$kPeer" ask connect "$port" <question | sha256) || fail "the client: $(tail -n 1 log)"
  [[ $answer == "$sum" ]] || fail "cat's answer has another checksum"
  # The same over a socket, where nothing but the half-close is an end.
  start_peer server echo listen
  start_flowcat relay -k tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$port"
  answer=$("$kPeer" ask connect "$port" <question | sha256) || fail "the client: $(tail -n 1 log)"
  [[ $answer == "$sum" ]] || fail "the server's answer has another checksum"
  echo "whole answers after a half-close, of exec:sha256sum, exec:cat and a server"
}

test_reset() {
  local server verdict code answer
  start_peer server break listen
  server=$pid
  start_flowcat down tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$port"
  verdict=$("$kPeer" judge connect "$port") || fail "the client: $(tail -n 1 log)"
  expect_exit server "$server" 0
  [[ $verdict == reset* ]] || fail "a server's reset reaches the client as: $verdict"
  await ended "$pid" || fail "flowcat goes on running after a server's reset"
  wait "$pid"
  code=$?
  ((code == 1)) || fail "flowcat ended with exit code $code after a server's reset"

  start_peer judge judge listen
  server=$pid
  start_flowcat up tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$port"
  "$kPeer" break connect "$port" || fail "the client: $(tail -n 1 log)"
  expect_exit judge "$server" 0
  [[ $(tail -n 1 judge.out) == reset* ]] ||
    fail "a client's reset reaches the server as: $(tail -n 1 judge.out)"
  expect_exit up "$pid" 1

  # Nor may the answer of nobody look like an empty one.
  start_flowcat nowhere -k tcp-listen:127.0.0.1:0 "tcp:127.0.0.1:$(free_port)"
  answer=$("$kPeer" judge connect "$port") || fail "the client: $(tail -n 1 log)"
  [[ $answer == reset* ]] || fail "a server that is not there looks like: $answer"
  echo "the client sees a $verdict, the server one, too, and so does one without a server"
}

# descriptors: of flowcat.
descriptors() {
  local all=("/proc/$pid/fd"/*)
  echo "${#all[@]}"
}
memory() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
has_descriptors() { (($(descriptors) == $1)); }

# idle_round BEFORE: opens connections, and checks that they come and go. Sets
# `during` to what flowcat has while they are there.
idle_round() {
  local round
  coproc IDLE { exec "$kPeer" idle connect "$port" "$kIdle"; }
  # shellcheck disable=SC2153  # Set by coproc.
  round=$IDLE_PID
  read -r -t "$kPatience" <&"${IDLE[0]}" || fail "the client: $(tail -n 1 log)"
  (($(descriptors) >= $1 + 2 * kIdle)) ||
    fail "$(descriptors) descriptors are too few for $kIdle connections"
  during="$(descriptors) and $(memory) kB"
  echo >&"${IDLE[1]}"
  await ended "$round" || fail "the client waits for an answer"
  wait "$round" || fail "the client: $(tail -n 1 log)"
  await has_descriptors "$1" || {
    # What they are, by kind.
    readlink "/proc/$pid/fd"/* | sed 's/:\[[0-9]*\]//' | sort | uniq -c >&2
    fail "$1 descriptors before, $(descriptors) after $kIdle connections"
  }
}

test_idle() {
  local fds before during after again
  start_peer server echo listen
  start_flowcat relay -k --max-connections 512 tcp-listen:127.0.0.1:0 \
    "tcp:127.0.0.1:$port"
  fds=$(descriptors)
  before=$(memory)
  idle_round "$fds"
  after=$(memory)
  idle_round "$fds"
  again=$(memory)
  ((after - before <= kIdleGrowth)) ||
    fail "$before kB before, $after kB after $kIdle connections"
  ((again - after <= kIdleSecondGrowth)) ||
    fail "$after kB after $kIdle connections, $again kB after another $kIdle"
  echo "$fds descriptors and $before kB before, $during with $kIdle connections," \
    "$fds and $after kB after, $again kB after another $kIdle"
}

# terminate_during_download SIGNAL A CURL_ARGUMENT...: sets `code` to curl's exit
# code.
terminate_during_download() {
  local client relay status=$((128 + $(kill -l "$1")))
  start_flowcat relay -k --stats=json "$2" "tcp:127.0.0.1:$nginx_port"
  relay=$pid
  rm -f part
  start client curl -sS --fail --limit-rate 10M -o part "${@:3}" \
    "http://127.0.0.1:${port:-80}/big"
  client=$pid
  under_way() { (($(stat -c %s part) > 1 << 22)) || ended "$client"; }
  await under_way && ! ended "$client" || fail "the download does not begin: $(tail -n 1 client.err)"
  kill "-$1" "$relay"
  expect_exit relay "$relay" "$status"
  expect_statistics relay \
    "exit_code == $status and b_to_a['bytes'] > 1 << 20 and connections == 1"
  await ended "$client" || fail "curl goes on running after SIG$1"
  wait "$client"
  code=$?
}

test_terminate() {
  local code
  serve_big_file
  terminate_during_download TERM unix-listen:socket --unix-socket socket
  # Nothing but the length that was announced tells curl (CURLE_PARTIAL_FILE).
  ((code == 18)) || fail "curl's exit code at a Unix socket is $code, not 18"
  [[ ! -e socket ]] || fail "the socket's file is still there"
  terminate_during_download INT tcp-listen:127.0.0.1:0
  # CURLE_RECV_ERROR: it got a reset.
  ((code == 56)) || fail "curl's exit code over TCP is $code, not 56"
  echo "exit codes 143 and 130, with statistics; no file left; curl sees a cut and a reset"
}
