// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow_asio/asio_engine.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>  // NOLINT(build/c++11): for Asio
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>  // NOLINT(build/c++11)
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/log/absl_check.h"
#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/error_code.hpp"
#include "asio/io_context.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "flow/engine.h"

namespace flow {
namespace {

// Both families of constants have the same values on Linux.
static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
              POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP);

// Events that have no edge: they stay. (An error is gone once it was told.)
constexpr short kLasting = POLLHUP | POLLRDHUP;

// What poll(2) reports even if nobody asks.
constexpr short kAlways = POLLERR | POLLHUP;

// How often a descriptor is looked at that the kernel has no memory to watch.
constexpr absl::Duration kBlindWait = absl::Milliseconds(10);

// How many events one system call takes.
constexpr int kEventsAtOnce = 64;

// Clocks of 64 bits cannot tell what is much later.
constexpr absl::Duration kNever = absl::Hours(24 * 365 * 100);

std::chrono::nanoseconds ToAsio(absl::Duration left) {
  return absl::ToChronoNanoseconds(absl::Ceil(
      std::clamp(left, absl::ZeroDuration(), kNever), absl::Nanoseconds(1)));
}

}  // namespace

// A std::mutex, as Abseil's has other functions in each of the releases that we
// support. It is held while Asio is called, which calls nobody back meanwhile.
class AsioEngine::State final : public std::enable_shared_from_this<State> {
 public:
  State(asio::io_context& context, int epoll_fd)
      : context_(context), epoll_fd_(epoll_fd) {}

  // Lets Asio watch `epoll_fd_`.
  absl::Status Begin() {
    asio::error_code error;
    std::lock_guard<std::mutex> lock(mu_);
    all_.emplace(context_);
    all_->assign(epoll_fd_, error);
    if (!error) all_->native_non_blocking(true, error);
    if (!error) return absl::OkStatus();
    all_->release();
    all_.reset();
    return absl::UnavailableError(
        absl::StrCat("Asio cannot watch epoll(7): ", error.message()));
  }

  // Begin() has succeeded.
  void End() {
    DropTimers();
    std::lock_guard<std::mutex> lock(mu_);
    ABSL_CHECK(watching_ == 0)
        << "an AsioEngine is destroyed while a flow waits for it";
    all_->release();
    all_.reset();
    look_again_.reset();
  }

  int epoll_fd() const { return epoll_fd_; }
  pid_t pid() const { return pid_; }

  // --- Timers

  Timer RunAt(absl::Duration left, absl::AnyInvocable<void()> function) {
    auto entry = std::make_unique<TimerEntry>(context_, std::move(function));
    asio::steady_timer& timer = entry->timer;
    timer.expires_after(ToAsio(left));
    std::lock_guard<std::mutex> lock(mu_);
    const uint64_t number = ++last_timer_;
    timers_.emplace(number, std::move(entry));
    timer.async_wait([self = shared_from_this(), number](asio::error_code) {
      self->RunTimer(number);
    });
    return Timer{number};
  }

  bool Cancel(Timer timer) {
    // Destroyed here. Asio then calls the handler, which finds nothing.
    return TakeTimer(static_cast<uint64_t>(timer)) != nullptr;
  }

  // --- Descriptors

  void Watch(int fd, short events, Watcher* watcher) {
    std::lock_guard<std::mutex> lock(mu_);
    const size_t number = static_cast<size_t>(fd);
    if (number >= descriptors_.size()) descriptors_.resize(number + 1);
    Descriptor& descriptor = descriptors_[number];
    const short seen = static_cast<short>(descriptor.seen & (events | kAlways));
    if (seen != 0 || descriptor.is_always_ready) {
      descriptor.seen =
          static_cast<short>(descriptor.seen & ~(seen & ~kLasting));
      return Report(watcher);
    }
    watcher->events = events;
    watcher->next = descriptor.first;
    descriptor.first = watcher;
    ++watching_;
    if (!descriptor.is_registered && !Register(fd, descriptor)) {
      if (errno == EPERM) {
        descriptor.is_always_ready = true;
        Tell(descriptor, POLLIN | POLLOUT | POLLERR);  // whatever it waits for
        return;
      }
      // Out of memory, or of what the user may watch.
      blind_ = true;
    }
    Arm();
  }

