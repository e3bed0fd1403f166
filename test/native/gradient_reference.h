// The float64 reference of the backward pass, written for readability. It keeps all values of all
// steps, and goes backwards through the formulas of ops/conv_lstm.h one by one.
#ifndef CONVLSTM_TEST_GRADIENT_REFERENCE_H_
#define CONVLSTM_TEST_GRADIENT_REFERENCE_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "reference.h"

namespace convlstm {

// Gradients of the layer's results, row-major; empty means zeros.
struct ConvLstmResultGradients {
  std::vector<float> output, h, c;
};

struct ConvLstmGradientValues {
  std::vector<double> x, h0, c0, weight, bias, wci, wcf, wco;  // row-major
};

class ConvLstmGradientReference {
 public:
  explicit ConvLstmGradientReference(const ConvLstmCase& test)
      : t_(test), s_(test.shape), pixels_(s_.pixels()), hidden_(s_.hidden_dim) {}

  ConvLstmGradientValues Run(const ConvLstmResultGradients& given) {
    const size_t state = s_.batch * hidden_ * pixels_;
    g_.x.assign(t_.x.size(), 0);
    g_.weight.assign(t_.weight.size(), 0);
    g_.bias.assign(4 * hidden_, 0);
    for (std::vector<double>* w : {&g_.wci, &g_.wcf, &g_.wco}) w->assign(t_.wci.size(), 0);
    g_.h0.assign(state, 0);
    g_.c0.assign(state, 0);
    for (int64_t b = 0; b < s_.batch; ++b) RunSequence(b, given);
    return g_;
  }

 private:
  struct Step {
    std::vector<double> h_before, h_seen, c_before, i, f, o, g, c;  // c before zoneout
  };

  double Zoneout(const std::vector<float>& zoneout, int64_t b, int64_t t, int64_t k) const {
    if (zoneout.empty()) return 0;
    return zoneout[zoneout.size() == 1 ? 0 : s_.frame(b, t) * hidden_ * pixels_ + k];
  }
  // Calls visit(index of the weight, whether it multiplies x (else h), index in that frame) for
  // every product of gate channel `out` at a pixel.
  template <typename Visitor>
  void ForProducts(int64_t out, int64_t y, int64_t x, const Visitor& visit) const {
    const int64_t inputs = s_.input_dim + hidden_;
    for (int64_t in = 0; in < inputs; ++in) {
      for (int64_t ky = 0; ky < s_.kernel_height; ++ky) {
        for (int64_t kx = 0; kx < s_.kernel_width; ++kx) {
          const int64_t row = y + ky - s_.pad_top(), column = x + kx - s_.pad_left();
          if (row < 0 || row >= s_.height || column < 0 || column >= s_.width) continue;
          const int64_t pixel = row * s_.width + column;
          const int64_t w = ((out * inputs + in) * s_.kernel_height + ky) * s_.kernel_width + kx;
          if (in < s_.input_dim) {
            visit(w, true, in * pixels_ + pixel);
          } else {
            visit(w, false, (in - s_.input_dim) * pixels_ + pixel);
          }
        }
      }
    }
  }
  int64_t PeepholeAt(int64_t k) const {
    return t_.peephole == Peephole::kSpatial ? k : k / pixels_;
  }

  Step Forward(int64_t b, int64_t t, const std::vector<double>& h, const std::vector<double>& c) {
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    const float* x = t_.x.data() + s_.frame(b, t) * s_.input_dim * pixels_;
    Step step{h, h, c, {}, {}, {}, {}, {}};
    for (std::vector<double>* v : {&step.i, &step.f, &step.o, &step.g, &step.c}) {
      v->resize(h.size());
    }
    if (!t_.recurrent_mask.empty()) {
      for (size_t k = 0; k < h.size(); ++k) step.h_seen[k] *= t_.recurrent_mask[b * h.size() + k];
    }
    for (int64_t k = 0; k < hidden_ * pixels_; ++k) {
      const int64_t pixel = k % pixels_, channel = k / pixels_;
      double sums[4];
      for (int64_t gate = 0; gate < 4; ++gate) {
        const int64_t out = gate * hidden_ + channel;
        double sum = t_.bias.empty() ? 0 : t_.bias[out];
        ForProducts(out, pixel / s_.width, pixel % s_.width, [&](int64_t w, bool of_x, int64_t at) {
          sum += t_.weight[w] * (of_x ? double{x[at]} : step.h_seen[at]);
        });
        sums[gate] = sum;
      }
      const bool peephole = t_.peephole != Peephole::kNone;
      const int64_t p = PeepholeAt(k);
      step.i[k] = sigmoid(sums[0] + (peephole ? t_.wci[p] * c[k] : 0));
      step.f[k] = sigmoid(sums[1] + (peephole ? t_.wcf[p] * c[k] : 0));
      step.g[k] = std::tanh(sums[3]);
      step.c[k] = step.f[k] * c[k] + step.i[k] * step.g[k];
      step.o[k] = sigmoid(sums[2] + (peephole ? t_.wco[p] * step.c[k] : 0));
    }
    return step;
  }

