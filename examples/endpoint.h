// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint.h
//
// What flowcat copies from and to, as a command line names it: parsed into an
// EndpointSpec, then opened as a flow. Two steps, so that a mistake in either
// name is found before anything is opened, and a missing source before a sink
// is emptied.
//
//   absl::StatusOr<EndpointSpec> spec = ParseSource("zero:1GiB");
//   absl::StatusOr<Endpoint> source = OpenSource(*std::move(spec));
//   ... source->flow->Read() ...

#ifndef EXAMPLES_ENDPOINT_H_
#define EXAMPLES_ENDPOINT_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "flow/flow.h"

namespace flowcat {

// EndpointSpec
//
// What one operand of the command line names.
struct EndpointSpec {
  enum class Kind { kStandardStream, kFile, kNull, kString, kZero };

  Kind kind = Kind::kNull;
  std::string text;  // kFile: the path; kString: the bytes
  int64_t size = 0;  // kZero: the number of bytes
};

// ParseSource(), ParseSink()
//
// Return what `operand` names, or kInvalidArgument in words for the user:
//
//   -            standard input or standard output
//   file:PATH    a file
//   null:        no bytes; or any bytes, dropped
//   string:TEXT  the bytes of TEXT (source only)
//   zero:SIZE    SIZE bytes of zero, see ParseByteSize() (source only)
//   PATH         anything else, unless it begins like a URL, with a name and a
//                colon
//
// Nothing is opened or looked up.
absl::StatusOr<EndpointSpec> ParseSource(absl::string_view operand);
absl::StatusOr<EndpointSpec> ParseSink(absl::string_view operand);

// Endpoint
//
// A flow and what flowcat must know about it.
struct Endpoint {
  std::unique_ptr<flow::Flow> flow;

  // For messages.
  std::string name;

  // How many bytes there are to read, where that is known.
  std::optional<int64_t> size;

  bool is_terminal = false;

  // Device and number; of regular files only.
  std::optional<std::pair<dev_t, ino_t>> regular_file;
};

// OpenSource()
//
// Opens `spec` for reading. Files and standard input are closed with the flow.
absl::StatusOr<Endpoint> OpenSource(EndpointSpec spec);

// OpenSink()
//
// Opens `spec` for writing; a regular file is created, or emptied if there is
// one, but only after it is known not to be that of `source`. Standard output
// is not emptied. Files and standard output are closed with the flow.
//
// Precondition: SIGPIPE is ignored; a reader that is gone is then Closed.
absl::StatusOr<Endpoint> OpenSink(EndpointSpec spec, const Endpoint& source);

// CauseOf()
//
// Returns what `status` says to the user of a program: where it came from an
// endpoint, that endpoint's own words, without what the flow added about its
// state for programmers.
std::string CauseOf(const absl::Status& status);

}  // namespace flowcat

#endif  // EXAMPLES_ENDPOINT_H_
