// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: engine_relay.h
//
// Serves relays between sockets without threads of their own. Each connection
// is accepted, gets a connection to B, is relayed both ways and closed by
// started calls (docs/started.md), on one of a few engines (engine_threads.h).
// How a relay ends, and what is said of it, is as relay.h says.
//
// When not to use it: for other ends than sockets, one direction, a trace.
// relay.h does that.
//
// Thread safety: the function may be called from any thread.

#ifndef FLOWCAT_ENGINE_RELAY_H_
#define FLOWCAT_ENGINE_RELAY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "flow/socket.h"
#include "flowcat/endpoint.h"
#include "flowcat/engine_threads.h"
#include "flowcat/relay.h"
#include "flowcat/stop.h"

namespace flowcat {

// EngineRelayOptions
struct EngineRelayOptions {
  // The address of B, and how it is dialed.
  std::string b;
  OpenOptions open;

  // The most connections that are open at once. Others wait to be accepted.
  int max_connections = 100;

  // As in RelayOptions.
  absl::Duration idle_timeout = absl::InfiniteDuration();
  Traffic* traffic = nullptr;

  // Called when a connection was accepted, on the thread of an engine. Must not
  // block.
  std::function<void()> on_begin;

  // Called when a connection has ended and is freed, with its number, from 1 in
  // the order of accepting, and its name. If it has failed, this is called on
  // the thread that serves, and may block. The connection counts as open until
  // it returns. Otherwise it is called on the thread of an engine, and must not
  // block.
  std::function<void(int64_t number, const std::string& name,
                     const RelayResult& result)>
      on_end;

  // Called on the thread that serves when a shortage of descriptors or memory
  // begins, because of which nobody can be accepted.
  std::function<void(const absl::Status& error)> on_shortage;
};

// ServeOnEngines()
//
// Relays each connection to `listener` with one to B, until a request to `stop`
// (which must be that of `options.open`) or until the listener fails. Returns
// why it has failed, or Ok, when all connections have ended. A stop closes the
// listener and aborts them.
absl::Status ServeOnEngines(flow::Listener& listener,
                            std::unique_ptr<EngineThreads> engines,
                            const EngineRelayOptions& options, Stop& stop);

}  // namespace flowcat

#endif  // FLOWCAT_ENGINE_RELAY_H_
