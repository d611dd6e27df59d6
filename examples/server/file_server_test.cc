// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// What the file server answers to requests of all kinds, hostile ones among
// them. file_server_failure_test.cc has what happens when something fails, is
// late or stops. flowcat/real_world_test.sh has the program with curl and wrk.

#include <sys/resource.h>
#include <sys/stat.h>

#include <cstddef>
#include <filesystem>  // NOLINT(build/c++17)
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "examples/server/file_server_fixture.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/testing/fault_flow.h"
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace {

using ::absl_testing::IsOk;
using ::flow::testing::FaultOptions;
using ::flow::testing::HoldsData;
using ::flow::testing::IsClosed;
using ::flow::testing::MakeFaultFlow;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace fs = std::filesystem;

// --- Answers

TEST_F(FileServerTest, GetReturnsTheFile) {
  EXPECT_EQ(Ask(Get("/hello")), kHello);
  EXPECT_EQ(Ask(Get("/hello?version=2")), kHello);
  EXPECT_EQ(Ask(Get("/empty")), NotLast("200 OK"));
  EXPECT_THAT(Ask(Get("/folder/inner")), EndsWith("\r\n\r\ninner\n"));
}

TEST_F(FileServerTest, ALargeFileComesWhole) {
  EXPECT_EQ(Ask(Get("/big")),
            absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kBigSize,
                         "\r\n\r\n", std::string(kBigSize, 'b')));
}

TEST_F(FileServerTest, HeadReturnsTheHeadOfGet) {
  const std::string rest = " HTTP/1.1\r\nHost: test\r\n\r\n";
  EXPECT_EQ(Ask("HEAD /hello" + rest),
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
  EXPECT_EQ(Ask("HEAD /folder" + rest),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(Ask("HEAD /nothing" + rest), NotLast("404 Not Found"));
}

TEST_F(FileServerTest, AFolderIsListedInChunks) {
  const std::string answer = Ask(Get("/folder/"));
  EXPECT_THAT(
      answer,
      StartsWith("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\n6\r\ninner\n\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n0\r\n\r\n"));
  EXPECT_THAT(Ask(Get("/")), HasSubstr("\r\n7\r\nfolder\n\r\n"));
}

TEST_F(FileServerTest, PathsAreDecodedOnce) {
  EXPECT_THAT(Ask(Get("/a%20b%252F")), EndsWith("odd\n"));
  EXPECT_EQ(Ask(Get("/%68ell%6F")), kHello);
  EXPECT_EQ(Ask(Get("/hello%2520")), NotLast("404 Not Found"));
}

TEST_F(FileServerTest, WhatIsNotThereIs404) {
  ASSERT_EQ(mkfifo((site_ / "fifo").c_str(), 0600), 0);
  for (const char* path : {"/nothing", "/hello/", "/hello/more", "/fifo"}) {
    EXPECT_EQ(Ask(Get(path)), NotLast("404 Not Found")) << path;
  }
  EXPECT_EQ(Ask(Get("/" + std::string(5000, 'x'))), NotLast("404 Not Found"));
}

TEST_F(FileServerTest, ALackOfDescriptorsIs503) {
  Ask(Get("/hello"));  // so that nothing else needs one any more
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none = {0, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_EQ(Ask(absl::StrCat(Get("/hello"), Get("/folder"))),
            absl::StrCat(NotLast("503 Busy"), NotLast("503 Busy")));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(Ask(Get("/hello")), kHello);
}

TEST_F(FileServerTest, OtherMethodsAre405) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "get"}) {
    EXPECT_EQ(
        Ask(absl::StrCat(method, " /hello HTTP/1.1\r\nHost: test\r\n\r\n")),
        NotLast("405 Method Not Allowed\r\nAllow: GET, HEAD"))
        << method;
  }
}

// --- Out of the folder

TEST_F(FileServerTest, DotsDoNotLeadOutOfTheFolder) {
  for (const char* path :
       {"/../secret", "/folder/../../secret", "/%2e%2e/secret", "/..%2fsecret",
        "/%2E%2E%2Fsecret", "/./../secret", "/folder/../../", "/..",
        "//../secret", "/nothing/../../secret"}) {
    EXPECT_EQ(Ask(Get(path)), NotLast("404 Not Found")) << path;
  }
  EXPECT_EQ(Ask(Get("/folder/../hello")), kHello);
  EXPECT_EQ(Ask(Get(absl::StrCat("/", (outside_ / "secret").string()))),
            NotLast("404 Not Found"));
}

