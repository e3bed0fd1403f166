// The products of a block by wgmma, in bfloat16: one, or three of halves.
//
// Of 32 channels at a time, the pixels of the block's tile with their border are brought to shared
// memory once, rounded on the way, and every tap takes its rows from there. They lie so that 8
// pixels in a row of 8 channels are 128 bytes in a row, which is what wgmma reads as one piece; it
// may begin at any 16 bytes, and so at any pixel. A tap is another beginning, and no row passes
// through registers. With 3x3 and the large tile that is 5.6 KiB from L2 for 8 channels, where rows
// that are gathered for every tap (chunk_loader.cuh) are 36.
//
// Weights come by bulk copies, one run of memory for every 64 columns, in a ring of kStages chunks;
// a chunk's products are waited for when the next are under way. While a block waits for pixels
// another has the tensor cores: two of the large tile fit in a multiprocessor of an H100, 128
// registers a thread and 48 or 95 KiB each.
#ifndef CONVLSTM_CUDA_PATCH_PRODUCT_CUH_
#define CONVLSTM_CUDA_PATCH_PRODUCT_CUH_

#include "cuda/chunk_product.cuh"

namespace convlstm::cuda {

// The pixel of the result whose tile the block has, the first of the image's rows and columns.
struct TileOrigin {
  int image, y, x;
};
template <class T>
__device__ __forceinline__ TileOrigin OriginOf(const ConvGeometry& g) {
  const int across = CeilDiv(g.out_width, T::kPatchWidth);
  const int down = CeilDiv(g.out_height, T::kPatchHeight);
  const int block = static_cast<int>(blockIdx.x);
  return {block / (across * down), block / across % down * T::kPatchHeight,
          block % across * T::kPatchWidth};
}

#if CONVLSTM_CUDA_WGMMA
template <class T>
class PatchProduct {
 public:
  // Geometry without stride and dilation.
  __device__ __forceinline__ PatchProduct(const ConvGeometry& geometry, const uint4* weights,
                                          int packed_chunks, int chunks, uint32_t* shared)
      : g_(geometry),
        origin_(OriginOf<T>(geometry)),
        weights_(weights + static_cast<int64_t>(blockIdx.y) * T::kWarpsN * packed_chunks * kPieces),
        packed_chunks_(packed_chunks),
        chunks_(chunks),
        shared_(shared) {
    static_assert(T::kWarpsM == 4 && kColumns == 64, "a warpgroup has 64 columns");
    if (threadIdx.x == 0) {
#pragma unroll
      for (int stage = 0; stage < T::kStages; ++stage) InitBarrier(BarrierOf(stage));
      FenceBarriers();
    }
    __syncthreads();
#pragma unroll
    for (int chunk = 0; chunk < T::kStages - 1; ++chunk) LoadWeights(chunk, chunk);
  }

  // Adds the products of a source. Its channels are zero beyond the last.
  __device__ __forceinline__ void Add(const ConvSource& source, Accumulators<T>& sums) {
    if (source.chunks == 0) return;
#pragma unroll 1
    for (int channel = 0; channel < source.channels; channel += kDepth) {
      __syncthreads();  // the products that read the patch have ended
      LoadPatch(source, channel);
      FenceForWgmma();
      __syncthreads();
      const int steps = source.channels - channel > kDepth / 2 ? 2 : 1;
      AddPart(steps, sums);
    }
  }

 private:
  using Patch = PatchPlace<T::kMath, T::kRowTiles>;
  static constexpr int kPieces = ChunkWords(T::kMath) / 4;
  static constexpr int kStepWords = ChunkWords(T::kMath) / (kDepth / 16 * Patch::kParts);

  __device__ __forceinline__ uint32_t* WeightsOf(int stage) const {
    return shared_ + Patch::kWords + stage * T::kWeightWords;
  }
  __device__ __forceinline__ uint64_t* BarrierOf(int stage) const {
    return reinterpret_cast<uint64_t*>(WeightsOf(T::kStages)) + stage;
  }

  __device__ __forceinline__ void LoadWeights(int chunk, int stage) {
    if (chunk >= chunks_ || threadIdx.x != 0) return;
    ExpectBytes(BarrierOf(stage), T::kWeightWords * 4);
#pragma unroll
    for (int n = 0; n < T::kWarpsN; ++n) {
      CopyBulk(WeightsOf(stage) + n * kPieces * 4,
               weights_ + (static_cast<int64_t>(n) * packed_chunks_ + chunk) * kPieces,
               kPieces * 16, BarrierOf(stage));
    }
  }

  __device__ __forceinline__ int patch_width() const {
    return T::kPatchWidth + g_.kernel_width - 1;
  }

