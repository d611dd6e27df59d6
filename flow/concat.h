// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: concat.h
//
// Reads several flows in turn, as if they were one:
//
//   std::vector<std::unique_ptr<flow::Flow>> parts;
//   parts.push_back(std::move(header));
//   parts.push_back(std::move(body));
//   std::unique_ptr<flow::Flow> whole = flow::ConcatInputs(std::move(parts));
//
// When not to use it: to put bytes in front of a flow, which prepend.h does.
// For data in memory, which InputCords() in cord_flow.h gives in turn. For
// started calls (docs/started.md): it can only block, because a read closes an
// input at its end, and cannot wait until an engine has let go of that.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_CONCAT_H_
#define FLOW_CONCAT_H_

#include <memory>
#include <vector>

#include "flow/flow.h"

namespace flow {

// ConcatInputs()
//
// Returns a flow that reads each of `inputs` to its end, closes it, and then
// reads the next one. After the last one it is at end-of-file. It takes no
// writes: they are Closed. (If the remote of an input waits for your end before
// it answers, call Shutdown(kWrite) of that input first.)
//
//  * An error of an input, or of closing it, is the error of the whole and
//    stays. No input after it is read. Closing an input at its end waits for no
//    remote, and has no deadline if that input still has to flush writes.
//  * A read deadline, Shutdown(kRead) and Abort() reach the current input and
//    all later ones.
//  * Close() before the end refuses what is left of the current input and of
//    the later ones, and closes them before its deadline. Its result is the
//    first error of those. If another thread still reads then, its Read is
//    Closed, and so is the result; CloseAfterRead() waits for it. After an
//    error, the inputs that were not read to their end are aborted when this
//    flow is closed.
//
// Precondition: no input is null.
std::unique_ptr<Flow> ConcatInputs(std::vector<std::unique_ptr<Flow>> inputs);

}  // namespace flow

#endif  // FLOW_CONCAT_H_
