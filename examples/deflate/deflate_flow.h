// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: deflate_flow.h
//
// An example of a flow that changes how many bytes there are: what is written
// is compressed, and what is read is decompressed, in the format of zlib (RFC
// 1950). docs/transports.md goes through it. The suite of
// flow/testing/conformance.h holds it to the contract, in deflate_flow_test.cc.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_EXAMPLES_DEFLATE_DEFLATE_FLOW_H_
#define FLOW_EXAMPLES_DEFLATE_DEFLATE_FLOW_H_

#include <memory>

#include "flow/flow.h"

namespace flow::examples {

// DeflateOptions
struct DeflateOptions {
  // From 1, the fastest, to 9, the smallest; 0 does not compress.
  int level = 6;

  // Whether every write hands on all that it was given, so that the remote can
  // read and answer it. That costs about 5 bytes a write. Otherwise the
  // compressor keeps bytes back until it has enough for a block or the
  // direction ends.
  bool flush_each_write = true;
};

// MakeDeflateFlow()
//
// Returns a flow whose bytes go over `inner` compressed. The other end must be
// a deflate flow, too. `inner` keeps its deadlines, and should be new, as its
// counters are those of the flow. Precondition: the options are in range.
//
//  * Reads: end-of-file comes only after zlib's trailer, with the right
//    checksum, and the end of the inner flow. So data that were cut off are
//    kDataLoss, even where the inner flow cannot carry an abort, and so are
//    data that zlib finds corrupt. A read decompresses no more than it returns.
//  * Writes: a byte is accepted once the compressor has taken it. After
//    kDeadlineExceeded, up to 16 KiB of compressed bytes are kept; the next
//    write, or the end, hands them on first. As long as that has not been done,
//    the last byte of the write does not count. So write the rest (WriteFrom())
//    or abort; anything else, a clean end included, is kAborted if only that
//    byte was left.
//  * Shutdown(kWrite) and Close() send the rest and the trailer. So
//    Shutdown(kWrite) can wait for the remote to read, up to the write
//    deadline. After an error or an abort no trailer is sent.
//  * A remote that refuses its reads refuses the trailer, too. That is no error
//    of Shutdown(kWrite) or Close().
//  * bytes_in_transit() counts compressed bytes, and not what the compressor
//    keeps back.
//
// Each end holds about 300 KB until it is closed.
std::unique_ptr<Flow> MakeDeflateFlow(std::unique_ptr<Flow> inner,
                                      const DeflateOptions& options = {});

}  // namespace flow::examples

#endif  // FLOW_EXAMPLES_DEFLATE_DEFLATE_FLOW_H_
