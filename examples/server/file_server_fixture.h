// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// The file server in memory, for its tests.

#ifndef FLOW_EXAMPLES_SERVER_FILE_SERVER_FIXTURE_H_
#define FLOW_EXAMPLES_SERVER_FILE_SERVER_FIXTURE_H_

// The program is one file, to be read and copied as one.
#define main ServerMain
#include "examples/server/file_server.cc"  // NOLINT(build/include)
#undef main

#include <stdlib.h>

#include <cstddef>
#include <filesystem>  // NOLINT(build/c++17)
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>  // NOLINT(build/c++11)
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/log/absl_check.h"
#include "absl/status/status_matchers.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/copy.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/testing/pipe_listener.h"
#include "gtest/gtest.h"

inline constexpr size_t kBigSize = 4 << 20;  // more than a pipe holds
inline constexpr size_t kLimit = 16 << 20;

// What the file `hello` is answered with.
inline constexpr absl::string_view kHello =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n";
inline constexpr absl::string_view kLastHello =
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n";

inline absl::Time Patience() { return absl::Now() + absl::Seconds(50); }

inline std::string Get(absl::string_view path, absl::string_view fields = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: test\r\n", fields,
                      "\r\n");
}

// An answer that says what is wrong and ends the connection, or not.
inline std::string Last(absl::string_view status) {
  return absl::StrCat("HTTP/1.1 ", status,
                      "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}
inline std::string NotLast(absl::string_view status) {
  return absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Length: 0\r\n\r\n");
}

// Returns whether `text` is nothing but answers to GET, the last one whole.
inline bool AreWhole(absl::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find("\r\n\r\n");
    if (!absl::StartsWith(text, "HTTP/1.1 ") || end == text.npos) return false;
    const absl::string_view head = text.substr(0, end);
    text.remove_prefix(end + 4);
    size_t size = 0;
    if (absl::StrContains(head, "\r\nTransfer-Encoding: chunked")) {
      const absl::string_view last = "\r\n0\r\n\r\n";
      if (!absl::StrContains(text, last)) return false;
      size = text.find(last) + last.size();
    } else {
      const std::vector<absl::string_view> parts =
          absl::StrSplit(head, absl::ByAnyChar(" \r"));
      const auto name = absl::c_find(parts, "\nContent-Length:");
      if (parts.end() - name < 2) return false;
      if (!absl::SimpleAtoi(*(name + 1), &size)) return false;
    }
    if (size > text.size()) return false;
    text.remove_prefix(size);
  }
  return true;
}

class FileServerTest : public ::testing::Test {
 protected:
  using Wrap =
      std::function<std::unique_ptr<flow::Flow>(std::unique_ptr<flow::Flow>)>;

  FileServerTest() {
    std::string name = absl::StrCat(::testing::TempDir(), "/siteXXXXXX");
    ABSL_CHECK(mkdtemp(name.data()) != nullptr);
    outside_ = name;
    site_ = outside_ / "site";
    std::filesystem::create_directory(site_);
    std::filesystem::create_directory(site_ / "folder");
    Put("hello", "hello\n");
    Put("empty", "");
    Put("a b%2F", "odd\n");
    Put("folder/inner", "inner\n");
    Put("big", std::string(kBigSize, 'b'));
    Put("../secret", "secret\n");
    folder_ = open(site_.c_str(), O_PATH | O_DIRECTORY);
    ABSL_CHECK_GE(folder_, 0);
  }

  ~FileServerTest() override {
    StopNow();
    close(folder_);
    std::filesystem::remove_all(outside_);
  }

  void Put(const std::string& path, absl::string_view content) {
    std::ofstream(site_ / path) << content;
  }

  // Changes what the server gets from now on.
  void SetWrap(Wrap wrap) { wrap_ = std::move(wrap); }

  std::unique_ptr<flow::Flow> Dial() {
    if (!thread_.joinable()) {
      server_ = std::make_unique<flow::Server>(
          [this](std::unique_ptr<flow::Flow> flow,
                 flow::ServerConnection& connection) {
            ServeFiles(folder_)(wrap_(std::move(flow)), connection);
          });
      listener_ = std::make_unique<flow::testing::PipeListener>();
      thread_ = std::thread([this] { report_ = server_->Run(*listener_); });
    }
    std::unique_ptr<flow::Flow> client = listener_->Dial();
    client->SetReadDeadline(Patience());
    client->SetWriteDeadline(Patience());
    return client;
  }

  // The next Dial() starts another server.
  void StopNow() {
    if (!thread_.joinable()) return;
    server_->Stop(absl::InfinitePast());
    thread_.join();
  }
  void BeginStop() { server_->Stop(Patience()); }
  flow::ServerReport AwaitStop() {
    thread_.join();
    return report_;
  }

  // Returns all that the server says to `request`, up to end-of-file.
  std::string Ask(absl::string_view request) {
    std::unique_ptr<flow::Flow> client = Dial();
    // A server that has heard enough may have refused the rest.
    client->Write(request).IgnoreError();
    client->Shutdown(flow::ShutdownMode::kWrite).IgnoreError();
    absl::Cord answer;
    EXPECT_THAT(flow::ReadAll(*client, kLimit, &answer), absl_testing::IsOk())
        << "after " << answer.size() << " bytes";
    client->Close(Patience()).IgnoreError();
    return std::string(answer);
  }

  // Expects that the server refuses `request` with `status`, does not look at
  // what follows, and ends the connection.
  void ExpectRefused(absl::string_view request, absl::string_view status) {
    SCOPED_TRACE(request.substr(0, 200));
    EXPECT_EQ(Ask(absl::StrCat(request, Get("/hello"))), Last(status));
  }

  std::filesystem::path outside_, site_;
  int folder_ = -1;

 private:
  Wrap wrap_ = [](std::unique_ptr<flow::Flow> flow) { return flow; };
  std::unique_ptr<flow::testing::PipeListener> listener_;
  std::unique_ptr<flow::Server> server_;
  flow::ServerReport report_;
  std::thread thread_;
};

#endif  // FLOW_EXAMPLES_SERVER_FILE_SERVER_FIXTURE_H_
