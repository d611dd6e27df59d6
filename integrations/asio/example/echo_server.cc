// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// An echo server on Asio: it answers each connection with what it sends.
//
//   ../../bazelw run //example:echo_server -- 7000
//
// One thread serves all connections, each by a coroutine. SIGINT and SIGTERM
// end the program in good order.

#include <signal.h>

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "asio/awaitable.hpp"
#include "asio/co_spawn.hpp"
#include "asio/detached.hpp"
#include "asio/error_code.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/address_v4.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/signal_set.hpp"
#include "asio/use_awaitable.hpp"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow_asio/asio_engine.h"
#include "flow_asio/operations.h"

namespace {

using ::asio::ip::tcp;

// Answers with what comes until the end. Returns how it ended.
asio::awaitable<absl::Status> Echo(flow::Flow& flow) {
  while (true) {
    absl::StatusOr<absl::Cord> data =
        co_await flow_asio::async_read(flow, asio::use_awaitable);
    if (!data.ok()) co_return data.status();
    if (data->empty()) break;
    absl::Status status = co_await flow_asio::async_write(
        flow, *std::move(data), asio::use_awaitable);
    if (!status.ok()) co_return status;
  }
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  co_return co_await flow_asio::async_close(flow, deadline,
                                            asio::use_awaitable);
}

class Server {
 public:
  Server(asio::io_context& context, flow::Engine* engine, uint16_t port)
      : context_(context),
        engine_(engine),
        acceptor_(context, {asio::ip::address_v4::loopback(), port}) {}

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

  void Accept() {
    acceptor_.async_accept([this](asio::error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;  // Stop() was called
      if (!error) Serve(std::move(socket));
      Accept();
    });
  }

  // Accepts no more, and ends every connection. Their coroutines do the rest.
  void Stop() {
    asio::error_code ignored;
    acceptor_.close(ignored);
    for (flow::Flow* flow : flows_) {
      flow->Abort(absl::CancelledError("the server stops"));
    }
  }

 private:
  // From now on the descriptor is the flow's, which closes it.
  void Serve(tcp::socket socket) {
    asio::error_code error;
    const int fd = socket.release(error);
    if (error) return;
    absl::StatusOr<std::unique_ptr<flow::Flow>> flow = flow::MakeFdFlow(fd);
    if (!flow.ok()) return;
    (*flow)->SetEngine(engine_);
    asio::co_spawn(context_, Connection(*std::move(flow)), asio::detached);
  }

  // Owns the flow, which no call uses any more when this ends.
  asio::awaitable<void> Connection(std::unique_ptr<flow::Flow> flow) {
    flows_.insert(flow.get());
    const absl::Status status = co_await Echo(*flow);
    if (!status.ok()) std::cerr << status << "\n";
    flows_.erase(flow.get());
  }

  asio::io_context& context_;
  flow::Engine* const engine_;
  tcp::acceptor acceptor_;
  std::set<flow::Flow*> flows_;  // those of connections
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: echo_server PORT\n";
    return 2;
  }
  asio::io_context context(1);
  // Before all that it serves, and so destroyed after that.
  absl::StatusOr<std::unique_ptr<flow::AsioEngine>> engine =
      flow::AsioEngine::Make(context);
  if (!engine.ok()) {
    std::cerr << engine.status() << "\n";
    return 1;
  }
  try {
    Server server(context, engine->get(),
                  static_cast<uint16_t>(std::atoi(argv[1])));
    std::cout << "listening on tcp:127.0.0.1:" << server.port() << std::endl;
    asio::signal_set signals(context, SIGINT, SIGTERM);
    signals.async_wait([&](asio::error_code, int) { server.Stop(); });
    server.Accept();
    // Until Stop(), and then until the last coroutine has ended.
    context.run();
  } catch (const std::exception& error) {  // of Asio
    std::cerr << error.what() << "\n";
    return 1;
  }
}
