#include <algorithm>
#include <memory>
#include <string>

#include "cuda/convolution/conv2d_kernels.h"
#include "cuda/convolution/finish_weight_gradient.cuh"
#include "cuda/convolution/gradients.h"
#include "cuda/convolution/sum_rows.cuh"
#include "cuda/device/launch.cuh"
#include "cuda/gemm/packed_weights.h"
#include "cuda/gemm/tiles.h"
#include "cuda/tensor/layout.h"

namespace convlstm::cuda {
namespace {

using WeightGradientKernel = GemmKernel<WeightGradientArguments>;

template <Math kMath>
WeightGradientKernel FindKernel(bool large) {
  using Small = SmallGradientTile<kMath>;
  if constexpr (kMath != Math::kFma) {  // two stages exceed the 64 KiB of sm_75
    using Large = LargeGradientTile<kMath>;
    if (large) return KernelOf<Large>(WeightGradient<Large>);
  }
  return KernelOf<Small>(WeightGradient<Small>);
}

WeightGradientKernel FindKernel(Math math, bool large) {
  return WithMath(math, [large](auto kind) { return FindKernel<WithoutWgmma(kind())>(large); });
}

}  // namespace

DataGradient::DataGradient(Device& device, Math math, const ConvGeometry& forward,
                           const WeightPart& part)
    : device_(device),
      math_(math),
      forward_(forward),
      channels_(part.inputs),
      out_channels_(part.out_channels),
      phases_(PhasesOf(forward)) {
  std::string key = "cuda gradient";
  const ConvGeometry& f = forward;
  for (const int value : {static_cast<int>(math), part.first_input, part.inputs, part.row_inputs,
                          f.kernel_height, f.kernel_width, f.stride_y, f.stride_x, f.pad_top,
                          f.pad_left, f.dilation_y, f.dilation_x, f.height, f.width}) {
    key += ' ';
    key += std::to_string(value);
  }
  const float* const weight =
      RowMajor(device, *part.weight) + int64_t{part.first_input} * f.kernel_height * f.kernel_width;
  std::shared_ptr<const void>& derived = part.weight->derived()[key];
  if (!derived) {
    auto packed = std::make_shared<std::vector<Buffer>>();
    for (const GradientPhase& phase : phases_) {
      const ConvGeometry& g = phase.geometry;
      if (phase.empty()) {
        packed->emplace_back();
        continue;
      }
      packed->push_back(LaunchPack<kNoGates>(
          device, math,
          {weight, nullptr, 0, part.inputs, part.out_channels, 0, g.kernel_height * g.kernel_width,
           g.kernel_width, g.chunks(part.out_channels), 0, part.row_inputs, phase.taps}));
    }
    derived = std::move(packed);
  }
  packed_ = std::static_pointer_cast<const std::vector<Buffer>>(derived);
}

void DataGradient::Run(const float* deltas, float* out) {
  const int64_t pixels = int64_t{forward_.height} * forward_.width;
  const bool gaps = std::any_of(phases_.begin(), phases_.end(),
                                [](const GradientPhase& phase) { return phase.empty(); });
  const size_t bytes = forward_.images * pixels * channels_ * sizeof(float);
  if ((gaps || forward_.rows() == 0) && bytes > 0) {
    device_.Check(cudaMemsetAsync(out, 0, bytes, device_.stream()), "clearing a gradient");
  }
  if (forward_.rows() == 0) return;
  for (size_t k = 0; k < phases_.size(); ++k) {
    const GradientPhase& phase = phases_[k];
    if (phase.empty()) continue;
    Conv2dArguments p = GradientArguments(forward_, phase, channels_, out_channels_);
    p.x_data = {deltas};
    p.weights = {(*packed_)[k].as<uint4>()};
    p.out =
        Operand<float>{out} + (int64_t{phase.first_y} * forward_.width + phase.first_x) * channels_;
    p.inner = 1;
    p.outer_stride = pixels;
    Launch(device_, Convolve2dCall(device_, math_, p));
  }
}

WeightGradientSums::WeightGradientSums(Device& device, Math math, const ConvGeometry& step,
                                       int channels, int out_channels)
    : device_(device), math_(math), step_(step), channels_(channels), out_channels_(out_channels) {
  const int rows = step.kernel_height * step.kernel_width * channels;
  large_ = rows > SmallGradientTile<Math::kTf32x3>::kRows;
  const WeightGradientKernel kernel = FindKernel(math, large_);
  tile_rows_ = kernel.rows;
  tile_columns_ = kernel.columns;
  row_tiles_ = DivideUp(rows, tile_rows_);
  column_tiles_ = DivideUp(out_channels, tile_columns_);
  // Two blocks per multiprocessor, if there are enough pixels.
  const int64_t tiles = int64_t{row_tiles_} * column_tiles_;
  const int chunks = std::max(1, DivideUp(step.rows(), kDepth));
  const auto wanted =
      static_cast<int>(std::clamp<int64_t>(2 * device.multiprocessors() / tiles, 1, chunks));
  slice_rows_ = DivideUp(chunks, wanted) * kDepth;
  slices_ = std::max(1, DivideUp(step.rows(), slice_rows_));
  partial_ = device.AllocateArray<float>(slices_ * tiles * tile_rows_ * tile_columns_);
}

KernelCall WeightGradientSums::Call(WeightGradientArguments p) const {
  const WeightGradientKernel kernel = FindKernel(math_, large_);
  device_.AllowShared(KernelAddress(kernel.kernel), kernel.shared_bytes);
  p.slice_rows = slice_rows_;
  return CallOf("WeightGradient", kernel.kernel,
                dim3(static_cast<unsigned>(row_tiles_), static_cast<unsigned>(column_tiles_),
                     static_cast<unsigned>(slices_)),
                kernel.threads, kernel.shared_bytes, p);
}

void WeightGradientSums::Finish(float* weight, int row_inputs, bool called) {
  const int taps = step_.kernel_height * step_.kernel_width;
  const int columns = column_tiles_ * tile_columns_;
  const FinishArguments p = {partial_.as<float>(),
                             called ? slices_ : 0,
                             int64_t{row_tiles_} * tile_rows_ * columns,
                             out_channels_,
                             columns,
                             channels_,
                             taps,
                             weight,
                             int64_t{row_inputs} * taps};
  LaunchStrided(device_, "FinishWeightGradient", FinishWeightGradient,
                int64_t{channels_} * taps * out_channels_, p);
}

// At least four rows per thread, at most four blocks per multiprocessor.
dim3 SumGrid(const Device& device, int64_t rows, int channels) {
  constexpr int64_t kThreadRows = 4, kBlocks = 4;
  const int blocks = ChannelBlocks(channels), lanes = kChannelThreads / DivideUp(channels, blocks);
  const int64_t slices =
      std::clamp<int64_t>(rows / (kThreadRows * lanes), 1, kBlocks * device.multiprocessors());
  return dim3(static_cast<unsigned>(slices), static_cast<unsigned>(blocks));
}

ChannelSums::ChannelSums(Device& device, int64_t rows, int channels, int count)
    : device_(device), grid_(SumGrid(device, rows, channels)), slice_stride_(count * channels) {
  sums_ = device.AllocateArray<double>(int64_t{grid_.x} * slice_stride_);
  device.Check(cudaMemsetAsync(sums_.as<double>(), 0, sums_.bytes(), device.stream()),
               "clearing sums");
}

void ChannelSums::Finish(int first, int count, float* out) {
  LaunchStrided(device_, "AddSlices", AddSlices, count, data() + first, static_cast<int>(grid_.x),
                int64_t{slice_stride_}, out, int64_t{count});
}

void LaunchSumRows(Device& device, const float* rows, int64_t count, int channels,
                   const ChannelSums& sums) {
  Launch(device, "SumRows", SumRows, sums.grid(), dim3(kChannelThreads), kChannelSharedBytes, rows,
         count, channels, sums.data());
}

}  // namespace convlstm::cuda
