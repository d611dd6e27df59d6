// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint_spec.h"

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using Kind = EndpointSpec::Kind;

TEST(ParseTest, AMinusIsAStandardStream) {
  EXPECT_EQ(ParseSource("-")->kind, Kind::kStandardStream);
  EXPECT_EQ(ParseSink("-")->kind, Kind::kStandardStream);
}

TEST(ParseTest, WhatDoesNotBeginLikeAUrlIsAPath) {
  for (const char* path :
       {"a", "/a/b", "./a:b", "/a:b", "a/b:c", ":a", "1:2", "12:30.log", "-x",
        "-:", "a b:c", "_:x", "..", "\xc3\xa4:x", "C"}) {
    for (const auto& spec : {ParseSource(path), ParseSink(path)}) {
      ASSERT_THAT(spec, IsOk()) << path;
      EXPECT_EQ(spec->kind, Kind::kFile) << path;
      EXPECT_EQ(spec->text, path);
    }
  }
}

TEST(ParseTest, FileTakesAnyPath) {
  for (const char* path : {"a", "/a", "a:b", "-", "null:", "file:a", " "}) {
    const absl::StatusOr<EndpointSpec> spec =
        ParseSink(absl::StrCat("file:", path));
    ASSERT_THAT(spec, IsOk()) << path;
    EXPECT_EQ(spec->kind, Kind::kFile) << path;
    EXPECT_EQ(spec->text, path);
  }
}

TEST(ParseTest, NoFileHasAnEmptyName) {
  for (const char* operand : {"", "file:"}) {
    EXPECT_THAT(
        ParseSource(operand),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
  }
}

TEST(ParseTest, NullTakesNothing) {
  EXPECT_EQ(ParseSource("null:")->kind, Kind::kNull);
  EXPECT_EQ(ParseSink("null:")->kind, Kind::kNull);
  EXPECT_THAT(ParseSink("null:x"), StatusIs(absl::StatusCode::kInvalidArgument,
                                            HasSubstr("null:x")));
}

TEST(ParseTest, StringTakesTheRestAsItIs) {
  for (const char* text : {"", "a", " a:b-\n"}) {
    const absl::StatusOr<EndpointSpec> spec =
        ParseSource(absl::StrCat("string:", text));
    ASSERT_THAT(spec, IsOk());
    EXPECT_EQ(spec->kind, Kind::kString);
    EXPECT_EQ(spec->text, text);
  }
}

TEST(ParseTest, ZeroTakesASize) {
  const absl::StatusOr<EndpointSpec> spec = ParseSource("zero:64KiB");
  ASSERT_THAT(spec, IsOk());
  EXPECT_EQ(spec->kind, Kind::kZero);
  EXPECT_EQ(spec->size, 65536);
  for (const char* size : {"", "x", "-1", "8EiB"}) {
    EXPECT_THAT(ParseSource(absl::StrCat("zero:", size)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("'", size, "'"))));
  }
}

TEST(ParseTest, SourcesAreNoSinks) {
  for (const char* operand : {"string:x", "zero:1"}) {
    EXPECT_THAT(ParseSink(operand), StatusIs(absl::StatusCode::kInvalidArgument,
                                             HasSubstr("read from")));
  }
}

TEST(ParseTest, AnUnknownSchemeIsAnErrorThatListsTheKnownOnes) {
  for (const auto& spec : {ParseSource("foo:bar"), ParseSink("foo:bar")}) {
    EXPECT_THAT(spec, StatusIs(absl::StatusCode::kInvalidArgument,
                               "'foo:' is not one of tcp:, tcp-listen:, unix:, "
                               "unix-listen:, exec:, fd:, file:, null:, "
                               "string:, zero:; for the file foo:bar write "
                               "./foo:bar or file:foo:bar"));
  }
  EXPECT_THAT(ParseSource("FILE:x"), Not(IsOk())) << "schemes have one case";
  EXPECT_THAT(ParseSource("http://x"), Not(IsOk()));
}

