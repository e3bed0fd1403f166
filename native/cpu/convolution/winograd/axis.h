// One axis of a Winograd convolution F(m, r): m outputs of an r-tap filter from n = m + r - 1
// products (Winograd 1980, Lavin and Gray 2016). A tile uses one axis for its rows and one for its
// columns.
//
// The interpolation points are 0, pairs +-p and infinity; pairs let the transforms share their even
// and odd halves. The points decide the accuracy: a grid search found these for the least error of
// a product over 64 and 144 channels. The textbook's 0, +-1, +-2 err three to nine times more at
// n = 6.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_AXIS_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_AXIS_H_

#include <array>
#include <cstddef>

namespace convlstm::cpu {

constexpr double Power(double base, size_t exponent) {
  return exponent == 0 ? 1 : base * Power(base, exponent - 1);
}

template <size_t kOutputsOfAxis, size_t kTapsOfAxis>
struct WinogradAxis {
  static constexpr size_t kOutputs = kOutputsOfAxis;
  static constexpr size_t kTaps = kTapsOfAxis;
  static constexpr size_t kPoints = kOutputs + kTaps - 1;
  static constexpr size_t kPairs = (kPoints - 2) / 2;
  static_assert(kPoints == 4 || kPoints == 6 || kPoints == 8);

  static constexpr std::array<double, kPairs> Pairs() {
    if constexpr (kPoints == 4) {
      return {1.0};
    } else if constexpr (kPoints == 6) {
      return {0.625, 1.5};
    } else {
      return {0.5, 1.0, 2.0};
    }
  }

  // Point of product `k` < kPoints - 1, in the order 0, +p0, -p0, +p1, ...; the last is infinity.
  static constexpr double Point(size_t k) {
    return k == 0 ? 0 : k % 2 == 1 ? Pairs()[(k - 1) / 2] : -Pairs()[(k - 1) / 2];
  }

  // Coefficients, by powers of y, of the product of (y - p^2) over all pairs but `excluded`
  // (kPairs excludes none): the input transform's polynomials in y = x^2.
  static constexpr std::array<double, kPairs + 1> Polynomial(size_t excluded) {
    std::array<double, kPairs + 1> coefficients{};
    coefficients[0] = 1;
    for (size_t pair = 0; pair < kPairs; ++pair) {
      if (pair == excluded) continue;
      const double root = Pairs()[pair] * Pairs()[pair];
      for (size_t power = kPairs; power > 0; --power) {
        coefficients[power] = coefficients[power - 1] - root * coefficients[power];
      }
      coefficients[0] *= -root;
    }
    return coefficients;
  }

  // The filter's transform: product k takes sum over taps of FilterRow(k)[tap] * filter[tap].
  static constexpr std::array<double, kTaps> FilterRow(size_t k) {
    std::array<double, kTaps> row{};
    if (k == kPoints - 1) {
      row[kTaps - 1] = 1;
      return row;
    }
    double value = 1;
    for (size_t other = 0; other + 1 < kPoints; ++other) {
      if (other != k) value /= Point(k) - Point(other);
    }
    for (size_t tap = 0; tap < kTaps; ++tap, value *= Point(k)) row[tap] = value;
    return row;
  }
};

// Coefficients of the input and output transforms.
template <class Axis>
struct WinogradCoefficients {
  std::array<float, Axis::kPairs> points{};
  std::array<std::array<float, Axis::kPairs + 1>, Axis::kPairs + 1> polynomials{};
  std::array<std::array<float, Axis::kPairs>, Axis::kOutputs> powers{};

  constexpr WinogradCoefficients() {
    for (size_t pair = 0; pair < Axis::kPairs; ++pair) {
      points[pair] = static_cast<float>(Axis::Pairs()[pair]);
      for (size_t j = 0; j < Axis::kOutputs; ++j) {
        powers[j][pair] = static_cast<float>(Power(Axis::Pairs()[pair], j));
      }
    }
    for (size_t excluded = 0; excluded <= Axis::kPairs; ++excluded) {
      for (size_t power = 0; power <= Axis::kPairs; ++power) {
        polynomials[excluded][power] = static_cast<float>(Axis::Polynomial(excluded)[power]);
      }
    }
  }
};
template <class Axis>
inline constexpr WinogradCoefficients<Axis> kWinogradCoefficients;

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_AXIS_H_
