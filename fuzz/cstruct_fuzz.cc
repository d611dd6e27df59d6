// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// Cuts windows out of blocks of memory, writes to them, copies between them,
// joins them, and makes Cords and flows of them, and holds each against a
// window of a plain string (flow/cstruct.h):
//
//  * all windows onto one block see what was written through any of them;
//  * what does not fit is kOutOfRange and changes nothing, for any numbers;
//  * memory is released once, with the last window or Cord that shares it;
//  * a Cord never changes, and shares only what nobody else owns.
//
// There are eight windows, a to h, without memory at first.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/log/absl_check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "flow/cstruct.h"
#include "flow/cstruct_flow.h"
#include "flow/flow.h"
#include "flow/status.h"
#include "fuzz/pattern.h"
#include "fuzz/script.h"
#include "fuzz/target.h"

namespace flow::fuzz {
namespace {

enum Word {
  kDrop,
  kCreate,
  kCopyOf,
  kAdopt,
  kWrap,
  kAssign,
  kMove,
  kSub,
  kShift,
  kSplit,
  kConcat,
  kBlit,
  kBlitText,
  kFill,
  kSet,
  kToCord,
  kDropCord,
  kCompare,
  kReadFlow,
  kWriteFlow,
};

constexpr size_t kWindows = 8;
// Joining windows could double them in each step.
constexpr size_t kMaxSize = 2000;

Grammar CstructGrammar() {
  const std::string w = "a|b|c|d|e|f|g|h";
  Grammar grammar;
  grammar.words = {
      {kDrop, absl::StrCat("drop ", w)},
      {kCreate, absl::StrCat("create ", w, " SIZE")},
      {kCopyOf, absl::StrCat("copy_of ", w, " BYTES")},
      {kAdopt, absl::StrCat("adopt ", w, " SIZE")},
      {kWrap, absl::StrCat("wrap ", w, " SIZE")},
      {kAssign, absl::StrCat("assign ", w, " ", w)},
      {kMove, absl::StrCat("move ", w, " ", w)},
      {kSub, absl::StrCat("sub ", w, " ", w, " SIZE SIZE")},
      {kShift, absl::StrCat("shift ", w, " ", w, " SIZE")},
      {kSplit, absl::StrCat("split ", w, " ", w, " ", w, " SIZE")},
      {kConcat, absl::StrCat("concat ", w, " ", w, " ", w)},
      {kBlit, absl::StrCat("blit ", w, " SIZE ", w)},
      {kBlitText, absl::StrCat("blit_text ", w, " SIZE BYTES")},
      {kFill, absl::StrCat("fill ", w, " BYTE")},
      {kSet, absl::StrCat("set ", w, " SIZE 8|le16|be16|le32|be32|le64|be64 ",
                          "BYTE")},
      {kToCord, absl::StrCat("to_cord ", w, " copy|move")},
      {kDropCord, "drop_cord"},
      {kCompare, absl::StrCat("compare ", w, " ", w)},
      {kReadFlow, absl::StrCat("read_flow ", w, " ", w, " SIZE")},
      {kWriteFlow, absl::StrCat("write_flow ", w, " ", w, " SIZE")},
  };
  grammar.large_sizes = {100, 255, 511, 512, 600, kNoLimit - 1, kNoLimit};
  grammar.max_operations = 40;
  return grammar;
}

// A block of memory as it should be. Windows and Cords share it.
struct Block {
  std::string bytes;
};

struct Window {
  Cstruct real;
  std::shared_ptr<Block> block;  // none: no memory
  size_t offset = 0;
  size_t size = 0;

