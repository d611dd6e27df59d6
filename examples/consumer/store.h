// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Values by their keys, kept by a server for its clients, by the protocol of
// request.h.

#ifndef STORE_H_
#define STORE_H_

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/server.h"

// What the server keeps. Any thread may call it.
class Store {
 public:
  // Returns nothing if there is no such key.
  std::optional<absl::Cord> Get(absl::string_view key) const;
  void Set(absl::string_view key, absl::Cord value);
  // Returns whether there was such a key.
  bool Delete(absl::string_view key);

  // Answers the requests of one client until it ends, or the server stops.
  void Serve(std::unique_ptr<flow::Flow> client,
             flow::ServerConnection& connection);

 private:
  // Reads a request and answers it. kInvalidArgument: the client does not keep
  // to the protocol, and may be told the message.
  absl::Status Answer(flow::Channel& client);

  mutable std::mutex mu_;  // guards values_
  absl::flat_hash_map<std::string, absl::Cord> values_;
};

// A client of a store. One thread at a time.
class StoreClient {
 public:
  // `server` is connected to a store.
  explicit StoreClient(std::unique_ptr<flow::Flow> server);

  // Return what the server says. kDataLoss: it has ended in the middle of an
  // answer. kInternal: the answer is none that the protocol knows. After any
  // error but kInvalidArgument, which is a key or value that no store takes,
  // the connection is of no more use.
  absl::StatusOr<std::optional<absl::Cord>> Get(absl::string_view key);
  absl::Status Set(absl::string_view key, absl::Cord value);
  absl::StatusOr<bool> Delete(absl::string_view key);

  // Ends the connection in good order.
  absl::Status Close(absl::Time deadline);

 private:
  absl::StatusOr<std::string> ReadAnswer();

  std::unique_ptr<flow::Channel> server_;
};

#endif  // STORE_H_
