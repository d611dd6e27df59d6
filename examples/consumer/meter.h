// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// A transport of one's own: it counts what passes through a flow underneath,
// and is that flow in everything else. A meter may count several flows.

#ifndef METER_H_
#define METER_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "flow/flow.h"

struct Meter {
  std::atomic<int64_t> bytes_read{0};
  std::atomic<int64_t> bytes_written{0};
};

// Returns `flow` with what passes added to `meter`, which must outlive it.
std::unique_ptr<flow::Flow> MeterFlow(std::unique_ptr<flow::Flow> flow,
                                      Meter* meter);

#endif  // METER_H_
