// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/run.h"

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/canceller.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/socket.h"
#include "flowcat/console.h"
#include "flowcat/endpoint.h"
#include "flowcat/endpoint_spec.h"
#include "flowcat/engine_relay.h"
#include "flowcat/engine_threads.h"
#include "flowcat/explained_flow.h"
#include "flowcat/options.h"
#include "flowcat/progress.h"
#include "flowcat/relay.h"
#include "flowcat/statistics.h"
#include "flowcat/stop.h"

namespace flowcat {
namespace {

// Not the wall clock, which can be set meanwhile.
using Clock = std::chrono::steady_clock;

constexpr int kFailure = 1;
constexpr int kSignaled = 128;  // and the number of the signal

// Allows this process as many descriptors as it may have. Returns the limit
// from before, if it was lower.
std::optional<int64_t> RaiseDescriptorLimit() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  if (before == limit.rlim_cur || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return std::nullopt;
  }
  return static_cast<int64_t>(before);
}

// One run of the program.
class Run {
 public:
  Run(CommandLine command_line, Stop& stop)
      : command_line_(std::move(command_line)), stop_(stop) {
    open_options_.connect_timeout = command_line_.connect_timeout;
    open_options_.stop = &stop;
  }

  // Returns the exit code.
  int operator()() {
    absl::Status status =
        command_line_.keep_listening ? KeepListening() : RelayOne();
    int exit_code = status.ok() ? EXIT_SUCCESS : kFailure;
    if (const int signal = stop_.signal(); signal != 0) {
      exit_code = kSignaled + signal;
    }
    if (!status.ok() && !(command_line_.quiet && stop_.signal() != 0)) {
      PrintMessage(CauseOf(status));
    }
    PrintStatistics(exit_code);
    return exit_code;
  }

 private:
  // The whole of it without -k. An error has all the words for the user.
  absl::Status RelayOne() {
    // Both listen before either waits, and both are closed when one fails.
    std::unique_ptr<flow::Listener> listeners[2];
    const EndpointSpec* const specs[] = {&command_line_.a, &command_line_.b};
    for (int i : {0, 1}) {
      if (specs[i]->kind != EndpointSpec::Kind::kListen) continue;
      auto listener = ListenAndSay(*specs[i]);
      if (!listener.ok()) return listener.status();
      listeners[i] = *std::move(listener);
    }
    absl::StatusOr<Endpoint> a = OpenA(std::move(listeners[0]));
    if (!a.ok()) return StoppedOr(a.status());
    absl::StatusOr<Endpoint> b = OpenB(*a, std::move(listeners[1]), "");
    if (!b.ok()) {
      a->Discard(b.status());
      return StoppedOr(b.status());
    }

    std::optional<ProgressLine> progress;
    if (WantsProgress(*a, *b)) {
      progress.emplace([this, size = a->size](absl::Duration elapsed) {
        return ProgressText(size, elapsed);
      });
    }
    statistics_.Begin();
    const RelayResult result =
        Relay(*std::move(a), *std::move(b), MakeRelayOptions(""), stop_);
    statistics_.End(result);
    if (result.error.empty()) return absl::OkStatus();
    return absl::UnknownError(result.error);
  }

  absl::StatusOr<std::unique_ptr<flow::Listener>> ListenAndSay(
      const EndpointSpec& spec) const {
    absl::StatusOr<std::unique_ptr<flow::Listener>> listener = ListenOn(spec);
    if (listener.ok() && !command_line_.quiet) {
      PrintMessage(absl::StrCat("listening on ", (*listener)->address()));
    }
    return listener;
  }

  absl::StatusOr<Endpoint> OpenA(std::unique_ptr<flow::Listener> listener) {
    absl::StatusOr<Endpoint> a =
        listener != nullptr       ? AcceptOne(std::move(listener), &stop_)
        : command_line_.both_ways ? OpenBothWays(command_line_.a, open_options_)
                                  : OpenSource(command_line_.a, open_options_);
    if (a.ok()) TraceLine("", absl::StrCat("A open ", a->name));
    return a;
  }

