// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: server.h
//
// `flow::Server` accepts connections and runs a function for each, on a bounded
// number of threads, until it is told to stop. It then stops in order, and says
// what became of the connections.
//
//   void Serve(std::unique_ptr<flow::Flow> client,
//              flow::ServerConnection& connection) {
//     auto channel = flow::MakeChannel(std::move(client));
//     while (connection.AwaitRequest(*channel)) {
//       // Reads one request, and writes the answer.
//       if (!Answer(*channel).ok()) return;  // without Close(): an abort
//     }
//     channel->Close(absl::Now() + absl::Seconds(5)).IgnoreError();
//   }
//
//   auto listener = flow::Listen("tcp:8080").value();
//   flow::Server server(Serve);
//   auto watch = flow::WatchSignals([&](int) {  // signal_watch.h
//                  server.Stop(absl::Now() + absl::Seconds(10));
//                }).value();
//   std::cout << server.Run(*listener).ToString() << "\n";
//
// The order of a stop (docs/servers.md):
//
//  1. The listeners are closed. Nobody else is accepted.
//  2. Whoever waits in AwaitRequest(), with nothing received, gets false.
//  3. All others go on until they have ended by themselves.
//  4. At the deadline, the flows that are left are aborted.
//  5. When every handler has returned, Run() does.
//
// When not to use it: for one connection, which is Accept() (socket.h); for
// thousands of mostly idle connections, as each takes a thread.
//
// Thread safety: any thread may call anything, at any time, with one exception:
// AwaitRequest() is a Read of its channel. Destroy a server when Run() has
// returned.

#ifndef FLOW_SERVER_H_
#define FLOW_SERVER_H_

#include <atomic>
#include <chrono>  // NOLINT(build/c++11)
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/canceller.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/internal/transport_control.h"
#include "flow/socket.h"

namespace flow {

class Server;

// Why AwaitRequest() has returned false.
enum class NoRequest {
  // The server stops, and nothing of a request had come before that.
  kStopping,
  // The client has ended its direction.
  kEnd,
  // The read deadline has passed.
  kLate,
  // A read failed: the channel is broken, and Close() says why.
  kBroken,
};

// ServerConnection
//
// What a handler knows about its connection besides the flow. It lives until
// the handler returns.
class ServerConnection {
 public:
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;
  ~ServerConnection();

  // ServerConnection::AwaitRequest()
  //
  // Waits for the first byte of the next request, until the read deadline of
  // `channel`, which is on the flow of this connection. Consumes nothing.
  // Returns false if no request will come, and you should Close() the channel.
  // Only then sets `*why`, if that is given.
  //
  // What has come when the server stops is still returned, so no request is cut
  // in the middle. While a server stops, this does not wait.
  bool AwaitRequest(Channel& channel, NoRequest* why = nullptr);

  // The same with a read deadline that is `idle` from now. The connection is
  // not late while calls of ServerCalls are under way, or until `idle` after
  // the last one has ended. If this returns true, `channel` has no read
  // deadline: set one.
  bool AwaitRequest(Channel& channel, absl::Duration idle,
                    NoRequest* why = nullptr);

  // Returns whether the server stops. A request that is under way then is the
  // last one, if the protocol can say so (`Connection: close`).
  bool stopping() const;

  // The number of the connection, from 1 in the order of accepting, and a name
  // for logs: `#3 tcp:192.0.2.1:40123`, or `#3 on unix:/run/s` if the client
  // has no address. It is printable ASCII.
  int64_t number() const { return number_; }
  const std::string& name() const { return name_; }

  // ServerConnection::canceller()
  //
  // Is cancelled with the reason when the server aborts this connection. For a
  // handler that waits for something other than its flow, such as a Dial(), a
  // flow to a third party, or a decorator that waits by itself
  // (docs/servers.md):
  //
  //   auto server =
  //       flow::Dial(address, deadline, {}, &connection.canceller());
  //   if (!server.ok()) return;
  //   flow::AtCancel abort(connection.canceller(), **server);
  //   flow::Proxy(*client, **server);
  const Canceller& canceller() const { return canceller_; }

 private:
  friend class Server;  // and its Core
  friend class ServerCalls;

  ServerConnection(Server& server, int64_t number, std::string name,
                   std::shared_ptr<internal::TransportControl> control);

  void Abort(const absl::Status& reason);

  Server& server_;
  const int64_t number_;
  const std::string name_;
  // Reaches the transport of the flow, wherever the handler has moved that to.
  const std::shared_ptr<internal::TransportControl> control_;
  bool had_request_ = false;               // only for AwaitRequest()
  std::atomic<bool> stopped_idle_{false};  // the stop has ended its wait
  std::atomic<int> calls_{0};              // under way
  std::atomic<bool> busy_at_stop_{false};  // calls were
  // When the last call has ended.
  std::atomic<std::chrono::steady_clock::time_point> last_call_{
      std::chrono::steady_clock::time_point::min()};
  Canceller canceller_;
};

// ServerOptions
struct ServerOptions {
  // The most connections that are served at once, each on a thread; at least 1.
  // Others wait to be accepted. (Each listener but one may hold one that was
  // accepted and waits for its turn.) Further threads of a handler do not
  // count: Proxy() takes one to three, and each call of ServerCalls takes one.
  int max_connections = 1000;

  // How long a thread that has served a connection waits for another one.
  absl::Duration keep_threads = absl::Milliseconds(200);

