// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0

#include "flowcat/endpoint_spec.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flowcat/byte_size.h"

namespace flowcat {
namespace {

using Kind = EndpointSpec::Kind;

// Splits `SCHEME:REST`, where SCHEME is formed as in a URL (RFC 3986, section
// 3.1). Without such a beginning, returns nullopt.
std::optional<std::pair<absl::string_view, absl::string_view>> SplitScheme(
    absl::string_view operand) {
  const size_t colon = operand.find(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  const absl::string_view scheme = operand.substr(0, colon);
  const auto in_scheme = [](char c) {
    return absl::ascii_isalnum(c) || c == '+' || c == '-' || c == '.';
  };
  if (scheme.empty() || !absl::ascii_isalpha(scheme.front()) ||
      !absl::c_all_of(scheme, in_scheme)) {
    return std::nullopt;
  }
  return std::make_pair(scheme, operand.substr(colon + 1));
}

EndpointSpec Spec(Kind kind, absl::string_view text = "") {
  EndpointSpec spec;
  spec.kind = kind;
  spec.text = std::string(text);
  return spec;
}

absl::StatusOr<EndpointSpec> File(absl::string_view path) {
  if (path.empty()) {
    return absl::InvalidArgumentError("the name of a file is empty");
  }
  return Spec(Kind::kFile, path);
}

absl::StatusOr<EndpointSpec> Zero(absl::string_view text) {
  const absl::StatusOr<int64_t> size = ParseByteSize(text);
  if (!size.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("zero: ", size.status().message()));
  }
  EndpointSpec spec = Spec(Kind::kZero);
  spec.size = *size;
  return spec;
}

// A URL is not meant to be one: it is told what to write.
absl::Status NoUrl(absl::string_view operand, absl::string_view rest) {
  if (!absl::StartsWith(rest, "//")) return absl::OkStatus();
  const absl::string_view scheme = operand.substr(0, operand.find(':'));
  rest.remove_prefix(2);
  if (!absl::StartsWith(scheme, "unix")) {
    rest = rest.substr(0, rest.find_first_of("/?#"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", operand, "' is a URL; write ", scheme, ":", rest));
}

// `[HOST:]PORT` for a listener, `HOST:PORT` otherwise. Whether there are such a
// host and such a port turns out when the address is used.
absl::StatusOr<EndpointSpec> Tcp(Kind kind, absl::string_view operand,
                                 absl::string_view rest) {
  if (absl::Status status = NoUrl(operand, rest); !status.ok()) return status;
  const size_t colon = rest.rfind(':');
  const bool has_host = colon != absl::string_view::npos;
  const absl::string_view host = has_host ? rest.substr(0, colon) : "";
  const absl::string_view port = has_host ? rest.substr(colon + 1) : rest;
  if (absl::StrContains(host, ':') && host.front() != '[') {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", operand, "': an IPv6 address must be in brackets, as in [::1]"));
  }
  if (port.empty() || (host.empty() && (has_host || kind == Kind::kDial))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", operand, "' is not ",
        kind == Kind::kDial ? "tcp:HOST:PORT" : "tcp-listen:[HOST:]PORT"));
  }
  int number;
  if (absl::c_all_of(port, absl::ascii_isdigit) &&
      (!absl::SimpleAtoi(port, &number) || number > 65535)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", operand, "': a port is a number from 0 to 65535, or ",
                     "the name of a service"));
  }
  if (host == "*" && kind == Kind::kDial) {
    return absl::InvalidArgumentError(absl::StrCat(
        "'", operand, "': * means every address; only tcp-listen: takes it"));
  }
  return Spec(kind, absl::StrCat("tcp:", rest));
}

absl::StatusOr<EndpointSpec> Unix(Kind kind, absl::string_view operand,
                                  absl::string_view rest) {
  if (absl::Status status = NoUrl(operand, rest); !status.ok()) return status;
  if (rest.empty()) {
    return absl::InvalidArgumentError("the name of a Unix socket is empty");
  }
  return Spec(kind, absl::StrCat("unix:", rest));
}

absl::StatusOr<EndpointSpec> Exec(absl::string_view command) {
  if (absl::StripAsciiWhitespace(command).empty()) {
    return absl::InvalidArgumentError("exec: needs a command");
  }
  return Spec(Kind::kExec, command);
}

absl::StatusOr<EndpointSpec> Descriptor(absl::string_view operand,
                                        absl::string_view number) {
  EndpointSpec spec = Spec(Kind::kDescriptor);
  if (number.empty() || !absl::c_all_of(number, absl::ascii_isdigit) ||
      !absl::SimpleAtoi(number, &spec.descriptor)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", operand, "': fd: needs the number of a descriptor"));
  }
  return spec;
}

absl::StatusOr<EndpointSpec> ParseKind(absl::string_view operand,
                                       bool is_source) {
  if (operand == "-") return Spec(Kind::kStandardStream);
  const auto split = SplitScheme(operand);
  if (!split.has_value()) return File(operand);
  const auto [scheme, rest] = *split;
  if (scheme == "file") return File(rest);
  if (scheme == "tcp") return Tcp(Kind::kDial, operand, rest);
  if (scheme == "tcp-listen") return Tcp(Kind::kListen, operand, rest);
  if (scheme == "unix") return Unix(Kind::kDial, operand, rest);
  if (scheme == "unix-listen") return Unix(Kind::kListen, operand, rest);
  if (scheme == "exec") return Exec(rest);
  if (scheme == "fd") return Descriptor(operand, rest);
  if (scheme == "null") {
    if (rest.empty()) return Spec(Kind::kNull);
    return absl::InvalidArgumentError(
        absl::StrCat("'", operand, "': nothing may follow null:"));
  }
  const bool known = scheme == "string" || scheme == "zero";
  if (known && !is_source) {
    return absl::InvalidArgumentError(
        absl::StrCat(scheme, ": can only be read from, not written to"));
  }
  if (scheme == "string") return Spec(Kind::kString, rest);
  if (scheme == "zero") return Zero(rest);
  return absl::InvalidArgumentError(
      absl::StrCat("'", scheme,
                   ":' is not one of tcp:, tcp-listen:, unix:, unix-listen:, "
                   "exec:, fd:, file:, "
                   "null:, string:, zero:; for the file ",
                   operand, " write ./", operand, " or file:", operand));
}

absl::StatusOr<EndpointSpec> Parse(absl::string_view operand, bool is_source) {
  absl::StatusOr<EndpointSpec> spec = ParseKind(operand, is_source);
  if (spec.ok()) spec->operand = std::string(operand);
  return spec;
}

}  // namespace

bool EndpointSpec::two_way() const {
  switch (kind) {
    case Kind::kStandardStream:
    case Kind::kDial:
    case Kind::kListen:
    case Kind::kExec:
    case Kind::kDescriptor:
      return true;
    case Kind::kFile:
    case Kind::kNull:
    case Kind::kString:
    case Kind::kZero:
      return false;
  }
  return false;
}

absl::StatusOr<EndpointSpec> ParseSource(absl::string_view operand) {
  return Parse(operand, /*is_source=*/true);
}

absl::StatusOr<EndpointSpec> ParseSink(absl::string_view operand) {
  return Parse(operand, /*is_source=*/false);
}

}  // namespace flowcat
