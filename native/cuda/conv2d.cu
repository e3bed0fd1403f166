#include <limits>
#include <string>

#include "core/error.h"
#include "cuda/conv2d.cuh"
#include "cuda/launch.cuh"
#include "cuda/layout.h"
#include "cuda/operations.h"
#include "cuda/packed_weights.h"
#include "cuda/step_kernels.h"

namespace convlstm::cuda {
namespace {

using Conv2dKernel = GemmKernel<Conv2dArguments>;

template <Math kMath>
Conv2dKernel FindKernel(TileSize size) {
  const auto of = []<class T>(T*) -> Conv2dKernel {
    return {Convolve2d<T>, T::kRows, T::kBlockColumns, T::kThreads, T::kSharedBytes};
  };
  switch (size) {
    case TileSize::kSmall:
      return of(static_cast<SmallTile<kMath>*>(nullptr));
    case TileSize::kMedium:
      return of(static_cast<MediumTile<kMath>*>(nullptr));
    case TileSize::kLarge:
      return of(static_cast<LargeTile<kMath>*>(nullptr));
  }
  return of(static_cast<SmallTile<kMath>*>(nullptr));
}

const Buffer& PackOnce(Device& device, Math math, const ConvGeometry& g, int in, int channels,
                       Storage& weight) {
  const std::string key = "cuda conv2d " + std::to_string(channels) + " " + std::to_string(in) +
                          " " + std::to_string(g.kernel_height) + " " +
                          std::to_string(g.kernel_width);
  std::shared_ptr<const void>& derived = weight.derived()[key];
  if (!derived) {
    derived = std::make_shared<const Buffer>(
        LaunchPack(device, math,
                   {RowMajor(device, weight), nullptr, 0, channels, false, in, 0,
                    g.kernel_height * g.kernel_width, g.chunks(in), 0}));
  }
  return *static_cast<const Buffer*>(derived.get());
}

}  // namespace

void Conv2d(Device& device, const Conv2dShape& s, const Conv2dInputs& inputs, Storage& out) {
  constexpr int64_t kMax = std::numeric_limits<int>::max();
  if (s.batch * s.height * s.width > kMax || s.batch * s.out_height() * s.out_width() > kMax) {
    throw Error(ErrorCode::kShape, device.name() + ": conv2d of more than 2^31 pixels");
  }
  const auto in = static_cast<int>(s.in_channels), channels = static_cast<int>(s.out_channels);
  const ConvGeometry g = {static_cast<int>(s.batch),        static_cast<int>(s.height),
                          static_cast<int>(s.width),        static_cast<int>(s.out_height()),
                          static_cast<int>(s.out_width()),  static_cast<int>(s.kernel_height),
                          static_cast<int>(s.kernel_width), static_cast<int>(s.stride_y),
                          static_cast<int>(s.stride_x),     static_cast<int>(s.padding_y),
                          static_cast<int>(s.padding_x),    static_cast<int>(s.dilation_y),
                          static_cast<int>(s.dilation_x)};
  const Math math = HighestMath(device);
  const Buffer& packed = PackOnce(device, math, g, in, channels, *inputs.weight);
  const float* bias = inputs.bias == nullptr ? nullptr : RowMajor(device, *inputs.bias);
  Buffer converted;
  const float* x = ToFrames(device, *inputs.x, {s.batch, in, s.height * s.width}, converted);
  float* to = out.AllocateChannelsLast({s.batch, channels, s.out_height() * s.out_width()});
  if (g.rows() == 0) return;

  const TileSize size =
      ChooseTile(g.rows(), CeilDiv(channels, kColumns) * kColumns, device.multiprocessors());
  const Conv2dKernel kernel =
      math == Math::kFma ? FindKernel<Math::kFma>(size) : FindKernel<Math::kTf32x3>(size);
  device.AllowShared(reinterpret_cast<const void*>(kernel.kernel), kernel.shared_bytes);
  Launch(device, "Convolve2d", kernel.kernel,
         dim3(static_cast<unsigned>(CeilDiv(g.rows(), kernel.rows)),
              static_cast<unsigned>(CeilDiv(channels, kernel.columns))),
         dim3(static_cast<unsigned>(kernel.threads)), kernel.shared_bytes,
         Conv2dArguments{g,
                         {x, in, static_cast<int>(s.height * s.width), g.chunks(in)},
                         packed.as<uint4>(),
                         bias,
                         to,
                         channels,
                         1,
                         0,
                         g.out_pixels(),
                         nullptr,
                         false});
}

}  // namespace convlstm::cuda
