// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: borrow.h
//
// BorrowFlow() lends a flow: it returns another flow on the same stream, which
// ends before the stream does. What takes a flow and owns it (the combinators,
// MakeChannel(), DecorateFlow()) can so be put on a flow that goes on
// afterwards. The body of a request, for example, is a part of a connection:
//
//   std::unique_ptr<flow::Flow> body =
//       flow::ExactInput(flow::BorrowFlow(*channel), content_length);
//   absl::Status status = flow::Copy(*body, *file).status;
//   status.Update(body->Close());  // skips what the Copy has left, if any
//   if (!status.ok()) return status;  // otherwise the next request follows
//
// When not to use it: to hand a flow to a function that only runs for a while.
// That takes a `Flow&`.
//
// Thread safety: that of `flow::Flow`. Lender and borrower are one stream with
// one reader and one writer. So the owner leaves alone the direction that the
// borrower uses, and may use the other one: write an answer to the lender, for
// example, while the body of the request is lent and read. The owner may also
// call Abort() of the lender, set its deadlines, and ask it questions, on any
// thread.

#ifndef FLOW_BORROW_H_
#define FLOW_BORROW_H_

#include <memory>

#include "absl/base/attributes.h"
#include "flow/flow.h"

namespace flow {

// BorrowFlow()
//
// Returns a flow that reads and writes what `lender` would. What reaches the
// lender, and what does not:
//
//  * Reads and writes do, without a copy. bytes_read() and bytes_written() of
//    the borrower begin at 0; those of the lender grow as well.
//  * Errors come from the lender: with their code and payloads, and with the
//    name of the borrower in place of that of the lender. An end or an error of
//    the lender stays with the lender.
//  * Deadlines: the borrower begins with those of the lender. One that you set
//    on the borrower holds for the loan. Afterwards the lender has its own
//    again: the last ones that were set on the lender itself.
//  * Shutdown() and Close() end the borrower alone. Nothing is sent, flushed or
//    waited for, and the lender goes on behind the last byte that was read and
//    written. Close() is Ok if no direction broke. (A limit on the borrower
//    adds its own rule: limit.h.) A Close() whose deadline passes while a call
//    on the borrower is under way is an Abort().
//  * Abort() reaches the lender. So does destruction without Close(): a message
//    that was given up in the middle never looks whole, and what is left of it
//    is not taken for the next one. For the same reason, the lender's outbound
//    direction breaks if the borrower ends in the middle of a write, or a
//    transport on top of it does.
//  * Abort() of the lender wakes the borrower, which gets the reason.
//  * AwaitRefusal() of the borrower waits for a refusal of the lender's remote.
//    If the borrower ends meanwhile, it returns within 50 ms.
//
// If another thread is in a Read when the borrower calls Shutdown(kRead), that
// Read takes nothing from the lender. If it has done so just then, those bytes
// are lost, and the lender is aborted with kAborted. A started read may do so
// until its Done(): also if the bytes come after Shutdown(kRead), but before
// the engine ends the read.
//
// The borrower has the engine of its lender, if that has one, and starts what
// the lender can start (docs/started.md). Of its started calls, each is a
// pending call of the lender. A started read or write ends at the deadline of
// the borrower, or at one that the owner has set after it, whichever is
// earlier.
//
// Precondition: no call on `lender` is under way. `lender` is not destroyed,
// closed, or decorated before the borrower is closed or destroyed. (That it is
// neither destroyed nor decorated is checked.) To lend a flow twice at the same
// time is two readers or two writers.
std::unique_ptr<Flow> BorrowFlow(Flow& lender ABSL_ATTRIBUTE_LIFETIME_BOUND);

}  // namespace flow

#endif  // FLOW_BORROW_H_
