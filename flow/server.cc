// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/server.h"

#include <chrono>  // NOLINT(build/c++11)
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/escaped.h"
#include "flow/internal/monotonic_deadline.h"
#include "flow/internal/mutex_lock.h"
#include "flow/internal/start_thread.h"
#include "flow/internal/transport_control.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flow/transport.h"

namespace flow {
namespace {

using Clock = std::chrono::steady_clock;
using internal::MonotonicDeadline;
using internal::TransportControl;

// After a shortage, accepting is tried again this much later.
constexpr absl::Duration kShortageWait = absl::Milliseconds(100);

absl::Status Stopped() { return absl::CancelledError("the server stops"); }

std::string NameOf(int64_t number, const Flow& flow, const Listener& listener) {
  const std::string remote = flow.remote_address();
  return internal::Escaped(
      remote.empty() ? absl::StrCat("#", number, " on ", listener.address())
                     : absl::StrCat("#", number, " ", remote));
}

}  // namespace

// The connections, the threads that serve them, and those that accept.
class Server::Core {
 public:
  Core(Server& server, Handler handler, ServerOptions options)
      : server_(server),
        handler_(std::move(handler)),
        options_(std::move(options)) {
    ABSL_CHECK_GE(options_.max_connections, 1);
  }

  ServerReport Run(absl::Span<Listener* const> listeners)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Stop(absl::Time deadline, absl::Status reason) ABSL_LOCKS_EXCLUDED(mu_);
  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_) {
    internal::MutexLock lock(mu_);
    return stopping_;
  }
  int64_t serving() const ABSL_LOCKS_EXCLUDED(mu_) {
    internal::MutexLock lock(mu_);
    return static_cast<int64_t>(connections_.size());
  }

  // --- On the thread of a handler

  absl::Status StartCall(ServerConnection& connection, int max,
                         std::function<void()> call, MonotonicDeadline deadline)
      ABSL_LOCKS_EXCLUDED(mu_);
  void JoinCalls(const ServerConnection& connection) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Connection = std::shared_ptr<ServerConnection>;
  // To serve a connection, or to do one of its calls.
  struct Job {
    ServerConnection* connection = nullptr;
    std::unique_ptr<Flow> flow;
    std::function<void()> call;  // null: to serve
  };
  struct Worker {
    bool HasJobOrEnds() const { return job.has_value() || ends; }

    std::thread thread;
    std::optional<Job> job;
    bool ends = false;
  };

  // --- On a thread that accepts

  void AcceptAll(Listener& listener) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until there may be one more. Returns false if the server stops.
  bool AwaitRoom() ABSL_LOCKS_EXCLUDED(mu_);
  void Admit(std::unique_ptr<Flow> flow, const Listener& listener)
      ABSL_LOCKS_EXCLUDED(mu_);
  // Has `job` done by a thread, also for StartCall(). On failure, `job` is as
  // it was.
  absl::Status Assign(Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Joins the threads that nobody has needed.
  void JoinEnded() ABSL_LOCKS_EXCLUDED(mu_);
  // Ends with `listener`, because of `error` unless that is Ok.
  void Leave(Listener& listener, const absl::Status& error)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Tell(const absl::Status& error) const {
    if (options_.on_error != nullptr) options_.on_error(error);
  }

  // --- On a thread that serves

  void Work(Worker& me) ABSL_LOCKS_EXCLUDED(mu_);
  // Waits for a job. Returns nullopt if this thread is to end.
  std::optional<Job> TakeJob(Worker& me) ABSL_LOCKS_EXCLUDED(mu_);
  void End(const ServerConnection& connection)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  // --- On the thread of Run()

  // Waits until all connections have ended, aborting them at the deadline.
  void AwaitConnections() ABSL_LOCKS_EXCLUDED(mu_);

  void BeginStop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  bool HasRoomOrStops() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return stopping_ ||
           connections_.size() < static_cast<size_t>(options_.max_connections);
  }
  bool IsEmpty() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return connections_.empty();
  }

  Server& server_;
  const Handler handler_;
  const ServerOptions options_;

  mutable absl::Mutex mu_;
  std::vector<Listener*> listeners_ ABSL_GUARDED_BY(mu_);  // not left
  bool has_run_ ABSL_GUARDED_BY(mu_) = false;

  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  MonotonicDeadline deadline_ ABSL_GUARDED_BY(mu_);
  absl::Status reason_ ABSL_GUARDED_BY(mu_) = Stopped();

  int64_t accepted_ ABSL_GUARDED_BY(mu_) = 0;
  // Those that were admitted and have not ended, by number.
  std::map<int64_t, Connection> connections_ ABSL_GUARDED_BY(mu_);
  ServerReport report_ ABSL_GUARDED_BY(mu_);

  std::list<Worker> workers_ ABSL_GUARDED_BY(mu_);
  // Those without a job. The last one gets the next job, so that those end that
  // are not needed.
  std::vector<Worker*> free_ ABSL_GUARDED_BY(mu_);
  std::list<Worker> ended_ ABSL_GUARDED_BY(mu_);  // to be joined
};

