// Gradients of a convolution on the host, as the engine computes them (convolution/gradients.cu).
#ifndef CONVLSTM_TEST_SIMT_CONVOLUTION_GRADIENTS_H_
#define CONVLSTM_TEST_SIMT_CONVOLUTION_GRADIENTS_H_

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "cuda/convolution/conv2d.cuh"
#include "cuda/convolution/finish_weight_gradient.cuh"
#include "cuda/convolution/weight_gradient.cuh"
#include "simt/layer.h"

namespace convlstm::cuda {

// Gradients of the input and the weights; for a ConvLSTM, of its x or its h.
template <class T, class Gradient>
class ConvolutionGradients {
 public:
  // The convolution has `channels` of the weight's `row_inputs` input channels, from `first_input`.
  ConvolutionGradients(const ConvGeometry& forward, int channels, int out_channels,
                       const std::vector<float>& weight, int first_input, int row_inputs)
      : forward_(forward),
        channels_(channels),
        out_channels_(out_channels),
        taps_(forward.kernel_height * forward.kernel_width),
        first_input_(first_input),
        row_inputs_(row_inputs) {
    blocks_ = DivideUp(channels, T::kBlockColumns) * T::kWarpsN;
    for (const GradientPhase& phase : PhasesOf(forward)) {
      const ConvGeometry& g = phase.geometry;
      phases_.push_back(
          {phase, Pack<T::kMath, kNoGates>(
                      {weight.data() + first_input * taps_, nullptr, 0, channels, out_channels, 0,
                       g.kernel_height * g.kernel_width, g.kernel_width, g.chunks(out_channels), 0,
                       row_inputs, phase.taps},
                      blocks_)});
    }
    row_tiles_ = DivideUp(taps_ * channels, Gradient::kRows);
    column_tiles_ = DivideUp(out_channels, Gradient::kBlockColumns);
    slice_rows_ = DivideUp(DivideUp(forward.rows(), 2), kDepth) * kDepth;
    slices_ = DivideUp(forward.rows(), slice_rows_);
    partial_.assign(
        int64_t{slices_} * row_tiles_ * Gradient::kRows * column_tiles_ * Gradient::kBlockColumns,
        NAN);
  }

  // Packed weights of the only phase; the stride must be 1.
  const uint4* weights() const { return phases_.front().second.data(); }
  float* partial() { return partial_.data(); }

  void Launch(const Conv2dArguments& p) const {
    simt::Launch(Convolve2d<T>,
                 {static_cast<unsigned>(DivideUp(p.geometry.rows(), T::kRows)),
                  static_cast<unsigned>(blocks_ / T::kWarpsN)},
                 {T::kThreads}, T::kSharedBytes, p);
  }
  void Launch(WeightGradientArguments p) {
    p.slice_rows = slice_rows_;
    simt::Launch(WeightGradient<Gradient>,
                 {static_cast<unsigned>(row_tiles_), static_cast<unsigned>(column_tiles_),
                  static_cast<unsigned>(slices_)},
                 {Gradient::kThreads}, Gradient::kSharedBytes, p);
    added_ = true;
  }

  // The gradient of the input, [image][pixel][channel].
  std::vector<float> OfInput(const std::vector<float>& deltas) const {
    const int64_t pixels = int64_t{forward_.height} * forward_.width;
    std::vector<float> out(forward_.images * pixels * channels_, NAN);
    for (const auto& [phase, packed] : phases_) {
      Conv2dArguments p = GradientArguments(forward_, phase, channels_, out_channels_);
      p.x_data = {deltas.data()};
      p.weights = {packed.data()};
      p.out =
          Operand<float>{out.data()} + (phase.first_y * forward_.width + phase.first_x) * channels_;
      p.inner = 1;
      p.outer_stride = pixels;
      if (!phase.empty()) {
        Launch(p);
        continue;
      }
      // Pixels without taps: the engine clears the result first.
      for (int row = 0; row < p.geometry.rows(); ++row) {
        const int pixel = row % p.geometry.out_pixels(), width = p.geometry.out_width;
        const int64_t at = row / p.geometry.out_pixels() * pixels + pixel / width * p.row_stride +
                           pixel % width * p.column_stride;
        std::fill_n(p.out.get() + at * channels_, channels_, 0.0f);
      }
    }
    return out;
  }

  void Finish(std::vector<float>& weight) const {
    if (!added_) return;
    const int columns = column_tiles_ * Gradient::kBlockColumns;
    simt::Launch(
        FinishWeightGradient, {2}, {64}, 0,
        FinishArguments{partial_.data(), slices_, int64_t{row_tiles_} * Gradient::kRows * columns,
                        out_channels_, columns, channels_, taps_,
                        weight.data() + first_input_ * taps_, int64_t{row_inputs_} * taps_});
  }

 private:
  const ConvGeometry forward_;
  const int channels_, out_channels_, taps_, first_input_, row_inputs_;
  int blocks_, row_tiles_, column_tiles_, slice_rows_, slices_;
  std::vector<std::pair<GradientPhase, std::vector<uint4>>> phases_;
  std::vector<float> partial_;
  bool added_ = false;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_CONVOLUTION_GRADIENTS_H_