  void CancelWatch(int fd, Watcher* watcher) {
    std::lock_guard<std::mutex> lock(mu_);
    const size_t number = static_cast<size_t>(fd);
    if (number >= descriptors_.size()) return;
    Watcher** link = &descriptors_[number].first;
    while (*link != nullptr && *link != watcher) link = &(*link)->next;
    if (*link == nullptr) return;  // Ready() is on its way
    *link = watcher->next;
    --watching_;
    Report(watcher);
    Disarm();
  }

  void Forget(int fd) {
    std::lock_guard<std::mutex> lock(mu_);
    const size_t number = static_cast<size_t>(fd);
    if (number >= descriptors_.size()) return;
    Descriptor& descriptor = descriptors_[number];
    ABSL_CHECK(descriptor.first == nullptr)
        << "descriptor " << fd << " is closed while somebody watches it";
    if (descriptor.is_registered) {
      ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
    }
    const uint32_t generation = descriptor.generation + 1;
    descriptor = Descriptor();
    descriptor.generation = generation;
  }

 private:
  struct TimerEntry {
    TimerEntry(asio::io_context& context, absl::AnyInvocable<void()> function)
        : timer(context), function(std::move(function)) {}
    asio::steady_timer timer;
    absl::AnyInvocable<void()> function;
  };

  // What is known of one descriptor. It is known to epoll(7) from the first
  // Watch() to Forget().
  struct Descriptor {
    Watcher* first = nullptr;  // of those that watch
    uint32_t generation = 0;   // of the number, so that late events miss
    short seen = 0;            // events that nobody has been told of
    bool is_registered = false;
    bool is_always_ready = false;  // epoll(7) refuses it, as a file
  };

  // Returns null if the timer has run, or was cancelled.
  std::unique_ptr<TimerEntry> TakeTimer(uint64_t number) {
    std::lock_guard<std::mutex> lock(mu_);
    const auto found = timers_.find(number);
    if (found == timers_.end()) return nullptr;
    std::unique_ptr<TimerEntry> entry = std::move(found->second);
    timers_.erase(found);
    return entry;
  }

  void RunTimer(uint64_t number) {
    const std::unique_ptr<TimerEntry> entry = TakeTimer(number);
    if (entry != nullptr) entry->function();
  }

  // A function may own a flow that is then destroyed, and needs the engine.
  void DropTimers() {
    while (true) {
      std::unique_ptr<TimerEntry> dropped;  // without the lock
      std::lock_guard<std::mutex> lock(mu_);
      if (timers_.empty()) return;
      dropped = std::move(timers_.begin()->second);
      timers_.erase(timers_.begin());
    }
  }

  // --- Those below are called with the lock.

  void Report(Watcher* watcher) {
    asio::post(context_, [watcher] { watcher->Ready(/*seen=*/0); });
  }

  // Returns false and sets errno if epoll(7) refuses `fd`.
  bool Register(int fd, Descriptor& descriptor) {
    struct epoll_event event = {};
    // Once for all watchers, so that a wait costs no system call of its own.
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 =
        uint64_t{descriptor.generation} << 32 | static_cast<uint32_t>(fd);
    descriptor.is_registered =
        ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
    return descriptor.is_registered;
  }

  // Tells those of its watchers who wait for one of `events`.
  void Tell(Descriptor& descriptor, short events) {
    short told = 0;
    for (Watcher** link = &descriptor.first; *link != nullptr;) {
      Watcher* const watcher = *link;
      const short mine = static_cast<short>(watcher->events | kAlways) & events;
      if (mine == 0) {
        link = &watcher->next;
        continue;
      }
      told = static_cast<short>(told | mine);
      *link = watcher->next;
      --watching_;
      Report(watcher);
    }
    descriptor.seen = static_cast<short>(descriptor.seen | (events & kLasting) |
                                         (events & ~told));
  }

  // Makes Asio wait, if somebody watches and it does not wait yet. It begins by
  // looking at what is there: nothing is missed in between.
  void Arm() {
    if (watching_ > 0 && !is_armed_) {
      is_armed_ = true;
      all_->async_wait(
          asio::posix::stream_descriptor::wait_read,
          [self = shared_from_this()](asio::error_code) { self->Poll(); });
    }
    if (blind_ && !looks_again_) {
      looks_again_ = true;
      look_again_.emplace(context_);
      look_again_->expires_after(ToAsio(kBlindWait));
      look_again_->async_wait([self = shared_from_this()](asio::error_code) {
        self->LookBlindly();
      });
    }
  }

