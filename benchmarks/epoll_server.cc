// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server by epoll(7) and system calls alone, on one thread, for the
// benchmarks of the network (network_jobs.h): what started_server can reach at
// best.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "absl/log/absl_check.h"

namespace {

void Watch(int epoll, int fd) {
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ABSL_PCHECK(::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

// The messages are small, and so are always taken whole.
void Echo(int fd) {
  char buffer[512];
  const ssize_t n = ::recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (n > 0 && ::send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) == n) {
    return;
  }
  ::close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK_EQ(argc, 2);
  ABSL_CHECK_EQ(std::string(argv[1]), "echo");
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<struct sockaddr*>(&address);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::bind(listener, any, size) == 0);
  ABSL_PCHECK(::listen(listener, SOMAXCONN) == 0);
  ABSL_PCHECK(::getsockname(listener, any, &size) == 0);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  ABSL_PCHECK(epoll >= 0);
  Watch(epoll, listener);
  std::cout << ntohs(address.sin_port) << std::endl;
  while (true) {
    struct epoll_event events[64];
    const int count = ::epoll_wait(epoll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd != listener) {
        Echo(fd);
        continue;
      }
      const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      ABSL_PCHECK(client >= 0);
      const int on = 1;
      ABSL_PCHECK(
          ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
      Watch(epoll, client);
    }
  }
}
