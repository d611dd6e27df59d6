// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Lists that hold borrowed bytes and Cords, written to functions that fail
// after any number of bytes or buffers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/function_flow.h"
#include "flow/testing/copied_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::testing::ElementsAre;

// Small and large buffers of each kind, and empty ones.
class Mixture {
 public:
  // A string that was moved is given once, so it is remade for each write.
  absl::Status WriteTo(Flow& flow) {
    std::string moved = moved_;
    return flow.Writev({"ab", "", small_, absl::Cord(), std::move(moved),
                        large_text_, "yz", large_});
  }

  std::string text() const {
    return "ab" + std::string(small_) + moved_ + large_text_ + "yz" +
           std::string(large_);
  }

 private:
  const absl::Cord small_ = absl::Cord("cord");
  const std::string moved_ = std::string(700, 'm');
  const std::string large_text_ = std::string(600, 't');
  const absl::Cord large_ = absl::Cord(std::string(800, 'l'));
};

TEST(MixedWriteByTheByteTest, TakesAPrefixAndCountsItWhereverItFails) {
  Mixture mixture;
  const std::string text = mixture.text();
  for (const size_t most : {size_t{1}, size_t{7}, kNoLimit}) {
    for (size_t limit = 0; limit <= text.size(); ++limit) {
      std::string sink;
      auto flow = MakeOutputFlow(Output::Bytes(
          [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
            if (sink.size() == limit) return absl::DeadlineExceededError("x");
            const size_t n =
                std::min({bytes.size(), most, limit - sink.size()});
            sink.append(bytes.data(), n);
            return n;
          }));
      const absl::Status written = mixture.WriteTo(*flow);
      ASSERT_EQ(written.code(), limit == text.size()
                                    ? absl::StatusCode::kOk
                                    : absl::StatusCode::kDeadlineExceeded);
      ASSERT_EQ(sink, text.substr(0, limit));
      ASSERT_EQ(flow->bytes_written(), static_cast<int64_t>(limit));
    }
  }
}

TEST(MixedWriteByTheBufferTest, TakesAPrefixAndCountsItWhereverItFails) {
  Mixture mixture;
  const std::string text = mixture.text();
  std::vector<size_t> boundaries;
  bool is_whole = false;
  for (size_t limit = 0; !is_whole; ++limit) {
    std::string sink;
    size_t calls = 0;
    auto flow = MakeOutputFlow(Output::Buffers([&](absl::Cord buffer) {
      if (calls++ == limit) return absl::DeadlineExceededError("x");
      sink += std::string(buffer);
      return absl::OkStatus();
    }));
    const absl::Status written = mixture.WriteTo(*flow);
    is_whole = written.ok();
    if (!is_whole) {
      EXPECT_THAT(written, StatusIs(absl::StatusCode::kDeadlineExceeded));
    }
    EXPECT_EQ(sink, text.substr(0, sink.size()));
    EXPECT_EQ(flow->bytes_written(), static_cast<int64_t>(sink.size()));
    boundaries.push_back(sink.size());
  }
  // "ab" alone, then each Cord, and what is borrowed together.
  EXPECT_THAT(boundaries, ElementsAre(0, 2, 6, 706, 1308, 2108));
}

TEST(MixedWriteByTheBufferTest, SharesTheCordsOfAMixture) {
  const absl::Cord large(std::string(100000, 'x'));
  std::string moved(100000, 'y');
  const absl::string_view moved_bytes = moved;
  std::vector<absl::Cord> taken;
  auto flow = MakeOutputFlow(Output::Buffers([&](absl::Cord buffer) {
    taken.push_back(std::move(buffer));
    return absl::OkStatus();
  }));
  ASSERT_THAT(flow->Writev({"header", large, std::move(moved)}), IsOk());
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0], "header");
  EXPECT_EQ(testing::CopiedBytes(large, taken[1]), 0u);
  EXPECT_EQ(testing::CopiedBytes(moved_bytes, taken[2]), 0u);
}

TEST(MixedWriteByTheByteTest, GathersSmallBuffersUpTo4KiB) {
  const std::string small(256, 's');
  std::vector<Buffer> list(16, small);
  list.push_back("x");
  std::vector<size_t> shown;
  auto flow = MakeOutputFlow(Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        shown.push_back(bytes.size());
        return bytes.size();
      }));
  ASSERT_THAT(flow->Writev(list), IsOk());
  EXPECT_THAT(shown, ElementsAre(4096, 1));
}

TEST(MixedWriteByTheByteTest, AfterAnErrorItIsShownNothingThatFollows) {
  const std::string small(256, 's');
  const std::string large(600, 'l');
  for (const absl::string_view next :
       {absl::string_view("x"), absl::string_view(large)}) {
    std::vector<Buffer> list(16, small);
    list.push_back(next);
    int calls = 0;
    auto flow = MakeOutputFlow(Output::Bytes(
        [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
          if (++calls == 1) return absl::DataLossError("first");
          return bytes.size();
        }));
    EXPECT_THAT(flow->Writev(list), StatusIs(absl::StatusCode::kDataLoss));
    EXPECT_EQ(calls, 1);
  }
}

TEST(MixedWriteByTheByteTest, ShowsLargeBuffersWhereTheyAre) {
  const std::string text(1000, 't');
  const absl::Cord cord(std::string(1000, 'c'));
  std::vector<const char*> shown;
  auto flow = MakeOutputFlow(Output::Bytes(
      [&](absl::Span<const char> bytes) -> absl::StatusOr<size_t> {
        shown.push_back(bytes.data());
        return bytes.size();
      }));
  ASSERT_THAT(flow->Writev({text, cord}), IsOk());
  EXPECT_THAT(shown, ElementsAre(text.data(), cord.Chunks().begin()->data()));
}

}  // namespace
}  // namespace flow