  void RunSequence(int64_t b, const ConvLstmResultGradients& given) {
    const int64_t size = hidden_ * pixels_;
    std::vector<double> h(size), c(size), h_grad(size), c_grad(size);
    if (!t_.h0.empty()) std::copy_n(t_.h0.begin() + b * size, size, h.begin());
    if (!t_.c0.empty()) std::copy_n(t_.c0.begin() + b * size, size, c.begin());
    std::vector<Step> steps;
    for (int64_t t = 0; t < s_.time; ++t) {
      steps.push_back(Forward(b, t, h, c));
      const Step& step = steps.back();
      for (int64_t k = 0; k < size; ++k) {
        const double zh = Zoneout(t_.zoneout_h, b, t, k), zc = Zoneout(t_.zoneout_c, b, t, k);
        h[k] = zh * h[k] + (1 - zh) * step.o[k] * std::tanh(step.c[k]);
        c[k] = zc * c[k] + (1 - zc) * step.c[k];
      }
    }
    if (!given.h.empty()) std::copy_n(given.h.begin() + b * size, size, h_grad.begin());
    if (!given.c.empty()) std::copy_n(given.c.begin() + b * size, size, c_grad.begin());
    for (int64_t t = s_.time; t-- > 0;) Backward(b, t, steps[t], given, h_grad, c_grad);
    std::copy(h_grad.begin(), h_grad.end(), g_.h0.begin() + b * size);
    std::copy(c_grad.begin(), c_grad.end(), g_.c0.begin() + b * size);
  }

  // Replaces h_grad and c_grad, the gradients of the state after step t, by those of the one
  // before.
  void Backward(int64_t b, int64_t t, const Step& step, const ConvLstmResultGradients& given,
                std::vector<double>& h_grad, std::vector<double>& c_grad) {
    const int64_t size = hidden_ * pixels_;
    const int64_t x_frame = s_.frame(b, t) * s_.input_dim * pixels_;
    std::vector<double> h_seen_grad(size), h_before_grad(size), c_before_grad(size);
    for (int64_t k = 0; k < size; ++k) {
      double of_h = h_grad[k];
      if (!given.output.empty()) of_h += given.output[s_.frame(b, t) * size + k];
      const double zh = Zoneout(t_.zoneout_h, b, t, k), zc = Zoneout(t_.zoneout_c, b, t, k);
      h_before_grad[k] = zh * of_h;
      const double of_new_h = (1 - zh) * of_h, tanh_c = std::tanh(step.c[k]);
      const double i = step.i[k], f = step.f[k], o = step.o[k], g = step.g[k];
      const double before = step.c_before[k];
      double deltas[4];
      deltas[2] = of_new_h * tanh_c * o * (1 - o);
      double of_c = (1 - zc) * c_grad[k] + of_new_h * o * (1 - tanh_c * tanh_c);
      const bool peephole = t_.peephole != Peephole::kNone;
      const int64_t p = PeepholeAt(k);
      if (peephole) of_c += deltas[2] * t_.wco[p];
      deltas[0] = of_c * g * i * (1 - i);
      deltas[1] = of_c * before * f * (1 - f);
      deltas[3] = of_c * i * (1 - g * g);
      c_before_grad[k] = zc * c_grad[k] + of_c * f;
      if (peephole) {
        c_before_grad[k] += deltas[0] * t_.wci[p] + deltas[1] * t_.wcf[p];
        g_.wci[p] += deltas[0] * before;
        g_.wcf[p] += deltas[1] * before;
        g_.wco[p] += deltas[2] * step.c[k];
      }
      const int64_t pixel = k % pixels_, channel = k / pixels_;
      for (int64_t gate = 0; gate < 4; ++gate) {
        const int64_t out = gate * hidden_ + channel;
        const double delta = deltas[gate];
        g_.bias[out] += delta;
        ForProducts(out, pixel / s_.width, pixel % s_.width, [&](int64_t w, bool of_x, int64_t at) {
          if (of_x) {
            g_.weight[w] += delta * t_.x[x_frame + at];
            g_.x[x_frame + at] += delta * t_.weight[w];
          } else {
            g_.weight[w] += delta * step.h_seen[at];
            h_seen_grad[at] += delta * t_.weight[w];
          }
        });
      }
    }
    for (int64_t k = 0; k < size; ++k) {
      const double mask = t_.recurrent_mask.empty() ? 1 : t_.recurrent_mask[b * size + k];
      h_before_grad[k] += mask * h_seen_grad[k];
    }
    h_grad = h_before_grad;
    c_grad = c_before_grad;
  }

  const ConvLstmCase& t_;
  const ConvLstmShape& s_;
  const int64_t pixels_, hidden_;
  ConvLstmGradientValues g_;
};

// |values - expected| / |expected| in the Euclidean norm; 0 if both are zero.
template <typename A, typename B>
double RelativeError(const std::vector<A>& values, const std::vector<B>& expected) {
  if (values.size() != expected.size()) return HUGE_VAL;
  double error = 0, norm = 0;
  for (size_t k = 0; k < values.size(); ++k) {
    const double difference = double(values[k]) - double(expected[k]);
    error += difference * difference;
    norm += double(expected[k]) * double(expected[k]);
  }
  return error == 0 ? 0 : std::sqrt(error / norm);
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_GRADIENT_REFERENCE_H_
