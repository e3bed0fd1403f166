// The float64 reference of the ConvLSTM operation, written for readability.
#ifndef CONVLSTM_TEST_REFERENCE_H_
#define CONVLSTM_TEST_REFERENCE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ops/conv_lstm.h"

namespace convlstm {

// A layer and its inputs, row-major; an empty vector is an absent input.
struct ConvLstmCase {
  std::string name;
  ConvLstmShape shape;
  Peephole peephole = Peephole::kNone;
  std::vector<float> x, weight, bias, wci, wcf, wco, h0, c0;
  std::vector<float> recurrent_mask, zoneout_h, zoneout_c;  // zoneout: as output, or one element
};

template <typename T>
struct ConvLstmReference {
  std::vector<T> output, h, c;  // row-major, shapes as in ops/conv_lstm.h
};

// T is the type of all values and sums: double for the reference, float for the error of a plain
// float32 convolution.
template <typename T>
ConvLstmReference<T> RunReference(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const int64_t pixels = s.pixels(), hidden = s.hidden_dim, inputs = s.input_dim + hidden;
  ConvLstmReference<T> result;
  result.output.resize(s.batch * s.time * hidden * pixels);
  result.h.resize(s.batch * hidden * pixels);
  result.c.resize(result.h.size());
  std::copy(test.h0.begin(), test.h0.end(), result.h.begin());
  std::copy(test.c0.begin(), test.c0.end(), result.c.begin());
  std::vector<T> next_h(hidden * pixels), next_c(hidden * pixels);
  const auto sigmoid = [](T v) { return T(1) / (T(1) + std::exp(-v)); };

  for (int64_t b = 0; b < s.batch; ++b) {
    T* h = result.h.data() + b * hidden * pixels;
    T* c = result.c.data() + b * hidden * pixels;
    for (int64_t t = 0; t < s.time; ++t) {
      const float* x = test.x.data() + s.frame(b, t) * s.input_dim * pixels;
      for (int64_t y = 0; y < s.height; ++y) {
        for (int64_t column = 0; column < s.width; ++column) {
          for (int64_t channel = 0; channel < hidden; ++channel) {
            T gates[4];
            for (int64_t gate = 0; gate < 4; ++gate) {
              const int64_t out = gate * hidden + channel;
              T sum = test.bias.empty() ? T(0) : T(test.bias[out]);
              for (int64_t in = 0; in < inputs; ++in) {
                const float* kernel =
                    test.weight.data() + (out * inputs + in) * s.kernel_height * s.kernel_width;
                for (int64_t ky = 0; ky < s.kernel_height; ++ky) {
                  const int64_t row = y + ky - s.pad_top();
                  if (row < 0 || row >= s.height) continue;
                  for (int64_t kx = 0; kx < s.kernel_width; ++kx) {
                    const int64_t col = column + kx - s.pad_left();
                    if (col < 0 || col >= s.width) continue;
                    const int64_t pixel = row * s.width + col;
                    T value;
                    if (in < s.input_dim) {
                      value = T(x[in * pixels + pixel]);
                    } else {
                      const int64_t at = (in - s.input_dim) * pixels + pixel;
                      value = h[at];
                      if (!test.recurrent_mask.empty()) {
                        value *= T(test.recurrent_mask[b * hidden * pixels + at]);
                      }
                    }
                    sum += T(kernel[ky * s.kernel_width + kx]) * value;
                  }
                }
              }
              gates[gate] = sum;
            }
            const int64_t pixel = y * s.width + column, state = channel * pixels + pixel;
            const int64_t w = test.peephole == Peephole::kSpatial ? state : channel;
            if (test.peephole != Peephole::kNone) {
              gates[0] += T(test.wci[w]) * c[state];
              gates[1] += T(test.wcf[w]) * c[state];
            }
            next_c[state] = sigmoid(gates[1]) * c[state] + sigmoid(gates[0]) * std::tanh(gates[3]);
            if (test.peephole != Peephole::kNone) gates[2] += T(test.wco[w]) * next_c[state];
            next_h[state] = sigmoid(gates[2]) * std::tanh(next_c[state]);
            const auto keep = [&](const std::vector<float>& zoneout, T old, T& next) {
              if (zoneout.empty()) return;
              const int64_t at = s.frame(b, t) * hidden * pixels + state;
              const T z = T(zoneout[zoneout.size() == 1 ? 0 : at]);
              next = z * old + (T(1) - z) * next;
            };
            keep(test.zoneout_h, h[state], next_h[state]);
            keep(test.zoneout_c, c[state], next_c[state]);
          }
        }
      }
      std::copy(next_h.begin(), next_h.end(), h);
      std::copy(next_c.begin(), next_c.end(), c);
      std::copy(next_h.begin(), next_h.end(),
                result.output.begin() + s.frame(b, t) * hidden * pixels);
    }
  }
  return result;
}

template <typename A, typename B>
double LargestError(const std::vector<A>& values, const std::vector<B>& expected) {
  if (values.size() != expected.size()) return HUGE_VAL;
  double largest = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const double error = std::fabs(double(values[k]) - double(expected[k]));
    if (!(error <= largest)) largest = error;  // keeps NaN
  }
  return largest;
}

