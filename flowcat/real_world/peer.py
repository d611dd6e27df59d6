#!/usr/bin/env python3
# Copyright 2026 The flow authors
# SPDX-License-Identifier: Apache-2.0
#
# The ends of a connection that need more control of their socket than ordinary
# programs give, for real_world_test.sh:
#
#   peer.py port                    prints a TCP port that is free now
#   peer.py echo listen             serves connections: sends all back as it comes
#   peer.py ask connect PORT        sends standard input, shuts the sending down,
#                                   then prints all that comes until end-of-file
#   peer.py break listen            sends a part, then resets the connection
#   peer.py break connect PORT
#   peer.py judge listen            reads to the end and prints what it was:
#   peer.py judge connect PORT      "reset after N bytes", "end after N bytes"
#   peer.py idle connect PORT COUNT opens COUNT connections, has each carry a byte
#                                   there and back and prints "open"; at a line of
#                                   standard input does so again, closes them and
#                                   prints "closed"
#   peer.py load connect PORT COUNT PATH PID
#                                   gets PATH by HTTP again and again on COUNT
#                                   connections, and after two seconds sends
#                                   SIGTERM to the server PID. Fails if an answer
#                                   was cut, or a request that was sent before
#                                   the signal was not answered
#
# `listen` means a free port of 127.0.0.1, printed first. `break` and `judge`
# belong together: the reset comes when half of the part has been read.

import contextlib
import os
import signal
import socket
import struct
import sys
import threading
import time

HOST = "127.0.0.1"
PART = 1 << 20
PATIENCE = 20  # seconds without a byte, of who connects


def listener():
    server = socket.create_server((HOST, 0), backlog=512)
    print(server.getsockname()[1], flush=True)
    return server


def connect(port):
    return socket.create_connection((HOST, int(port)), timeout=PATIENCE)


def echo(connection):
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def serve_echo():
    server = listener()
    while True:
        connection, _ = server.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def ask(connection):
    question = sys.stdin.buffer.read()

    def send():
        connection.sendall(question)
        connection.shutdown(socket.SHUT_WR)

    # While reading: who answers at once could otherwise not go on.
    sender = threading.Thread(target=send)
    sender.start()
    while data := connection.recv(1 << 16):
        sys.stdout.buffer.write(data)
    sender.join()


def break_off(connection):
    connection.sendall(bytes(PART))
    if not connection.recv(1):
        sys.exit("the other end left before the reset")
    # Closing now discards what is on its way and sends a reset.
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    connection.close()


def judge(connection):
    received = 0
    try:
        while data := connection.recv(1 << 16):
            if received < PART // 2 <= received + len(data):
                connection.sendall(b"!")
            received += len(data)
    except ConnectionResetError:
        print(f"reset after {received} bytes")
        return
    print(f"end after {received} bytes")


def idle(port, count):
    connections = [connect(port) for _ in range(int(count))]

    def exchange():
        for connection in connections:
            connection.sendall(b"x")
        for connection in connections:
            if connection.recv(1) != b"x":
                sys.exit("a connection did not send the byte back")

    exchange()
    print("open", flush=True)
    sys.stdin.readline()
    exchange()
    for connection in connections:
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            sys.exit("a connection sent more than the byte")
        connection.close()
    print("closed", flush=True)


def read_answer(connection):
    """Returns the head of an answer, or None if the connection ends before it."""
    try:
        answer = connection.recv(1 << 16)
    except ConnectionResetError:
        return None
    if not answer:
        return None
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    left = int(head.split(b"\r\nContent-Length: ")[1].split()[0]) - len(body)
    while left > 0:
        left -= len(receive(connection))
    return head


def receive(connection):
    data = connection.recv(1 << 16)
    if not data:
        raise ConnectionError("an answer was cut")
    return data


def load(port, count, path, pid):
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    results = []  # of each connection: answers, and when it sent the last request

    def ask():
        connection = connect(port)
        # So that answers are under way, rather than in the kernel.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        answers = 0
        while True:
            with contextlib.suppress(ConnectionError):  # it has ended already
                connection.sendall(request)
            sent = time.monotonic()
            head = read_answer(connection)
            if head is None:
                break
            answers += 1
            if b"\r\nConnection: close" in head:
                sent = None
                if connection.recv(1):
                    raise ConnectionError("bytes came after the last answer")
                break
        results.append((answers, sent))

    threads = [threading.Thread(target=ask) for _ in range(int(count))]
    for thread in threads:
        thread.start()
    time.sleep(2)
    stopped = time.monotonic()
    os.kill(int(pid), signal.SIGTERM)
    for thread in threads:
        thread.join()
    if len(results) < len(threads):
        sys.exit(f"{len(threads) - len(results)} connections failed")
    late = [sent for _, sent in results if sent is not None]
    if any(sent < stopped for sent in late):
        sys.exit("a request from before the stop was not answered")
    print(
        f"{sum(answers for answers, _ in results)} requests whole, none cut,"
        f" {len(late)} sent after the stop and not answered"
    )


def main(arguments):
    if arguments == ["port"]:
        with socket.create_server((HOST, 0)) as server:
            print(server.getsockname()[1])
        return
    what, how, *rest = arguments
    if what == "echo":
        serve_echo()
    elif what == "idle":
        idle(*rest)
    elif what == "load":
        load(*rest)
    else:
        role = {"ask": ask, "break": break_off, "judge": judge}[what]
        try:
            if how == "listen":
                connection, _ = listener().accept()
            else:
                connection = connect(*rest)
        except ConnectionResetError:  # it can overtake the return of connect()
            if what != "judge":
                raise
            print("reset after 0 bytes")
            return
        role(connection)


main(sys.argv[1:])
