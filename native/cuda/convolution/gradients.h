// The gradients of a convolution's input, weights and bias, for conv2d and the ConvLSTM.
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

// Some input channels of a convolution's weights.
struct WeightPart {
  StoragePtr weight;  // [out_channels][row_inputs][taps]
  int first_input, inputs, row_inputs, out_channels;
};

// The convolution of the deltas with the weights, transposed. Weights are packed once and kept in
// weight->derived().
class DataGradient {
 public:
  // `forward` is the convolution.
  DataGradient(Device& device, Math math, const ConvGeometry& forward, const WeightPart& part);

  // `deltas` is [image][pixel][out_channels], `out` [image][pixel][inputs], both of forward.images.
  void Run(const float* deltas, float* out);

  // Of a convolution without stride.
  const uint4* weights() const { return packed_->front().as<uint4>(); }

 private:
  Device& device_;
  const Math math_;
  const ConvGeometry forward_;
  const int channels_, out_channels_;
  const std::vector<GradientPhase> phases_;
  std::shared_ptr<const std::vector<Buffer>> packed_;  // of the phases; none where one is empty
};

// Adds up over calls, from the last step to the first; the same bits however steps are grouped.
class WeightGradientSums {
 public:
  // `step` is the convolution of one step.
  WeightGradientSums(Device& device, Math math, const ConvGeometry& step, int channels,
                     int out_channels);

  float* partial() const { return partial_.as<float>(); }

  // `p` says all but the slices.
  KernelCall Call(WeightGradientArguments p) const;

  // `weight` points to the first channel's of rows of `row_inputs` channels; without `called` it
  // becomes zero.
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

// How a kernel that adds up rows for each channel is launched.
dim3 SumGrid(const Device& device, int64_t rows, int channels);

// Sums over pixels for each channel, in float64; several of them side by side.
class ChannelSums {
 public:
  // Of `count` kinds, all zero.
  ChannelSums(Device& device, int64_t rows, int channels, int count);

  double* data() const { return sums_.as<double>(); }
  dim3 grid() const { return grid_; }
  // out[k] = the sum of kind and channel first + k, for k < count.
  void Finish(int first, int count, float* out);

 private:
  Device& device_;
  dim3 grid_;
  int slice_stride_;
  Buffer sums_;
};

// Of rows [row][channels].
void LaunchSumRows(Device& device, const float* rows, int64_t count, int channels,
                   const ChannelSums& sums);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_GRADIENTS_H_
