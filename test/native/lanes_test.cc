// Tests 16-bit gates, bfloat16 and partial vectors on every target of this machine.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "lanes_test.cc"
#include "cpu/simd/simd.h"
//
#include "hwy/foreach_target.h"
//
#include "cpu/simd/lanes-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

// Calls body(lanes, k) for whole vectors from element k on, then for the partial one.
template <class Body>
void ForVectors(size_t count, const Body& body) {
  using D = hn::ScalableTag<float>;
  const size_t lanes = hn::Lanes(D());
  size_t k = 0;
  for (; k + lanes <= count; k += lanes) body(AllLanes<D>{}, k);
  if (k < count) body(FirstLanes<D>{count - k}, k);
}

void ToGates(const float* from, size_t count, int16_t* to) {
  ForVectors(count,
             [=](auto lanes, size_t k) HWY_ATTR { lanes.Store(lanes.Load(from + k), to + k); });
}
void FromGates(const int16_t* from, size_t count, float* to) {
  ForVectors(count,
             [=](auto lanes, size_t k) HWY_ATTR { lanes.Store(lanes.Load(from + k), to + k); });
}
void NarrowLanes(const float* from, size_t count, int16_t* to) {
  ForVectors(count, [=](auto lanes, size_t k)
                        HWY_ATTR { lanes.StoreBfloat16(lanes.Load(from + k), to + k); });
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "cpu/simd/bfloat16.h"

namespace convlstm::cpu {
namespace {

TEST_CASE("a 16-bit gate is within half of 1 / 32767, and NaN stays NaN") {
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    const auto to_gates = CONVLSTM_SIMD(isa, ToGates);
    const auto from_gates = CONVLSTM_SIMD(isa, FromGates);

    std::vector<float> gates;
    for (int k = -100'000; k <= 100'000; ++k) gates.push_back(static_cast<float>(k) / 100'000);
    std::vector<int16_t> fixed(gates.size());
    std::vector<float> back(gates.size());
    to_gates(gates.data(), gates.size(), fixed.data());
    from_gates(fixed.data(), fixed.size(), back.data());
    double largest = 0;
    for (size_t k = 0; k < gates.size(); ++k) {
      largest = std::max(largest, std::fabs(double{gates[k]} - back[k]));
    }
    CHECK(largest <= 0.5 / 32767 + 1e-7);
    for (const float exact : {-1.0f, 0.0f, 1.0f}) {
      to_gates(&exact, 1, fixed.data());
      from_gates(fixed.data(), 1, back.data());
      CHECK(back[0] == exact);
    }
    const std::vector<float> nan(20, std::numeric_limits<float>::quiet_NaN());
    to_gates(nan.data(), nan.size(), fixed.data());
    from_gates(fixed.data(), nan.size(), back.data());
    CHECK(std::all_of(back.begin(), back.begin() + 20, [](float v) { return std::isnan(v); }));
  }
}

TEST_CASE("bfloat16 rounds to nearest even, and NaN stays NaN") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float half = std::ldexp(1.0f, -8);  // of the spacing above 1
  const std::vector<std::pair<float, float>> known = {
      {0.0f, 0.0f},
      {-0.0f, -0.0f},
      {1.0f, 1.0f},
      {1.0f + half, 1.0f},
      {1.0f + half * 1.01f, 1.0f + 2 * half},
      {1.0f + 3 * half, 1.0f + 4 * half},
      {-(1.0f + 3 * half), -(1.0f + 4 * half)},
      {std::numeric_limits<float>::max(), kInfinity},
      {kInfinity, kInfinity},
      {-kInfinity, -kInfinity},
  };
  std::vector<float> values, expected;
  for (const auto& [value, rounded] : known) {
    values.push_back(value);
    expected.push_back(rounded);
  }
  // Truncation would turn NaNs whose high mantissa bits are 0 into infinity.
  values.push_back(std::bit_cast<float>(0x7f800001));
  for (uint32_t k = 0; k < 200'000; ++k) {
    values.push_back(std::bit_cast<float>(k * 2654435761u));
  }
  ThreadPool pool(2);
  const int64_t count = static_cast<int64_t>(values.size());
  std::vector<uint16_t> narrow(count);
  std::vector<float> back(count);
  ToBfloat16(values.data(), narrow.data(), count, pool);
  FromBfloat16(narrow.data(), back.data(), count, pool);
  CHECK(std::equal(expected.begin(), expected.end(), back.begin()));
  CHECK(std::signbit(back[1]));
  for (int64_t k = 0; k < count; ++k) {
    const float value = values[k], error = std::fabs(back[k] - value);
    const bool normal =
        std::fabs(value) >= std::numeric_limits<float>::min() && back[k] - back[k] == 0;
    if (std::isnan(value)) REQUIRE(std::isnan(back[k]));
    if (normal) REQUIRE(error <= std::fabs(value) / 256);
  }
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    std::vector<int16_t> lanes(count);
    CONVLSTM_SIMD(isa, NarrowLanes)(values.data(), values.size(), lanes.data());
    const auto same = [](int16_t a, uint16_t b) { return static_cast<uint16_t>(a) == b; };
    CHECK(std::equal(lanes.begin(), lanes.end(), narrow.begin(), same));
  }
}

TEST_CASE("partial loads and stores leave other elements alone") {
  for (const Isa isa : AvailableIsas()) {
    CAPTURE(std::string(IsaName(isa)));
    for (size_t count = 1; count < 40; ++count) {
      const std::vector<float> gates(count, 0.5f);
      std::vector<int16_t> fixed(count + 40, 7);
      CONVLSTM_SIMD(isa, ToGates)(gates.data(), count, fixed.data());
      CHECK(std::all_of(fixed.begin(), fixed.begin() + count, [](int v) { return v == 16384; }));
      CHECK(std::all_of(fixed.begin() + count, fixed.end(), [](int v) { return v == 7; }));
      std::vector<float> back(count + 40, 7);
      CONVLSTM_SIMD(isa, FromGates)(fixed.data(), count, back.data());
      CHECK(std::all_of(back.begin(), back.begin() + count, [](float v) { return v > 0.5f; }));
      CHECK(std::all_of(back.begin() + count, back.end(), [](float v) { return v == 7; }));
    }
  }
}

}  // namespace
}  // namespace convlstm::cpu
#endif  // HWY_ONCE
