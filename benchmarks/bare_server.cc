// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The server of the benchmarks of the network (network_jobs.h) by system calls
// alone: what flow_server can reach at best with a thread for each connection.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <iostream>
#include <string>
#include <thread>

#include "absl/log/absl_check.h"

namespace {

void SetNoDelay(int fd) {
  const int on = 1;
  ABSL_PCHECK(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
}

struct sockaddr_in Loopback(uint16_t port) {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Until either ends. The messages are small, and so are always taken whole.
void Copy(int from, int to) {
  char buffer[512];
  while (true) {
    const ssize_t n = ::read(from, buffer, sizeof(buffer));
    if (n <= 0) break;
    if (::send(to, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) break;
  }
  ::shutdown(to, SHUT_WR);
}

void Relay(int client, uint16_t port) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in address = Loopback(port);
  ABSL_PCHECK(::connect(server,
                        reinterpret_cast<const struct sockaddr*>(&address),
                        sizeof(address)) == 0);
  SetNoDelay(server);
  std::thread back([=] { Copy(server, client); });
  Copy(client, server);
  back.join();
  ::close(server);
}

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK_GE(argc, 2);
  const bool relays = std::string(argv[1]) == "relay";
  ABSL_CHECK_EQ(argc, relays ? 3 : 2);
  const auto target = static_cast<uint16_t>(relays ? std::stoi(argv[2]) : 0);
  struct sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<struct sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::bind(listener, any, size) == 0);
  ABSL_PCHECK(::listen(listener, SOMAXCONN) == 0);
  ABSL_PCHECK(::getsockname(listener, any, &size) == 0);
  std::cout << ntohs(address.sin_port) << std::endl;
  while (true) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ABSL_PCHECK(client >= 0);
    SetNoDelay(client);
    std::thread([=] {
      if (relays) {
        Relay(client, target);
      } else {
        Copy(client, client);
      }
      ::close(client);
    }).detach();
  }
}