  absl::string_view view() const {
    if (block == nullptr) return "";
    return absl::string_view(block->bytes).substr(offset, size);
  }
  void Write(size_t at, absl::string_view bytes) const {
    block->bytes.replace(offset + at, bytes.size(), bytes);
  }
};

std::string ExpectedDump(absl::string_view bytes) {
  std::string dump;
  char text[24];
  for (size_t start = 0; start < bytes.size(); start += 16) {
    std::snprintf(text, sizeof(text), "%08zx ", start);
    dump += text;
    std::string printable;
    for (size_t i = start; i < start + 16; ++i) {
      if (i == start + 8) dump += ' ';
      if (i >= bytes.size()) {
        dump += "   ";
        continue;
      }
      const auto byte = static_cast<unsigned char>(bytes[i]);
      std::snprintf(text, sizeof(text), " %02x", byte);
      dump += text;
      printable += byte >= 0x20 && byte < 0x7f ? bytes[i] : '.';
    }
    absl::StrAppend(&dump, "  |", printable, "|\n");
  }
  return dump;
}

int SignOf(int number) { return (number > 0) - (number < 0); }

// How the integers of kSet are written.
struct Width {
  size_t size;
  bool is_big_endian;
};
constexpr Width kWidths[] = {{1, false}, {2, false}, {2, true}, {4, false},
                             {4, true},  {8, false}, {8, true}};

void Set(const Cstruct& window, size_t width, size_t at, uint64_t value) {
  switch (width) {
    case 0:
      return window.SetUint8(at, static_cast<uint8_t>(value));
    case 1:
      return window.SetUint16Le(at, static_cast<uint16_t>(value));
    case 2:
      return window.SetUint16Be(at, static_cast<uint16_t>(value));
    case 3:
      return window.SetUint32Le(at, static_cast<uint32_t>(value));
    case 4:
      return window.SetUint32Be(at, static_cast<uint32_t>(value));
    case 5:
      return window.SetUint64Le(at, value);
    case 6:
      return window.SetUint64Be(at, value);
  }
}

uint64_t Get(const Cstruct& window, size_t width, size_t at) {
  switch (width) {
    case 0:
      return window.GetUint8(at);
    case 1:
      return window.GetUint16Le(at);
    case 2:
      return window.GetUint16Be(at);
    case 3:
      return window.GetUint32Le(at);
    case 4:
      return window.GetUint32Be(at);
    case 5:
      return window.GetUint64Le(at);
    case 6:
      return window.GetUint64Be(at);
  }
  return 0;
}

class Model {
 public:
  void Do(const Operation& operation) {
    const auto& n = operation.numbers;
    Window& w = windows_[n[0] % kWindows];
    switch (static_cast<Word>(operation.word)) {
      case kDrop:
        w = Window();
        break;
      case kCreate: {
        const size_t size = std::min(n[1], kMaxSize);
        w = OnBlock(Cstruct::Create(size), std::string(size, '\0'));
        break;
      }
      case kCopyOf:
        w = OnBlock(Cstruct::CopyOf(operation.bytes), operation.bytes);
        break;
      case kAdopt: {
        const std::string bytes(Pattern(0, std::min(n[1], kMaxSize)));
        w = OnBlock(Cstruct::Adopt(bytes), bytes);
        break;
      }
      case kWrap:
        Wrap(w, std::min(n[1], kMaxSize));
        break;
      case kAssign: {
        const Window& from = windows_[n[1]];
        w = from;
        break;
      }
      case kMove: {
        Window taken = std::move(windows_[n[1]]);
        windows_[n[1]].block = nullptr;
        windows_[n[1]].offset = windows_[n[1]].size = 0;
        w = std::move(taken);
        break;
      }
      case kSub:
        Cut(w, windows_[n[1]].real.Sub(n[2], n[3]), windows_[n[1]], n[2], n[3]);
        break;
      case kShift: {
        const Window& from = windows_[n[1]];
        Cut(w, from.real.Shift(n[2]), from, n[2],
            from.size - std::min(n[2], from.size));
        break;
      }
      case kSplit:
        Split(w, windows_[n[1]], windows_[n[2]], n[3]);
        break;
      case kConcat: {
        const Window& first = windows_[n[1]];
        const Window& second = windows_[n[2]];
        if (first.size + second.size > kMaxSize) break;
        const std::string bytes = absl::StrCat(first.view(), second.view());
        w = OnBlock(Cstruct::Concat({first.real, second.real}), bytes);
        break;
      }
      case kBlit: {
        const Window& source = windows_[n[2]];
        const std::string bytes(source.view());
        Blit(w, w.real.Blit(n[1], source.real), n[1], bytes);
        break;
      }
      case kBlitText:
        Blit(w, w.real.Blit(n[1], operation.bytes), n[1], operation.bytes);
        break;
      case kFill:
        w.real.Fill(static_cast<char>(n[1]));
        if (w.size > 0) {
          w.Write(0, std::string(w.size, static_cast<char>(n[1])));
        }
        break;
      case kSet:
        SetAndGet(w, n[1], n[2], n[3]);
        break;
      case kToCord:
        ToCord(w, /*moves=*/n[1] == 1);
        break;
      case kDropCord:
        if (!cords_.empty()) cords_.erase(cords_.begin());
        break;
      case kCompare:
        Compare(w, windows_[n[1]]);
        break;
      case kReadFlow:
        ReadFlow(w, windows_[n[1]], n[2]);
        break;
      case kWriteFlow:
        WriteFlow(w, windows_[n[1]], std::min(n[2], kMaxSize));
        break;
    }
    CheckAll();
  }

