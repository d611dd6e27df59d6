// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/network_jobs.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/log/absl_check.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "benchmark/benchmark.h"

namespace flow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMessage = 64;

// Each connection has one here, and some more in the server.
void AllowManyDescriptors() {
  struct rlimit limit;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  ABSL_PCHECK(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// Returns the number behind `key`, such as `VmPTE:`, in a file of /proc.
double NumberIn(const std::string& file, absl::string_view key) {
  std::ifstream stream(file);
  for (std::string word; stream >> word;) {
    double number;
    if (word == key && stream >> number) return number;
  }
  ABSL_CHECK(false) << "no " << key << " in " << file;
  return 0;
}

int Connect(const std::string& port) {
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(port)));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ABSL_PCHECK(::connect(fd, reinterpret_cast<struct sockaddr*>(&address),
                        sizeof(address)) == 0);
  const int on = 1;
  ABSL_PCHECK(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  return fd;
}

}  // namespace

size_t MaxDescriptors() {
  struct rlimit limit;
  ABSL_PCHECK(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  return limit.rlim_cur;
}

int RunNetworkBenchmarks(int argc, char** argv,
                         absl::FunctionRef<void(const Servers&)> register_all) {
  benchmark::Initialize(&argc, argv);
  AllowManyDescriptors();
  Servers servers;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    ABSL_CHECK_NE(equals, std::string::npos)
        << "not NAME=PROGRAM: " << argument;
    servers[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
  register_all(servers);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

ServerProcess::ServerProcess(std::vector<std::string> command) {
  int output[2];
  ABSL_PCHECK(::pipe2(output, O_CLOEXEC) == 0);
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  pid_ = ::fork();
  ABSL_PCHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(output[1], STDOUT_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  ::close(output[1]);
  char byte;
  while (::read(output[0], &byte, 1) == 1 && byte != '\n') port_ += byte;
  ::close(output[0]);
  ABSL_CHECK(!port_.empty()) << "could not run " << command[0];
}

ServerProcess::~ServerProcess() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

ServerProcess::Usage ServerProcess::GetUsage() const {
  const std::string process = absl::StrCat("/proc/", pid_);
  Usage usage = {NumberIn(process + "/smaps_rollup", "Anonymous:") +
                     NumberIn(process + "/status", "VmPTE:"),
                 0};
  DIR* const folder = ::opendir((process + "/fd").c_str());
  ABSL_PCHECK(folder != nullptr);
  while (::readdir(folder) != nullptr) ++usage.descriptors;
  ::closedir(folder);
  return usage;
}

double ServerProcess::CpuNanoseconds() const {
  clockid_t clock;
  ABSL_CHECK_EQ(::clock_getcpuclockid(pid_, &clock), 0);
  struct timespec time;
  ABSL_PCHECK(::clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) * 1e9 +
         static_cast<double>(time.tv_nsec);
}

Clients::Clients(const std::string& port, size_t count)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), sent_(count) {
  ABSL_PCHECK(epoll_ >= 0);
  for (size_t i = 0; i < count; ++i) {
    fds_.push_back(Connect(port));
    Send(i);
    char buffer[kMessage];
    ABSL_PCHECK(::recv(fds_[i], buffer, kMessage, MSG_WAITALL) == kMessage);
    struct epoll_event event = {};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ABSL_PCHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fds_[i], &event) == 0);
  }
}

Clients::~Clients() {
  for (const int fd : fds_) ::close(fd);
  ::close(epoll_);
}

void Clients::Send(size_t client) {
  static constexpr char kBytes[kMessage] = {};
  sent_[client] = Clock::now();
  ABSL_PCHECK(::send(fds_[client], kBytes, kMessage, MSG_NOSIGNAL) == kMessage);
}

size_t Clients::ReceiveSome(bool again) {
  struct epoll_event events[256];
  const int count = ::epoll_wait(epoll_, events, 256, -1);
  ABSL_PCHECK(count > 0);
  for (int i = 0; i < count; ++i) {
    const size_t client = events[i].data.u64;
    char buffer[kMessage];
    // A part that comes alone is rare, and soon followed by the rest.
    ABSL_PCHECK(::recv(fds_[client], buffer, kMessage, MSG_WAITALL) ==
                kMessage);
    const std::chrono::duration<double, std::micro> took =
        Clock::now() - sent_[client];
    microseconds_.push_back(took.count());
    if (again) Send(client);
  }
  return static_cast<size_t>(count);
}

size_t Clients::MeasureEchoes(benchmark::State& state, size_t active) {
  constexpr size_t kBatch = 1000;
  microseconds_.clear();
  for (size_t i = 0; i < active; ++i) Send(i);
  size_t come = 0;
  for (size_t wanted = kBatch; state.KeepRunningBatch(kBatch);
       wanted += kBatch) {
    while (come < wanted) come += ReceiveSome(/*again=*/true);
  }
  for (size_t left = active; left > 0;) left -= ReceiveSome(/*again=*/false);
  const auto p99 = microseconds_.begin() +
                   static_cast<std::ptrdiff_t>(microseconds_.size() * 99 / 100);
  std::nth_element(microseconds_.begin(), p99, microseconds_.end());
  state.counters["p99_us"] = *p99;
  return microseconds_.size();
}

Scene& SceneOf(const std::string& name, absl::FunctionRef<Scene()> make) {
  static auto& last = *new std::pair<std::string, Scene>;
  if (last.first != name) {
    last.second = {};
    last = {name, make()};
  }
  return last.second;
}

}  // namespace flow
