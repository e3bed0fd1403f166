// Tests sigmoid and tanh against float64 over float32's whole range, on each target of the machine.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "activations_test.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "cpu/conv_lstm/lstm_cell-inl.h"
#include "cpu/simd/activations-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

void SigmoidOf(const float* x, size_t count, float* y) {
  const hn::ScalableTag<float> d;
  for (size_t k = 0; k < count; k += hn::Lanes(d)) {
    hn::StoreU(Sigmoid(d, hn::LoadU(d, x + k)), d, y + k);
  }
}

void TanhOf(const float* x, size_t count, float* y) {
  const hn::ScalableTag<float> d;
  for (size_t k = 0; k < count; k += hn::Lanes(d)) {
    hn::StoreU(Tanh(d, hn::LoadU(d, x + k)), d, y + k);
  }
}

// `planes` are i, f, o, g, wci, wcf, wco, [count] each; the last three are read with peepholes.
void CellOf(const float* planes, size_t count, bool peephole, float* c, float* h) {
  const hn::ScalableTag<float> d;
  for (size_t k = 0; k < count; k += hn::Lanes(d)) {
    const auto plane = [&](size_t index) { return planes + index * count + k; };
    hn::Vec<hn::ScalableTag<float>> sums[LstmCell::kGates];
    for (size_t q = 0; q < LstmCell::kGates; ++q) sums[q] = hn::LoadU(d, plane(q));
    const CellPointers at = {c + k, c + k, h + k, peephole ? plane(4) : nullptr,
                             static_cast<int64_t>(count)};
    UpdateCell<LstmCell>(d, sums, at, count - k);
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace convlstm::cpu {
namespace {

constexpr size_t kBlock = 4096;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Function = void (*)(const float*, size_t, float*);

double ExactSigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double UlpDistance(float value, double exact) {
  int exponent;
  std::frexp(exact, &exponent);
  const double ulp = std::ldexp(1.0, std::max(exponent - 24, -149));
  return std::fabs(value - exact) / ulp;
}

struct WorstError {
  double ulp = 0;
  float at = 0;
};

// Every stride-th bit pattern between two floats of the same sign, both inclusive.
WorstError Sweep(Function function, double (*exact)(double), float from, float to,
                 uint32_t stride) {
  WorstError worst;
  std::vector<float> x(kBlock), y(kBlock);
  const uint32_t first = std::bit_cast<uint32_t>(from), last = std::bit_cast<uint32_t>(to);
  for (uint64_t bits = first; bits <= last;) {
    for (size_t k = 0; k < kBlock; ++k, bits += stride) {
      x[k] = std::bit_cast<float>(static_cast<uint32_t>(std::min<uint64_t>(bits, last)));
    }
    function(x.data(), kBlock, y.data());
    for (size_t k = 0; k < kBlock; ++k) {
      const double error = UlpDistance(y[k], exact(x[k]));
      if (!(error <= worst.ulp)) worst = {error, x[k]};
    }
  }
  return worst;
}

float Single(Function function, float x) {
  std::vector<float> in(16, x), out(16);
  function(in.data(), 16, out.data());
  return out[0];
}

// Odd, so that all low bits of the mantissa occur over the exponents.
constexpr uint32_t kStride = 1009;

TEST_CASE("sigmoid is within 2.2 ulp of float64") {
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    const Function sigmoid = CONVLSTM_SIMD(isa, SigmoidOf);
    const WorstError positive = Sweep(sigmoid, ExactSigmoid, 0.0f, kInfinity, kStride);
    CAPTURE(positive.at);
    CHECK(positive.ulp <= 2.2);
    const WorstError negative = Sweep(sigmoid, ExactSigmoid, -0.0f, -87.6f, kStride);
    CAPTURE(negative.at);
    CHECK(negative.ulp <= 2.2);
    MESSAGE(std::string(IsaName(isa)), ": sigmoid ", std::max(positive.ulp, negative.ulp), " ulp");
    for (float x = -87.6f; x > -200; x -= 0.01f) {
      const float y = Single(sigmoid, x);
      CHECK(y >= 0);
      CHECK(y < 9.5e-39f);
    }
    CHECK(Single(sigmoid, -kInfinity) == 0);
    CHECK(Single(sigmoid, -std::numeric_limits<float>::max()) == 0);
    CHECK(Single(sigmoid, kInfinity) == 1);
    CHECK(Single(sigmoid, 0.0f) == 0.5f);
    CHECK(std::isnan(Single(sigmoid, std::numeric_limits<float>::quiet_NaN())));
  }
}

TEST_CASE("tanh is within 2.5 ulp of float64") {
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    const Function tanh = CONVLSTM_SIMD(isa, TanhOf);
    const auto exact = [](double x) { return std::tanh(x); };
    const WorstError positive = Sweep(tanh, exact, 0.0f, kInfinity, kStride);
    CAPTURE(positive.at);
    CHECK(positive.ulp <= 2.5);
    const WorstError negative = Sweep(tanh, exact, -0.0f, -kInfinity, kStride);
    CAPTURE(negative.at);
    CHECK(negative.ulp <= 2.5);
    MESSAGE(std::string(IsaName(isa)), ": tanh ", std::max(positive.ulp, negative.ulp), " ulp");
    CHECK(Single(tanh, -kInfinity) == -1);
    CHECK(Single(tanh, kInfinity) == 1);
    CHECK(std::signbit(Single(tanh, -0.0f)));
    CHECK(std::isnan(Single(tanh, std::numeric_limits<float>::quiet_NaN())));
    for (float x = 0; x < 20; x += 0.001f) CHECK(std::fabs(Single(tanh, x)) <= 1);
  }
}

TEST_CASE("the cell update agrees with float64") {
  constexpr size_t kCount = 4099;  // no vector width divides it
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (const bool peephole : {false, true}) {
    for (const float scale : {0.1f, 1.0f, 10.0f, 100.0f}) {
      std::vector<float> planes(7 * kCount + 16), c0(kCount + 16);
      for (float& value : planes) value = scale * normal(random);
      for (float& value : c0) value = normal(random);
      for (const Isa isa : AvailableIsas()) {
        CAPTURE(std::string(IsaName(isa)));
        CAPTURE(scale);
        std::vector<float> c = c0, h(kCount + 16, 123.0f);
        CONVLSTM_SIMD(isa, CellOf)(planes.data(), kCount, peephole, c.data(), h.data());
        double worst = 0;
        for (size_t k = 0; k < kCount; ++k) {
          const auto plane = [&](size_t index) -> double { return planes[index * kCount + k]; };
          const double w = peephole ? 1 : 0;
          const double i = ExactSigmoid(plane(0) + w * plane(4) * c0[k]);
          const double f = ExactSigmoid(plane(1) + w * plane(5) * c0[k]);
          const double next_c = f * c0[k] + i * std::tanh(plane(3));
          const double o = ExactSigmoid(plane(2) + w * plane(6) * next_c);
          const double next_h = o * std::tanh(next_c);
          worst = std::max({worst, std::fabs(c[k] - next_c), std::fabs(h[k] - next_h)});
          CHECK(std::fabs(h[k]) <= 1);
        }
        CHECK(worst <= (peephole ? 1e-5 : 6e-7));
        for (size_t k = kCount; k < kCount + 16; ++k) {
          CHECK(c[k] == c0[k]);
          CHECK(h[k] == 123.0f);
        }
      }
    }
  }
}

TEST_CASE("the cell update keeps NaN and survives infinities") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    for (size_t poisoned = 0; poisoned < 5; ++poisoned) {
      std::vector<float> planes(7 * 16, 0.5f), c(16, 0.25f), h(16);
      for (size_t k = 0; k < 16; ++k) (poisoned < 4 ? planes[poisoned * 16 + k] : c[k]) = kNan;
      CONVLSTM_SIMD(isa, CellOf)(planes.data(), 16, false, c.data(), h.data());
      CHECK(std::isnan(h[0]));
    }
    for (const float sign : {-1.0f, 1.0f}) {
      std::vector<float> planes(7 * 16, sign * kInfinity), c(16, 0.25f), h(16);
      CONVLSTM_SIMD(isa, CellOf)(planes.data(), 16, false, c.data(), h.data());
      const double expected_c = sign > 0 ? 1.25 : 0;
      CHECK(std::fabs(c[0] - expected_c) < 1e-7);
      CHECK(std::fabs(h[0] - (sign > 0 ? std::tanh(1.25) : 0)) < 1e-7);
    }
  }
}

}  // namespace
}  // namespace convlstm::cpu
#endif  // HWY_ONCE
