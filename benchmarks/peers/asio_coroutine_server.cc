// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The server of the benchmarks of the network (network_jobs.h) with coroutines
// of Asio: one thread, and an asio::awaitable for each connection. It only
// echoes. Its buffer is in the frame of the coroutine, as in Asio's examples.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <iostream>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"

namespace {

namespace asio = ::boost::asio;
using ::boost::system::error_code;
using Tcp = asio::ip::tcp;

asio::awaitable<void> Echo(Tcp::socket socket) {
  char buffer[4096];
  error_code error;
  auto token = asio::redirect_error(asio::use_awaitable, error);
  while (true) {
    const size_t n =
        co_await socket.async_read_some(asio::buffer(buffer), token);
    if (error) co_return;
    co_await asio::async_write(socket, asio::buffer(buffer, n), token);
    if (error) co_return;
  }
}

asio::awaitable<void> AcceptAll(Tcp::acceptor& acceptor) {
  while (true) {
    Tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(Tcp::no_delay(true));
    asio::co_spawn(acceptor.get_executor(), Echo(std::move(socket)),
                   asio::detached);
  }
}

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK(argc == 2 && std::string(argv[1]) == "echo");
  asio::io_context context(1);
  Tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::cout << acceptor.local_endpoint().port() << std::endl;
  asio::co_spawn(context, AcceptAll(acceptor), asio::detached);
  context.run();
}
