// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: socket_address.h
//
// SocketAddress is the address of a stream socket as a value: parsed, printed,
// compared, taken apart and put together.
//
//   absl::StatusOr<SocketAddress> server = SocketAddress::Tcp("::1", 8080);
//   if (!server.ok()) return server.status();
//   LOG(INFO) << server->ToString();  // tcp:[::1]:8080
//   flow = Dial(*server, deadline);
//
//   // Who is it? ip_network.h tells whether that is somebody of ours.
//   SocketAddress::Parse((*flow)->remote_address());
//
// As text, an address is one of these:
//
//   tcp:HOST:PORT  HOST is a name, an IPv4 address, an IPv6 address in
//                  brackets, or `*` for every address of this machine. PORT is
//                  a number or the name of a service. An IPv6 address may have
//                  a zone: `tcp:[fe80::1%eth0]:80`.
//   tcp:PORT       the same as tcp:*:PORT; PORT is a number
//   unix:PATH      a Unix socket, of at most 107 bytes; `unix:@NAME` is one in
//                  Linux's abstract namespace, which has no file
//
// When not to use it: to look up a name. Dial() does that. It shows what it
// found to DialOptions::may_dial (socket_options.h) before it connects, and the
// flow's remote_address() is the one that it connected to.
//
// Thread safety: that of a value.

#ifndef FLOW_SOCKET_ADDRESS_H_
#define FLOW_SOCKET_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace flow {

// SocketAddress
//
// Numbers have one form, so two texts of one address are equal:
// `tcp:[0:0::1]:080` is `tcp:[::1]:80`, and `tcp:127.1:80` is
// `tcp:127.0.0.1:80`. Names are compared as they are, and so are zones: nothing
// is looked up. The order is good for a map, and means nothing else.
class SocketAddress {
 public:
  enum class Kind { kTcp, kUnix };

  // SocketAddress::Parse()
  //
  // Returns the address that `text` says, in the form that Dial() and Listen()
  // take and a flow's addresses have. kInvalidArgument says what is wrong with
  // it; any bytes may be given.
  static absl::StatusOr<SocketAddress> Parse(absl::string_view text);

  // SocketAddress::Tcp()
  //
  // Joins a host, without brackets, and a port: 0 to 65535. Another port, and a
  // host that is none, is kInvalidArgument.
  static absl::StatusOr<SocketAddress> Tcp(absl::string_view host, int port);

  // SocketAddress::Ip()
  //
  // Joins the bytes of an IPv4 address (4) or of an IPv6 address (16), in the
  // order of the network, and a port: 0 to 65535. Another size, and another
  // port, is kInvalidArgument.
  static absl::StatusOr<SocketAddress> Ip(absl::string_view bytes, int port);

  // SocketAddress::Unix()
  //
  // Returns the address of the socket `path`. One that begins with `@` is in
  // the abstract namespace; write `./@name` for such a file. kInvalidArgument:
  // it is empty, too long, or has a byte of 0 (which an abstract name may
  // have).
  static absl::StatusOr<SocketAddress> Unix(absl::string_view path);

  Kind kind() const { return kind_; }

  // SocketAddress::host(), SocketAddress::port()
  //
  // Return the parts of a TCP address, and nothing of another one. The host has
  // no brackets; that of every address is `*`.
  const std::string& host() const { return host_; }
  const std::string& port() const { return port_; }

  // SocketAddress::port_number()
  //
  // Returns the port, unless it is the name of a service or there is none.
  std::optional<uint16_t> port_number() const;

  // SocketAddress::ip_bytes()
  //
  // Returns the 4 bytes of an IPv4 address or the 16 of an IPv6 address,
  // without its zone, as Ip() takes them. Returns nothing of a name, `*` or a
  // Unix socket. An IPv6 address that an IPv4 address is mapped to has 16.
  std::string ip_bytes() const;

  // SocketAddress::path()
  //
  // Returns the path of a Unix socket, or `@` and its abstract name, and
  // nothing of another address. The bytes are as they are: escape them before
  // you show them to people.
  const std::string& path() const { return path_; }

  // SocketAddress::is_loopback()
  //
  // Returns whether it is one of 127.0.0.0/8 or ::1. A name never is, not even
  // `localhost`, as nothing is looked up. Neither is 0.0.0.0 or ::, which
  // Dial() takes for the loopback address.
  bool is_loopback() const;

  // SocketAddress::ToString()
  //
  // Returns the text of it. Parse() makes the same address of that.
  std::string ToString() const;

  friend bool operator==(const SocketAddress& a, const SocketAddress& b) {
    return a.Parts() == b.Parts();
  }
  friend bool operator!=(const SocketAddress& a, const SocketAddress& b) {
    return !(a == b);
  }
  friend bool operator<(const SocketAddress& a, const SocketAddress& b) {
    return a.Parts() < b.Parts();
  }
  template <typename H>
  friend H AbslHashValue(H state, const SocketAddress& address) {
    return H::combine(std::move(state), address.Parts());
  }

 private:
  explicit SocketAddress(Kind kind) : kind_(kind) {}

  // `text` is the whole, for errors.
  static absl::StatusOr<SocketAddress> ParseTcp(
      absl::string_view text, absl::string_view host_and_port);
  static absl::StatusOr<SocketAddress> ParseUnix(absl::string_view text,
                                                 absl::string_view path);

  std::tuple<const Kind&, const std::string&, const std::string&,
             const std::string&>
  Parts() const {
    return std::tie(kind_, host_, port_, path_);
  }

  Kind kind_;
  std::string host_;
  std::string port_;
  std::string path_;
};

}  // namespace flow

#endif  // FLOW_SOCKET_ADDRESS_H_