TEST_F(FileServerTest, LinksAreFollowedOnlyWithinTheFolder) {
  fs::create_symlink("hello", site_ / "inside");
  fs::create_symlink("../hello", site_ / "folder" / "up");
  fs::create_symlink("../secret", site_ / "outside");
  fs::create_symlink(outside_, site_ / "absolute");
  fs::create_symlink("folder/../..", site_ / "winding");
  fs::create_symlink("loop", site_ / "loop");
  EXPECT_EQ(Ask(Get("/inside")), kHello);
  EXPECT_EQ(Ask(Get("/folder/up")), kHello);
  for (const char* path :
       {"/outside", "/absolute", "/absolute/secret", "/absolute/site/hello",
        "/winding/secret", "/winding", "/loop"}) {
    EXPECT_EQ(Ask(Get(path)), NotLast("404 Not Found")) << path;
  }
}

// --- Several requests

TEST_F(FileServerTest, ConnectionsAreKeptAlive) {
  std::unique_ptr<flow::Flow> client = Dial();
  for (int i = 0; i < 3; ++i) {
    ASSERT_THAT(client->Write(Get("/hello")), IsOk());
    EXPECT_THAT(client->Read(), HoldsData(kHello));
  }
  EXPECT_THAT(client->Close(Patience()), IsOk());
}

TEST_F(FileServerTest, PipelinedRequestsAreAnsweredInOrder) {
  EXPECT_EQ(Ask(absl::StrCat(Get("/hello"), Get("/nothing"), Get("/hello"))),
            absl::StrCat(kHello, NotLast("404 Not Found"), kHello));
}

TEST_F(FileServerTest, RequestsMayComeByteByByte) {
  SetWrap([](std::unique_ptr<flow::Flow> flow) {
    FaultOptions options;
    options.max_read = 1;
    options.max_write = 1;
    return MakeFaultFlow(std::move(flow), std::move(options));
  });
  EXPECT_EQ(Ask(absl::StrCat(Get("/hello"),
                             "POST / HTTP/1.1\r\nHost: test\r\n"
                             "Transfer-Encoding: chunked\r\n\r\n"
                             "3\r\nabc\r\n0\r\n\r\n",
                             Get("/hello"))),
            absl::StrCat(kHello,
                         NotLast("405 Method Not Allowed\r\nAllow: GET, HEAD"),
                         kHello));
}

TEST_F(FileServerTest, CloseIsTheLastRequest) {
  EXPECT_EQ(
      Ask(absl::StrCat(Get("/hello", "Connection: close\r\n"), Get("/hello"))),
      kLastHello);
  EXPECT_EQ(Ask(absl::StrCat(Get("/hello", "CONNECTION: TE, Close\r\n"),
                             Get("/hello"))),
            kLastHello);
}

// --- Bodies

TEST_F(FileServerTest, BodiesAreDropped) {
  for (const char* fields_and_body :
       {"Content-Length: 5\r\n\r\nGET /", "Content-Length: 0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n",
        "Transfer-Encoding: Chunked\r\n\r\n0a;x=\"y\"\r\n0123456789\r\n"
        "1\r\n\n\r\n000\r\nTrailer: x\r\nContent-Length: 9\r\n\r\n"}) {
    EXPECT_EQ(Ask(absl::StrCat("GET /hello HTTP/1.1\r\nHost: test\r\n",
                               fields_and_body, Get("/hello"))),
              absl::StrCat(kHello, kHello))
        << fields_and_body;
  }
}