  void End() {
    windows_ = {};
    cords_.clear();
    CheckAll();
  }

 private:
  // A Cord, what it holds, and the block that it shares.
  struct KeptCord {
    absl::Cord cord;
    std::string bytes;
    std::shared_ptr<Block> shared;
  };

  // Wrapped memory, and how often it was released.
  struct Wrapped {
    std::weak_ptr<Block> block;
    std::shared_ptr<int> releases;
  };

  static Window OnBlock(Cstruct real, std::string bytes) {
    const size_t size = bytes.size();
    return {std::move(real), std::make_shared<Block>(Block{std::move(bytes)}),
            0, size};
  }

  void Wrap(Window& w, size_t size) {
    const auto releases = std::make_shared<int>(0);
    auto memory = std::make_unique<char[]>(size);
    const absl::Span<char> span(memory.get(), size);
    // Freed with the release, so that later uses are found.
    Cstruct real =
        Cstruct::Wrap(span, [releases, memory = std::move(memory)]() mutable {
          ++*releases;
          memory.reset();
        });
    w = OnBlock(std::move(real), std::string(size, '\0'));
    wrapped_.push_back({w.block, releases});
  }

  // `to` becomes `result`, which must be that window of `from` if it fits.
  static void Cut(Window& to, absl::StatusOr<Cstruct> result,
                  const Window& from, size_t offset, size_t size) {
    if (offset > from.size || size > from.size - offset) {
      ABSL_CHECK(absl::IsOutOfRange(result.status())) << result.status();
      return;
    }
    ABSL_CHECK_OK(result.status());
    to = Window{*std::move(result), from.block, from.offset + offset, size};
  }

  static void Split(Window& front, Window& back, const Window& from,
                    size_t at) {
    auto halves = from.real.Split(at);
    if (!halves.ok()) return Cut(front, halves.status(), from, at, 0);
    const Window whole = from;  // which may be one of the two
    Cut(front, std::move(halves->first), whole, 0, at);
    Cut(back, std::move(halves->second), whole, at, whole.size - at);
  }

  static void Blit(const Window& to, const absl::Status& result, size_t offset,
                   const std::string& bytes) {
    if (offset > to.size || bytes.size() > to.size - offset) {
      ABSL_CHECK(absl::IsOutOfRange(result)) << result;
      return;
    }
    ABSL_CHECK_OK(result);
    if (!bytes.empty()) to.Write(offset, bytes);
  }

  static void SetAndGet(const Window& w, size_t at, size_t width, size_t seed) {
    const auto [size, is_big_endian] = kWidths[width];
    // Beyond the end it would end the program.
    if (at > w.size || size > w.size - at) return;
    uint64_t value = (seed + 1) * 0x9e3779b97f4a7c15;
    Set(w.real, width, at, value);
    if (size < 8) value &= (uint64_t{1} << (8 * size)) - 1;
    std::string bytes;
    for (size_t i = 0; i < size; ++i) {
      bytes += static_cast<char>(value >> (8 * i));
    }
    if (is_big_endian) std::reverse(bytes.begin(), bytes.end());
    w.Write(at, bytes);
    ABSL_CHECK_EQ(Get(w.real, width, at), value);
    ABSL_CHECK_EQ(w.real[at], bytes[0]);
  }

