// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Serves a folder by HTTP/1.1: `server tcp:localhost:8080 FOLDER`. Neither `..`
// nor a link leads out of it. SIGINT and SIGTERM stop it when it has answered.

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/copy.h"
#include "flow/fd_flow.h"
#include "flow/flow.h"
#include "flow/server.h"
#include "flow/signal_watch.h"
#include "flow/socket.h"

constexpr char kBad[] = "400 Bad Request";
constexpr char kNotAllowed[] = "405 Method Not Allowed\r\nAllow: GET, HEAD";
constexpr size_t kMaxLine = 8192, kMaxFields = 100, kMaxBody = 65536;
constexpr absl::Duration kTimeout = absl::Seconds(20), kIdle = absl::Minutes(1);

// One request and its answer (RFC 9112). The first thing that is wrong with the
// request is what the client is told. If the answer fails, so does the stream.
class Exchange {
 public:
  Exchange(int root, flow::Channel& client) : root_(root), client_(client) {}

  bool Run(flow::ServerConnection& connection) {
    if (!connection.AwaitRequest(client_, kIdle)) return false;
    client_.SetReadDeadline(absl::Now() + kTimeout);
    client_.SetWriteDeadline(absl::Now() + 2 * kTimeout);
    ReadHead();
    DropBody();
    is_last_ |= refusal_ != nullptr || connection.stopping();
    if (!refusal_) Answer();
    if (refusal_) WriteHead(refusal_, "Content-Length: 0");
    status_.Update(client_.Flush());
    if (!status_.ok()) client_.Abort(status_);
    return status_.ok() && !is_last_;
  }

 private:
  void Refuse(const char* why = kBad) { refusal_ = refusal_ ? refusal_ : why; }

  // Returns a line without its end. "" may mean that the request is refused.
  std::string ReadLine() {
    if (refusal_) return "";
    const auto line = client_.ReadUntil("\r\n", kMaxLine);
    const std::string text(line.ok() && *line ? **line : absl::Cord("\n"));
    if (absl::IsResourceExhausted(line.status())) Refuse(too_large_);
    if (absl::IsDeadlineExceeded(line.status())) Refuse("408 Request Timeout");
    if (text.find_first_of({"\r\n\0", 3}) != text.npos) Refuse();
    return refusal_ ? "" : text;
  }

  void ReadHead() {
    const std::vector<std::string> words = absl::StrSplit(ReadLine(), ' ');
    if (words.size() != 3 || words[1][0] != '/') return Refuse();
    if (words[2] != "HTTP/1.1") return Refuse("505 HTTP Version Not Supported");
    method_ = words[0];
    path_ = "." + words[1].substr(0, words[1].find('?'));
    for (size_t at = 0; (at = path_.find('%', at)) != path_.npos; ++at) {
      path_.replace(at, 3, 1, Number(path_.substr(at + 1, 2), 16));
    }
    too_large_ = "431 Request Header Fields Too Large";
    size_t fields = 0, hosts = 0, lengths = 0;
    std::string line;
    while (!(line = absl::AsciiStrToLower(ReadLine())).empty()) {
      const size_t end = line.find_first_of(": \t");
      if (end == 0 || end == line.npos || line[end] != ':') return Refuse();
      const std::string name = line.substr(0, end);
      const std::string value(absl::StripAsciiWhitespace(line.substr(end + 1)));
      const bool is_coding = name == "transfer-encoding";
      if (++fields > kMaxFields) Refuse(too_large_);
      if (is_coding && value != "chunked") Refuse("501 Not Implemented");
      if (name == "expect") Refuse("417 Expectation Failed");
      if (name == "content-length") length_ = Number(value, 10);
      hosts += name == "host";
      lengths += name == "content-length" || is_coding;
      is_chunked_ |= is_coding;
      is_last_ |= name == "connection" && value.find("close") != value.npos;
    }
    // Of two lengths, somebody on the way may have believed the other one.
    if (hosts != 1 || lengths > 1 || path_.find('\0') != path_.npos) Refuse();
  }

  // Returns the number that `text` is: no sign, no space, nothing else.
  size_t Number(const std::string& text, int base) {
    size_t number = 0;
    auto result = std::from_chars(&text[0], &text[text.size()], number, base);
    if (result.ec != std::errc() || *result.ptr != '\0') Refuse();
    return number;
  }