TEST_F(FileServerTest, ALargeBodyIs413) {
  const std::string start = "PUT /x HTTP/1.1\r\nHost: test\r\n";
  const std::string largest(kMaxBody, '-');
  EXPECT_THAT(Ask(absl::StrCat(start, "Content-Length: ", kMaxBody, "\r\n\r\n",
                               largest, Get("/hello"))),
              EndsWith(kHello));
  EXPECT_THAT(
      Ask(absl::StrCat(start, "Transfer-Encoding: chunked\r\n\r\n1\r\n",
                       "-\r\n", absl::Hex(kMaxBody - 1), "\r\n",
                       largest.substr(1), "\r\n0\r\n\r\n", Get("/hello"))),
      EndsWith(kHello));
  for (const std::string& length :
       {absl::StrCat(kMaxBody + 1), std::string("18446744073709551615")}) {
    ExpectRefused(absl::StrCat(start, "Content-Length: ", length, "\r\n\r\n"),
                  "413 Content Too Large");
  }
  ExpectRefused(absl::StrCat(start, "Transfer-Encoding: chunked\r\n\r\n1\r\n",
                             "-\r\n", absl::Hex(kMaxBody), "\r\n"),
                "413 Content Too Large");
  ExpectRefused(absl::StrCat(start, "Transfer-Encoding: chunked\r\n\r\n",
                             "1\r\n-\r\nffffffffffffffff\r\n"),
                "413 Content Too Large");
}

// It reads the answer when it is told that nobody reads the rest.
TEST_F(FileServerTest, ARefusedClientMayGoOnSending) {
  std::unique_ptr<flow::Flow> client = Dial();
  absl::Status status = client->Write(
      "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n");
  while (status.ok()) status = client->Write(std::string(kMaxBody, '-'));
  EXPECT_THAT(status, IsClosed());
  EXPECT_THAT(flow::ReadAll(*client, kLimit),
              HoldsData(Last("413 Content Too Large")));
}

TEST_F(FileServerTest, AMalformedChunkIs400) {
  for (const char* chunks :
       {"\r\n", "x\r\n", "0x1\r\n-\r\n", "+1\r\n-\r\n", "-1\r\n-\r\n",
        " 1\r\n-\r\n", "1 \r\n-\r\n", "1\n-\r\n", "1\r\n-x\r\n0\r\n\r\n",
        "1\r\n-\n", "1\r\n-0\r\n\r\n", "10000000000000000\r\n", ";x\r\n"}) {
    ExpectRefused(absl::StrCat("POST / HTTP/1.1\r\nHost: test\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n",
                               chunks),
                  "400 Bad Request");
  }
}

TEST_F(FileServerTest, TwoLengthsAre400) {
  for (const char* fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\ncontent-length: 7\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    ExpectRefused(absl::StrCat("POST / HTTP/1.1\r\nHost: test\r\n", fields,
                               "\r\n0\r\n\r\n"),
                  "400 Bad Request");
  }
}

TEST_F(FileServerTest, ALengthHasDigitsOnly) {
  for (const char* length : {"", "+5", "-5", "5x", "0x5", "5 5", "5.0", "\"5\"",
                             "18446744073709551616"}) {
    ExpectRefused(absl::StrCat("POST / HTTP/1.1\r\nHost: test\r\n",
                               "Content-Length: ", length, "\r\n\r\n"),
                  "400 Bad Request");
  }
}

TEST_F(FileServerTest, OtherCodingsAre501) {
  for (const char* coding : {"gzip", "gzip, chunked", "chunked, chunked",
                             "identity", "xchunked", ""}) {
    ExpectRefused(absl::StrCat("POST / HTTP/1.1\r\nHost: test\r\n",
                               "Transfer-Encoding: ", coding, "\r\n\r\n"),
                  "501 Not Implemented");
  }
}

TEST_F(FileServerTest, ExpectationsAre417) {
  ExpectRefused(
      "PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n"
      "Expect: 100-continue\r\n\r\n",
      "417 Expectation Failed");
}

// --- Malformed heads

TEST_F(FileServerTest, AMalformedRequestLineIs400) {
  for (const char* line :
       {"", "GET", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ",
        " GET / HTTP/1.1", "GET /a b HTTP/1.1", "GET hello HTTP/1.1",
        "GET * HTTP/1.1", "GET / HTTP/1.1\nHost: test", "GET /\r HTTP/1.1",
        "\x16\x03\x01\x02"}) {
    ExpectRefused(absl::StrCat(line, "\r\nHost: test\r\n\r\n"),
                  "400 Bad Request");
  }
  ExpectRefused(absl::StrCat("GET /", absl::string_view("\0", 1),
                             " HTTP/1.1\r\nHost: test\r\n\r\n"),
                "400 Bad Request");
}

TEST_F(FileServerTest, AMalformedPathIs400) {
  for (const char* path :
       {"/%", "/%zz", "/%-1", "/%+1", "/%0x", "/hello%00", "/%00"}) {
    ExpectRefused(Get(path), "400 Bad Request");
  }
}

