// Conv2d, Conv2dBackward.
#include <cmath>

#include "operations/cases.h"
#include "operations/row_major.h"

namespace convlstm {
namespace {

// Sums of products and, for bounds, of their magnitudes.
class Sums {
 public:
  explicit Sums(int64_t count) : values_(count), magnitudes_(count) {}

  void Add(int64_t k, double term) {
    values_[k] += term;
    magnitudes_[k] += std::abs(term);
  }
  // Kernels that transform tiles round relative to the largest sum of a tile.
  Expected Within(double error) const {
    double largest = 0;
    for (const double magnitude : magnitudes_) largest = std::max(largest, magnitude);
    return {values_, std::vector<double>(values_.size(), error * largest)};
  }

 private:
  std::vector<double> values_, magnitudes_;
};

// Largest error relative to the largest sum of magnitudes.
double Error(Precision precision) {
  switch (precision) {
    case Precision::kHighest:
      return 3e-6;
    case Precision::kHigh:
      return 2e-5;
    case Precision::kMedium:
      return 8e-3;
  }
  return 0;
}

// Calls visit(element of the result, of x, of the weight) for every product.
template <typename Visitor>
void ForEachProduct(const Conv2dShape& s, const Visitor& visit) {
  int64_t out = -1;
  ForEachElement(s.output(), [&](const std::vector<int64_t>& at) {
    ++out;
    for (int64_t k = 0; k < s.in_channels; ++k) {
      for (int64_t tap_y = 0; tap_y < s.kernel_height; ++tap_y) {
        for (int64_t tap_x = 0; tap_x < s.kernel_width; ++tap_x) {
          const int64_t row = at[2] * s.stride_y - s.padding_y + tap_y * s.dilation_y;
          const int64_t column = at[3] * s.stride_x - s.padding_x + tap_x * s.dilation_x;
          if (row < 0 || row >= s.height || column < 0 || column >= s.width) continue;
          visit(out, ((at[0] * s.in_channels + k) * s.height + row) * s.width + column,
                ((at[1] * s.in_channels + k) * s.kernel_height + tap_y) * s.kernel_width + tap_x);
        }
      }
    }
  });
}

void AddConv2d(const Conv2dShape& s, bool with_bias, Precision precision, std::mt19937& random,
               Cases& cases) {
  const int64_t taps = s.kernel_height * s.kernel_width;
  const std::vector<float> x = Normal(random, s.batch * s.in_channels * s.height * s.width),
                           weight = Normal(random, s.out_channels * s.in_channels * taps),
                           bias = Normal(random, with_bias ? s.out_channels : 0),
                           grad = Normal(random, NumElements(s.output()));
  Sums out(NumElements(s.output())), x_grad(x.size()), weight_grad(weight.size()),
      bias_grad(bias.size());
  ForEachProduct(s, [&](int64_t n, int64_t in, int64_t w) {
    out.Add(n, double{x[in]} * weight[w]);
    x_grad.Add(in, double{grad[n]} * weight[w]);
    weight_grad.Add(w, double{grad[n]} * x[in]);
  });
  const int64_t pixels = s.out_height() * s.out_width();
  for (int64_t n = 0; with_bias && n < static_cast<int64_t>(grad.size()); ++n) {
    const int64_t channel = n / pixels % s.out_channels;
    out.Add(n, bias[channel]);
    bias_grad.Add(channel, grad[n]);
  }
  const std::string name =
      "conv2d of " + ToString({s.batch, s.in_channels, s.height, s.width}) + " with " +
      ToString({s.out_channels, s.in_channels, s.kernel_height, s.kernel_width}) + ", stride " +
      ToString({s.stride_y, s.stride_x}) + ", dilation " + ToString({s.dilation_y, s.dilation_x}) +
      ", " + NameOf(precision) + (with_bias ? "" : ", no bias");
  const Conv2dInputs inputs = {Operand(x), Operand(weight), with_bias ? Operand(bias) : nullptr};
  const double error = Error(precision);
  cases.push_back({name, Conv2d{s, inputs, precision}, {out.Within(error)}});
  Conv2dBackward backward{{s, inputs, precision}, Operand(grad), {true, true, with_bias}};
  cases.push_back({"gradients of " + name,
                   std::move(backward),
                   {x_grad.Within(error), weight_grad.Within(error),
                    with_bias ? bias_grad.Within(error) : Expected()}});
}

}  // namespace

void AddConv2dCases(Cases& cases) {
  std::mt19937 random(5);
  const Conv2dShape shapes[] = {
      // batch, in, height, width, out, kernel, stride, padding, dilation
      {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1},   {2, 64, 9, 11, 16, 1, 1, 1, 1, 0, 0, 1, 1},
      {2, 5, 9, 11, 70, 3, 3, 1, 1, 1, 1, 1, 1}, {1, 17, 13, 10, 33, 3, 3, 1, 1, 1, 1, 1, 1},
      {3, 3, 12, 7, 24, 5, 2, 2, 3, 1, 4, 1, 1}, {1, 4, 15, 16, 9, 3, 3, 1, 2, 4, 2, 3, 2},
      {1, 2, 5, 6, 65, 5, 6, 1, 1, 0, 0, 1, 1},  {1, 18, 20, 9, 20, 5, 5, 1, 1, 2, 2, 1, 1},
      {2, 3, 4, 4, 2, 3, 3, 1, 1, 20, 20, 1, 1}, {0, 3, 4, 4, 2, 3, 3, 1, 1, 1, 1, 1, 1},
      {1, 6, 14, 13, 5, 2, 2, 2, 2, 0, 1, 1, 1},
  };
  for (const Conv2dShape& shape : shapes) {
    AddConv2d(shape, true, Precision::kHighest, random, cases);
  }
  AddConv2d(shapes[2], false, Precision::kHighest, random, cases);
  for (const auto& [precision, name] : kNames<Precision>) {
    AddConv2d({2, 32, 12, 14, 40, 3, 3, 1, 1, 1, 1, 1, 1}, true, precision, random, cases);
  }
}

}  // namespace convlstm