  // Called instead of the handler, on a thread that accepts, if a connection
  // was accepted and cannot be served: kResourceExhausted says that no thread
  // could be started for it, anything else is the reason of the stop. Must not
  // block. Default: aborts the flow with `why`.
  std::function<void(std::unique_ptr<Flow> flow, ServerConnection& connection,
                     const absl::Status& why)>
      refuse;

  // Told, on a thread that accepts, why nobody can be accepted: when a shortage
  // of descriptors or memory begins (kResourceExhausted; the server tries
  // again, and is silent until it is over), and when a listener fails for good.
  std::function<void(const absl::Status& error)> on_error;
};

// ServerReport
//
// What became of the connections. Each one counts once.
struct ServerReport {
  // All that were accepted: the sum of those below.
  int64_t connections() const {
    return ended_before + idle + in_time + aborted + refused;
  }

  // For people: `7 connections: 3 ended before the stop, 2 idle, ...`.
  std::string ToString() const;

  // Their handlers had returned before the stop.
  int64_t ended_before = 0;
  // They waited for a request when the stop came, or had not got so far yet,
  // and were not cut.
  int64_t idle = 0;
  // They were busy at the stop, and were not cut.
  int64_t in_time = 0;
  // They were cut: aborted at the deadline, before their flow was closed or
  // shut down for writing in good order.
  int64_t aborted = 0;
  // They were not served: there was no thread, or the stop came before.
  int64_t refused = 0;

  // Why the first listener failed for good, if one did.
  absl::Status status;
};

// Server
class Server {
 public:
  // Serves one connection, and owns its flow. Several threads call it at once.
  // If it destroys the flow without Close(), that is an abort. The connection
  // has ended when it returns: a flow that it has given away is no longer
  // the server's. An exception that leaves it ends the program.
  using Handler = std::function<void(std::unique_ptr<Flow> flow,
                                     ServerConnection& connection)>;

  explicit Server(Handler handler, ServerOptions options = {});
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // Precondition: Run() has returned, or was never called.
  ~Server();

  // Server::Run()
  //
  // Accepts on the listeners and serves, until a Stop(), or until no listener
  // is left because each was closed or has failed. That counts as
  // Stop(absl::InfiniteFuture()). Closes the listeners, and returns when every
  // handler has returned.
  //
  // The caller's thread accepts on the first listener, and a thread of its own
  // on each further one. A connection is served by a thread that is free, or
  // else by a new one.
  //
  // Precondition: called once, with at least one listener.
  ServerReport Run(Listener& listener);
  ServerReport Run(absl::Span<Listener* const> listeners);

  // Server::Stop()
  //
  // Begins to stop, and does not wait. At `deadline` the connections that are
  // left are aborted with `reason` (kCancelled if it is Ok). Of several calls
  // the one with the earliest deadline counts, so a second one can hurry.
  // Before Run() it makes that return at once. Also for handlers.
  void Stop(absl::Time deadline, absl::Status reason = absl::OkStatus());

  // Returns whether the server stops, or has stopped.
  bool stopping() const;

  // Returns how many connections are being served.
  int64_t serving() const;

 private:
  class Core;
  friend class ServerCalls;

  const std::unique_ptr<Core> core_;
};

// ServerCalls
//
// The calls of one connection that are under way at once, for a handler of a
// multiplexed protocol: it reads one call after the other, and each is answered
// on another thread of the server.
//
//   auto channel = flow::MakeChannel(std::move(client));
//   flow::FrameWriter answers(*channel);  // frame_writer.h
//   flow::ServerCalls calls(connection, /*max=*/16);
//   while (connection.AwaitRequest(*channel, absl::Minutes(5))) {
//     channel->SetReadDeadline(absl::Now() + kTimeout);
//     auto request = flow::NotAtEnd(flow::ReadBlock(*channel, kFormat));
//     if (!request.ok()) break;
//     if (!calls.Start([&, request = *std::move(request)] {
//           absl::Status sent = answers.WriteBlock(kFormat, Answer(request),
//                                                  absl::Now() + kTimeout);
//           if (!sent.ok()) channel->Abort(sent);
//         }).ok()) break;
//   }
//   calls.Join();
//   absl::Time deadline = absl::Now() + kTimeout;
//   if (!answers.Finish(deadline).ok()) return;  // without Close(): an abort
//   flow::HangUp(*channel, "", deadline).IgnoreError();
//
// Declare it after what the calls use; a connection has at most one. While
// calls are under way, a connection is not idle when a stop comes. A call that
// waits for something other than the flow ends that by the connection's
// canceller().
class ServerCalls {
 public:
  // At most `max` calls are under way at once, each on a thread; at least 1.
  ServerCalls(ServerConnection& connection, int max);
  ServerCalls(const ServerCalls&) = delete;
  ServerCalls& operator=(const ServerCalls&) = delete;
  // Calls Join().
  ~ServerCalls();

  // ServerCalls::Start()
  //
  // Runs `call` on another thread. Waits while `max` are under way. If that
  // takes until `deadline`, or no thread can be started, returns
  // kResourceExhausted, and `call` is not run. Call it only on the thread of
  // the handler. An exception that leaves `call` ends the program.
  absl::Status Start(std::function<void()> call,
                     absl::Time deadline = absl::InfiniteFuture());

  // Waits until every call has returned.
  void Join();

 private:
  ServerConnection& connection_;
  const int max_;
};

}  // namespace flow

#endif  // FLOW_SERVER_H_
