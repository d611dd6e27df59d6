// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "store.h"

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/hang_up.h"
#include "flow/server.h"
#include "flow/status.h"
#include "request.h"

namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// Returns the `size` bytes of a value, and takes the newline behind them.
absl::StatusOr<absl::Cord> ReadValue(flow::Channel& peer, size_t size) {
  absl::StatusOr<absl::Cord> value = peer.ReadExactly(size + 1);
  if (!value.ok()) return value;
  if (!value->EndsWith("\n")) {
    return absl::InvalidArgumentError("no newline behind the value");
  }
  value->RemoveSuffix(1);
  return value;
}

}  // namespace

// --- The server

std::optional<absl::Cord> Store::Get(absl::string_view key) const {
  const std::lock_guard<std::mutex> lock(mu_);
  const auto found = values_.find(key);
  if (found == values_.end()) return std::nullopt;
  return found->second;
}

void Store::Set(absl::string_view key, absl::Cord value) {
  const std::lock_guard<std::mutex> lock(mu_);
  values_[key] = std::move(value);
}

bool Store::Delete(absl::string_view key) {
  const std::lock_guard<std::mutex> lock(mu_);
  return values_.erase(key) != 0;
}

void Store::Serve(std::unique_ptr<flow::Flow> client,
                  flow::ServerConnection& connection) {
  auto channel = flow::MakeChannel(std::move(client));
  while (connection.AwaitRequest(*channel, /*idle=*/kPatience)) {
    channel->SetReadDeadline(absl::Now() + kPatience);
    channel->SetWriteDeadline(absl::Now() + kPatience);
    const absl::Status status = Answer(*channel);
    if (absl::IsInvalidArgument(status)) {
      const std::string word = absl::StrCat("ERROR ", status.message(), "\n");
      flow::HangUp(*channel, word, absl::Now() + kPatience).IgnoreError();
      return;
    }
    // Returning without Close() aborts, so that the client cannot take what was
    // sent for the whole answer.
    if (!status.ok()) return;
  }
  channel->Close(absl::Now() + kPatience).IgnoreError();
}

absl::Status Store::Answer(flow::Channel& client) {
  absl::StatusOr<std::string> line = flow::NotAtEnd(client.ReadLine(kMaxLine));
  if (absl::IsResourceExhausted(line.status())) {
    return absl::InvalidArgumentError("the line is too long");
  }
  if (!line.ok()) return line.status();
  absl::StatusOr<Request> request = ParseRequest(*line);
  if (!request.ok()) return request.status();
  switch (request->verb) {
    case Request::Verb::kSet: {
      absl::StatusOr<absl::Cord> value = ReadValue(client, request->size);
      if (!value.ok()) return value.status();
      Set(request->key, *std::move(value));
      return client.Write("STORED\n");
    }
    case Request::Verb::kDelete:
      return client.Write(Delete(request->key) ? "DELETED\n" : "NONE\n");
    case Request::Verb::kGet:
      break;
  }
  const std::optional<absl::Cord> value = Get(request->key);
  if (!value.has_value()) return client.Write("NONE\n");
  const std::string head = absl::StrCat("VALUE ", value->size(), "\n");
  return client.Writev({head, *value, "\n"});
}

// --- The client

StoreClient::StoreClient(std::unique_ptr<flow::Flow> server)
    : server_(flow::MakeChannel(std::move(server))) {}

absl::StatusOr<std::string> StoreClient::ReadAnswer() {
  absl::StatusOr<std::string> line =
      flow::NotAtEnd(server_->ReadLine(kMaxLine));
  if (absl::IsOutOfRange(line.status())) {
    return absl::DataLossError(line.status().message());
  }
  return line;
}

absl::StatusOr<std::optional<absl::Cord>> StoreClient::Get(
    absl::string_view key) {
  if (!IsKey(key)) return absl::InvalidArgumentError("no key");
  if (absl::Status s = server_->Writev({"GET ", key, "\n"}); !s.ok()) return s;
  absl::StatusOr<std::string> answer = ReadAnswer();
  if (!answer.ok()) return answer.status();
  if (*answer == "NONE") return std::nullopt;
  absl::string_view size_text = *answer;
  size_t size = 0;
  if (!absl::ConsumePrefix(&size_text, "VALUE ") ||
      !ParseSize(size_text, &size)) {
    return absl::InternalError(absl::StrCat("the store says: ", *answer));
  }
  absl::StatusOr<absl::Cord> value = ReadValue(*server_, size);
  if (absl::IsOutOfRange(value.status())) {
    return absl::DataLossError(value.status().message());
  }
  if (!value.ok()) return value.status();
  return *std::move(value);
}

absl::Status StoreClient::Set(absl::string_view key, absl::Cord value) {
  if (!IsKey(key)) return absl::InvalidArgumentError("no key");
  if (value.size() > kMaxValue) {
    return absl::InvalidArgumentError("the value is too large");
  }
  const std::string head = absl::StrCat("SET ", key, " ", value.size(), "\n");
  absl::Status status = server_->Writev({head, std::move(value), "\n"});
  if (!status.ok()) return status;
  absl::StatusOr<std::string> answer = ReadAnswer();
  if (!answer.ok()) return answer.status();
  if (*answer == "STORED") return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the store says: ", *answer));
}

absl::StatusOr<bool> StoreClient::Delete(absl::string_view key) {
  if (!IsKey(key)) return absl::InvalidArgumentError("no key");
  absl::Status status = server_->Writev({"DELETE ", key, "\n"});
  if (!status.ok()) return status;
  absl::StatusOr<std::string> answer = ReadAnswer();
  if (!answer.ok()) return answer.status();
  if (*answer == "DELETED" || *answer == "NONE") return *answer == "DELETED";
  return absl::InternalError(absl::StrCat("the store says: ", *answer));
}

absl::Status StoreClient::Close(absl::Time deadline) {
  return server_->Close(deadline);
}
