// Copyright 2026 The flow authors
// SPDX-License-Identifier: Apache-2.0
//
// File: internal/holds_strings.h
//
// Says which ranges can be written as a list of borrowed strings. Not for users
// of the library.

#ifndef FLOW_INTERNAL_HOLDS_STRINGS_H_
#define FLOW_INTERNAL_HOLDS_STRINGS_H_

#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace flow::internal {

// IsForwardIterator
//
// The element of a forward iterator does not live in the iterator itself.
template <typename Iterator, typename = void>
struct IsForwardIterator : std::false_type {};
template <typename Iterator>
struct IsForwardIterator<
    Iterator,
    std::void_t<typename std::iterator_traits<Iterator>::iterator_category>>
    : std::is_base_of<
          std::forward_iterator_tag,
          typename std::iterator_traits<Iterator>::iterator_category> {};

// HoldsStrings
//
// Whether each element of a `const Strings&` converts to a string_view that is
// still valid when the iterator has moved on. So it does if it is a view or a
// pointer, or a reference to a string that the range holds. A string by value
// does not.
template <typename Strings, typename = void>
struct HoldsStrings : std::false_type {};
template <typename Strings>
struct HoldsStrings<
    Strings, std::void_t<decltype(*std::declval<const Strings&>().begin())>> {
  using Iterator = decltype(std::declval<const Strings&>().begin());
  using Element = decltype(*std::declval<Iterator&>());
  using String = std::remove_cv_t<std::remove_reference_t<Element>>;

  static constexpr bool kIsView = std::is_same_v<String, absl::string_view> ||
                                  std::is_same_v<String, std::string_view> ||
                                  std::is_pointer_v<String>;
  static constexpr bool kIsHeld =
      std::is_lvalue_reference_v<Element> && IsForwardIterator<Iterator>::value;
  static constexpr bool value =
      std::is_convertible_v<Element, absl::string_view> && (kIsView || kIsHeld);
};

// EnableIfHoldsStrings
//
// For containers of elements that convert to a string_view but are not one,
// such as std::string. Ranges that make each string when you reach it do not
// qualify, because the views would dangle.
template <typename Strings>
using EnableIfHoldsStrings = std::enable_if_t<
    HoldsStrings<Strings>::value &&
        !std::is_convertible_v<const Strings&,
                               absl::Span<const absl::string_view>>,
    int>;

}  // namespace flow::internal

#endif  // FLOW_INTERNAL_HOLDS_STRINGS_H_
