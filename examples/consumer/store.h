// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Values by their keys, kept by a server for its clients. The protocol:
//
//   GET KEY             VALUE SIZE, then SIZE bytes and a newline; or NONE
//   SET KEY SIZE,       STORED
//     then SIZE bytes and a newline
//   DELETE KEY          DELETED; or NONE
//
// Each line ends in a newline. A request that is none of these is answered with
// ERROR and a text, and ends the connection.

#ifndef STORE_H_
#define STORE_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "flow/channel.h"
#include "flow/flow.h"
#include "flow/server.h"

// The longest line, key and value. Whoever sends more is refused, so a client
// cannot make the server keep what it likes.
inline constexpr size_t kMaxLine = 512;
inline constexpr size_t kMaxKey = 250;
inline constexpr size_t kMaxValue = size_t{1} << 20;

// The first line of a request.
struct Request {
  enum class Verb { kGet, kSet, kDelete };
  Verb verb = Verb::kGet;
  std::string key;
  size_t size = 0;  // of the value of a SET
};

// Returns what `line`, without its newline, asks for. kInvalidArgument: nothing
// that the protocol knows.
absl::StatusOr<Request> ParseRequest(absl::string_view line);

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
  // Reads a request and answers it. kInvalidArgument and kResourceExhausted:
  // the client does not keep to the protocol.
  absl::Status Answer(flow::Channel& client);

  mutable absl::Mutex mu_;
  absl::flat_hash_map<std::string, absl::Cord> values_ ABSL_GUARDED_BY(mu_);
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
