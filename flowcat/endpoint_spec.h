// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: endpoint_spec.h
//
// What an operand of flowcat names. Nothing is opened or looked up here, so
// that a mistake in either operand is found before anything is done; endpoint.h
// opens it.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOWCAT_ENDPOINT_SPEC_H_
#define FLOWCAT_ENDPOINT_SPEC_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace flowcat {

// EndpointSpec
struct EndpointSpec {
  enum class Kind {
    kStandardStream,
    kFile,
    kNull,
    kString,
    kZero,
    kDial,
    kListen,
    kExec,
    kDescriptor
  };

  // Returns whether bytes can go both ways.
  bool two_way() const;

  Kind kind = Kind::kNull;
  std::string operand;  // as it was written
  // kFile: the path; kString: the bytes; kDial, kListen: an address for
  // flow::Dial() or flow::Listen(); kExec: the command
  std::string text;
  int64_t size = 0;     // kZero: the number of bytes
  int descriptor = -1;  // kDescriptor
};

// ParseSource(), ParseSink()
//
// Return what `operand` names, or kInvalidArgument in words for the user:
//
//   -                        standard input or standard output, or both
//   tcp:HOST:PORT            a TCP connection; tcp-listen:[HOST:]PORT waits for
//                            one
//   unix:PATH                a Unix socket; unix-listen:PATH waits for one
//   exec:COMMAND             the standard streams of a command
//   fd:N                     a descriptor that is open
//   file:PATH                a file
//   null:                    no bytes; or any bytes, dropped
//   string:TEXT              the bytes of TEXT (source only)
//   zero:SIZE                SIZE bytes of zero, see ParseByteSize() (source
//                            only)
//   PATH                     anything else, unless it begins like a URL, with a
//                            name and a colon
absl::StatusOr<EndpointSpec> ParseSource(absl::string_view operand);
absl::StatusOr<EndpointSpec> ParseSink(absl::string_view operand);

}  // namespace flowcat

#endif  // FLOWCAT_ENDPOINT_SPEC_H_