ServerReport Server::Core::Run(absl::Span<Listener* const> listeners) {
  ABSL_CHECK(!listeners.empty()) << "a server without a listener";
  {
    internal::MutexLock lock(mu_);
    ABSL_CHECK(!std::exchange(has_run_, true)) << "a server runs once";
    listeners_.assign(listeners.begin(), listeners.end());
    // A Stop() that came before had no listeners to close.
    if (stopping_) BeginStop();
  }
  std::vector<std::thread> accepting;
  for (Listener* listener : listeners.subspan(1)) {
    absl::StatusOr<std::thread> thread =
        internal::StartThread([this, listener] { AcceptAll(*listener); });
    if (thread.ok()) {
      accepting.push_back(*std::move(thread));
    } else {
      Leave(*listener, thread.status());
    }
  }
  AcceptAll(*listeners.front());
  for (std::thread& thread : accepting) thread.join();

  AwaitConnections();
  std::list<Worker> workers;
  {
    internal::MutexLock lock(mu_);
    for (Worker* worker : free_) worker->ends = true;
    workers.swap(workers_);
    workers.splice(workers.end(), ended_);
  }
  for (Worker& worker : workers) worker.thread.join();
  internal::MutexLock lock(mu_);
  return report_;
}

void Server::Core::Stop(absl::Time deadline, absl::Status reason) {
  internal::MutexLock lock(mu_);
  const MonotonicDeadline until(deadline);
  if (!stopping_ || until < deadline_) {
    deadline_ = until;
    reason_ = reason.ok() ? Stopped() : std::move(reason);
  }
  BeginStop();
}

void Server::Core::BeginStop() {
  stopping_ = true;
  for (Listener* listener : listeners_) listener->Close();
  for (const auto& [number, connection] : connections_) {
    if (connection->calls_ > 0) connection->busy_at_stop_ = true;
    connection->control_->Interrupt();
  }
}

// --- Accepting

void Server::Core::AcceptAll(Listener& listener) {
  bool is_short = false;
  absl::Status error;
  while (AwaitRoom()) {
    absl::StatusOr<std::unique_ptr<Flow>> flow = listener.Accept();
    if (flow.ok()) {
      is_short = false;
      Admit(*std::move(flow), listener);
      continue;
    }
    if (IsClosed(flow.status())) break;
    if (!absl::IsResourceExhausted(flow.status())) {
      error = flow.status();
      break;
    }
    if (!std::exchange(is_short, true)) Tell(flow.status());
    internal::MutexLock lock(mu_);
    mu_.AwaitWithTimeout(absl::Condition(&stopping_), kShortageWait);
  }
  Leave(listener, error);
}

bool Server::Core::AwaitRoom() {
  internal::MutexLock lock(mu_);
  mu_.Await(absl::Condition(this, &Core::HasRoomOrStops));
  return !stopping_;
}

void Server::Core::JoinEnded() {
  std::list<Worker> ended;
  {
    internal::MutexLock lock(mu_);
    ended.swap(ended_);
  }
  // Without the lock, as what a handler has left for the end of its thread may
  // ask the server.
  for (Worker& worker : ended) worker.thread.join();
}

void Server::Core::Admit(std::unique_ptr<Flow> flow, const Listener& listener) {
  JoinEnded();
  auto control = std::make_shared<TransportControl>();
  Connection connection;
  Job job;
  job.flow =
      DecorateFlow(std::move(flow), [&](std::unique_ptr<Transport> transport) {
        return internal::Control(std::move(transport), control);
      });
  absl::Status why;
  {
    internal::MutexLock lock(mu_);
    // Another listener may have taken the room meanwhile.
    mu_.Await(absl::Condition(this, &Core::HasRoomOrStops));
    const int64_t number = ++accepted_;
    connection.reset(new ServerConnection(server_, number,
                                          NameOf(number, *job.flow, listener),
                                          std::move(control)));
    job.connection = connection.get();
    why = stopping_ ? reason_ : Assign(job);
    if (why.ok()) {
      connections_.emplace(number, std::move(connection));
      return;
    }
    if (stopping_) connection->control_->Interrupt();
    ++report_.refused;
  }
  if (options_.refuse != nullptr) {
    options_.refuse(std::move(job.flow), *connection, why);
  } else {
    job.flow->Abort(why);
  }
}

absl::Status Server::Core::Assign(Job& job) {
  Worker* worker = nullptr;
  if (free_.empty()) {
    worker = &workers_.emplace_back();
    // It needs the lock to begin.
    absl::StatusOr<std::thread> thread =
        internal::StartThread([this, worker] { Work(*worker); });
    if (!thread.ok()) {
      workers_.pop_back();
      return thread.status();
    }
    worker->thread = *std::move(thread);
  } else {
    worker = free_.back();
    free_.pop_back();
  }
  worker->job = std::move(job);
  return absl::OkStatus();
}

