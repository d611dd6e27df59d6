// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The server of the benchmarks of the network (network_jobs.h) with Asio: one
// thread, and a callback for each step. It only echoes.

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "absl/log/absl_check.h"

namespace {

namespace asio = ::boost::asio;
using ::boost::system::error_code;
using Tcp = asio::ip::tcp;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(Tcp::socket socket) : socket_(std::move(socket)) {
    socket_.set_option(Tcp::no_delay(true));
  }

  void Echo() {
    socket_.async_read_some(
        asio::buffer(buffer_),
        [self = shared_from_this()](error_code error, size_t n) {
          if (error) return;
          asio::async_write(self->socket_, asio::buffer(self->buffer_, n),
                            [self](error_code error, size_t) {
                              if (!error) self->Echo();
                            });
        });
  }

 private:
  Tcp::socket socket_;
  char buffer_[4096];
};

void Accept(Tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](error_code error, Tcp::socket socket) {
    ABSL_CHECK(!error) << error.message();
    std::make_shared<Connection>(std::move(socket))->Echo();
    Accept(acceptor);
  });
}

}  // namespace

int main(int argc, char** argv) {
  ABSL_CHECK(argc == 2 && std::string(argv[1]) == "echo");
  asio::io_context context(1);
  Tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  std::cout << acceptor.local_endpoint().port() << std::endl;
  Accept(acceptor);
  context.run();
}
