// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/engine_relay.h"

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/proxy.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flowcat/endpoint.h"
#include "flowcat/engine_threads.h"
#include "flowcat/explained_flow.h"
#include "flowcat/mutex_lock.h"
#include "flowcat/relay.h"
#include "flowcat/relay_words.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

// So many are accepted before it is the turn of others.
constexpr int kAcceptedAtOnce = 16;

class RelayServer;

// One connection and its B. All of it happens on the thread of its engine, one
// call after the other. The last one destroys it.
class EngineRelay {
 public:
  // Where it is, and so that it can be aborted from outside.
  struct Shard {
    Shard(RelayServer& server, flow::Engine& engine)
        : server(server), engine(engine) {}

    void Begin(int64_t number, std::unique_ptr<flow::Flow> a);
    void Stop(const absl::Status& reason);

    RelayServer& server;
    flow::Engine& engine;

    // --- On the thread of the engine

    std::list<EngineRelay> relays;
    absl::Status stopped;  // the reason of Stop()

    int open = 0;  // guarded by the lock of the server
  };

  EngineRelay(Shard& shard, int64_t number, std::unique_ptr<flow::Flow> a);

  void Start();

 private:
  // Each calls a function of the relay when it is over.
  template <typename Operation, void (EngineRelay::*kNext)()>
  struct Step final : Operation {
    explicit Step(EngineRelay* relay) : relay(relay) {}
    void Done() override { (relay->*kNext)(); }
    EngineRelay* const relay;
  };

  const EngineRelayOptions& options() const;

  void OnDialed();
  void OnRelayed();
  void Close(flow::Flow& flow);
  void OnClosed();
  void Abort(const absl::Status& reason);
  void Fail(const absl::Status& status);
  void End(std::string error);

  Shard& shard_;
  std::list<EngineRelay>::iterator self_;
  const int64_t number_;
  const std::string name_;
  const std::unique_ptr<flow::Flow> a_;
  std::unique_ptr<flow::Flow> b_;
  Step<flow::DialOperation, &EngineRelay::OnDialed> dial_{this};
  Step<flow::ProxyOperation, &EngineRelay::OnRelayed> proxy_{this};

  // --- Of the close of `closing_`

  Step<flow::CloseOperation, &EngineRelay::OnClosed> close_{this};
  flow::Flow* closing_ = nullptr;
  absl::Status closed_;  // of both, the first error
};

// Accepts, and knows how many connections there are.
class RelayServer {
 public:
  using Shard = EngineRelay::Shard;

  RelayServer(flow::Listener& listener, std::unique_ptr<EngineThreads> engines,
              const EngineRelayOptions& options)
      : options_(options),
        proxy_options_(MakeProxyOptions(options)),
        listener_(listener),
        engines_(std::move(engines)) {
    for (const auto& engine : engines_->engines()) {
      shards_.push_back(std::make_unique<Shard>(*this, *engine));
    }
  }

  absl::Status Run(flowcat::Stop& stop) {
    flow::AtCancel at_stop(
        stop.canceller(),
        [this](const absl::Status& reason) { StopAll(reason); });
    AcceptSoon(*shards_.front());
    while (true) {
      std::vector<Report> reports;
      {
        MutexLock lock(mu_);
        mu_.Await(absl::Condition(this, &RelayServer::HasReportOrIsOver));
        if (reports_.empty()) return error_;
        reports.swap(reports_);
      }
      for (Report& report : reports) report();
    }
  }

  const EngineRelayOptions& options() const { return options_; }
  const flow::ProxyOptions& proxy_options() const { return proxy_options_; }

  // A connection of `shard` has ended, and is gone.
  void End(Shard& shard, int64_t number, std::string name, RelayResult result) {
    if (result.error.empty()) {
      options_.on_end(number, name, result);
      return Leave(shard);
    }
    Tell([this, &shard, number, name = std::move(name),
          result = std::move(result)] {
      options_.on_end(number, name, result);
      Leave(shard);
    });
  }

 private:
  // Something to do on the thread of Run(), where it may block.
  using Report = absl::AnyInvocable<void()>;

  struct Accepting final : flow::AcceptOperation {
    explicit Accepting(RelayServer* server) : server(server) {}
    void Done() override {
      Shard& here = *server->next_;
      if (server->OnAccepted(here)) server->Accept(here);
    }
    RelayServer* const server;
  };

