// Tests the AMX kernels against the float64 reference, on emulated tiles and on the processor's if
// it has them, and the emulated tiles against Intel's manual.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "amx_trap.h"
#include "core/buffer.h"
#include "core/error.h"
#include "cpu/conv_lstm/amx/tiles-inl.h"
#include "cpu/conv_lstm/kernel.h"
#include "reference.h"

namespace convlstm {
namespace {

using cpu::Isa;
using cpu::HWY_NAMESPACE::EmulatedTiles;

// ---- Tiles

TileOfSums EmulatedDot(const TileOfSums& dest, const TileOfPairs& src1, const TileOfPairs& src2) {
  EmulatedTiles tiles;
  tiles.Load<2>(&dest, 64);
  tiles.Load<5>(&src1, 64);
  tiles.Load<7>(&src2, 64);
  tiles.Dot<2, 5, 7>();
  TileOfSums result;
  tiles.Store<2>(&result, 64);
  return result;
}

bool SameBits(const TileOfSums& a, const TileOfSums& b) {
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      const bool both_nan = std::isnan(a[m][n]) && std::isnan(b[m][n]);
      if (!both_nan && std::bit_cast<uint32_t>(a[m][n]) != std::bit_cast<uint32_t>(b[m][n])) {
        return false;
      }
    }
  }
  return true;
}

TEST_CASE("an emulated tile product of random numbers equals the manual's") {
  std::mt19937 random(1);
  for (int round = 0; round < 20; ++round) {
    // Values around 1, and of all exponents, so that sums also overflow and underflow.
    const uint32_t exponents = round % 2 == 0 ? 8 : 255;
    const uint32_t lowest = round % 2 == 0 ? 123 : 0;
    const auto draw = [&] {
      const uint32_t sign = random() & 1, exponent = lowest + random() % exponents;
      return sign << 31 | exponent << 23 | (static_cast<uint32_t>(random()) & 0x7fffff);
    };
    TileOfPairs a, b;
    TileOfSums sums;
    for (auto& row : a) {
      for (uint16_t& v : row) v = static_cast<uint16_t>(draw() >> 16);
    }
    for (auto& row : b) {
      for (uint16_t& v : row) v = static_cast<uint16_t>(draw() >> 16);
    }
    for (auto& row : sums) {
      for (float& v : row) v = std::bit_cast<float>(draw());
    }
    CHECK(SameBits(EmulatedDot(sums, a, b), ManualDot(sums, a, b)));
  }
}

TEST_CASE("an emulated tile product treats infinities, NaN and denormals as the manual does") {
  // 0, -0, smallest and largest denormal, smallest normal, 1, -1, largest, infinities, NaN.
  const std::array<uint16_t, 11> special = {0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80,
                                            0xbf80, 0x7f7f, 0x7f80, 0xff80, 0x7fc0};
  std::mt19937 random(2);
  for (int round = 0; round < 50; ++round) {
    TileOfPairs a{}, b{};
    TileOfSums sums{};
    // Few nonzero elements per row, so that some sums have no NaN.
    for (int m = 0; m < 16; ++m) {
      for (int element = 0; element < 32; ++element) {
        b[m][element] = special[random() % special.size()];
      }
      a[m][random() % 32] = special[random() % special.size()];
      sums[m][random() % 16] = MakeFp32(special[random() % special.size()]);
    }
    CHECK(SameBits(EmulatedDot(sums, a, b), ManualDot(sums, a, b)));
  }

  TileOfPairs one{}, value{};
  TileOfSums sums{};
  one[0][0] = 0x3f80;
  const auto product = [&](uint16_t v, float sum) {
    value[0][0] = v;
    sums[0][0] = sum;
    return EmulatedDot(sums, one, value)[0][0];
  };
  CHECK(product(0x007f, 0.0f) == 0.0f);            // a denormal operand
  CHECK(product(0x0000, FLT_MIN / 2) == 0.0f);     // a denormal sum
  CHECK(product(0x8080, 1.5f * FLT_MIN) == 0.0f);  // a denormal result
  CHECK(product(0x7f80, 1.0f) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(product(0xff80, std::numeric_limits<float>::infinity())));
}

TEST_CASE("an emulated tile must be loaded before it is used") {
  const TileOfPairs pairs{};
  TileOfSums sums{};
  EmulatedTiles tiles;
  CHECK_THROWS_WITH_AS(tiles.Store<3>(&sums, 64), "tile 3 is used before it is loaded", Error);
  tiles.Load<4>(&pairs, 64);
  tiles.Load<6>(&pairs, 64);
  CHECK_THROWS_WITH_AS((tiles.Dot<0, 4, 6>()), "tile 0 is used before it is loaded", Error);
  tiles.Zero<0>();
  CHECK_THROWS_WITH_AS((tiles.Dot<0, 5, 6>()), "tile 5 is used before it is loaded", Error);
  CHECK_THROWS_WITH_AS((tiles.Dot<0, 4, 7>()), "tile 7 is used before it is loaded", Error);
  CHECK_NOTHROW(tiles.Dot<0, 4, 6>());
  CHECK_NOTHROW(tiles.Store<0>(&sums, 64));
}

