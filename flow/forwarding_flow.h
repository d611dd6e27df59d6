// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: forwarding_flow.h
//
// The base class of flows on top of another one, which they own: it does
// everything by means of the inner flow, and a derived class overrides what it
// changes. examples/masked_flow.cc is a whole one.
//
// When not to use it: for a flow that borrows another one, or changes how many
// bytes there are and cannot say how many of those it was given the inner flow
// has accepted (compression): such a flow is better made of the hooks of
// flow.h.
//
// Thread safety: that of `flow::Flow`.

#ifndef FLOW_FORWARDING_FLOW_H_
#define FLOW_FORWARDING_FLOW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/internal/monotonic_deadline.h"

namespace flow {

// ForwardingFlow
//
// Uses the public functions of the inner flow only, which therefore keeps its
// own half of the contract. In particular the marks that hooks must leave
// (flow.h) are those of the inner flow: after its Abort() or Shutdown() each of
// its functions returns at once.
//
// A derived class names itself in DoDescribe(), and calls Destroy() in its
// destructor:
//
//   class TracedFlow final : public flow::ForwardingFlow {
//    public:
//     explicit TracedFlow(std::unique_ptr<flow::Flow> inner)
//         : ForwardingFlow(std::move(inner)) {}
//     ~TracedFlow() override { Destroy(); }
//
//    private:
//     absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override {
//       LOG(INFO) << "reads from " << inner().DebugString();
//       return ForwardingFlow::DoRead(max_bytes);
//     }
//     std::string DoDescribe() const override { return "traced flow"; }
//   };
//
// What differs from the inner flow alone, as no public function breaks one
// direction of it or waits without closing it:
//
//  * A write that fails here but not in the inner flow (by its deadline after a
//    Shutdown(kWrite), or as the derived class says) aborts both directions of
//    the inner flow.
//  * The inner flow is closed before this one is, so that a Read on another
//    thread can be Closed a moment earlier.
//  * Deadlines are to be set on this flow, also if the inner one had some.
class ForwardingFlow : public Flow {
 protected:
  // Outgoing
  //
  // The bytes of one write, in the form in which they were given: one buffer or
  // a list, of Cords or borrowed. Refers to them; valid during the hook.
  class Outgoing {
   public:
    // What they refer to must outlive them.
    explicit Outgoing(const absl::Cord& buffer) : buffers_(&buffer) {}
    explicit Outgoing(absl::string_view buffer) : buffers_(buffer) {}
    explicit Outgoing(absl::Span<const absl::Cord> buffers)
        : buffers_(buffers) {}
    explicit Outgoing(absl::Span<const absl::string_view> buffers)
        : buffers_(buffers) {}

    // Outgoing::borrowed()
    //
    // Returns whether it is made of string_views.
    bool borrowed() const {
      return buffers_.index() == 1 || buffers_.index() == 3;
    }

    size_t size() const;

    // Outgoing::AppendTo()
    //
    // Appends all the bytes to `*cord` (borrowed ones are copied).
    void AppendTo(absl::Cord* cord) const;

    // Outgoing::AppendTo()
    //
    // Appends a view of each piece of memory.
    void AppendTo(std::vector<absl::string_view>* views) const;

    // Outgoing::WriteTo()
    //
    // Writes all to `flow` in one call, in the form in which they were given.
    absl::Status WriteTo(Flow& flow) const;

   private:
    std::variant<const absl::Cord*, absl::string_view,
                 absl::Span<const absl::Cord>,
                 absl::Span<const absl::string_view>>
        buffers_;
  };

  // Precondition: `inner` is not null.
  explicit ForwardingFlow(std::unique_ptr<Flow> inner);

  // ForwardingFlow::inner()
  //
  // Returns the flow underneath. Its public functions may be called in hooks,
  // under the rules for threads of flow.h: Read() in read hooks only, writes in
  // write hooks only.
  Flow& inner() const { return *inner_; }

  // ForwardingFlow::DoForwardWrite()
  //
  // What all the forms of a write become: hands `data` on, and stores in
  // `*accepted` how many of its bytes were accepted (this one does so also when
  // it is Ok). A derived class that
  // changes the bytes, or does more than one write, calls this one for each:
  //
  //   absl::Status DoForwardWrite(const Outgoing& data,
  //                               size_t* accepted) override {
  //     absl::Cord plain;
  //     data.AppendTo(&plain);
  //     const std::string sealed = Seal(plain);  // of the same size
  //     return ForwardingFlow::DoForwardWrite(
  //         Outgoing(absl::string_view(sealed)), accepted);
  //   }
  virtual absl::Status DoForwardWrite(const Outgoing& data, size_t* accepted);

  // ForwardingFlow::LimitEndByClose()
  //
  // Gives the inner flow CloseDeadline() as its write deadline, or CloseIdle-
  // Timeout() from now, if that comes first. For a DoEndWrite() that writes;
  // the one here does it, too, as the end of the inner flow can be a flush.
  void LimitEndByClose();

  // The hooks of Flow. A derived class that overrides one calls the one here in
  // it, but for DoRead():
  //
  //  * If DoRead() reports an end-of-file that the inner flow does not know of,
  //    call inner().Shutdown(ShutdownMode::kRead) in it; otherwise Close()
  //    cannot tell that nothing more is wanted, and fails.
  //  * If it fails and the inner flow did not, the remote learns it when this
  //    flow is freed, as kAborted; abort the inner flow to say more, in the
  //    read or, to leave writes alone until then, in DoFree().
  absl::StatusOr<absl::Cord> DoRead(size_t max_bytes) override;
  absl::Status DoEndWrite(const absl::Status& outcome) override;
  void DoShutdownRead() override;
  absl::Status DoAwaitRemoteEnd(absl::Time deadline) override;
  absl::Status DoAwaitRemoteEndPatiently(absl::Duration idle_timeout) override;
  void DoAbort(const absl::Status& reason) override;
  absl::Status DoFree() override;
  void DoSetReadDeadline(absl::Time deadline) override;
  void DoSetWriteDeadline(absl::Time deadline) override;
  int64_t DoBytesInTransit() const override;

 private:
  absl::Status DoWrite(absl::Cord buffer, size_t* accepted) final;
  absl::Status DoWriteBorrowed(absl::string_view buffer,
                               size_t* accepted) final;
  absl::Status DoWritev(absl::Span<const absl::Cord> buffers,
                        size_t* accepted) final;
  absl::Status DoWritevBorrowed(absl::Span<const absl::string_view> buffers,
                                size_t* accepted) final;

  bool EndIsLate();
  void SetInnerWriteDeadline() ABSL_EXCLUSIVE_LOCKS_REQUIRED(deadline_mu_);

  const std::unique_ptr<Flow> inner_;
  // The outbound direction of the inner flow has broken itself. Touched by the
  // write hook, and by the end that follows it.
  bool inner_broke_ = false;

  // The inner flow has the earlier one.
  absl::Mutex deadline_mu_;
  internal::MonotonicDeadline write_deadline_ ABSL_GUARDED_BY(deadline_mu_);
  internal::MonotonicDeadline end_deadline_ ABSL_GUARDED_BY(deadline_mu_);
};

}  // namespace flow

#endif  // FLOW_FORWARDING_FLOW_H_