  static flow::ProxyOptions MakeProxyOptions(
      const EngineRelayOptions& options) {
    flow::ProxyOptions proxy;
    proxy.idle_timeout = options.idle_timeout;
    if (Traffic* const traffic = options.traffic; traffic != nullptr) {
      proxy.on_write = [traffic](flow::ProxyDirection direction,
                                 int64_t bytes) {
        (direction == flow::ProxyDirection::kAToB ? traffic->a_to_b
                                                  : traffic->b_to_a) += bytes;
      };
    }
    return proxy;
  }

  // --- Accepting: one accept at a time, on whatever thread it is over

  void AcceptSoon(Shard& shard) {
    shard.engine.Post([this, &shard] { Accept(shard); });
  }

  // Accepts as many as there are. Runs on the thread of `here`.
  void Accept(Shard& here) {
    for (int i = 0; i < kAcceptedAtOnce; ++i) {
      // Once there is no room, another thread may be accepting already.
      Shard* const next = NextShard(here);
      if (next == nullptr) return;
      next_ = next;
      if (!listener_.StartAccept(&accept_, next->engine)) return;
      if (!OnAccepted(here)) return;
    }
    AcceptSoon(here);
  }

  // Returns the engine that has the fewest connections, rather `here` than
  // another one; null if there is no room for any more.
  Shard* NextShard(Shard& here) {
    MutexLock lock(mu_);
    if (open_ >= options_.max_connections) {
      is_accepting_ = false;
      return nullptr;
    }
    Shard* next = &here;
    for (const auto& shard : shards_) {
      if (shard->open < next->open) next = shard.get();
    }
    return next;
  }

  // Returns whether to accept further ones.
  bool OnAccepted(const Shard& here) {
    absl::StatusOr<std::unique_ptr<flow::Flow>> flow = std::move(accept_.flow);
    if (flow.ok()) {
      is_short_ = false;
      Admit(*std::move(flow), here);
      return true;
    }
    if (absl::IsResourceExhausted(flow.status())) {
      // It has waited a while, and says so.
      if (!std::exchange(is_short_, true)) {
        Tell([this, error = flow.status()] { options_.on_shortage(error); });
      }
      return true;
    }
    listener_.Close();
    MutexLock lock(mu_);
    if (!flow::IsClosed(flow.status())) error_ = flow.status();
    is_listening_ = false;
    is_accepting_ = false;
    return false;
  }

  void Admit(std::unique_ptr<flow::Flow> flow, const Shard& here) {
    Shard& shard = *next_;
    int64_t number = 0;
    {
      MutexLock lock(mu_);
      number = ++accepted_;
      ++open_;
      ++shard.open;
    }
    if (&shard == &here) return shard.Begin(number, std::move(flow));
    shard.engine.Post([&shard, number, flow = std::move(flow)]() mutable {
      shard.Begin(number, std::move(flow));
    });
  }

  // Makes room for another connection.
  void Leave(Shard& shard) {
    MutexLock lock(mu_);
    --shard.open;
    --open_;
    if (is_listening_ && !std::exchange(is_accepting_, true)) {
      AcceptSoon(shard);
    }
  }

  // --- The end

  void StopAll(const absl::Status& reason) {
    {
      MutexLock lock(mu_);
      is_listening_ = false;
    }
    listener_.Close();
    for (const auto& shard : shards_) {
      shard->engine.Post([&shard = *shard, reason] { shard.Stop(reason); });
    }
  }

  void Tell(Report report) {
    MutexLock lock(mu_);
    reports_.push_back(std::move(report));
  }

  bool HasReportOrIsOver() const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return !reports_.empty() ||
           (!is_listening_ && !is_accepting_ && open_ == 0);
  }

  const EngineRelayOptions& options_;
  const flow::ProxyOptions proxy_options_;
  flow::Listener& listener_;
  std::vector<std::unique_ptr<Shard>> shards_;

  // --- For whoever accepts

  Accepting accept_{this};
  Shard* next_ = nullptr;  // whose the next connection is
  bool is_short_ = false;

  absl::Mutex mu_;
  bool is_listening_ ABSL_GUARDED_BY(mu_) = true;
  bool is_accepting_ ABSL_GUARDED_BY(mu_) = true;  // or is about to
  int64_t accepted_ ABSL_GUARDED_BY(mu_) = 0;
  int open_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status error_ ABSL_GUARDED_BY(mu_);
  std::vector<Report> reports_ ABSL_GUARDED_BY(mu_);

  // The last one, so that no thread runs when the rest is destroyed.
  const std::unique_ptr<EngineThreads> engines_;
};