TEST_CASE("emulated loads and stores touch 16 rows of 64 bytes at the stride") {
  std::vector<uint8_t> from(15 * 100 + 64), to(15 * 72 + 64 + 8, 0xee);
  for (size_t i = 0; i < from.size(); ++i) from[i] = static_cast<uint8_t>(i * 7);
  EmulatedTiles tiles;
  tiles.Load<1>(from.data(), 100);
  tiles.Store<1>(to.data(), 72);
  for (size_t i = 0; i < to.size(); ++i) {
    const bool inside = i % 72 < 64 && i / 72 < 16;
    CHECK(to[i] == (inside ? from[i / 72 * 100 + i % 72] : 0xee));
  }
}

// ---- Kernels

std::vector<Isa> TileIsas() {
  std::vector<Isa> isas = {Isa::kEmulatedAmx};
  if (cpu::GetCpuFeatures().amx_bf16) isas.push_back(Isa::kAmx);
  return isas;
}

// The kernel of a layer that Winograd does not support; it runs any layer.
const cpu::ConvLstmKernel& Kernel(Precision precision, Isa isa) {
  const ConvLstmShape shape = {1, 1, false, 1, 1, 1, 1, 1, 1};
  const cpu::ConvLstmKernel* kernel = cpu::FindAmxKernel({shape, Peephole::kNone, precision, isa});
  REQUIRE(kernel != nullptr);
  return *kernel;
}

// A channels-last frame with a margin of NaN: reads of the margin show in the result, and Intact
// finds writes to it.
class Frame {
 public:
  Frame(int64_t channels, int64_t pixels) : channels_(channels), pixels_(pixels) {
    values_.assign(channels * pixels + kMargin, std::numeric_limits<float>::quiet_NaN());
  }
  void Set(const float* rows) {
    for (int64_t i = 0; i < channels_ * pixels_; ++i) values_[At(i)] = rows[i];
  }
  void Get(float* rows) const {
    for (int64_t i = 0; i < channels_ * pixels_; ++i) rows[i] = values_[At(i)];
  }
  bool Intact() const {
    return std::all_of(values_.end() - kMargin, values_.end(), [](float v) {
      return std::bit_cast<uint32_t>(v) ==
             std::bit_cast<uint32_t>(std::numeric_limits<float>::quiet_NaN());
    });
  }
  float* data() { return values_.data(); }

 private:
  static constexpr int64_t kMargin = 16;  // may be read: kBufferAlignment bytes
  int64_t At(int64_t i) const { return i % pixels_ * channels_ + i / pixels_; }

  int64_t channels_, pixels_;
  std::vector<float> values_;
};

// Fills fresh scratch memory with NaN during its lifetime (with glibc's malloc).
class NanScratch {
 public:
  NanScratch() {
    EmptyBufferCache();
    Fill(0x100);
  }
  ~NanScratch() { Fill(0); }

 private:
  static void Fill([[maybe_unused]] int complement) {
#if defined(__GLIBC__)
    mallopt(M_PERTURB, complement);
#endif
  }
};