  absl::StatusOr<Endpoint> OpenB(const Endpoint& a,
                                 std::unique_ptr<flow::Listener> listener,
                                 absl::string_view label) {
    absl::StatusOr<Endpoint> b =
        listener != nullptr       ? AcceptOne(std::move(listener), &stop_)
        : command_line_.both_ways ? OpenBothWays(command_line_.b, open_options_)
                                  : OpenSink(command_line_.b, a, open_options_);
    if (b.ok()) TraceLine(label, absl::StrCat("B open ", b->name));
    return b;
  }

  // The whole of it with -k.
  absl::Status KeepListening() {
    open_options_.descriptors_of_commands = RaiseDescriptorLimit();
    std::unique_ptr<EngineThreads> engines;
    if (CanRelayOnEngines()) {
      auto started = EngineThreads::Start(EnginesForThisMachine());
      if (!started.ok()) {
        return absl::Status(
            started.status().code(),
            absl::StrCat("cannot start: ", CauseOf(started.status())));
      }
      engines = *std::move(started);
    }
    auto listener = ListenAndSay(command_line_.a);
    if (!listener.ok()) return listener.status();
    const std::string address = (*listener)->address();
    absl::Status status;
    {
      std::optional<ProgressLine> progress;
      if (command_line_.progress) {
        progress.emplace([this](absl::Duration elapsed) {
          return absl::StrCat(
              statistics_.open(), " of ", statistics_.totals().connections,
              " connections open; ", ProgressText(std::nullopt, elapsed));
        });
      }
      status = engines != nullptr
                   ? ServeWithEngines(**listener, std::move(engines))
                   : ServeWithThreads(**listener);
    }
    if (!status.ok()) status = Explained(status, "accept on", address);
    if (!stop_.reason().ok()) {
      status = absl::CancelledError(
          absl::StrCat(stop_.reason().message(),
                       "; connections cut off: ", broken_off_.load()));
    }
    return status;
  }

  // Relays between sockets need no threads of their own. A trace does: who
  // takes its lines slowly holds up what is traced.
  bool CanRelayOnEngines() const {
    return command_line_.both_ways && !command_line_.trace &&
           command_line_.b.kind == EndpointSpec::Kind::kDial;
  }

  // Both return why the listener has failed, or Ok.
  absl::Status ServeWithEngines(flow::Listener& listener,
                                std::unique_ptr<EngineThreads> engines) {
    EngineRelayOptions options;
    options.b = command_line_.b.text;
    options.open = open_options_;
    options.max_connections = command_line_.max_connections;
    options.idle_timeout = command_line_.idle_timeout;
    options.traffic = &traffic_;
    options.on_begin = [this] { statistics_.Begin(); };
    options.on_end = [this](int64_t number, const std::string& name,
                            const RelayResult& result) {
      EndConnection(number, name, result);
    };
    options.on_shortage = [&](const absl::Status& error) {
      SayShortage(error, listener);
    };
    return ServeOnEngines(listener, std::move(engines), options, stop_);
  }

  absl::Status ServeWithThreads(flow::Listener& listener) {
    flow::ServerOptions options;
    options.max_connections = command_line_.max_connections;
    options.on_error = [&](const absl::Status& error) {
      // Another error ends the server, which returns it.
      if (absl::IsResourceExhausted(error)) SayShortage(error, listener);
    };
    options.refuse = [this](std::unique_ptr<flow::Flow> flow,
                            flow::ServerConnection& connection,
                            const absl::Status& why) {
      Endpoint a = Accepted(std::move(flow));
      statistics_.Begin();
      const std::string name = a.name;
      EndConnection(connection.number(), name, Refused(std::move(a), why));
    };
    flow::Server server(
        [this](std::unique_ptr<flow::Flow> flow,
               flow::ServerConnection& connection) {
          ServeConnection(connection.number(), Accepted(std::move(flow)));
        },
        options);
    // The connections hear of it by themselves, as both their ends do.
    flow::AtCancel stop(stop_.canceller(), [&](const absl::Status& reason) {
      server.Stop(absl::InfiniteFuture(), reason);
    });
    return server.Run(listener).status;
  }

  static void SayShortage(const absl::Status& error,
                          const flow::Listener& listener) {
    PrintMessage(CauseOf(Explained(error, "accept on", listener.address())));
  }

