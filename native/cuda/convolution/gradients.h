// Gradients of a convolution's input, weights and bias, for conv2d and the ConvLSTM.
#ifndef CONVLSTM_CUDA_CONVOLUTION_GRADIENTS_H_
#define CONVLSTM_CUDA_CONVOLUTION_GRADIENTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "core/storage.h"
#include "cuda/convolution/gradient_phases.h"
#include "cuda/convolution/weight_gradient.cuh"
#include "cuda/device/device.h"
#include "cuda/device/graph.h"

namespace convlstm::cuda {

// The weights of a range of input channels.
struct WeightPart {
  StoragePtr weight;  // [out_channels][row_inputs][taps]
  int first_input, inputs, row_inputs, out_channels;
};

// The gradient of the input: a transposed convolution of the deltas. Packed weights are cached in
// weight->derived().
class DataGradient {
 public:
  // `forward` is the geometry of the forward convolution.
  DataGradient(Device& device, Math math, const ConvGeometry& forward, const WeightPart& part);

  // `deltas`: [image][pixel][out_channels], `out`: [image][pixel][inputs], with forward.images
  // images.
  void Run(const float* deltas, float* out);

  // Packed weights of the only phase; the stride must be 1.
  const uint4* weights() const { return packed_->front().as<uint4>(); }

 private:
  Device& device_;
  const Math math_;
  const ConvGeometry forward_;
  const int channels_, out_channels_;
  const std::vector<GradientPhase> phases_;
  std::shared_ptr<const std::vector<Buffer>> packed_;  // by phase; empty for an empty one
};

// The gradient of the weights, accumulated over calls from the last step to the first. The bits do
// not depend on how steps are grouped into calls.
class WeightGradientSums {
 public:
  // `step` is the geometry of the forward convolution of one step.
  WeightGradientSums(Device& device, Math math, const ConvGeometry& step, int channels,
                     int out_channels);

  float* partial() const { return partial_.as<float>(); }

  // Sets p.slice_rows.
  KernelCall Call(WeightGradientArguments p) const;

  // Writes the gradient to `weight`, the first of `channels` in rows of `row_inputs` channels;
  // zeros unless `called`, that is if no call was launched.
  void Finish(float* weight, int row_inputs, bool called);

 private:
  Device& device_;
  const Math math_;
  const ConvGeometry step_;
  const int channels_, out_channels_;
  bool large_;
  int row_tiles_, column_tiles_, tile_rows_, tile_columns_;
  int slice_rows_, slices_;
  Buffer partial_;
};

// The grid of a kernel that sums rows per channel.
dim3 SumGrid(const Device& device, int64_t rows, int channels);

// Float64 sums over pixels per channel, of one or several quantities.
class ChannelSums {
 public:
  // `count` quantities per channel, initialised to zero.
  ChannelSums(Device& device, int64_t rows, int channels, int count);

  double* data() const { return sums_.as<double>(); }
  dim3 grid() const { return grid_; }
  // out[k] = sum number first + k of [quantity][channel], for k < count.
  void Finish(int first, int count, float* out);

 private:
  Device& device_;
  dim3 grid_;
  int slice_stride_;
  Buffer sums_;
};

// Adds rows, [row][channels], to `sums`.
void LaunchSumRows(Device& device, const float* rows, int64_t count, int channels,
                   const ChannelSums& sums);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_GRADIENTS_H_
