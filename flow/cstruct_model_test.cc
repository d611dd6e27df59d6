// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Cstruct against a model.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/status_matchers.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "flow/cstruct.h"
#include "flow/testing/byte_pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace flow {
namespace {

using ::absl_testing::IsOk;
using ::absl_testing::StatusIs;
using ::flow::testing::PatternString;

constexpr size_t kMaxSize = std::numeric_limits<size_t>::max();

// Random operations on windows of a few blocks, against std::strings.

struct Modelled {
  Cstruct real;
  std::shared_ptr<std::string> block;
  size_t offset = 0;
  size_t size = 0;

  absl::string_view view() const {
    return absl::string_view(*block).substr(offset, size);
  }
};

class RandomOperations {
 public:
  explicit RandomOperations(uint32_t seed) : random_(seed) {}

  void Run(int steps) {
    windows_.push_back(NewBlock(PatternString(0, random_() % 80)));
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      Step();
      for (const Modelled& w : windows_) ASSERT_EQ(w.real.view(), w.view());
    }
  }

 private:
  static constexpr size_t kMaxWindows = 12;

  static Modelled NewBlock(const std::string& bytes) {
    return {Cstruct::CopyOf(bytes), std::make_shared<std::string>(bytes), 0,
            bytes.size()};
  }

  // A number up to `limit`, or now and then a huge one.
  size_t Number(size_t limit) {
    if (limit > 0 && random_() % 32 == 0) return kMaxSize - random_() % 100;
    return random_() % (limit + 1);
  }

  Modelled& Any() { return windows_[random_() % windows_.size()]; }

  void Keep(Modelled window) {
    if (windows_.size() < kMaxWindows) {
      windows_.push_back(std::move(window));
    } else {
      Any() = std::move(window);
    }
  }

  // Holds `result` to the model: it exists if the numbers fit, and then it is
  // the window at `offset` of `of`.
  void Expect(absl::StatusOr<Cstruct> result, const Modelled& of, size_t offset,
              size_t size) {
    const bool fits =
        offset <= of.size && size <= of.size && offset + size <= of.size;
    if (!fits) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kOutOfRange));
      return;
    }
    ASSERT_THAT(result, IsOk());
    Keep({*std::move(result), of.block, of.offset + offset, size});
  }

  void ExpectBlit(absl::Status result, const Modelled& to, size_t offset,
                  std::string bytes) {
    if (offset > to.size || offset + bytes.size() > to.size) {
      EXPECT_THAT(result, StatusIs(absl::StatusCode::kOutOfRange));
      return;
    }
    EXPECT_THAT(result, IsOk());
    to.block->replace(to.offset + offset, bytes.size(), bytes);
  }

  void Step() {
    const Modelled w = Any();  // A copy, as Keep() may replace it.
    const size_t a = Number(w.size + 2);
    const size_t b = Number(w.size + 2);
    switch (random_() % 9) {
      case 0:
        return Expect(w.real.Sub(a, b), w, a, b);
      case 1:
        return Expect(w.real.Shift(a), w, a, a <= w.size ? w.size - a : 0);
      case 2: {
        auto halves = w.real.Split(a);
        if (!halves.ok()) return Expect(halves.status(), w, 0, a);
        Expect(halves->first, w, 0, a);
        return Expect(halves->second, w, a, w.size - a);
      }
      case 3: {
        const Modelled source = Any();
        const std::string bytes(source.view());
        return ExpectBlit(w.real.Blit(a, source.real), w, a, bytes);
      }
      case 4: {
        const std::string bytes = PatternString(0, random_() % 8);
        return ExpectBlit(w.real.Blit(a, bytes), w, a, bytes);
      }
      case 5: {
        const char byte = static_cast<char>(random_());
        w.real.Fill(byte);
        w.block->replace(w.offset, w.size, w.size, byte);
        return;
      }
      case 6: {
        if (w.size < sizeof(uint32_t)) return;
        const size_t offset = random_() % (w.size - sizeof(uint32_t) + 1);
        const auto value = static_cast<uint32_t>(random_());
        w.real.SetUint32Be(offset, value);
        for (size_t i = 0; i < sizeof(uint32_t); ++i) {
          (*w.block)[w.offset + offset + i] =
              static_cast<char>(value >> (24 - 8 * i));
        }
        EXPECT_EQ(w.real.GetUint32Be(offset), value);
        return;
      }
      case 7: {
        const Modelled other = Any();
        const std::string bytes = absl::StrCat(w.view(), other.view());
        Modelled all = NewBlock(bytes);
        all.real = Cstruct::Concat({w.real, other.real});
        // Longer ones would only make the run slower.
        if (bytes.size() < 200) Keep(std::move(all));
        return;
      }
      case 8: {
        Modelled fresh = NewBlock(PatternString(0, random_() % 80));
        return Keep(std::move(fresh));
      }
    }
  }

  std::mt19937 random_;
  std::vector<Modelled> windows_;
};

TEST(CstructTest, RandomOperationsAgreeWithAModelOfStrings) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomOperations(seed).Run(/*steps=*/500);
  }
}

}  // namespace
}  // namespace flow
