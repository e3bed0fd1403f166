#include "cuda/conv2d_kernels.h"
#include "cuda/tiles.h"

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

Conv2dKernel FindKernel(Math math, TileSize size) {
  switch (math) {
    case Math::kFma:
      return FindKernel<Math::kFma>(size);
    case Math::kTf32x3:
      return FindKernel<Math::kTf32x3>(size);
    case Math::kBf16x3:
      return FindKernel<Math::kBf16x3>(size);
    case Math::kBf16:
    case Math::kBf16Wgmma:  // the steps' alone
      return FindKernel<Math::kBf16>(size);
  }
  return FindKernel<Math::kFma>(size);
}

}  // namespace

KernelCall Convolve2dCall(Device& device, Math math, const Conv2dArguments& p) {
  const int rows = p.geometry.rows();
  const Conv2dKernel kernel = FindKernel(
      math, ChooseTile(rows, CeilDiv(p.channels, kColumns) * kColumns, device.multiprocessors()));
  device.AllowShared(reinterpret_cast<const void*>(kernel.kernel), kernel.shared_bytes);
  return CallOf("Convolve2d", kernel.kernel,
                dim3(static_cast<unsigned>(CeilDiv(rows, kernel.rows)),
                     static_cast<unsigned>(CeilDiv(p.channels, kernel.columns))),
                kernel.threads, kernel.shared_bytes, p);
}

}  // namespace convlstm::cuda