  // Several pieces of 8 channels at a time, so that their reads are under way together.
  __device__ __forceinline__ void LoadPatch(const ConvSource& source, int channel) {
    constexpr int kAtOnce = 3, kPlanes = kDepth / 8;
    const int width = patch_width();
    const int count = kPlanes * width * (T::kPatchHeight + g_.kernel_height - 1);
#pragma unroll 1
    for (int begin = static_cast<int>(threadIdx.x); begin < count; begin += kAtOnce * T::kThreads) {
      float values[kAtOnce][8];
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        const int piece = begin + n * T::kThreads, pixel = piece / kPlanes;
        const int y = origin_.y - g_.pad_top + pixel / width;
        const int x = origin_.x - g_.pad_left + pixel % width;
        const bool inside = piece < count &&
                            static_cast<unsigned>(y) < static_cast<unsigned>(g_.height) &&
                            static_cast<unsigned>(x) < static_cast<unsigned>(g_.width);
        const int first = channel + piece % kPlanes * 8;
        const int64_t at = static_cast<int64_t>(origin_.image) * source.image_stride +
                           static_cast<int64_t>(y) * g_.width + x;
        ReadEight(source.data + at * source.channels + first, inside ? source.channels - first : 0,
                  source.channels % 4 == 0, values[n]);
      }
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        const int piece = begin + n * T::kThreads;
        if (piece < count) StoreEight(values[n], piece % kPlanes, piece / kPlanes);
      }
    }
  }

  // `count` of them are there, at most, and zeros behind.
  __device__ __forceinline__ static void ReadEight(const float* from, int count, bool by_four,
                                                   float (&to)[8]) {
    if (by_four) {
#pragma unroll
      for (int four = 0; four < 8; four += 4) {
        const bool there = four < count;
        const float4 v = there ? *reinterpret_cast<const float4*>(from + four)
                               : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        to[four] = v.x, to[four + 1] = v.y, to[four + 2] = v.z, to[four + 3] = v.w;
      }
    } else {
#pragma unroll
      for (int e = 0; e < 8; ++e) to[e] = e < count ? from[e] : 0.0f;
    }
  }

  __device__ __forceinline__ void StoreEight(const float (&values)[8], int plane, int pixel) {
    auto* const to = reinterpret_cast<uint4*>(shared_) + plane * Patch::kPlane + pixel;
    const float4 left = make_float4(values[0], values[1], values[2], values[3]);
    const float4 right = make_float4(values[4], values[5], values[6], values[7]);
    if constexpr (Patch::kParts == 1) {
      *to = make_uint4(PackBf16(left.x, left.y), PackBf16(left.z, left.w),
                       PackBf16(right.x, right.y), PackBf16(right.z, right.w));
    } else {
      const Bf16Halves l = SplitBf16(left), r = SplitBf16(right);
      *to = make_uint4(l.high[0], l.high[1], r.high[0], r.high[1]);
      to[Patch::kPartWords / 4] = make_uint4(l.low[0], l.low[1], r.low[0], r.low[1]);
    }
  }

  // All taps of what the patch holds; steps of depth 16 of a tap.
  __device__ __forceinline__ void AddPart(int steps, Accumulators<T>& sums) {
    const int warpgroup = static_cast<int>(threadIdx.x) >> 7;
    const int ends = g_.kernel_height * g_.kernel_width * steps;
    int step = 0, tap_y = 0, tap_x = 0;
#pragma unroll 1
    for (int done = 0; done < ends; done += 2) {
      WaitForBytes(BarrierOf(stage_), phases_ >> stage_ & 1);
      phases_ ^= 1u << stage_;
      const uint32_t* const weights = WeightsOf(stage_) + warpgroup * ChunkWords(T::kMath);
      BeginWgmma();
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        // An odd number of steps is of 16 channels at most: a last one multiplies the zeros behind
        // them. A condition here would make ptxas wait for every product.
        const bool there = done + half < ends;
        Multiply(there ? step * 2 : 2, there ? tap_y : 0, tap_x, weights + half * kStepWords, sums);
        if (++step == steps) {
          step = 0;
          if (++tap_x == g_.kernel_width) {
            tap_x = 0;
            ++tap_y;
          }
        }
      }
      CommitWgmma();
      // The products of the chunk before have ended, whose place the next weights take.
      FinishWgmma<1>();
      __syncthreads();
      LoadWeights(chunk_ + T::kStages - 1, stage_ == 0 ? T::kStages - 1 : stage_ - 1);
      ++chunk_;
      stage_ = stage_ + 1 == T::kStages ? 0 : stage_ + 1;
    }
    FinishWgmma<0>();
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) TakeFromWgmma(sums[i]);
  }

  // Depth 16 of a tap, from plane `plane` on.
  __device__ __forceinline__ void Multiply(int plane, int tap_y, int tap_x, const uint32_t* weights,
                                           Accumulators<T>& sums) {
    const auto multiply = [&](int rows_part, int weights_part) {
      const uint64_t columns =
          WgmmaOperand(weights + weights_part * (kDepth / 16) * kStepWords, 8, 16);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) {
        const int pixel = (i * 8 + tap_y) * patch_width() + tap_x;
        const uint32_t* const rows =
            shared_ + rows_part * Patch::kPartWords + (plane * Patch::kPlane + pixel) * 4;
        WgmmaBf16(sums[i], WgmmaOperand(rows, Patch::kPlane, patch_width()), columns);
      }
    };
    if constexpr (Patch::kParts == 2) {
      multiply(1, 0);
      multiply(0, 1);
    }
    multiply(0, 0);
  }

  ConvGeometry g_;
  TileOrigin origin_;
  const uint4* weights_;
  int packed_chunks_, chunks_;
  uint32_t* shared_;
  int chunk_ = 0, stage_ = 0;
  uint32_t phases_ = 0;  // of the stages' barriers
};
#endif  // CONVLSTM_CUDA_WGMMA

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_PATCH_PRODUCT_CUH_
