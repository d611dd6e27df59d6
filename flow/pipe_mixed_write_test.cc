// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Lists that hold borrowed bytes and Cords, written to a pipe: whichever part
// of them is accepted, it is a prefix, its count is exact, and each buffer is
// treated as what it is.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "flow/flow.h"
#include "flow/outgoing.h"
#include "flow/pipe.h"
#include "flow/testing/copied_bytes.h"
#include "flow/testing/matchers.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::IsOkAndHolds;
using ::absl_testing::StatusIs;
using ::flow::testing::IsClosed;

constexpr absl::StatusCode kLate = absl::StatusCode::kDeadlineExceeded;

// A list of one of five kinds of buffer at each place; `number` says which.
class List {
 public:
  static constexpr int kPlaces = 4;
  static constexpr int kLists = 5 * 5 * 5 * 5;

  explicit List(int number) {
    buffers_.reserve(kPlaces);
    for (int i = 0; i < kPlaces; ++i, number /= 5) {
      switch (number % 5) {
        case 0:
          Add("", "");
          break;
        case 1:
          Add("ab", "ab");
          break;
        case 2:
          Add(cord_, "cde");
          break;
        case 3:
          Add(empty_cord_, "");
          break;
        case 4:
          Add(std::move(strings_[i]), "fg");
          break;
      }
    }
  }

  absl::Span<const Buffer> buffers() const { return buffers_; }
  const std::string& text() const { return text_; }

  // Where each buffer begins in the text, and which are borrowed.
  struct Place {
    size_t begin;
    size_t end;
    bool is_borrowed;
  };
  const std::vector<Place>& places() const { return places_; }

 private:
  void Add(Buffer buffer, absl::string_view text) {
    places_.push_back(
        {text_.size(), text_.size() + text.size(), buffer.is_borrowed()});
    text_ += std::string(text);
    buffers_.push_back(buffer);
  }

  const absl::Cord cord_ = absl::Cord("cde");
  const absl::Cord empty_cord_;
  std::vector<std::string> strings_ = std::vector<std::string>(kPlaces, "fg");
  std::vector<Buffer> buffers_;
  std::vector<Place> places_;
  std::string text_;
};

// Into an empty pipe that nobody reads.
TEST(PipeMixedWriteTest, AcceptsAPrefixAsFarAsThereIsRoomForEachBuffer) {
  for (int number = 0; number < List::kLists; ++number) {
    for (const size_t capacity : {1, 2, 3, 4, 5, 7, 20}) {
      const List list(number);
      SCOPED_TRACE(
          absl::StrCat(list.text(), " (", number, ") into ", capacity));
      Pipe pipe = MakePipe(capacity);
      pipe.left->SetWriteDeadline(absl::InfinitePast());
      const absl::Status written = pipe.left->Writev(list.buffers());
      const size_t accepted = static_cast<size_t>(pipe.left->bytes_written());

      if (accepted == list.text().size()) {
        EXPECT_THAT(written, IsOk());
      } else {
        EXPECT_THAT(written, StatusIs(kLate));
        EXPECT_GE(accepted, capacity) << "there was room left";
      }
      bool follows_cord = false;
      for (const List::Place& place : list.places()) {
        const bool in_a_row = !place.is_borrowed && follows_cord;
        follows_cord = !place.is_borrowed;
        if (place.begin >= accepted) continue;
        // Cords in a row are taken as one.
        if (!in_a_row) {
          EXPECT_LT(place.begin, capacity) << "accepted by a full pipe";
        }
        if (place.is_borrowed) {
          EXPECT_LE(std::min(accepted, place.end), capacity);
        } else {
          EXPECT_GE(accepted, place.end) << "a part of a Cord";
        }
      }
      if (accepted > 0) {
        EXPECT_THAT(pipe.right->Read(),
                    IsOkAndHolds(list.text().substr(0, accepted)));
      }
    }
  }
}

TEST(PipeMixedWriteTest, ArrivesWholeWhileItIsReadByTheByte) {
  for (int number = 0; number < List::kLists; number += 7) {
    const List list(number);
    SCOPED_TRACE(absl::StrCat(list.text(), " (", number, ")"));
    Pipe pipe = MakePipe(1);
    absl::Status written;
    std::thread writer([&] {
      written = pipe.left->Writev(list.buffers());
      pipe.left->Shutdown(ShutdownMode::kWrite).IgnoreError();
    });
    std::string all;
    while (true) {
      absl::StatusOr<absl::Cord> data = pipe.right->Read(1);
      ASSERT_THAT(data, IsOk());
      if (data->empty()) break;
      all += std::string(*data);
    }
    writer.join();
    EXPECT_THAT(written, IsOk());
    EXPECT_EQ(all, list.text());
    EXPECT_EQ(pipe.left->bytes_written(),
              static_cast<int64_t>(list.text().size()));
  }
}

// Blocked in the borrowed bytes after a Cord, and in the Cord after those.
TEST(PipeMixedWriteTest, CountsExactlyWhenTheReaderEndsItMeanwhile) {
  for (const bool refuses : {true, false}) {
    Pipe pipe = MakePipe(4);
    const absl::Cord cord("cord");
    const absl::Cord last("last");
    absl::Status written;
    std::thread writer(
        [&] { written = pipe.left->Writev({"ab", cord, "borrowed", last}); });
    // "ab" and the Cord; then 6 bytes are read, and 4 more borrowed ones fit.
    while (pipe.left->bytes_in_transit() < 6) std::this_thread::yield();
    EXPECT_THAT(pipe.right->Read(6), IsOkAndHolds("abcord"));
    while (pipe.left->bytes_in_transit() < 4) std::this_thread::yield();
    if (refuses) {
      EXPECT_THAT(pipe.right->Shutdown(ShutdownMode::kRead), IsOk());
    } else {
      pipe.right->Abort(absl::DataLossError("enough"));
    }
    writer.join();
    if (refuses) {
      EXPECT_THAT(written, IsClosed());
    } else {
      EXPECT_THAT(written, StatusIs(absl::StatusCode::kDataLoss));
    }
    EXPECT_EQ(pipe.left->bytes_written(), 10);
  }
}

TEST(PipeMixedWriteTest, SharesTheLargeCordsOfAMixture) {
  Pipe pipe = MakePipe();
  const absl::Cord large(std::string(100000, 'x'));
  std::string moved(100000, 'y');
  const absl::string_view moved_bytes = moved;
  ASSERT_THAT(pipe.left->Writev(
                  {"header", large, "middle", std::move(moved), "trailer"}),
              IsOk());
  EXPECT_THAT(pipe.right->Read(6), IsOkAndHolds("header"));
  absl::StatusOr<absl::Cord> shared = pipe.right->Read(large.size());
  ASSERT_THAT(shared, IsOk());
  EXPECT_EQ(*shared, large);
  EXPECT_EQ(testing::CopiedBytes(large, *shared), 0u);
  EXPECT_THAT(pipe.right->Read(6), IsOkAndHolds("middle"));
  absl::StatusOr<absl::Cord> adopted = pipe.right->Read(moved_bytes.size());
  ASSERT_THAT(adopted, IsOk());
  EXPECT_EQ(testing::CopiedBytes(moved_bytes, *adopted), 0u);
  EXPECT_THAT(pipe.right->Read(), IsOkAndHolds("trailer"));
}

}  // namespace
}  // namespace flow
