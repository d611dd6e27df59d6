// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Outputs by the list; docs/semantics.md, "Function flows".

#include <algorithm>
#include <cstddef>
#include <memory>
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
#include "flow/testing/matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// What an output was shown, call by call, and what it took of it all.
struct Shown {
  std::vector<std::vector<std::string>> lists;
  std::string taken;
};

// Takes at most `most` bytes of each list.
Output Taking(Shown* shown, size_t most = kNoLimit) {
  return Output::Lists(
      [=](absl::Span<const absl::string_view> list) -> absl::StatusOr<size_t> {
        shown->lists.emplace_back(list.begin(), list.end());
        size_t taken = 0;
        for (absl::string_view piece : list) {
          const size_t n = std::min(piece.size(), most - taken);
          shown->taken.append(piece.substr(0, n));
          taken += n;
        }
        return taken;
      });
}

TEST(WriteByTheListTest, ShowsEveryPieceOfAWriteAtOnceWhereItIs) {
  const std::string large(100000, 'x');
  const std::vector<absl::string_view> list = {"head", "", large};
  const absl::string_view* shown = nullptr;
  auto flow = MakeOutputFlow(
      Output::Lists([&](absl::Span<const absl::string_view> pieces)
                        -> absl::StatusOr<size_t> {
        shown = pieces.data();
        return size_t{100004};
      }));
  EXPECT_THAT(flow->Writev(list), IsOk());
  EXPECT_EQ(shown, list.data());
}

TEST(WriteByTheListTest, ShowsOneBufferAsAListOfOne) {
  Shown shown;
  auto flow = MakeOutputFlow(Taking(&shown));
  EXPECT_THAT(flow->Write("view"), IsOk());
  EXPECT_THAT(flow->Write(absl::Cord("cord")), IsOk());
  EXPECT_THAT(shown.lists, ElementsAre(ElementsAre("view"),  //
                                       ElementsAre("cord")));
}

TEST(WriteByTheListTest, AMixtureIsOneListInOrder) {
  Shown shown;
  auto flow = MakeOutputFlow(Taking(&shown));
  absl::Cord chunks(std::string(1000, 'a'));
  chunks.Append(absl::Cord(std::string(5000, 'b')));
  const size_t count = static_cast<size_t>(
      std::distance(chunks.chunk_begin(), chunks.chunk_end()));
  EXPECT_THAT(flow->Writev({"view", chunks, std::string("string")}), IsOk());
  EXPECT_THAT(shown.lists, ElementsAre(SizeIs(count + 2)));
  EXPECT_EQ(shown.taken, "view" + std::string(chunks) + "string");
}

TEST(WriteByTheListTest, AListIsNeverLongerThanLinuxTakes) {
  const std::vector<std::string> pieces(3000, "x");
  for (const size_t count : {size_t{1024}, size_t{1025}, size_t{3000}}) {
    Shown shown;
    auto flow = MakeOutputFlow(Taking(&shown));
    const std::vector<absl::string_view> list(pieces.begin(),
                                              pieces.begin() + count);
    EXPECT_THAT(flow->Writev(list), IsOk());
    EXPECT_EQ(shown.taken, std::string(count, 'x'));
    for (const auto& each : shown.lists) EXPECT_LE(each.size(), 1024u);
    EXPECT_EQ(shown.lists.size() == 1, count == 1024);
  }
}

// Whatever part of a list is taken, and however the list was given.
TEST(WriteByTheListTest, TheRestIsShownAgainUntilAllIsTaken) {
  const std::vector<std::string> pieces = {"a", "", "bc", "def", "", "ghij"};
  const std::vector<absl::string_view> views(pieces.begin(), pieces.end());
  const std::vector<absl::Cord> cords(pieces.begin(), pieces.end());
  for (size_t most = 1; most <= 10; ++most) {
    Shown shown;
    auto flow = MakeOutputFlow(Taking(&shown, most));
    EXPECT_THAT(flow->Writev(views), IsOk());
    EXPECT_THAT(flow->Writev(cords), IsOk());
    EXPECT_EQ(shown.taken, "abcdefghijabcdefghij") << most;
    EXPECT_EQ(flow->bytes_written(), 20);
    EXPECT_THAT(shown.lists, SizeIs(2 * ((10 + most - 1) / most)));
  }
}