ConvLstmReference<float> RunKernel(const cpu::ConvLstmKernel& kernel, const ConvLstmCase& test,
                                   int threads) {
  const ConvLstmShape& s = test.shape;
  const int64_t state = s.hidden_dim * s.pixels(), input = s.input_dim * s.pixels();
  const NanScratch scratch;
  cpu::ThreadPool pool(threads);
  const auto or_null = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  const auto packed = kernel.Pack(s,
                                  {test.weight.data(),
                                   or_null(test.bias),
                                   test.peephole,
                                   {or_null(test.wci), or_null(test.wcf), or_null(test.wco)}},
                                  pool);
  ConvLstmReference<float> result;
  result.output.resize(s.batch * s.time * state);
  result.h.resize(s.batch * state);
  result.c.resize(s.batch * state);

  std::vector<Frame> x(s.batch, Frame(s.input_dim, s.pixels()));
  std::vector<Frame> h(s.batch, Frame(s.hidden_dim, s.pixels())), next = h, c = h;
  const std::vector<float> zeros(state);
  for (int64_t b = 0; b < s.batch; ++b) {
    if (!test.h0.empty()) h[b].Set(test.h0.data() + b * state);
    c[b].Set(test.c0.empty() ? zeros.data() : test.c0.data() + b * state);
  }
  for (int64_t t = 0; t < s.time; ++t) {
    std::vector<const float*> x_frames, h_frames;
    std::vector<float*> out_frames, c_frames;
    for (int64_t b = 0; b < s.batch; ++b) {
      x[b].Set(test.x.data() + s.frame(b, t) * input);
      x_frames.push_back(x[b].data());
      h_frames.push_back(h[b].data());
      out_frames.push_back(next[b].data());
      c_frames.push_back(c[b].data());
    }
    kernel.Step(s, *packed,
                {x_frames.data(), t == 0 && test.h0.empty() ? nullptr : h_frames.data(),
                 out_frames.data(), c_frames.data()},
                pool);
    for (int64_t b = 0; b < s.batch; ++b) {
      CHECK(next[b].Intact());
      CHECK(c[b].Intact());
      next[b].Get(result.output.data() + s.frame(b, t) * state);
    }
    std::swap(h, next);
  }
  for (int64_t b = 0; b < s.batch; ++b) {
    h[b].Get(result.h.data() + b * state);
    c[b].Get(result.c.data() + b * state);
  }
  return result;
}

ConvLstmShape Shape(int64_t batch, int64_t time, int64_t input, int64_t hidden, int64_t height,
                    int64_t width, int64_t kernel_height, int64_t kernel_width) {
  return {batch, time, false, input, hidden, height, width, kernel_height, kernel_width};
}

struct Bound {
  Precision precision;
  double largest;
};
constexpr Bound kBounds[] = {
    {Precision::kHighest, 1e-5}, {Precision::kHigh, 1e-4}, {Precision::kMedium, 2e-2}};

void CheckAllPrecisions(const ConvLstmCase& test) {
  const ConvLstmReference<double> expected = RunReference<double>(test);
  for (const Isa isa : TileIsas()) {
    for (const Bound& bound : kBounds) {
      const cpu::ConvLstmKernel& kernel = Kernel(bound.precision, isa);
      CAPTURE(test.name);
      CAPTURE(kernel.name());
      const ConvLstmReference<float> result = RunKernel(kernel, test, 2);
      CHECK(LargestError(result.output, expected.output) <= bound.largest);
      CHECK(LargestError(result.h, expected.h) <= bound.largest);
      CHECK(LargestError(result.c, expected.c) <= 2 * bound.largest);
    }
  }
}

TEST_CASE("AMX kernels support every kernel size") {
  CheckAllPrecisions(MakeCase("1x1", Shape(1, 2, 3, 5, 4, 7, 1, 1)));
  CheckAllPrecisions(MakeCase("3x3", Shape(1, 2, 8, 16, 6, 16, 3, 3)));
  CheckAllPrecisions(MakeCase("5x5", Shape(1, 2, 16, 16, 6, 6, 5, 5)));
  CheckAllPrecisions(MakeCase("7x7", Shape(1, 2, 2, 3, 8, 9, 7, 7)));
  CheckAllPrecisions(MakeCase("11x11 larger than the image", Shape(1, 2, 1, 2, 3, 4, 11, 11)));
  CheckAllPrecisions(MakeCase("3x5", Shape(1, 2, 4, 6, 5, 17, 3, 5)));
  CheckAllPrecisions(MakeCase("2x4", Shape(1, 2, 5, 17, 7, 10, 2, 4)));
}

TEST_CASE("AMX kernels support every image and batch size") {
  CheckAllPrecisions(MakeCase("one pixel", Shape(1, 3, 2, 3, 1, 1, 3, 3)));
  CheckAllPrecisions(MakeCase("one row", Shape(1, 2, 2, 3, 1, 37, 3, 3)));
  CheckAllPrecisions(MakeCase("one column", Shape(1, 2, 2, 3, 37, 1, 3, 3)));
  CheckAllPrecisions(MakeCase("tail of a row of tiles", Shape(1, 2, 3, 4, 3, 31, 3, 3)));
  CheckAllPrecisions(MakeCase("three strips", Shape(1, 2, 1, 2, 4, 150, 3, 3)));
  CheckAllPrecisions(MakeCase("blocks in strips", Shape(1, 2, 1, 10, 21, 70, 3, 3)));
  CheckAllPrecisions(MakeCase("blocks", Shape(1, 2, 10, 10, 75, 5, 3, 3)));
  // 15 rows of two tiles each, then 16 rows whose tiles span row ends.
  CheckAllPrecisions(MakeCase("blocks with differing tiles", Shape(2, 2, 1, 32, 31, 31, 3, 1)));
  CheckAllPrecisions(MakeCase("batch 3", Shape(3, 2, 2, 4, 5, 18, 3, 3)));
  ConvLstmShape time_major = Shape(3, 2, 2, 4, 5, 6, 3, 3);
  time_major.time_major = true;
  CheckAllPrecisions(MakeCase("batch 3, time first", time_major));
}