TEST_F(FileServerTest, OtherVersionsAre505) {
  for (const char* version :
       {"HTTP/1.0", "HTTP/2.0", "HTTP/1.10", "http/1.1"}) {
    ExpectRefused(absl::StrCat("GET /hello ", version, "\r\nHost: x\r\n\r\n"),
                  "505 HTTP Version Not Supported");
  }
}

TEST_F(FileServerTest, AMalformedFieldIs400) {
  for (const char* field :
       {"no colon", "nocolon", ": no name", "Space : x", "Tab\t: x",
        " Folded: x", "\tfolded", "Line: feed\nContent-Length: 5",
        "Carriage: return\rX: y"}) {
    ExpectRefused(Get("/hello", absl::StrCat(field, "\r\n")),
                  "400 Bad Request");
  }
  ExpectRefused(Get("/hello", absl::string_view("Nul: \0\r\n", 8)),
                "400 Bad Request");
}

TEST_F(FileServerTest, OneHostIsNeeded) {
  ExpectRefused("GET /hello HTTP/1.1\r\n\r\n", "400 Bad Request");
  ExpectRefused(Get("/hello", "Host: other\r\n"), "400 Bad Request");
}

TEST_F(FileServerTest, ALongRequestLineIs414) {
  const size_t rest = std::string("GET / HTTP/1.1\r\n").size();
  EXPECT_EQ(Ask(Get("/" + std::string(kMaxLine - rest, 'x'))),
            NotLast("404 Not Found"));
  ExpectRefused(Get("/" + std::string(kMaxLine - rest + 1, 'x')),
                "414 URI Too Long");
}

TEST_F(FileServerTest, LongOrManyFieldsAre431) {
  const size_t rest = std::string("X: \r\n").size();
  const auto fields = [](size_t count) {
    std::string all;
    for (size_t i = 0; i < count; ++i) absl::StrAppend(&all, "X: y\r\n");
    return all;
  };
  const auto field = [](size_t size) {
    return absl::StrCat("X: ", std::string(size, 'y'), "\r\n");
  };
  EXPECT_EQ(Ask(Get("/hello", fields(kMaxFields - 1))), kHello);
  EXPECT_EQ(Ask(Get("/hello", field(kMaxLine - rest))), kHello);
  ExpectRefused(Get("/hello", fields(kMaxFields)),
                "431 Request Header Fields Too Large");
  ExpectRefused(Get("/hello", field(kMaxLine - rest + 1)),
                "431 Request Header Fields Too Large");
}

// The same in every run.
TEST_F(FileServerTest, WhateverComesGetsWholeAnswers) {
  const std::string start = absl::StrCat(
      Get("/hello", "Content-Length: 3\r\n"), "abc", Get("/folder/%2e/"),
      Get("/hello", "Transfer-Encoding: chunked\r\n"),
      "a;b\r\n0123456789\r\n0\r\nC: d\r\n\r\n", Get("/a%20b"));
  EXPECT_TRUE(AreWhole(Ask(start)));
  const absl::string_view odd("\0\r\n\t :;%/.,+-0a\x7f\xff", 17);
  std::mt19937 dice(1);
  for (int round = 0; round < 1000; ++round) {
    std::string text = start;
    for (int changes = 1 + round % 3; changes > 0; --changes) {
      const size_t at = dice() % text.size();
      switch (dice() % 3) {
        case 0:
          text[at] = odd[dice() % odd.size()];
          break;
        case 1:
          text.insert(at, 1, odd[dice() % odd.size()]);
          break;
        default:
          text.erase(at, 1 + dice() % 4);
      }
    }
    const std::string answers = Ask(text);
    EXPECT_TRUE(AreWhole(answers)) << text << "gets\n" << answers;
  }
}

// Only the client knows what it wanted to say.
TEST_F(FileServerTest, ARequestThatEndsTooEarlyIs400) {
  const std::string whole = absl::StrCat("POST /hello HTTP/1.1\r\nHost: x\r\n",
                                         "Content-Length: 2\r\n\r\n12");
  for (size_t size = 1; size < whole.size(); ++size) {
    EXPECT_EQ(Ask(absl::string_view(whole).substr(0, size)),
              Last("400 Bad Request"))
        << size;
  }
}

}  // namespace
