// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/socket_address.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;

SocketAddress Address(absl::string_view text) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_THAT(address, IsOk());
  return *std::move(address);
}

void ExpectInvalid(const absl::StatusOr<SocketAddress>& address,
                   absl::string_view says) {
  EXPECT_THAT(address, StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr(std::string(says))));
}

// --- Parse() and ToString()

TEST(SocketAddressTest, OfTcpHasAHostAndAPort) {
  const struct {
    const char* text;
    const char* host;
    const char* port;
  } kCases[] = {
      {"tcp:localhost:80", "localhost", "80"},
      {"tcp:localhost:http", "localhost", "http"},
      {"tcp:127.0.0.1:0", "127.0.0.1", "0"},
      {"tcp:[::1]:65535", "::1", "65535"},
      {"tcp:[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
      {"tcp:[::ffff:10.0.0.1]:80", "::ffff:10.0.0.1", "80"},
      {"tcp:*:80", "*", "80"},
  };
  for (const auto& c : kCases) {
    const SocketAddress address = Address(c.text);
    EXPECT_EQ(address.kind(), SocketAddress::Kind::kTcp);
    EXPECT_EQ(address.host(), c.host);
    EXPECT_EQ(address.port(), c.port);
    EXPECT_EQ(address.path(), "");
    EXPECT_EQ(address.ToString(), c.text);
  }
}

TEST(SocketAddressTest, OfUnixHasAPath) {
  const std::string longest(107, 'x');
  for (const std::string& path :
       {std::string("/run/socket"), std::string("socket"),
        std::string("./@file"), std::string("@name"),
        std::string("/a b\n:80\xff"), longest, absl::StrCat("@", longest),
        std::string("@a\0b", 4)}) {
    const SocketAddress address = Address(absl::StrCat("unix:", path));
    EXPECT_EQ(address.kind(), SocketAddress::Kind::kUnix);
    EXPECT_EQ(address.path(), path);
    EXPECT_EQ(address.host(), "");
    EXPECT_EQ(address.port(), "");
    EXPECT_EQ(address.port_number(), std::nullopt);
    EXPECT_EQ(address.ToString(), absl::StrCat("unix:", path));
  }
}

TEST(SocketAddressTest, OfNumbersHasOneForm) {
  for (const auto& [text, form] :
       {std::pair<const char*, const char*>("tcp:80", "tcp:*:80"),
        {"tcp:localhost:0080", "tcp:localhost:80"},
        {"tcp:127.1:80", "tcp:127.0.0.1:80"},
        {"tcp:0x7f000001:80", "tcp:127.0.0.1:80"},
        {"tcp:[0:0:0:0::0001]:80", "tcp:[::1]:80"},
        {"tcp:[FD00::A]:80", "tcp:[fd00::a]:80"},
        {"tcp:[FE80::1%Eth0]:80", "tcp:[fe80::1%Eth0]:80"},
        {"tcp:[::ffff:7f00:1]:80", "tcp:[::ffff:127.0.0.1]:80"}}) {
    EXPECT_EQ(Address(text).ToString(), form);
    EXPECT_EQ(Address(text), Address(form));
  }
}

TEST(SocketAddressTest, WhatIsNoAddressIsInvalidAndSaysWhy) {
  const struct {
    absl::string_view text;
    absl::string_view says;
  } kCases[] = {
      {"", "neither tcp: nor unix:"},
      {"localhost:80", "neither tcp: nor unix:"},
      {" tcp:localhost:80", "neither tcp: nor unix:"},
      {"tcp:", "the port is missing"},
      {"tcp:localhost", "the port is missing"},
      {"tcp:127.0.0.1", "the port is missing"},
      {"tcp:http", "the port is missing"},
      {"tcp:[::1]", "the port is missing"},
      {"tcp:localhost:", "the port is missing"},
      {"tcp::80", "the host is missing"},
      {"tcp:::1:80", "wants brackets"},
      {"tcp:fe80::1%eth0:80", "wants brackets"},
      {"tcp:127.0.0.1%lo:80", "wants brackets"},
      {"tcp:a[b:80", "wants brackets"},
      {"tcp:[::1]80", "brackets hold"},
      {"tcp:[localhost]:80", "brackets hold"},
      {"tcp:[127.0.0.1]:80", "brackets hold"},
      {"tcp:[a:b]:80", "brackets hold"},
      {"tcp:[1:2:3:4:5:6:7:8:9]:80", "brackets hold"},
      {"tcp:[]:80", "brackets hold"},
      {"tcp:[[::1]]:80", "brackets hold"},
      {"tcp:[::1%]:80", "brackets hold"},
      {"tcp:[::1%a%b]:80", "brackets hold"},
      {"tcp:[%eth0]:80", "brackets hold"},
      {"tcp:localhost:65536", "a number from 0 to 65535"},
      {"tcp:65536", "a number from 0 to 65535"},
      {"tcp:localhost:4294967296", "a number from 0 to 65535"},
      {"tcp:localhost:-1", "a number from 0 to 65535"},
      {"tcp:localhost:+80", "a number from 0 to 65535"},
      {"tcp:localhost:80/", "a number from 0 to 65535"},
      {"tcp: 80", "a space or a control character"},
      {"tcp:80 ", "a space or a control character"},
      {"tcp:local\nhost:80", "a space or a control character"},
      {absl::string_view("tcp:127.0.0.1\0.example.org:80", 29), "a control"},
      {"tcp://localhost:80/path", "write tcp:localhost:80"},
      {"tcp://[::1]", "write tcp:[::1]:PORT"},
      {"tcp://", "write tcp:HOST:PORT"},
      {"http://example.org/a", "write tcp:example.org:PORT"},
      {"http://[::1]:8080?a:b", "write tcp:[::1]:8080"},
      {"unix:///run/socket", "write unix:/run/socket"},
      {"unix:", "the path is missing"},
      {"unix:@", "the path is missing"},
      {absl::string_view("unix:a\0b", 8), "a byte of 0"},
  };
  for (const auto& c : kCases) {
    ExpectInvalid(SocketAddress::Parse(c.text), c.says);
  }
  const std::string too_long(108, 'x');
  ExpectInvalid(SocketAddress::Parse(absl::StrCat("unix:", too_long)),
                "at most 107 bytes");
  ExpectInvalid(SocketAddress::Parse(absl::StrCat("unix:@", too_long)),
                "at most 107 bytes");
  ExpectInvalid(
      SocketAddress::Parse(absl::StrCat("tcp:", std::string(256, 'x'), ":80")),
      "at most 255 bytes");
}

TEST(SocketAddressTest, WhatIsNoAddressIsSaidInOneLine) {
  EXPECT_EQ(SocketAddress::Parse("\x1b[2J\n\xff").status().message(),
            "'\\x1b[2J\\n\\xff' is not an address: it begins with neither tcp: "
            "nor unix:, as in tcp:localhost:80 or unix:/run/socket");
}

// --- Parts and their join

TEST(SocketAddressTest, JoinsAHostAndAPort) {
  for (const auto& [host, text] :
       {std::pair<const char*, const char*>("localhost", "tcp:localhost:80"),
        {"127.0.0.1", "tcp:127.0.0.1:80"},
        {"::1", "tcp:[::1]:80"},
        {"fe80::1%eth0", "tcp:[fe80::1%eth0]:80"},
        {"*", "tcp:*:80"}}) {
    EXPECT_THAT(SocketAddress::Tcp(host, 80), IsOkAndHolds(Address(text)));
  }
}

TEST(SocketAddressTest, JoinsNothingThatIsNoHostOrNoPort) {
  ExpectInvalid(SocketAddress::Tcp("", 80), "the host is missing");
  ExpectInvalid(SocketAddress::Tcp("[::1]", 80), "brackets hold");
  ExpectInvalid(SocketAddress::Tcp("localhost:80", 80), "brackets hold");
  ExpectInvalid(SocketAddress::Tcp("//localhost", -1), "a number from 0");
  ExpectInvalid(SocketAddress::Tcp("localhost", 65536), "a number from 0");
}

TEST(SocketAddressTest, OfAPathIsUnix) {
  EXPECT_THAT(SocketAddress::Unix("/run/socket"),
              IsOkAndHolds(Address("unix:/run/socket")));
  EXPECT_THAT(SocketAddress::Unix("//run/socket"),
              IsOkAndHolds(Address("unix:/run/socket")));
  EXPECT_THAT(SocketAddress::Unix("@name"),
              IsOkAndHolds(Address("unix:@name")));
  ExpectInvalid(SocketAddress::Unix(""), "the path is missing");
}

TEST(SocketAddressTest, TellsItsPortIfThatIsANumber) {
  EXPECT_EQ(Address("tcp:localhost:65535").port_number(), 65535);
  EXPECT_EQ(Address("tcp:0").port_number(), 0);
  EXPECT_EQ(Address("tcp:localhost:http").port_number(), std::nullopt);
}

TEST(SocketAddressTest, IsLoopbackIfItsNumberIs) {
  for (const char* text :
       {"tcp:127.0.0.1:80", "tcp:127.255.0.1:80", "tcp:[::1]:80",
        "tcp:[::1%lo]:80", "tcp:[::ffff:127.0.0.1]:80"}) {
    EXPECT_TRUE(Address(text).is_loopback()) << text;
  }
  for (const char* text :
       {"tcp:128.0.0.1:80", "tcp:0.0.0.0:80", "tcp:[::]:80", "tcp:[::2]:80",
        "tcp:[::127.0.0.1]:80", "tcp:[1::1]:80", "tcp:*:80", "tcp:localhost:80",
        "unix:/run/socket"}) {
    EXPECT_FALSE(Address(text).is_loopback()) << text;
  }
}

TEST(SocketAddressTest, IsJoinedFromTheBytesOfAnIpAddress) {
  const std::string ipv6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
  const std::string mapped("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01", 16);
  for (const auto& [bytes, text] :
       {std::pair<std::string, const char*>("\xc0\xa8\x01\xff",
                                            "tcp:192.168.1.255:80"),
        {std::string(4, '\0'), "tcp:0.0.0.0:80"},
        {ipv6, "tcp:[2001:db8::1]:80"},
        {mapped, "tcp:[::ffff:10.0.0.1]:80"}}) {
    const absl::StatusOr<SocketAddress> address = SocketAddress::Ip(bytes, 80);
    ASSERT_THAT(address, IsOk());
    EXPECT_EQ(address->ToString(), text);
    EXPECT_EQ(*address, Address(text));
    EXPECT_EQ(address->ip_bytes(), bytes);
  }
}

TEST(SocketAddressTest, IsNotJoinedFromOtherSizesOrPorts) {
  for (const size_t size : {0, 3, 5, 15, 17}) {
    EXPECT_THAT(SocketAddress::Ip(std::string(size, '\1'), 80),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("and not ", size))));
  }
  for (const int port : {-1, 65536}) {
    EXPECT_THAT(SocketAddress::Ip("\1\1\1\1", port),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(SocketAddressTest, HasBytesIfItIsNumeric) {
  EXPECT_EQ(Address("tcp:127.1:http").ip_bytes(),
            absl::string_view("\x7f\0\0\1", 4));
  EXPECT_EQ(Address("tcp:[fe80::1%eth0]:80").ip_bytes(),
            Address("tcp:[fe80::1]:80").ip_bytes());
  for (const char* text : {"tcp:*:80", "tcp:80", "tcp:localhost:80",
                           "unix:127.0.0.1", "unix:@127.0.0.1"}) {
    EXPECT_EQ(Address(text).ip_bytes(), "") << text;
  }
}

// --- Comparison

TEST(SocketAddressTest, EqualsWhatHasTheSameKindAndParts) {
  const std::vector<SocketAddress> different = {
      Address("tcp:localhost:80"), Address("tcp:localhost:81"),
      Address("tcp:LOCALHOST:80"), Address("tcp:*:80"),
      Address("tcp:10.0.0.1:80"),  Address("tcp:[::ffff:10.0.0.1]:80"),
      Address("tcp:[fe80::1]:80"), Address("tcp:[fe80::1%eth0]:80"),
      Address("unix:localhost"),   Address("unix:@localhost"),
  };
  absl::flat_hash_set<SocketAddress> set(different.begin(), different.end());
  EXPECT_EQ(set.size(), different.size());
  for (const SocketAddress& a : different) {
    EXPECT_TRUE(set.contains(Address(a.ToString())));
    for (const SocketAddress& b : different) {
      const bool is_same = &a == &b;
      EXPECT_EQ(a == b, is_same);
      EXPECT_EQ(a != b, !is_same);
      EXPECT_EQ((a < b) + (b < a), is_same ? 0 : 1);
    }
  }
}

}  // namespace
}  // namespace flow