TEST(WriteByTheListTest, TakingNothingIsClosedAndWhatWasTakenIsCounted) {
  const std::vector<absl::string_view> list = {"abc", "defg"};
  for (const bool in_the_middle : {false, true}) {
    auto flow = MakeOutputFlow(
        Output::Lists([=, left = in_the_middle ? size_t{5} : size_t{0}](
                          absl::Span<const absl::string_view>) mutable
                          -> absl::StatusOr<size_t> {
          return std::exchange(left, size_t{0});
        }));
    EXPECT_THAT(flow->Writev(list), IsClosed());
    EXPECT_EQ(flow->bytes_written(), in_the_middle ? 5 : 0);
  }
}

TEST(WriteByTheListTest, AnErrorIsStickyAndNamesTheFlow) {
  auto flow = MakeOutputFlow(Output::Lists(
      [](absl::Span<const absl::string_view>) -> absl::StatusOr<size_t> {
        return absl::DataLossError("the disk is broken");
      }));
  for (int i = 0; i < 2; ++i) {
    EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kDataLoss,
                                           HasSubstr("function flow")));
  }
}

TEST(WriteByTheListTest, AfterAnErrorItIsShownNothingThatFollows) {
  // More pieces than are shown at once, unless they are all views.
  const std::vector<absl::Cord> list(300, absl::Cord("x"));
  int calls = 0;
  auto flow = MakeOutputFlow(
      Output::Lists([&](absl::Span<const absl::string_view> pieces)
                        -> absl::StatusOr<size_t> {
        if (++calls == 1) return absl::DataLossError("first");
        return pieces.size();
      }));
  EXPECT_THAT(flow->Writev(list), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(flow->bytes_written(), 0);
}

TEST(WriteByTheListTest, AClaimOfMoreThanWasShownIsInternalAndSticky) {
  for (const size_t before : {size_t{0}, size_t{3}}) {
    auto flow = MakeOutputFlow(Output::Lists(
        [=, first = before](absl::Span<const absl::string_view>) mutable
            -> absl::StatusOr<size_t> {
          return first != 0 ? std::exchange(first, size_t{0}) : size_t{11};
        }));
    const std::vector<absl::string_view> list = {"01234", "56789"};
    for (int i = 0; i < 2; ++i) {
      EXPECT_THAT(flow->Writev(list),
                  StatusIs(absl::StatusCode::kInternal,
                           HasSubstr("claims to have taken 11")));
    }
    EXPECT_EQ(flow->bytes_written(), before);
  }
}

TEST(WriteByTheListTest, AfterAnAbortItIsNotCalledAgain) {
  std::unique_ptr<Flow> flow;
  int calls = 0;
  flow = MakeOutputFlow(Output::Lists(
      [&](absl::Span<const absl::string_view>) -> absl::StatusOr<size_t> {
        ++calls;
        flow->Abort(absl::AbortedError("enough"));
        return size_t{1};
      }));
  const std::vector<absl::string_view> list = {"a", "b"};
  EXPECT_THAT(flow->Writev(list),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("enough")));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(flow->bytes_written(), 1);
}

TEST(WriteByTheListTest, AnEmptyFunctionIsInvalidArgumentAndNoCrash) {
  using Function =
      absl::StatusOr<size_t> (*)(absl::Span<const absl::string_view>);
  auto flow = MakeOutputFlow(Output::Lists(Function{nullptr}));
  EXPECT_THAT(flow->Write("x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(WriteByTheListTest, TheOutputIsToldTheEnd) {
  int ends = 0;
  Shown shown;
  auto flow = MakeOutputFlow(Output::Lists(
      [](absl::Span<const absl::string_view>) -> absl::StatusOr<size_t> {
        return size_t{1};
      },
      [&] { ++ends; }));
  EXPECT_THAT(flow->Write("x"), IsOk());
  EXPECT_EQ(ends, 0);
  EXPECT_THAT(flow->Close(), IsOk());
  EXPECT_EQ(ends, 1);
}

}  // namespace
}  // namespace flow
