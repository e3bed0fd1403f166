#include "cpu/convolution/winograd/filter.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/convolution/winograd/filter.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include <algorithm>
#include <utility>

#include "cpu/convolution/winograd/axis.h"
#include "cpu/convolution/winograd/variant.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

constexpr size_t kMostRow = 64;  // values of a row: 4 vectors of 16

// to += factor * from.
HWY_INLINE void AddRow(double factor, const double* HWY_RESTRICT from, size_t count,
                       double* HWY_RESTRICT to) {
  for (size_t k = 0; k < count; ++k) to[k] += factor * from[k];
}

template <typename Rows, typename Columns>
void TransformFilter(const double* filter, size_t row, double* products) {
  constexpr size_t kTaps = Rows::kTaps;
  double half[kTaps * kMostRow];
  for (size_t y = 0; y < Rows::kPoints; ++y) {
    const auto weights = Rows::FilterRow(y);
    std::fill_n(half, kTaps * row, 0.0);
    for (size_t tap = 0; tap < kTaps; ++tap) {
      if (weights[tap] != 0) AddRow(weights[tap], filter + tap * kTaps * row, kTaps * row, half);
    }
    for (size_t x = 0; x < Columns::kPoints; ++x, products += row) {
      const auto column = Columns::FilterRow(x);
      std::fill_n(products, row, 0.0);
      for (size_t tap = 0; tap < kTaps; ++tap) {
        if (column[tap] != 0) AddRow(column[tap], half + tap * row, row, products);
      }
    }
  }
}

template <typename Rows, typename Columns>
void TransformGradient(const double* products, size_t row, double* filter) {
  constexpr size_t kTaps = Rows::kTaps;
  double half[kTaps * kMostRow];
  std::fill_n(filter, kTaps * kTaps * row, 0.0);
  for (size_t y = 0; y < Rows::kPoints; ++y) {
    std::fill_n(half, kTaps * row, 0.0);
    for (size_t x = 0; x < Columns::kPoints; ++x, products += row) {
      const auto column = Columns::FilterRow(x);
      for (size_t tap = 0; tap < kTaps; ++tap) {
        if (column[tap] != 0) AddRow(column[tap], products, row, half + tap * row);
      }
    }
    const auto weights = Rows::FilterRow(y);
    for (size_t tap = 0; tap < kTaps; ++tap) {
      if (weights[tap] != 0) AddRow(weights[tap], half, kTaps * row, filter + tap * kTaps * row);
    }
  }
}

template <size_t kIndex>
struct AxesOf {
  static constexpr WinogradVariant kVariant = kWinogradVariants[kIndex];
  using Rows = WinogradAxis<kVariant.rows, kVariant.taps>;
  using Columns = WinogradAxis<kVariant.columns, kVariant.taps>;
};

template <size_t... kIndex>
WinogradFilterTransform SelectTransform(size_t variant, std::index_sequence<kIndex...>) {
  static constexpr WinogradFilterTransform kTransforms[] = {
      TransformFilter<typename AxesOf<kIndex>::Rows, typename AxesOf<kIndex>::Columns>...};
  return kTransforms[variant];
}
template <size_t... kIndex>
WinogradFilterGradient SelectGradient(size_t variant, std::index_sequence<kIndex...>) {
  static constexpr WinogradFilterGradient kGradients[] = {
      TransformGradient<typename AxesOf<kIndex>::Rows, typename AxesOf<kIndex>::Columns>...};
  return kGradients[variant];
}

using Variants = std::make_index_sequence<kWinogradVariants.size()>;

WinogradFilterTransform TransformOf(size_t variant) { return SelectTransform(variant, Variants()); }
WinogradFilterGradient GradientOf(size_t variant) { return SelectGradient(variant, Variants()); }

size_t LanesOfTarget() {
  return hwy::HWY_NAMESPACE::Lanes(hwy::HWY_NAMESPACE::CappedTag<float, 16>());
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {

WinogradFilterTransform GetWinogradFilterTransform(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, TransformOf)(variant);
}

WinogradFilterGradient GetWinogradFilterGradient(Isa isa, size_t variant) {
  return CONVLSTM_SIMD(isa, GradientOf)(variant);
}

size_t WinogradLanes(Isa isa) { return CONVLSTM_SIMD(isa, LanesOfTarget)(); }

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