  // Ends Asio's wait if nobody watches, as it keeps run() from returning.
  void Disarm() {
    if (watching_ > 0 || !is_armed_) return;
    asio::error_code ignored;
    all_->cancel(ignored);
  }

  // --- Handlers of Asio

  void Poll() {
    std::lock_guard<std::mutex> lock(mu_);
    is_armed_ = false;
    if (!all_.has_value()) return;  // the engine is gone
    struct epoll_event events[kEventsAtOnce];
    const int count =
        ::epoll_wait(epoll_fd_, events, kEventsAtOnce, /*timeout=*/0);
    for (int i = 0; i < count; ++i) {
      Descriptor& descriptor =
          descriptors_[static_cast<uint32_t>(events[i].data.u64)];
      // Otherwise it was closed meanwhile.
      if (descriptor.generation == events[i].data.u64 >> 32) {
        Tell(descriptor, static_cast<short>(events[i].events));
      }
    }
    Arm();
  }

  // Reports to those whose descriptors the kernel could not watch.
  void LookBlindly() {
    std::lock_guard<std::mutex> lock(mu_);
    looks_again_ = false;
    if (!all_.has_value()) return;
    blind_ = false;
    for (Descriptor& descriptor : descriptors_) {
      if (descriptor.is_registered) continue;
      while (descriptor.first != nullptr) {
        Watcher* const watcher = descriptor.first;
        descriptor.first = watcher->next;
        --watching_;
        Report(watcher);
      }
    }
    Disarm();
  }

  asio::io_context& context_;
  const int epoll_fd_;
  const pid_t pid_ = ::getpid();

  std::mutex mu_;  // guards all that follow
  uint64_t last_timer_ = 0;
  absl::flat_hash_map<uint64_t, std::unique_ptr<TimerEntry>> timers_;
  std::optional<asio::posix::stream_descriptor> all_;  // is epoll_fd_
  std::deque<Descriptor> descriptors_;                 // by number
  size_t watching_ = 0;                                // watchers in them
  bool is_armed_ = false;                              // Asio waits for all_
  bool blind_ = false;        // some are not registered, and are watched
  bool looks_again_ = false;  // look_again_ waits
  std::optional<asio::steady_timer> look_again_;
};

absl::StatusOr<std::unique_ptr<AsioEngine>> AsioEngine::Make(
    asio::io_context& context) {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  auto state = std::make_shared<State>(context, epoll_fd);
  if (absl::Status status = state->Begin(); !status.ok()) {
    ::close(epoll_fd);
    return status;
  }
  return absl::WrapUnique(new AsioEngine(context, std::move(state)));
}

AsioEngine::AsioEngine(asio::io_context& context, std::shared_ptr<State> state)
    : context_(context), state_(std::move(state)) {}

AsioEngine::~AsioEngine() {
  const int epoll_fd = state_->epoll_fd();
  if (::getpid() == state_->pid()) {
    state_->End();
  } else {
    // In a child of fork(2) no lock is to be trusted, and to let go of anything
    // would take it from the parent, who shares it. So this stays.
    new std::shared_ptr<State>(std::move(state_));
  }
  ::close(epoll_fd);
}

void AsioEngine::Post(absl::AnyInvocable<void()> function) {
  asio::post(context_,
             [function = std::move(function)]() mutable { function(); });
}

Engine::Timer AsioEngine::RunAt(absl::Time time,
                                absl::AnyInvocable<void()> function) {
  return state_->RunAt(time - absl::Now(), std::move(function));
}

bool AsioEngine::Cancel(Timer timer) { return state_->Cancel(timer); }

void AsioEngine::Watch(int fd, short events, Watcher* watcher) {
  state_->Watch(fd, events, watcher);
}

void AsioEngine::CancelWatch(int fd, Watcher* watcher) {
  state_->CancelWatch(fd, watcher);
}

void AsioEngine::Forget(int fd) { state_->Forget(fd); }

}  // namespace flow