void Server::Core::Leave(Listener& listener, const absl::Status& error) {
  listener.Close();
  if (!error.ok()) Tell(error);
  internal::MutexLock lock(mu_);
  report_.status.Update(error);
  listeners_.erase(absl::c_find(listeners_, &listener));
  if (listeners_.empty()) BeginStop();
}

// --- Serving

void Server::Core::Work(Worker& me) {
  while (std::optional<Job> job = TakeJob(me)) {
    const bool is_call = job->call != nullptr;
    if (is_call) {
      std::exchange(job->call, nullptr)();
    } else {
      handler_(std::move(job->flow), *job->connection);
    }
    internal::MutexLock lock(mu_);
    if (is_call) {
      job->connection->last_call_ = Clock::now();
      --job->connection->calls_;
    } else {
      End(*job->connection);
    }
    free_.push_back(&me);
  }
}

std::optional<Server::Core::Job> Server::Core::TakeJob(Worker& me) {
  internal::MutexLock lock(mu_);
  if (!mu_.AwaitWithTimeout(absl::Condition(&me, &Worker::HasJobOrEnds),
                            options_.keep_threads)) {
    free_.erase(absl::c_find(free_, &me));
    const auto is_me = [&me](const Worker& worker) { return &worker == &me; };
    ended_.splice(ended_.end(), workers_, absl::c_find_if(workers_, is_me));
    return std::nullopt;
  }
  return std::exchange(me.job, std::nullopt);
}

void Server::Core::End(const ServerConnection& connection) {
  ++(!stopping_                   ? report_.ended_before
     : connection.control_->cut() ? report_.aborted
     : connection.stopped_idle_   ? report_.idle
                                  : report_.in_time);
  connections_.erase(connection.number());
}

absl::Status Server::Core::StartCall(ServerConnection& connection, int max,
                                     std::function<void()> call,
                                     MonotonicDeadline deadline) {
  JoinEnded();
  Job job;
  job.connection = &connection;
  job.call = std::move(call);
  internal::MutexLock lock(mu_);
  const auto has_room = [&] { return connection.calls_ < max; };
  if (!internal::AwaitUntil(mu_, absl::Condition(&has_room), deadline)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(connection.name(),
                     ": as many calls as may be are under way (", max, ")"));
  }
  absl::Status status = Assign(job);
  if (status.ok()) ++connection.calls_;
  return status;
}

void Server::Core::JoinCalls(const ServerConnection& connection) {
  internal::MutexLock lock(mu_);
  const auto is_over = [&] { return connection.calls_ == 0; };
  mu_.Await(absl::Condition(&is_over));
}

void Server::Core::AwaitConnections() {
  std::vector<Connection> late;
  absl::Status reason;
  {
    internal::MutexLock lock(mu_);
    // Another Stop() may move the deadline.
    while (!IsEmpty()) {
      const MonotonicDeadline until = deadline_;
      const auto goes_on = [this, &until] {
        mu_.AssertReaderHeld();
        return IsEmpty() || !(deadline_ == until);
      };
      if (!internal::AwaitUntil(mu_, absl::Condition(&goes_on), until)) break;
    }
    for (const auto& [number, connection] : connections_) {
      late.push_back(connection);
    }
    reason = reason_;
  }
  // Without the lock, as the handlers' functions run here.
  for (const Connection& connection : late) connection->Abort(reason);
  internal::MutexLock lock(mu_);
  mu_.Await(absl::Condition(this, &Core::IsEmpty));
}

Server::Server(Handler handler, ServerOptions options)
    : core_(std::make_unique<Core>(*this, std::move(handler),
                                   std::move(options))) {}

Server::~Server() = default;

ServerReport Server::Run(Listener& listener) {
  Listener* const one = &listener;
  return core_->Run(absl::MakeConstSpan(&one, 1));
}

ServerReport Server::Run(absl::Span<Listener* const> listeners) {
  return core_->Run(listeners);
}

void Server::Stop(absl::Time deadline, absl::Status reason) {
  core_->Stop(deadline, std::move(reason));
}

bool Server::stopping() const { return core_->stopping(); }

int64_t Server::serving() const { return core_->serving(); }

// --- ServerCalls

ServerCalls::ServerCalls(ServerConnection& connection, int max)
    : connection_(connection), max_(max) {
  ABSL_CHECK_GE(max_, 1);
}

ServerCalls::~ServerCalls() { Join(); }

absl::Status ServerCalls::Start(std::function<void()> call,
                                absl::Time deadline) {
  ABSL_CHECK(call != nullptr);
  return connection_.server_.core_->StartCall(
      connection_, max_, std::move(call), MonotonicDeadline(deadline));
}

void ServerCalls::Join() { connection_.server_.core_->JoinCalls(connection_); }

}  // namespace flow