// Expects that `operand` is the same as source and as sink.
void ExpectTwoWay(absl::string_view operand, Kind kind,
                  absl::string_view text) {
  for (const auto& spec : {ParseSource(operand), ParseSink(operand)}) {
    ASSERT_THAT(spec, IsOk()) << operand;
    EXPECT_EQ(spec->kind, kind) << operand;
    EXPECT_EQ(spec->text, text) << operand;
    EXPECT_EQ(spec->operand, operand);
    EXPECT_TRUE(spec->two_way()) << operand;
  }
}

void ExpectRefused(absl::string_view operand, absl::string_view words) {
  for (const auto& spec : {ParseSource(operand), ParseSink(operand)}) {
    EXPECT_THAT(spec,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)))
        << operand;
  }
}

TEST(ParseTest, TcpIsAHostAndAPort) {
  for (const char* address :
       {"tcp:localhost:80", "tcp:127.0.0.1:http", "tcp:[::1]:80"}) {
    ExpectTwoWay(address, Kind::kDial, address);
  }
  for (const char* operand : {"tcp:", "tcp:80", "tcp:host:", "tcp::80"}) {
    ExpectRefused(operand, "is not tcp:HOST:PORT");
  }
  ExpectRefused("tcp:::1:80", "in brackets");
  ExpectRefused("tcp:*:80", "only tcp-listen: takes it");
}

TEST(ParseTest, AUrlIsToldWhatToWrite) {
  ExpectRefused("tcp://localhost:80", "write tcp:localhost:80");
  ExpectRefused("tcp://[::1]:80/path", "write tcp:[::1]:80");
  ExpectRefused("tcp-listen://localhost:80", "write tcp-listen:localhost:80");
  ExpectRefused("unix:///run/socket", "write unix:/run/socket");
  ExpectRefused("unix-listen://socket", "write unix-listen:socket");
}

TEST(ParseTest, TcpListenNeedsNoHost) {
  ExpectTwoWay("tcp-listen:80", Kind::kListen, "tcp:80");
  ExpectTwoWay("tcp-listen:[::1]:0", Kind::kListen, "tcp:[::1]:0");
  ExpectTwoWay("tcp-listen:*:0", Kind::kListen, "tcp:*:0");
  for (const char* operand : {"tcp-listen:", "tcp-listen::80"}) {
    ExpectRefused(operand, "is not tcp-listen:[HOST:]PORT");
  }
}

TEST(ParseTest, UnixIsAPathOrAName) {
  ExpectTwoWay("unix:/a:b", Kind::kDial, "unix:/a:b");
  ExpectTwoWay("unix-listen:@name", Kind::kListen, "unix:@name");
  ExpectRefused("unix:", "empty");
  ExpectRefused("unix-listen:", "empty");
}

TEST(ParseTest, ExecTakesTheRestAsItIs) {
  ExpectTwoWay("exec:tr a: 'b'", Kind::kExec, "tr a: 'b'");
  ExpectRefused("exec:", "command");
  ExpectRefused("exec: \t", "command");
}

TEST(ParseTest, APortThatIsTooLargeIsRefused) {
  for (const char* operand :
       {"tcp:h:65536", "tcp-listen:65536", "tcp:[::1]:99999999999999999999"}) {
    ExpectRefused(operand, "a port is a number from 0 to 65535");
  }
}

TEST(ParseTest, FdTakesANumber) {
  EXPECT_EQ(ParseSource("fd:17")->descriptor, 17);
  EXPECT_TRUE(ParseSink("fd:0")->two_way());
  for (const char* operand :
       {"fd:", "fd:x", "fd:-1", "fd:+1", "fd:1x", "fd: 1", "fd:99999999999"}) {
    ExpectRefused(operand, "the number of a descriptor");
  }
}

TEST(ParseTest, FilesAndWhatIsMadeUpHaveOneDirection) {
  for (const char* operand : {"a", "file:a", "null:", "string:a", "zero:1"}) {
    EXPECT_FALSE(ParseSource(operand)->two_way()) << operand;
  }
  EXPECT_TRUE(ParseSource("-")->two_way());
}

}  // namespace
}  // namespace flowcat
