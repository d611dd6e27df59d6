// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/flow_block.h
//
// A flow, its transport and its started calls in one block of memory: for flows
// of which a process has tens of thousands. Not for users of the library.
//
// Thread safety: the functions may be called from any thread.

#ifndef FLOW_INTERNAL_FLOW_BLOCK_H_
#define FLOW_INTERNAL_FLOW_BLOCK_H_

#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "flow/engine.h"
#include "flow/flow.h"
#include "flow/internal/flow_access.h"
#include "flow/internal/flow_core.h"
#include "flow/internal/started_calls.h"
#include "flow/transport.h"

namespace flow::internal {

// FlowBlock
//
// The block, for a transport of the type `T`, which is not final. The flow and
// the transport both hold it, because a transport can be taken out of its flow
// and outlive it. Whoever is destroyed last frees it.
template <typename T>
class FlowBlock {
 public:
  // FlowBlock::Make()
  //
  // Returns a flow on `T(arguments...)`. With an `engine` that is not null, it
  // is as after Flow::SetEngine(); otherwise the block has no room for started
  // calls.
  template <typename... Arguments>
  static std::unique_ptr<Flow> Make(Engine* engine, Arguments&&... arguments) {
    static_assert(alignof(Block) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    Block* const block = static_cast<Block*>(::operator new(
        engine == nullptr ? offsetof(Block, calls) : sizeof(Block)));
    block->holders = 2;
    std::unique_ptr<Transport> transport(::new (block->transport) HeldTransport(
        std::forward<Arguments>(arguments)...));
    std::unique_ptr<Flow> flow(::new (block->flow)
                                   HeldFlow({std::move(transport)}));
    if (engine != nullptr) {
      FlowCore& core = FlowAccess::Core(*flow);
      core.SetPendingCalls(std::unique_ptr<PendingCalls>(
          ::new (block->calls) HeldCalls(core, *engine)));
    }
    return flow;
  }

 private:
  // `delete` of each of these calls the function here.
  class HeldFlow final : public Flow {
   public:
    explicit HeldFlow(FlowCore::Parts parts) : Flow(std::move(parts)) {}
    static void operator delete(void* self) {
      Leave(self, offsetof(Block, flow));
    }
  };
  class HeldTransport final : public T {
   public:
    using T::T;
    static void operator delete(void* self) {
      Leave(self, offsetof(Block, transport));
    }
  };
  class HeldCalls final : public StartedCalls {
   public:
    using StartedCalls::StartedCalls;
    // The flow, which destroys these before it leaves, holds the block.
    static void operator delete(void*) {}
  };

  struct Block {
    int holders;
    alignas(HeldFlow) unsigned char flow[sizeof(HeldFlow)];
    alignas(HeldTransport) unsigned char transport[sizeof(HeldTransport)];
    alignas(HeldCalls) unsigned char calls[sizeof(HeldCalls)];
  };

  // What leaves was `offset` bytes into the block. Two never leave at the same
  // time: whoever takes the transport out destroys the flow.
  static void Leave(void* self, size_t offset) {
    Block* const block =
        reinterpret_cast<Block*>(static_cast<unsigned char*>(self) - offset);
    if (--block->holders == 0) ::operator delete(block);
  }
};

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_FLOW_BLOCK_H_
