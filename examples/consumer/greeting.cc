// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "greeting.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/server.h"

namespace {

constexpr absl::string_view kGreeting = "hello, I am ";

// Reads a line, byte by byte so that nothing after it is taken.
absl::StatusOr<std::string> ReadLine(flow::Flow& peer) {
  std::string line;
  while (true) {
    absl::StatusOr<absl::Cord> data = peer.Read(/*max_bytes=*/1);
    if (!data.ok()) return data.status();
    if (data->empty()) {
      return absl::DataLossError(
          absl::StrCat("the line ended after \"", line, "\""));
    }
    if (*data == "\n") return line;
    line += std::string(*data);
  }
}

}  // namespace

absl::StatusOr<std::string> Greet(flow::Flow& peer, absl::string_view name) {
  if (absl::Status s = peer.Writev({kGreeting, name, "\n"}); !s.ok()) {
    return s;
  }
  return ReadLine(peer);
}

void Welcome(std::unique_ptr<flow::Flow> guest,
             flow::ServerConnection& connection) {
  auto channel = flow::MakeChannel(std::move(guest));
  while (true) {
    channel->SetReadDeadline(absl::Now() + absl::Minutes(1));
    if (!connection.AwaitRequest(*channel)) break;
    const absl::StatusOr<std::string> line = ReadLine(*channel);
    // Returning without Close() aborts.
    if (!line.ok() || !absl::StartsWith(*line, kGreeting)) return;
    const absl::string_view name = absl::StripPrefix(*line, kGreeting);
    if (!channel->Writev({"welcome, ", name, "\n"}).ok()) return;
  }
  channel->Close(absl::Now() + absl::Seconds(5)).IgnoreError();
}
