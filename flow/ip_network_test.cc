// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flow/ip_network.h"

#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/socket_address.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;

IpNetwork Network(absl::string_view text) {
  absl::StatusOr<IpNetwork> network = IpNetwork::Parse(text);
  EXPECT_THAT(network, IsOk());
  return *std::move(network);
}

bool Contains(absl::string_view network, absl::string_view address) {
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(address);
  EXPECT_THAT(parsed, IsOk());
  return Network(network).Contains(*parsed);
}

TEST(IpNetworkTest, ContainsWhatHasItsPrefix) {
  const struct {
    const char* network;
    const char* inside;
    const char* outside;
  } kCases[] = {
      {"10.0.0.0/8", "tcp:10.255.255.255:80", "tcp:11.0.0.0:80"},
      {"10.0.0.0/8", "tcp:10.0.0.0:http", "tcp:9.255.255.255:http"},
      {"192.168.128.0/17", "tcp:192.168.128.0:80", "tcp:192.168.127.255:80"},
      {"192.0.2.6/31", "tcp:192.0.2.7:80", "tcp:192.0.2.8:80"},
      {"192.0.2.7", "tcp:192.0.2.7:80", "tcp:192.0.2.6:80"},
      {"0.0.0.0/0", "tcp:255.255.255.255:80", "tcp:[::1]:80"},
      {"fd00::/8", "tcp:[fdff::1]:80", "tcp:[fe00::1]:80"},
      {"fe80::/10", "tcp:[febf::1%eth0]:80", "tcp:[fec0::1%eth0]:80"},
      {"2001:db8::8000:0:0:0/65", "tcp:[2001:db8::8000:0:0:1]:80",
       "tcp:[2001:db8::1]:80"},
      {"::1", "tcp:[::1]:80", "tcp:[::2]:80"},
      {"::/0", "tcp:[ffff::]:80", "tcp:10.0.0.1:80"},
  };
  for (const auto& c : kCases) {
    EXPECT_TRUE(Contains(c.network, c.inside)) << c.network << c.inside;
    EXPECT_FALSE(Contains(c.network, c.outside)) << c.network << c.outside;
  }
}

TEST(IpNetworkTest, TakesAMappedAddressForIpv4) {
  EXPECT_TRUE(Contains("10.0.0.0/8", "tcp:[::ffff:10.1.2.3]:80"));
  EXPECT_TRUE(Contains("::ffff:10.0.0.0/104", "tcp:10.1.2.3:80"));
  EXPECT_TRUE(Contains("0.0.0.0/0", "tcp:[::ffff:10.1.2.3]:80"));
  EXPECT_FALSE(Contains("::/0", "tcp:[::ffff:10.1.2.3]:80"));
  EXPECT_FALSE(Contains("0.0.0.0/0", "tcp:[::10.1.2.3]:80"));
}

TEST(IpNetworkTest, ContainsNoNameAndNoUnixSocket) {
  for (const char* address :
       {"tcp:localhost:80", "tcp:*:80", "tcp:10.0.0.1.example.org:80",
        "unix:/run/socket", "unix:10.0.0.1"}) {
    EXPECT_FALSE(Contains("0.0.0.0/0", address)) << address;
    EXPECT_FALSE(Contains("::/0", address)) << address;
  }
}

// Whatever Dial() takes for a number is judged as that number.
TEST(IpNetworkTest, ContainsANumberHoweverItIsWritten) {
  EXPECT_TRUE(Contains("127.0.0.0/8", "tcp:127.1:80"));
  EXPECT_TRUE(Contains("127.0.0.0/8", "tcp:2130706433:80"));
  EXPECT_TRUE(Contains("8.0.0.0/8", "tcp:010.0.0.1:80"));
}

TEST(IpNetworkTest, HasOneText) {
  for (const auto& [text, form] :
       {std::pair<const char*, const char*>("10.0.0.0/8", "10.0.0.0/8"),
        {"192.0.2.7", "192.0.2.7/32"},
        {"::1", "::1/128"},
        {"FD00:0::/8", "fd00::/8"},
        {"::ffff:0:0/96", "0.0.0.0/0"}}) {
    EXPECT_EQ(Network(text).ToString(), form);
    EXPECT_EQ(Network(text), Network(form));
  }
  EXPECT_NE(Network("10.0.0.0/8"), Network("10.0.0.0/9"));
  EXPECT_NE(Network("10.0.0.0/8"), Network("11.0.0.0/8"));
  const absl::flat_hash_set<IpNetwork> set = {Network("::1")};
  EXPECT_TRUE(set.contains(Network("::1/128")));
}

TEST(IpNetworkTest, WhatIsNoNetworkIsInvalidAndSaysWhy) {
  const struct {
    absl::string_view text;
    const char* says;
  } kCases[] = {
      {"", "begins with no IP address"},
      {"/8", "begins with no IP address"},
      {"localhost/8", "begins with no IP address"},
      {"10/8", "begins with no IP address"},
      {"[fd00::]/8", "begins with no IP address"},
      {" 10.0.0.0/8", "begins with no IP address"},
      {absl::string_view("10.0.0.0\0/8", 11), "begins with no IP address"},
      {"10.0.0.0/", "the length of its prefix is 0 to 32"},
      {"10.0.0.0/33", "the length of its prefix is 0 to 32"},
      {"10.0.0.0/-1", "the length of its prefix is 0 to 32"},
      {"10.0.0.0/+8", "the length of its prefix is 0 to 32"},
      {"10.0.0.0/8/8", "the length of its prefix is 0 to 32"},
      {"10.0.0.0/255.0.0.0", "the length of its prefix is 0 to 32"},
      {"fd00::/129", "the length of its prefix is 0 to 128"},
      {"fd00::/99999999999", "the length of its prefix is 0 to 128"},
      {"10.0.0.1/8", "write 10.0.0.0/8"},
      {"fd00::1/64", "write fd00::/64"},
      {"0.0.0.1/0", "write 0.0.0.0/0"},
      {"fe80::%eth0/10", "it has a zone"},
  };
  for (const auto& c : kCases) {
    EXPECT_THAT(IpNetwork::Parse(c.text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.says)))
        << c.text;
  }
}

}  // namespace
}  // namespace flow
