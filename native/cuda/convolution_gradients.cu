#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "core/error.h"
#include "cuda/conv2d_kernels.h"
#include "cuda/convolution_gradients.h"
#include "cuda/launch.cuh"
#include "cuda/layout.h"
#include "cuda/operations.h"
#include "cuda/packed_weights.h"
#include "cuda/strides.h"
#include "cuda/sum_rows.cuh"
#include "cuda/weight_gradient.cuh"

namespace convlstm::cuda {
namespace {

using WeightGradientKernel = GemmKernel<WeightGradientArguments>;

template <class T>
WeightGradientKernel KernelOf() {
  return {WeightGradient<T>, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
}

template <Math kMath>
WeightGradientKernel FindKernel(bool large) {
  return large ? KernelOf<LargeGradientTile<kMath>>() : KernelOf<SmallGradientTile<kMath>>();
}

WeightGradientKernel FindKernel(Math math, bool large) {
  switch (math) {
    case Math::kFma:  // two stages of the large one are more than the 64 KiB of sm_75
      return KernelOf<SmallGradientTile<Math::kFma>>();
    case Math::kTf32x3:
      return FindKernel<Math::kTf32x3>(large);
    case Math::kBf16x3:
      return FindKernel<Math::kBf16x3>(large);
    case Math::kBf16:
    case Math::kBf16Wgmma:  // the steps' alone
      return FindKernel<Math::kBf16>(large);
  }
  return KernelOf<SmallGradientTile<Math::kFma>>();
}

// The convolution with stride 1 that leads from the deltas, spread by the stride, to the input.
ConvGeometry BackwardOf(const Device& device, const ConvGeometry& f) {
  const int64_t height = int64_t{f.out_height - 1} * f.stride_y + 1;
  const int64_t width = int64_t{f.out_width - 1} * f.stride_x + 1;
  if (std::max<int64_t>(f.images, 1) * height * width > std::numeric_limits<int>::max()) {
    throw Error(ErrorCode::kShape, device.name() + ": the gradient of more than 2^31 pixels");
  }
  return {f.images,
          static_cast<int>(height),
          static_cast<int>(width),
          f.height,
          f.width,
          f.kernel_height,
          f.kernel_width,
          1,
          1,
          f.dilation_y * (f.kernel_height - 1) - f.pad_top,
          f.dilation_x * (f.kernel_width - 1) - f.pad_left,
          f.dilation_y,
          f.dilation_x};
}

}  // namespace

DataGradient::DataGradient(Device& device, Math math, const ConvGeometry& forward,
                           const WeightPart& part)
    : device_(device),
      math_(math),
      forward_(forward),
      backward_(BackwardOf(device, forward)),
      channels_(part.inputs),
      out_channels_(part.out_channels) {
  std::string key = "cuda gradient";
  for (const int value : {static_cast<int>(math), part.first_input, part.inputs, part.row_inputs,
                          forward.kernel_height, forward.kernel_width}) {
    key += " " + std::to_string(value);
  }
  const int taps = forward.kernel_height * forward.kernel_width;
  const float* const weight = RowMajor(device, *part.weight);
  std::shared_ptr<const void>& derived = part.weight->derived()[key];
  if (!derived) {
    derived = std::make_shared<const Buffer>(LaunchPack(
        device, math,
        {weight + int64_t{part.first_input} * taps, nullptr, 0, part.inputs, false,
         part.out_channels, 0, taps, backward_.chunks(part.out_channels), 0, part.row_inputs}));
  }
  held_ = derived;
  packed_ = static_cast<const Buffer*>(held_.get())->as<uint4>();
}

void DataGradient::Run(int images, const float* deltas, const Result& result) {
  ConvGeometry g = backward_;
  g.images = images;
  Buffer spread;
  if (forward_.stride_y > 1 || forward_.stride_x > 1) {
    const int64_t row = int64_t{g.width} * out_channels_, image = g.height * row;
    spread = device_.AllocateArray<float>(images * image);
    device_.Check(cudaMemsetAsync(spread.as<float>(), 0, spread.bytes(), device_.stream()),
                  "clearing a gradient");
    Strides from, to;
    from.Add(int64_t{images} * forward_.out_pixels() * out_channels_, 1);
    to.Add(images, image);
    to.Add(forward_.out_height, forward_.stride_y * row);
    to.Add(forward_.out_width, int64_t{forward_.stride_x} * out_channels_);
    to.Add(out_channels_, 1);
    Move(device_, deltas, from, spread.as<float>(), to);
    deltas = spread.as<float>();
  }
  LaunchConvolve2d(device_, math_,
                   {g,
                    {deltas, out_channels_, g.height * g.width, g.chunks(out_channels_)},
                    packed_,
                    nullptr,
                    result.data,
                    channels_,
                    result.inner,
                    result.inner_stride,
                    result.outer_stride,
                    result.mask,
                    result.add});
}

WeightGradientSums::WeightGradientSums(Device& device, Math math, const ConvGeometry& step,
                                       int channels, int out_channels)
    : device_(device), math_(math), step_(step), channels_(channels), out_channels_(out_channels) {
  const int rows = step.kernel_height * step.kernel_width * channels;
  large_ = rows > SmallGradientTile<Math::kTf32x3>::kRows;
  const WeightGradientKernel kernel = FindKernel(math, large_);
  tile_rows_ = kernel.rows;
  tile_columns_ = kernel.columns;
  row_tiles_ = CeilDiv(rows, tile_rows_);
  column_tiles_ = CeilDiv(out_channels, tile_columns_);
  // Two blocks for each multiprocessor, if there are pixels for them.
  const int64_t tiles = int64_t{row_tiles_} * column_tiles_;
  const int chunks = std::max(1, CeilDiv(step.rows(), kDepth));
  const auto wanted =
      static_cast<int>(std::clamp<int64_t>(2 * device.multiprocessors() / tiles, 1, chunks));
  slice_rows_ = CeilDiv(chunks, wanted) * kDepth;
  slices_ = std::max(1, CeilDiv(step.rows(), slice_rows_));
  partial_ = device.AllocateArray<float>(slices_ * tiles * tile_rows_ * tile_columns_);
}

void WeightGradientSums::Add(const Steps& steps) {
  const WeightGradientKernel kernel = FindKernel(math_, large_);
  device_.AllowShared(reinterpret_cast<const void*>(kernel.kernel), kernel.shared_bytes);
  Launch(device_, "WeightGradient", kernel.kernel,
         dim3(static_cast<unsigned>(row_tiles_), static_cast<unsigned>(column_tiles_),
              static_cast<unsigned>(slices_)),
         dim3(static_cast<unsigned>(kernel.threads)), kernel.shared_bytes,
         WeightGradientArguments{step_, steps.x, steps.deltas, steps.x_step_stride,
                                 int64_t{step_.rows()} * out_channels_, channels_, out_channels_,
                                 steps.image_stride, steps.steps, slice_rows_, partial_.as<float>(),
                                 added_});
  added_ = true;
}

void WeightGradientSums::Finish(float* weight, int row_inputs) {
  const int taps = step_.kernel_height * step_.kernel_width;
  const int columns = column_tiles_ * tile_columns_;
  const FinishArguments p = {partial_.as<float>(),
                             added_ ? slices_ : 0,
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

// Some rows for each thread, some blocks for each multiprocessor.
dim3 SumGrid(const Device& device, int64_t rows, int channels) {
  constexpr int64_t kThreadRows = 4, kBlocks = 4;
  const int blocks = ChannelBlocks(channels), lanes = kChannelThreads / CeilDiv(channels, blocks);
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
