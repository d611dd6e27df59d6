// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/serve.h"

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/flow.h"
#include "flow/pipe.h"
#include "flow/socket.h"
#include "flow/status.h"
#include "flowcat/no_threads.h"
#include "flowcat/stop.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flowcat {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;

// Says what it was told to say, and is then closed.
class ScriptedListener final : public flow::Listener {
 public:
  explicit ScriptedListener(std::vector<absl::Status> script)
      : script_(std::move(script)) {}

  absl::StatusOr<std::unique_ptr<flow::Flow>> Accept(absl::Time) override {
    if (next_ == script_.size()) return flow::ClosedError("not listening");
    const absl::Status status = script_[next_++];
    if (!status.ok()) return status;
    return std::move(flow::MakePipe().left);
  }
  void Close() override {}
  std::string address() const override { return "there"; }

 private:
  const std::vector<absl::Status> script_;
  size_t next_ = 0;
};

TEST(ServeTest, AShortageIsSaidOnceAndWaitedOut) {
  const absl::Status kShort =
      absl::ResourceExhaustedError("accept4: Too many open files");
  ScriptedListener listener(
      {kShort, kShort, absl::OkStatus(), kShort, absl::OkStatus()});
  std::vector<std::string> said;
  std::vector<int64_t> served;
  ServeOptions options;
  options.max_connections = 1;  // so that `served` is in order
  options.on_shortage = [&](absl::string_view line) {
    said.emplace_back(line);
  };
  options.serve = [&](int64_t number, std::unique_ptr<flow::Flow>) {
    served.push_back(number);
  };
  Stop stop;
  EXPECT_THAT(Serve(listener, options, stop), IsOk());
  EXPECT_THAT(said, ElementsAre("cannot accept on there: Too many open files",
                                "cannot accept on there: Too many open files"));
  EXPECT_THAT(served, ElementsAre(1, 2));
}

TEST(ServeTest, WithoutAThreadOneConnectionIsRefusedAndOthersAreServed) {
  ScriptedListener listener(
      {absl::OkStatus(), absl::OkStatus(), absl::OkStatus()});
  std::vector<int64_t> served;
  std::vector<std::string> refused;
  std::optional<NoThreads> threads;
  ServeOptions options;
  options.max_connections = 1;  // so that `served` is in order
  options.serve = [&](int64_t number, std::unique_ptr<flow::Flow> connection) {
    EXPECT_NE(connection, nullptr);
    served.push_back(number);
    if (number == 1) threads.emplace();  // from here on there are none
  };
  options.refuse = [&](int64_t number, std::unique_ptr<flow::Flow> connection,
                       const absl::Status& why) {
    EXPECT_NE(connection, nullptr);
    EXPECT_TRUE(absl::IsResourceExhausted(why));
    refused.push_back(absl::StrCat(number, ": ", why.message()));
    threads.reset();
  };
  Stop stop;
  EXPECT_THAT(Serve(listener, options, stop), IsOk());
  EXPECT_THAT(served, ElementsAre(1, 3));
  EXPECT_THAT(refused,
              ElementsAre("2: no thread available (Resource temporarily "
                          "unavailable)"));
}

TEST(ServeTest, AListenerThatIsBrokenEndsIt) {
  ScriptedListener listener({absl::InternalError("accept4: broken")});
  ServeOptions options;
  Stop stop;
  EXPECT_THAT(Serve(listener, options, stop),
              StatusIs(absl::StatusCode::kInternal));
}

TEST(ServeTest, ARequestToStopComesBeforeAnyConnection) {
  ScriptedListener listener({absl::OkStatus()});
  ServeOptions options;
  options.serve = [](int64_t, std::unique_ptr<flow::Flow>) { ADD_FAILURE(); };
  Stop stop;
  stop.Request(SIGTERM);
  EXPECT_THAT(Serve(listener, options, stop), IsOk());
}

}  // namespace
}  // namespace flowcat