// Options of MakeCase.
struct ConvLstmOptions {
  bool bias = true;
  bool states = false;        // h0 and c0 given
  bool bounded_x = false;     // x in [0, 1], else normal
  bool hard_weights = false;  // four times larger than PyTorch draws them, biases in +-2
  bool spiky_x = false;       // 1% of x times 100
  Peephole peephole = Peephole::kNone;
  bool masks = false;  // a recurrent mask and zoneout of both states
};

inline ConvLstmCase MakeCase(const std::string& name, const ConvLstmShape& s,
                             const ConvLstmOptions& options = {}, uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::uniform_real_distribution<float> unit(0, 1);
  const auto uniform = [&](int64_t count, float bound) {
    std::vector<float> values(count);
    for (float& value : values) value = bound * (2 * unit(random) - 1);
    return values;
  };
  const int64_t inputs = s.input_dim + s.hidden_dim;
  const int64_t fan_in = inputs * s.kernel_height * s.kernel_width;
  const float bound = 1 / std::sqrt(static_cast<float>(fan_in));
  const float scale = options.hard_weights ? 4.0f : 1.0f;

  ConvLstmCase test;
  test.name = name;
  test.shape = s;
  test.peephole = options.peephole;
  test.x.resize(s.batch * s.time * s.input_dim * s.pixels());
  for (float& value : test.x) value = options.bounded_x ? unit(random) : normal(random);
  if (options.spiky_x) {
    for (float& value : test.x) value *= unit(random) < 0.01f ? 100.0f : 1.0f;
  }
  test.weight = uniform(4 * s.hidden_dim * fan_in, scale * bound);
  if (options.bias) {
    test.bias = uniform(4 * s.hidden_dim, options.hard_weights ? 2.0f : bound);
  }
  if (options.peephole != Peephole::kNone) {
    const int64_t count = s.hidden_dim * (options.peephole == Peephole::kSpatial ? s.pixels() : 1);
    test.wci = uniform(count, 0.5f);
    test.wcf = uniform(count, 0.5f);
    test.wco = uniform(count, 0.5f);
  }
  if (options.states) {
    test.h0 = uniform(s.batch * s.hidden_dim * s.pixels(), 1.0f);
    test.c0 = uniform(s.batch * s.hidden_dim * s.pixels(), 2.0f);
  }
  if (options.masks) {
    test.recurrent_mask.resize(s.batch * s.hidden_dim * s.pixels());
    for (float& value : test.recurrent_mask) value = unit(random) < 0.25f ? 0.0f : 1.25f;
    test.zoneout_h.resize(test.recurrent_mask.size() * s.time);
    for (float& value : test.zoneout_h) value = unit(random) < 0.25f ? 1.0f : 0.0f;
    test.zoneout_c = {0.125f};
  }
  return test;
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_REFERENCE_H_