  void ServeConnection(int64_t number, Endpoint a) {
    const std::string label = absl::StrCat("#", number, " ");
    const std::string name = a.name;
    TraceLine(label, absl::StrCat("A open ", name));
    statistics_.Begin();
    RelayResult result;
    absl::StatusOr<Endpoint> b = OpenB(a, nullptr, label);
    if (b.ok()) {
      result =
          Relay(std::move(a), *std::move(b), MakeRelayOptions(label), stop_);
    } else {
      result = Refused(std::move(a), b.status());
    }
    EndConnection(number, name, result);
  }

  // What becomes of a connection that is not relayed.
  static RelayResult Refused(Endpoint a, const absl::Status& why) {
    // Not an end in good order, which would look like an empty answer.
    a.Discard(why);
    RelayResult result;
    result.error = CauseOf(why);
    return result;
  }

  void EndConnection(int64_t number, const std::string& name,
                     const RelayResult& result) {
    statistics_.End(result);
    if (result.error.empty()) return;
    if (stop_.signal() != 0) {
      ++broken_off_;
    } else {
      PrintMessage(
          absl::StrCat("connection ", number, " (", name, "): ", result.error));
    }
  }

  RelayOptions MakeRelayOptions(absl::string_view label) {
    RelayOptions options;
    options.both_ways = command_line_.both_ways;
    options.idle_timeout = command_line_.idle_timeout;
    options.traffic = &traffic_;
    if (command_line_.trace) {
      options.trace = [this, label = std::string(label)](
                          absl::string_view line) { TraceLine(label, line); };
    }
    return options;
  }

  void TraceLine(absl::string_view label, absl::string_view line) const {
    if (!command_line_.trace) return;
    PrintLine(absl::StrFormat("%.6f %s%s", absl::ToDoubleSeconds(elapsed()),
                              label, line));
  }

  bool WantsProgress(const Endpoint& a, const Endpoint& b) const {
    if (command_line_.progress) return true;
    // It must not get between what passes through the terminal itself.
    return ::isatty(STDERR_FILENO) == 1 && !a.is_terminal && !b.is_terminal &&
           !command_line_.trace && !command_line_.quiet;
  }

  std::string ProgressText(std::optional<int64_t> size,
                           absl::Duration elapsed) const {
    if (!command_line_.both_ways) {
      return FormatProgress(traffic_.a_to_b, size, elapsed);
    }
    return absl::StrCat(
        "A to B: ", FormatProgress(traffic_.a_to_b, std::nullopt, elapsed),
        "; B to A: ", FormatProgress(traffic_.b_to_a, std::nullopt, elapsed));
  }

  void PrintStatistics(int exit_code) const {
    Ending ending;
    ending.mode = command_line_.keep_listening ? Mode::kServe
                  : command_line_.both_ways    ? Mode::kRelay
                                               : Mode::kCopy;
    ending.exit_code = exit_code;
    ending.signal = stop_.signal();
    ending.elapsed = elapsed();
    switch (command_line_.stats) {
      case CommandLine::Stats::kNone:
        break;
      case CommandLine::Stats::kText:
        for (const std::string& line :
             FormatText(statistics_.totals(), ending)) {
          PrintMessage(line);
        }
        break;
      case CommandLine::Stats::kJson:
        PrintLine(FormatJson(statistics_.totals(), ending));
        break;
    }
  }

  // What has come of a signal is not said to be anybody's fault.
  absl::Status StoppedOr(const absl::Status& status) const {
    const absl::Status stopped = stop_.reason();
    return stopped.ok() ? status : stopped;
  }

  absl::Duration elapsed() const {
    return absl::FromChrono(Clock::now() - start_);
  }

  const CommandLine command_line_;
  Stop& stop_;
  const Clock::time_point start_ = Clock::now();
  OpenOptions open_options_;
  Statistics statistics_;
  Traffic traffic_;
  std::atomic<int64_t> broken_off_{0};
};

}  // namespace

int RunFlowcat(CommandLine command_line, Stop& stop) {
  return Run(std::move(command_line), stop)();
}

}  // namespace flowcat
