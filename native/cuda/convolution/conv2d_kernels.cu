#include "cuda/convolution/conv2d_kernels.h"
#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {
namespace {

using Conv2dKernel = GemmKernel<Conv2dArguments>;

template <Math kMath>
Conv2dKernel FindKernel(TileSize size) {
  using Small = SmallTile<kMath>;
  using Medium = MediumTile<kMath>;
  using Large = LargeTile<kMath>;
  if (size == TileSize::kSmall) return KernelOf<Small>(Convolve2d<Small>);
  return size == TileSize::kLarge ? KernelOf<Large>(Convolve2d<Large>)
                                  : KernelOf<Medium>(Convolve2d<Medium>);
}

Conv2dKernel FindKernel(Math math, TileSize size) {
  return WithMath(math, [size](auto kind) { return FindKernel<WithoutWgmma(kind())>(size); });
}

}  // namespace

KernelCall Convolve2dCall(Device& device, Math math, const Conv2dArguments& p) {
  const int rows = p.geometry.rows();
  const Conv2dKernel kernel = FindKernel(
      math, ChooseTile(rows, DivideUp(p.channels, kColumns) * kColumns, device.multiprocessors()));
  device.AllowShared(KernelAddress(kernel.kernel), kernel.shared_bytes);
  return CallOf("Convolve2d", kernel.kernel,
                dim3(static_cast<unsigned>(kernel.row_blocks(p.geometry)),
                     static_cast<unsigned>(DivideUp(p.channels, kernel.columns))),
                kernel.threads, kernel.shared_bytes, p);
}

}  // namespace convlstm::cuda
