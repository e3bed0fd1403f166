#include "cpu/tensor/elementwise.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "operations.h"

namespace convlstm {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// Error in ulp of the float32 nearest to `expected`.
double UlpError(float actual, double expected) {
  const auto nearest = static_cast<float>(expected);
  if (std::isnan(nearest)) return std::isnan(actual) ? 0 : 1e9;
  if (std::isinf(nearest)) return actual == nearest ? 0 : 1e9;
  const double ulp = std::max<double>(std::numeric_limits<float>::denorm_min(),
                                      std::abs(std::nextafter(nearest, kInfinity) - nearest));
  return std::abs(actual - expected) / ulp;
}

// Every 7919th bit pattern, the ends of all ranges, and special values.
std::vector<float> AllMagnitudes() {
  std::vector<float> values = {0.0f,
                               -0.0f,
                               1.0f,
                               kInfinity,
                               -kInfinity,
                               kNaN,
                               88.722f,
                               88.73f,
                               -87.3f,
                               -103.9f,
                               -104.1f,
                               0.70710677f,
                               std::numeric_limits<float>::denorm_min(),
                               std::numeric_limits<float>::min(),
                               std::numeric_limits<float>::max()};
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 7919) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  }
  return values;
}

double WorstUlp(UnaryOp op, const std::vector<float>& x, double (*reference)(double)) {
  cpu::ThreadPool pool(2);
  const StoragePtr in = RowMajorStorage(x);
  const std::vector<float> y = Values(*RunOnCpu(Unary{op, in}, pool).out, pool);
  double worst = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    const double expected = reference(double{x[k]});
    // Results of exp may be denormal, those of sqrt and log not.
    worst = std::max(worst, UlpError(y[k], expected));
  }
  return worst;
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("exp, log, sqrt and softplus are accurate over float32's whole range") {
    const std::vector<float> x = AllMagnitudes();
    CHECK(WorstUlp(UnaryOp::kExp, x, std::exp) <= 2.0);
    CHECK(WorstUlp(UnaryOp::kLog, x, std::log) <= 2.0);
    CHECK(WorstUlp(UnaryOp::kSqrt, x, std::sqrt) <= 0.5);
    CHECK(WorstUlp(UnaryOp::kSoftplus, x, [](double v) {
            return std::isnan(v) ? v : std::max(v, 0.0) + std::log1p(std::exp(-std::abs(v)));
          }) <= 2.5);
  }

  TEST_CASE("gradients of unary operations are within a few ulp") {
    cpu::ThreadPool pool(3);
    std::vector<float> saved = RandomValues(40003), grad = RandomValues(40003);
    for (const int k : {0, 17, 40002}) saved[k] = 0;
    saved[5] = kNaN;
    const auto check = [&](UnaryOp op, bool positive, const auto& reference) {
      std::vector<float> values = saved;
      if (positive) {
        for (float& v : values) v = std::abs(v);
      }
      const UnaryBackward call = {op, RowMajorStorage(values), RowMajorStorage(grad), 0.1f};
      const std::vector<float> actual = Values(*RunOnCpu(call, pool).out, pool);
      double worst = 0;
      for (size_t k = 0; k < values.size(); ++k) {
        worst = std::max(worst, UlpError(actual[k], reference(double{values[k]}, double{grad[k]})));
      }
      return worst;
    };
    CHECK(check(UnaryOp::kNeg, false, [](double, double g) { return -g; }) == 0);
    CHECK(check(UnaryOp::kAbs, false,
                [](double x, double g) { return x > 0 ? g : (x < 0 ? -g : 0.0); }) == 0);
    CHECK(check(UnaryOp::kExp, true, [](double y, double g) { return g * y; }) <= 0.5);
    CHECK(check(UnaryOp::kLog, true, [](double x, double g) { return g / x; }) <= 0.5);
    CHECK(check(UnaryOp::kSqrt, true, [](double y, double g) { return g / (2 * y); }) <= 0.5);
    CHECK(check(UnaryOp::kSigmoid, false, [](double y, double g) { return g * (1 - y) * y; }) <= 3);
    CHECK(check(UnaryOp::kTanh, false, [](double y, double g) { return g * (1 - y * y); }) <= 3);
    CHECK(check(UnaryOp::kRelu, false, [](double y, double g) { return y <= 0 ? 0 : g; }) == 0);
    CHECK(check(UnaryOp::kLeakyRelu, false,
                [](double x, double g) { return x > 0 ? g : g * double{0.1f}; }) <= 0.5);
    CHECK(check(UnaryOp::kSquare, false, [](double x, double g) { return 2 * g * x; }) <= 0.5);
    CHECK(check(UnaryOp::kSoftplus, false,
                [](double x, double g) { return g / (1 + std::exp(-x)); }) <= 4);
  }

  TEST_CASE("gradients of unary operations take both layouts") {
    cpu::ThreadPool pool(2);
    const std::vector<float> saved = RandomValues(2 * 3 * 20), grad = RandomValues(2 * 3 * 20);
    for (const bool saved_frames : {false, true}) {
      for (const bool grad_frames : {false, true}) {
        const ChannelsLast layout = {2, 3, 20};
        const UnaryBackward call = {
            UnaryOp::kSquare,
            saved_frames ? ChannelsLastStorage(saved, layout) : RowMajorStorage(saved),
            grad_frames ? ChannelsLastStorage(grad, layout) : RowMajorStorage(grad)};
        const StoragePtr out = RunOnCpu(call, pool).out;
        CHECK(out->channels_last() == (saved_frames && grad_frames));
        const std::vector<float> actual = Values(*out, pool);
        for (size_t k = 0; k < 120; ++k) CHECK(actual[k] == 2 * grad[k] * saved[k]);
      }
    }
  }

  TEST_CASE("uniform operands take the layout of the other operand") {
    cpu::ThreadPool pool(2);
    const std::vector<float> x = RandomValues(2 * 3 * 20);
    const ChannelsLast layout = {2, 3, 20};
    const Shape shape = {2, 3, 4, 5};
    const StoragePtr frames = ChannelsLastStorage(x, layout);
    const StoragePtr threes = RunOnCpu(Fill{120, 3}, pool).out;
    const Binary one_third = {
        BinaryOp::kDiv, RowMajorStorage({1.0f}), {}, RowMajorStorage({3.0f}), {1}, shape};
    const StoragePtr thirds = RunOnCpu(one_third, pool).out;
    CHECK(thirds->uniform());
    CHECK(Values(*thirds, pool) == std::vector<float>(120, 1.0f / 3));
    const auto product = [&](const StoragePtr& a, const StoragePtr& b) {
      return RunOnCpu(Binary{BinaryOp::kMul, a, shape, b, shape, shape}, pool).out;
    };
    const auto check = [&](const StoragePtr& out, float factor) {
      CHECK(out->layout() == layout);
      CHECK(out->channels_last());
      CHECK(!out->uniform());
      const std::vector<float> actual = Values(*out, pool);
      for (size_t k = 0; k < 120; ++k) CHECK(actual[k] == doctest::Approx(factor * x[k]));
    };
    check(product(frames, threes), 3);
    check(product(threes, frames), 3);
    check(RunOnCpu(UnaryBackward{UnaryOp::kSquare, frames, thirds}, pool).out, 2.0f / 3);
    CHECK(frames->channels_last());
    CHECK(product(threes, thirds)->uniform());
    const StoragePtr negative = RunOnCpu(Unary{UnaryOp::kNeg, threes}, pool).out;
    CHECK(negative->uniform());
    CHECK(Values(*negative, pool) == std::vector<float>(120, -3));
  }

  TEST_CASE("unary operations keep the layout of the operand") {
    cpu::ThreadPool pool(2);
    const std::vector<float> x = RandomValues(2 * 3 * 20);
    const StoragePtr in = ChannelsLastStorage(x, {2, 3, 20});
    const StoragePtr out = RunOnCpu(Unary{UnaryOp::kTanh, in}, pool).out;
    CHECK(out->channels_last());
    const std::vector<float> y = Values(*out, pool);
    for (size_t k = 0; k < y.size(); ++k) CHECK(std::abs(y[k] - std::tanh(x[k])) < 1e-6);
  }

  TEST_CASE("binary operations on channels-last operands") {
    cpu::ThreadPool pool(2);
    const Shape shape = {2, 3, 4, 5};
    const std::vector<float> a = RandomValues(120), b = RandomValues(120), one = {3.0f};
    const auto check = [&](const StoragePtr& x, const StoragePtr& y, const Shape& y_shape,
                           const std::vector<float>& y_values, bool channels_last) {
      const Binary call = {BinaryOp::kSub, x, shape, y, y_shape, shape};
      const StoragePtr out = RunOnCpu(call, pool).out;
      CHECK(out->channels_last() == channels_last);
      const std::vector<float> values = Values(*out, pool);
      for (size_t k = 0; k < 120; ++k) {
        CHECK(values[k] == a[k] - y_values[y_values.size() == 1 ? 0 : k]);
      }
    };
    const ChannelsLast layout = {2, 3, 20};
    check(ChannelsLastStorage(a, layout), ChannelsLastStorage(b, layout), shape, b, true);
    check(ChannelsLastStorage(a, layout), RowMajorStorage(one), {1}, one, true);
    check(ChannelsLastStorage(a, layout), RowMajorStorage(b), shape, b, false);
    check(RowMajorStorage(a), ChannelsLastStorage(b, {6, 4, 5}), shape, b, false);
  }

  TEST_CASE("binary operations refuse shapes that do not broadcast") {
    const auto refused = [](const Shape& a, const Shape& b, const Shape& out) {
      try {
        Binary{BinaryOp::kAdd, nullptr, a, nullptr, b, out}.Check();
      } catch (const Error& error) {
        return error.code() == ErrorCode::kShape;
      }
      return false;
    };
    CHECK(refused({2}, {3}, {3}));
    CHECK(refused({2}, {1}, {1}));
    CHECK(refused({2, 1}, {2}, {2}));
    CHECK(!refused({2}, {2}, {1, 2}));
    CHECK(refused({0}, {1}, {1}));
    CHECK(refused({-1}, {1}, {-1}));
    CHECK(refused(Shape(9, 1), {1}, Shape(9, 1)));
    CHECK(!refused({0}, {1}, {0}));
  }
}

}  // namespace convlstm
