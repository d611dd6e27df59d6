// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: relay_words.h
//
// How a relay ended, in words for the user, whether threads have carried it
// (relay.h) or engines (engine_relay.h).
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOWCAT_RELAY_WORDS_H_
#define FLOWCAT_RELAY_WORDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "flow/proxy.h"

namespace flowcat {

// ErrorOfProxy()
//
// Returns what ended the bytes of a proxy with this `idle_timeout`; Ok if they
// ended in order.
absl::Status ErrorOfProxy(const flow::ProxyResult& result,
                          absl::Duration idle_timeout);

// ErrorOfClose()
//
// Returns what `closed` means, the result of closing `name`. Each end of a
// relay is `free_to_refuse`.
absl::Status ErrorOfClose(const absl::Status& closed, absl::string_view name,
                          absl::Duration idle_timeout, bool free_to_refuse);

// ExtentBothWays()
//
// Returns how far a relay came, for the end of an error message.
std::string ExtentBothWays(const flow::ProxyResult& result);

}  // namespace flowcat

#endif  // FLOWCAT_RELAY_WORDS_H_