// --- EngineRelay

void EngineRelay::Shard::Begin(int64_t number, std::unique_ptr<flow::Flow> a) {
  relays.emplace_front(*this, number, std::move(a));
  relays.front().self_ = relays.begin();
  relays.front().Start();
}

void EngineRelay::Shard::Stop(const absl::Status& reason) {
  stopped = reason;
  for (EngineRelay& relay : relays) relay.Abort(reason);
}

EngineRelay::EngineRelay(Shard& shard, int64_t number,
                         std::unique_ptr<flow::Flow> a)
    : shard_(shard),
      number_(number),
      name_(NameOfAccepted(*a)),
      a_(MakeExplainedFlow(std::move(a), &name_)) {}

const EngineRelayOptions& EngineRelay::options() const {
  return shard_.server.options();
}

void EngineRelay::Start() {
  options().on_begin();
  const OpenOptions& open = options().open;
  if (flow::StartDial(&dial_, shard_.engine, options().b,
                      absl::Now() + open.connect_timeout, {},
                      &open.stop->canceller())) {
    OnDialed();
  }
}

void EngineRelay::OnDialed() {
  if (!dial_.flow.ok()) {
    const absl::Status why =
        ErrorOfDial(dial_.flow.status(), options().b, options().open);
    // Not an end in good order, which would look like an empty answer.
    a_->Abort(why);
    return End(CauseOf(why));
  }
  b_ = MakeExplainedFlow(*std::move(dial_.flow), &options().b);
  // Otherwise the stop finds both.
  if (!shard_.stopped.ok()) Abort(shard_.stopped);
  if (flow::StartProxy(&proxy_, *a_, *b_, shard_.server.proxy_options())) {
    OnRelayed();
  }
}

void EngineRelay::OnRelayed() {
  const absl::Status status =
      ErrorOfProxy(proxy_.result, options().idle_timeout);
  if (!status.ok()) return Fail(status);
  Close(*b_);
}

// Closes an end to which all was carried over, and waits as long as that still
// arrives there.
void EngineRelay::Close(flow::Flow& flow) {
  closing_ = &flow;
  if (flow.StartPatientClose(&close_, options().idle_timeout)) OnClosed();
}

void EngineRelay::OnClosed() {
  const bool is_b = closing_ == b_.get();
  closed_.Update(ErrorOfClose(close_.status, is_b ? options().b : name_,
                              options().idle_timeout,
                              /*free_to_refuse=*/true));
  if (is_b) return Close(*a_);
  if (!closed_.ok()) return Fail(closed_);
  End("");
}

void EngineRelay::Abort(const absl::Status& reason) {
  a_->Abort(reason);
  if (b_ != nullptr) b_->Abort(reason);
}

void EngineRelay::Fail(const absl::Status& status) {
  Abort(status);
  // What a signal did is not the fault of the end that noticed it.
  const absl::Status stopped = options().open.stop->reason();
  End(absl::StrCat(CauseOf(stopped.ok() ? status : stopped), "; ",
                   ExtentBothWays(proxy_.result)));
}

void EngineRelay::End(std::string error) {
  RelayResult result;
  result.error = std::move(error);
  result.a_to_b = proxy_.result.a_to_b.statistics;
  result.b_to_a = proxy_.result.b_to_a.statistics;
  Shard& shard = shard_;
  const int64_t number = number_;
  std::string name = name_;
  shard.relays.erase(self_);  // this
  shard.server.End(shard, number, std::move(name), std::move(result));
}

}  // namespace

absl::Status ServeOnEngines(flow::Listener& listener,
                            std::unique_ptr<EngineThreads> engines,
                            const EngineRelayOptions& options, Stop& stop) {
  return RelayServer(listener, std::move(engines), options).Run(stop);
}

}  // namespace flowcat