  void DropBody() {
    for (size_t size = length_, total = 0; !refusal_; total += size) {
      const std::string line = is_chunked_ ? ReadLine() : "";
      if (is_chunked_) size = Number(line.substr(0, line.find(';')), 16);
      if (size > kMaxBody - total) return Refuse("413 Content Too Large");
      if (!client_.ReadExactly(size).ok()) Refuse();
      if (!is_chunked_ || size == 0) break;
      if (!ReadLine().empty()) Refuse();
    }
    while (is_chunked_ && !ReadLine().empty()) continue;  // the trailer
  }

  void Answer() {
    if (method_ != "GET" && method_ != "HEAD") return Refuse(kNotAllowed);
    open_how how = {O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, RESOLVE_BENEATH};
    const int fd = syscall(SYS_openat2, root_, path_.c_str(), &how, sizeof how);
    if (fd < 0) return Refuse(errno == EMFILE ? "503 Busy" : "404 Not Found");
    struct stat info = {};
    fstat(fd, &info);
    if (S_ISDIR(info.st_mode)) return AnswerList(fd);
    const auto file = flow::MakeFdFlow(fd);
    if (!file.ok() || !S_ISREG(info.st_mode)) return Refuse("404 Not Found");
    WriteHead("200 OK", absl::StrCat("Content-Length: ", info.st_size));
    client_.SetWriteDeadline(absl::Now() + (1 + info.st_size / 1e6) * kTimeout);
    flow::CopyOptions options;
    options.max_bytes = method_ == "HEAD" ? 0 : info.st_size;
    options.exactly = true;  // so it is an error if the file gets shorter
    status_.Update(flow::Copy(**file, client_, options).status);
  }

  void AnswerList(int fd) {
    std::unique_ptr<DIR, int (*)(DIR*)> folder(fdopendir(fd), closedir);
    WriteHead("200 OK", "Transfer-Encoding: chunked");
    if (method_ == "HEAD") return;
    for (errno = 0; const dirent* entry = readdir(folder.get()); errno = 0) {
      const std::string line = absl::StrCat(entry->d_name, "\n");
      Write(absl::StrCat(absl::Hex(line.size()), "\r\n", line, "\r\n"));
    }
    status_.Update(absl::ErrnoToStatus(errno, "readdir"));
    Write("0\r\n\r\n");
  }

  void WriteHead(const std::string& status, const std::string& field) {
    Write(absl::StrCat("HTTP/1.1 ", status, "\r\n", field, "\r\n",
                       is_last_ ? "Connection: close\r\n\r\n" : "\r\n"));
  }
  void Write(const std::string& data) {
    status_ = status_.ok() ? client_.WriteBuffered(data) : status_;
  }

  const int root_;
  flow::Channel& client_;
  absl::Status status_;
  std::string method_, path_;
  const char *refusal_ = nullptr, *too_large_ = "414 URI Too Long";
  size_t length_ = 0;
  bool is_chunked_ = false, is_last_ = false;
};

flow::Server::Handler ServeFiles(int folder) {
  return [folder](std::unique_ptr<flow::Flow> flow,
                  flow::ServerConnection& connection) {
    auto client = flow::MakeChannel(std::move(flow));
    while (Exchange(folder, *client).Run(connection)) continue;
    // What comes now is not read, and must not reset the connection.
    client->Shutdown(flow::ShutdownMode::kRead).IgnoreError();
    client->PatientClose(kTimeout).IgnoreError();
  };
}

int main(int argc, char** argv) {
  const int folder = argc == 3 ? open(argv[2], O_PATH | O_DIRECTORY) : -1;
  flow::Server server(ServeFiles(folder));
  auto watch = flow::WatchSignals(
      [&](int) { server.Stop(absl::Now() + absl::Seconds(10)); });
  auto listener = flow::Listen(folder < 0 ? "" : argv[1]);
  if (!watch.ok() || !listener.ok()) {
    std::cerr << "usage: server ADDRESS FOLDER: " << listener.status() << "\n";
    return 2;
  }
  std::cout << "listening on " << (*listener)->address() << std::endl;
  const flow::ServerReport report = server.Run(**listener);
  std::cout << report.ToString() << std::endl;
  return report.status.ok() ? 0 : 1;
}