  void ToCord(Window& w, bool moves) {
    KeptCord kept;
    kept.bytes = std::string(w.view());
    if (!moves) {
      kept.cord = w.real.ToCord();
    } else {
      const char* const data = w.real.data();
      kept.cord = std::move(w.real).ToCord();
      const bool shares = w.size > 511 && w.block.use_count() == 1;
      const auto flat = kept.cord.TryFlat();
      ABSL_CHECK_EQ(shares,
                    w.size > 0 && flat.has_value() && flat->data() == data);
      if (shares) kept.shared = std::move(w.block);
      w.block = nullptr;
      w.offset = w.size = 0;
    }
    cords_.push_back(std::move(kept));
  }

  static void Compare(const Window& a, const Window& b) {
    ABSL_CHECK_EQ(SignOf(a.real.Compare(b.real)),
                  SignOf(a.view().compare(b.view())));
    ABSL_CHECK_EQ(a.real == b.real, a.view() == b.view());
    ABSL_CHECK_EQ(a.real != b.real, a.view() != b.view());
    ABSL_CHECK_EQ(a.real < b.real, a.view() < b.view());
    ABSL_CHECK_EQ(a.real.HexDump(), ExpectedDump(a.view()));
  }

  // Each window is a Read, in parts if it is larger than a Read may be.
  static void ReadFlow(const Window& a, const Window& b, size_t max_bytes) {
    // Of a long one, not byte by byte: that takes long and shows nothing more.
    max_bytes = std::max(max_bytes, (a.size + b.size) / 32 + 1);
    const std::unique_ptr<Flow> flow =
        b.size == 0 ? MakeCstructFlow(a.real, Cstruct())
                    : MakeCstructFlow(std::vector<Cstruct>{a.real, b.real},
                                      std::vector<Cstruct>{});
    for (absl::string_view rest : {a.view(), b.view()}) {
      while (!rest.empty()) {
        const absl::StatusOr<absl::Cord> data = flow->Read(max_bytes);
        ABSL_CHECK_OK(data.status());
        ABSL_CHECK(*data == rest.substr(0, max_bytes)) << "not the bytes";
        rest.remove_prefix(data->size());
      }
    }
    ABSL_CHECK(IsEof(flow->Read()));
    ABSL_CHECK(IsClosed(flow->Write("x")));
  }

  // Fills one window, then the other one. They may overlap.
  static void WriteFlow(const Window& a, const Window& b, size_t size) {
    const std::unique_ptr<Flow> flow =
        b.size == 0 ? MakeCstructFlow(Cstruct(), a.real)
                    : MakeCstructFlow(std::vector<Cstruct>{},
                                      std::vector<Cstruct>{a.real, b.real});
    absl::string_view rest = Pattern(0, size);
    const absl::Status status = flow->Write(rest);
    const size_t fits = std::min(size, a.size + b.size);
    ABSL_CHECK_EQ(status.ok(), fits == size) << status;
    ABSL_CHECK_EQ(IsClosed(status), fits < size) << status;
    ABSL_CHECK_EQ(flow->bytes_written(), static_cast<int64_t>(fits));
    for (const Window* w : {&a, &b}) {
      const absl::string_view part = rest.substr(0, w->size);
      if (!part.empty()) w->Write(0, part);
      rest.remove_prefix(part.size());
    }
  }

  void CheckAll() const {
    for (const Window& w : windows_) {
      ABSL_CHECK_EQ(w.real.size(), w.size);
      ABSL_CHECK_EQ(w.real.empty(), w.size == 0);
      ABSL_CHECK(w.real.view() == w.view()) << "not the bytes";
      ABSL_CHECK_EQ(w.real.IsSoleOwner(), w.block.use_count() <= 1);
    }
    for (const KeptCord& kept : cords_) {
      ABSL_CHECK(kept.cord == kept.bytes) << "a Cord has changed";
    }
    for (const Wrapped& wrapped : wrapped_) {
      ABSL_CHECK_EQ(*wrapped.releases, wrapped.block.expired() ? 1 : 0);
    }
  }

  std::array<Window, kWindows> windows_;
  std::vector<KeptCord> cords_;
  std::vector<Wrapped> wrapped_;
};

void Run(const Script& script) {
  Model model;
  for (const Operation& operation : script.operations) model.Do(operation);
  model.End();
}

const Registration kTarget("cstruct_fuzz", CstructGrammar(), Run);

}  // namespace
}  // namespace flow::fuzz
