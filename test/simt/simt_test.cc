// The simulator itself: instructions against their definitions, and mistakes that must be errors.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "cuda/gemm/chunk_product.cuh"

namespace convlstm::cuda {
namespace {

void SumOfWarp(float* out) {
  auto value = static_cast<float>(threadIdx.x);
  for (int mask = 16; mask > 0; mask /= 2) value += ShuffleXor(value, mask);
  out[threadIdx.x] = value;
}

TEST_CASE("simt: a shuffle reaches every lane of its warp and none of another") {
  std::vector<float> out(64);
  simt::Launch(SumOfWarp, {1}, {64}, 0, out.data());
  for (int k = 0; k < 64; ++k) CHECK(out[k] == (k < 32 ? 496 : 496 + 32 * 32));
}

void NeighbourThroughSharedMemory(float* out) {
  CONVLSTM_SHARED_MEMORY(memory);
  auto* values = reinterpret_cast<float*>(memory);
  values[threadIdx.x] = static_cast<float>(threadIdx.x);
  __syncwarp();
  const float neighbour = values[threadIdx.x ^ 1];
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = neighbour + values[threadIdx.x ^ 32];
}

TEST_CASE("simt: warp and block barriers order shared memory") {
  std::vector<float> out(3 * 64);
  simt::Launch(NeighbourThroughSharedMemory, {3}, {64}, 64 * sizeof(float), out.data());
  for (int k = 0; k < 3 * 64; ++k) CHECK(out[k] == (k % 64 ^ 1) + (k % 64 ^ 32));
}

#if CONVLSTM_CUDA_ARCH >= 800
// d (16 x 8) = 1 + a (16 x 8) b (8 x 8), all row-major.
void ProductOfTf32(const float* a, const float* b, float* out) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  const uint32_t x[4] = {Bits(a[g * 8 + t]), Bits(a[(g + 8) * 8 + t]), Bits(a[g * 8 + t + 4]),
                         Bits(a[(g + 8) * 8 + t + 4])};
  const uint32_t y[2] = {Bits(b[t * 8 + g]), Bits(b[(t + 4) * 8 + g])};
  float d[4] = {1, 1, 1, 1};
  MmaTf32(d, x, y);
  for (int k = 0; k < 4; ++k) out[(g + k / 2 * 8) * 8 + 2 * t + k % 2] = d[k];
}

void ProductOfBf16(const float* a, const float* b, float* out) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  const auto row = [&](int r, int k) { return PackBf16(a[r * 16 + k], a[r * 16 + k + 1]); };
  const auto column = [&](int k) { return PackBf16(b[k * 8 + g], b[(k + 1) * 8 + g]); };
  const uint32_t x[4] = {row(g, 2 * t), row(g + 8, 2 * t), row(g, 2 * t + 8),
                         row(g + 8, 2 * t + 8)};
  const uint32_t y[2] = {column(2 * t), column(2 * t + 8)};
  float d[4] = {1, 1, 1, 1};
  MmaBf16(d, x, y);
  for (int k = 0; k < 4; ++k) out[(g + k / 2 * 8) * 8 + 2 * t + k % 2] = d[k];
}

template <int kK, typename Kernel>
void CheckProduct(Kernel kernel) {
  std::vector<float> a(16 * kK), b(kK * 8), out(16 * 8);
  // Small integers are exact in every format.
  for (size_t k = 0; k < a.size(); ++k) a[k] = static_cast<float>(k * 7 % 23) - 11;
  for (size_t k = 0; k < b.size(); ++k) b[k] = static_cast<float>(k * 5 % 19) - 9;
  simt::Launch(kernel, {1}, {32}, 0, a.data(), b.data(), out.data());
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 1;
      for (int k = 0; k < kK; ++k) sum += a[row * kK + k] * b[k * 8 + column];
      CHECK(out[row * 8 + column] == sum);
    }
  }
}

TEST_CASE("simt: mma multiplies fragments as the PTX manual defines them") {
  CheckProduct<8>(ProductOfTf32);
  CheckProduct<16>(ProductOfBf16);
}

TEST_CASE("simt: two TF32 halves hold a float except its last bits, and keep NaN") {
  const auto halves = [](float value) {
    uint32_t high, low;
    SplitTf32(value, high, low);
    CHECK(((high | low) & 0x1fff) == 0);
    return std::pair(FromBits(high), FromBits(low));
  };
  CHECK(halves(1.0f + 0x1p-11f) == std::pair(1.0f + 0x1p-10f, -0x1p-11f));  // a tie: away from zero
  CHECK(halves(-1.0f - 0x1p-12f) == std::pair(-1.0f, -0x1p-12f));
  for (const float value : {0.1f, -3.3333333f, 1e-30f, 65537.7f, 3e38f}) {
    const auto [high, low] = halves(value);
    CHECK(std::abs(double(high) + low - value) <= std::abs(value) * 0x1p-21);
  }
  CHECK(std::isnan(halves(FromBits(0x7fffffff)).second));  // the NaN that GPUs produce
  CHECK(std::isnan(halves(FromBits(0xffffffff)).second));
}

TEST_CASE("simt: bfloat16 rounds ties to even") {
  CHECK(PackBf16(1.0f + 0x1p-8f, 0) == 0x3f80);              // a tie: to even
  CHECK(PackBf16(1.0f + 3 * 0x1p-8f, -2.0f) == 0xc0003f82);  // a tie: to even, upwards
}

void NeverWaits(const float* from) {
  CONVLSTM_SHARED_MEMORY(memory);
  CopyAsync<4>(memory + threadIdx.x * 4, from, true);
  CommitCopies();
}

TEST_CASE("simt: a copy that is never awaited is an error") {
  const float value = 1;
  CHECK_THROWS_AS(simt::Launch(NeverWaits, {1}, {32}, 128, &value), simt::Error);
}
#endif

void CopiesMisaligned(const float* from) {
  CONVLSTM_SHARED_MEMORY(memory);
  CopyAsync<16>(memory + 4, from, true);
}
void CopiesBesideTheEnd(const float* from) {
  CONVLSTM_SHARED_MEMORY(memory);
  CopyAsync<4>(memory + 128, from, true);
}
void ReturnsBeforeBarrier(int) {
  if (threadIdx.x == 5) return;
  __syncthreads();
}
void WaitsAtTwoBarriers(int) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
}
void ShufflesHalfAWarp(int) {
  if (threadIdx.x < 16) {
    ShuffleXor(1.0f, 1);
  } else {
    __syncthreads();
  }
}

TEST_CASE("simt: an error names the position where a device would hang or refuse") {
  const auto message = [](auto kernel, auto argument, unsigned threads) -> std::string {
    try {
      simt::Launch(kernel, {1}, {threads}, 128, argument);
    } catch (const simt::Error& error) {
      return error.what();
    }
    return "";
  };
  alignas(16) const std::array<float, 4> values{};
  CHECK(message(CopiesMisaligned, values.data(), 32).find("misaligned") != std::string::npos);
  CHECK(message(CopiesBesideTheEnd, values.data(), 32).find("outside") != std::string::npos);
  CHECK(message(ReturnsBeforeBarrier, 0, 64).find("1 threads returned [5 to 5]") !=
        std::string::npos);
  CHECK(message(WaitsAtTwoBarriers, 0, 64).find("different barriers") != std::string::npos);
  CHECK(message(ShufflesHalfAWarp, 0, 64).find("different instructions") != std::string::npos);
  CHECK(message(ShufflesHalfAWarp, 0, 2048).find("exceeds the limits") != std::string::npos);
}

}  // namespace
}  // namespace convlstm::cuda