TEST_CASE("AMX kernels support every number of channels") {
  CheckAllPrecisions(MakeCase("1 -> 1", Shape(1, 2, 1, 1, 4, 5, 3, 3)));
  CheckAllPrecisions(MakeCase("33 -> 20", Shape(1, 2, 33, 20, 4, 5, 3, 3)));
  // More than 1 MiB of weights, several chunks of k-steps and of pairs, and an odd tile.
  CheckAllPrecisions(MakeCase("64 -> 48", Shape(1, 2, 64, 48, 9, 16, 3, 3)));
}

TEST_CASE("AMX kernels support biases, states and peepholes") {
  const ConvLstmShape shape = Shape(2, 3, 3, 18, 5, 9, 3, 3);
  CheckAllPrecisions(MakeCase("no bias", shape, {.bias = false}));
  CheckAllPrecisions(MakeCase("states", shape, {.states = true}));
  CheckAllPrecisions(
      MakeCase("channel peepholes", shape, {.states = true, .peephole = Peephole::kChannel}));
  CheckAllPrecisions(
      MakeCase("spatial peepholes", shape, {.states = true, .peephole = Peephole::kSpatial}));
}

TEST_CASE("AMX kernels at highest are as accurate as direct float32") {
  for (const bool spiky : {false, true}) {
    const ConvLstmCase test = MakeCase("hard weights", Shape(1, 4, 6, 20, 9, 18, 5, 5),
                                       {.hard_weights = true, .spiky_x = spiky});
    const ConvLstmReference<double> expected = RunReference<double>(test);
    const double direct = LargestError(RunReference<float>(test).output, expected.output);
    for (const Isa isa : TileIsas()) {
      const auto result = RunKernel(Kernel(Precision::kHighest, isa), test, 2);
      const double error = LargestError(result.output, expected.output);
      MESSAGE("spiky " << spiky << ": direct " << direct << ", three-way splits " << error);
      CHECK(error <= 1e-5);
      CHECK(error <= 2 * direct);
    }
  }
}

TEST_CASE("AMX kernels give the same bits for any number of threads") {
  const ConvLstmCase test = MakeCase("threads", Shape(2, 2, 3, 35, 11, 20, 3, 3));
  for (const Isa isa : TileIsas()) {
    for (const Bound& bound : kBounds) {
      const cpu::ConvLstmKernel& kernel = Kernel(bound.precision, isa);
      const auto one = RunKernel(kernel, test, 1);
      for (const int threads : {2, 3, 4, 7}) {
        const auto several = RunKernel(kernel, test, threads);
        CHECK(several.output == one.output);
        CHECK(several.c == one.c);
      }
    }
  }
}

// Without AMX, traps execute the tile instructions of the hardware kernels, which need AVX-512.
TEST_CASE("AMX kernels give the emulated tiles' bits") {
  const cpu::CpuFeatures& features = cpu::GetCpuFeatures();
  if (!AmxTrap::kSupported || !features.avx512_bf16) return;
  std::optional<AmxTrap> trap;
  if (!features.amx_bf16) trap.emplace();
  const ConvLstmCase test = MakeCase("bits", Shape(1, 2, 9, 20, 3, 20, 3, 3), {.states = true});
  for (const Bound& bound : kBounds) {
    const auto emulated = RunKernel(Kernel(bound.precision, Isa::kEmulatedAmx), test, 2);
    const auto hardware = RunKernel(Kernel(bound.precision, Isa::kAmx), test, 2);
    CHECK(hardware.output == emulated.output);
    CHECK(hardware.c == emulated.c);
  }
}

TEST_CASE("AMX kernels need AMX, and Winograd takes precedence at highest") {
  cpu::ConvLstmRequest request = {Shape(1, 1, 64, 64, 64, 64, 3, 3), Peephole::kNone,
                                  Precision::kMedium, Isa::kAvx512};
  for (const Isa isa : {Isa::kPortable, Isa::kNeon, Isa::kAvx2, Isa::kAvx512}) {
    request.isa = isa;
    CHECK(cpu::FindAmxKernel(request) == nullptr);
  }
  request.precision = Precision::kHighest;
  request.isa = Isa::kAmx;
  CHECK(cpu::FindAmxKernel(request) == nullptr);
  request.isa = Isa::kEmulatedAmx;
  CHECK(cpu::FindAmxKernel(request) != nullptr);
}

}  // namespace
}  // namespace convlstm
