// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "greeting.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

absl::StatusOr<std::string> Greet(flow::Flow& peer, absl::string_view name) {
  if (absl::Status s = peer.Writev({"hello, I am ", name, "\n"}); !s.ok()) {
    return s;
  }
  std::string line;
  while (true) {
    absl::StatusOr<absl::Cord> data = peer.Read(/*max_bytes=*/1);
    if (!data.ok()) return data.status();
    if (data->empty()) {
      return absl::DataLossError(
          absl::StrCat("the answer ended after \"", line, "\""));
    }
    if (*data == "\n") return line;
    line += std::string(*data);
  }
}
