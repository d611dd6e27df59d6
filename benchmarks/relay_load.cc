// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands before and behind a relay that relay_table.sh measures. Plain
// sockets and one thread, so that it costs all relays the same.
//
//   relay_load serve            sends back what comes; prints its port
//   relay_load sink             drops what comes; prints its port
//   relay_load echo PORT IDLE ACTIVE SECONDS
//                               opens all, has 64 bytes sent back on each
//                               active one again and again; prints requests per
//                               second and the 99th percentile in microseconds
//   relay_load idle PORT COUNT  opens all, sends a byte on each and gets it
//   back;
//                               prints a line, then waits for the end of its
//                               standard input
//   relay_load bulk PORT SECONDS
//                               sends as fast as it can; prints GB per second

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kEvents = 256;
constexpr size_t kMessage = 64;

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct sockaddr_in Loopback(int port) {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void SendAtOnce(int fd) {
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int Connect(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const struct sockaddr_in address = Loopback(port);
  if (fd < 0 ||
      ::connect(fd, reinterpret_cast<const struct sockaddr*>(&address),
                sizeof(address)) != 0) {
    Fail("connect");
  }
  SendAtOnce(fd);
  return fd;
}

int Watch(int epoll, int fd) {
  struct epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Serves for ever. A message that a socket does not take at once is waited for.
int Serve(bool sends_back) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  auto* const name = reinterpret_cast<struct sockaddr*>(&address);
  if (::bind(listener, name, size) != 0 || ::listen(listener, 4096) != 0 ||
      ::getsockname(listener, name, &size) != 0) {
    Fail("listen");
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  const int epoll = ::epoll_create1(0);
  Watch(epoll, listener);
  std::vector<char> buffer(size_t{256} << 10);
  struct epoll_event events[kEvents];
  while (true) {
    const int count = ::epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        const int accepted = ::accept(listener, nullptr, nullptr);
        if (accepted < 0) continue;
        SendAtOnce(accepted);
        Watch(epoll, accepted);
        continue;
      }
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (n <= 0 ||
          (sends_back && ::send(fd, buffer.data(), static_cast<size_t>(n),
                                MSG_NOSIGNAL) != n)) {
        ::close(fd);
      }
    }
  }
}

std::vector<int> Open(int port, int count) {
  std::vector<int> fds;
  for (int i = 0; i < count; ++i) {
    fds.push_back(Connect(port));
    char byte = 'x';
    if (::send(fds.back(), &byte, 1, MSG_NOSIGNAL) != 1 ||
        ::recv(fds.back(), &byte, 1, 0) != 1) {
      Fail("first byte");
    }
  }
  return fds;
}

int Echo(int port, int idle, int active, double seconds) {
  const std::vector<int> idle_fds = Open(port, idle);
  const std::vector<int> fds = Open(port, active);
  const int epoll = ::epoll_create1(0);
  struct Call {
    Clock::time_point sent;
    size_t left = 0;
  };
  std::unordered_map<int, Call> calls;
  const std::string message(kMessage, 'm');
  const auto send = [&](int fd) {
    calls[fd] = {Clock::now(), kMessage};
    if (::send(fd, message.data(), kMessage, MSG_NOSIGNAL) !=
        static_cast<ssize_t>(kMessage)) {
      Fail("send");
    }
  };
  for (int fd : fds) Watch(epoll, fd);
  const Clock::time_point start = Clock::now();
  for (int fd : fds) send(fd);
  std::vector<int64_t> micros;
  struct epoll_event events[kEvents];
  char buffer[kMessage];
  while (SecondsSince(start) < seconds) {
    const int count = ::epoll_wait(epoll, events, kEvents, 100);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      Call& call = calls[fd];
      const ssize_t n = ::recv(fd, buffer, call.left, 0);
      if (n <= 0) Fail("recv");
      call.left -= static_cast<size_t>(n);
      if (call.left > 0) continue;
      micros.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
                           Clock::now() - call.sent)
                           .count());
      send(fd);
    }
  }
  const double passed = SecondsSince(start);
  if (micros.empty()) Fail("no answer");
  std::sort(micros.begin(), micros.end());
  std::printf("%.0f %lld\n", static_cast<double>(micros.size()) / passed,
              static_cast<long long>(micros[micros.size() * 99 / 100]));
  return 0;
}

int Idle(int port, int count) {
  const std::vector<int> fds = Open(port, count);
  std::printf("open\n");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  return 0;
}

int Bulk(int port, double seconds) {
  const int fd = Connect(port);
  const std::vector<char> zeros(size_t{256} << 10);
  const Clock::time_point start = Clock::now();
  double bytes = 0;
  while (SecondsSince(start) < seconds) {
    const ssize_t n = ::send(fd, zeros.data(), zeros.size(), MSG_NOSIGNAL);
    if (n <= 0) Fail("send");
    bytes += static_cast<double>(n);
  }
  std::printf("%.2f\n", bytes / SecondsSince(start) / 1e9);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  struct rlimit limit;
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const std::string mode = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  if (mode == "serve" && argc == 2) return Serve(/*sends_back=*/true);
  if (mode == "sink" && argc == 2) return Serve(/*sends_back=*/false);
  if (mode == "echo" && argc == 6) {
    return Echo(number(2), number(3), number(4), std::atof(argv[5]));
  }
  if (mode == "idle" && argc == 4) return Idle(number(2), number(3));
  if (mode == "bulk" && argc == 4) return Bulk(number(2), std::atof(argv[3]));
  std::fprintf(stderr, "usage: see the head of relay_load.cc\n");
  return 2;
}
