// Products of a block by wgmma, in bfloat16: one, or three of halves.
//
// The patch of the block's tile, with its border, is copied to shared memory once per 32 channels,
// rounded on the way, and every tap reads its rows there. 8 consecutive pixels of 8 channels are
// 128 contiguous bytes, the core matrix of wgmma, which may start at any 16 bytes and so at any
// pixel: a tap is another start address, and no row passes through registers. With 3x3 and the
// large tile a block reads 5.6 KiB from L2 per 8 channels; gathered for every tap
// (chunk_loader.cuh) it reads 36.
//
// Weights arrive by bulk copies (TMA), contiguous for every 64 columns, in a ring of kStages
// chunks; a chunk's products are awaited once the next are in flight. While one block waits for
// pixels another uses the tensor cores: a multiprocessor of an H100 holds two blocks of the large
// tile, 128 registers a thread and 48 or 95 KiB each.
//
// No H100 has run this yet, so it is off unless tuning.wgmma is set.
#ifndef CONVLSTM_CUDA_GEMM_PATCH_PRODUCT_CUH_
#define CONVLSTM_CUDA_GEMM_PATCH_PRODUCT_CUH_

#include "cuda/gemm/chunk_product.cuh"

namespace convlstm::cuda {

// The first output pixel of the block's tile.
struct TileOrigin {
  int image, y, x;
};
template <class T>
__device__ __forceinline__ TileOrigin OriginOf(const ConvGeometry& g) {
  const int across = DivideUp(g.out_width, T::kPatchWidth);
  const int down = DivideUp(g.out_height, T::kPatchHeight);
  const int block = static_cast<int>(blockIdx.x);
  return {block / (across * down), block / across % down * T::kPatchHeight,
          block % across * T::kPatchWidth};
}

#if CONVLSTM_CUDA_WGMMA
template <class T>
class PatchProduct {
 public:
  // `geometry` must have stride and dilation 1.
  __device__ __forceinline__ PatchProduct(const ConvGeometry& geometry, const uint4* weights,
                                          int packed_chunks, int chunks, uint32_t* shared)
      : g_(geometry),
        origin_(OriginOf<T>(geometry)),
        shared_(shared),
        weights_(weights +
                 static_cast<int64_t>(blockIdx.y) * T::kColumnBlocks * packed_chunks * kPieces),
        columns_stride_(static_cast<int64_t>(packed_chunks) * kPieces),
        chunks_left_(chunks) {
    static_assert(T::kWarpsM % 4 == 0 && T::kWarpsN == 1, "a warpgroup covers all columns");
    const int width = patch_width(), tid = static_cast<int>(threadIdx.x);
    const int warpgroup = WarpUniform(tid >> 7);
    rows_operand_ =
        WgmmaOperandAt(WgmmaOperand(shared, Patch::kPlane, width), warpgroup * 8 * width);
    weights_operand_ = WgmmaOperand(shared + Patch::kWords, 8, 16);
    first_y_ = tid / kPlanes / width;
    first_x_ = tid / kPlanes % width;
    step_y_ = T::kThreads / kPlanes / width;
    step_x_ = T::kThreads / kPlanes % width;
    if (tid == 0) {
#pragma unroll
      for (int stage = 0; stage < T::kStages; ++stage) InitBarrier(BarrierOf(stage));
      FenceBarriers();
    }
    __syncthreads();
#pragma unroll
    for (int stage = 0; stage < T::kStages - 1; ++stage) LoadWeights(stage);
  }

  // Adds the products of a source, whose channels beyond the last read as zeros.
  __device__ __forceinline__ void Add(const ConvSource& source, Accumulators<T>& sums) {
    if (source.chunks == 0) return;
#pragma unroll 1
    for (int channel = 0; channel < source.channels; channel += kDepth) {
      __syncthreads();  // all products that read the previous patch are done
      LoadPatch(source, channel);
      ProxyFence();
      __syncthreads();
      AddPart(source.channels - channel > kDepth / 2, sums);
    }
  }

 private:
  using Patch = PatchLayout<T::kMath, T::kRows>;
  static constexpr int kPlanes = kDepth / 8;
  static constexpr int kPieces = ChunkWords(T::kMath) / 4;
  // 16-byte pieces for 16 of depth, of 64 columns and of all columns.
  static constexpr int kStepPieces = kPieces / (kDepth / 16 * Patch::kParts);
  static constexpr int kBlockStepPieces = kStepPieces * T::kColumnBlocks;

  __device__ __forceinline__ uint64_t* BarrierOf(int stage) const {
    return reinterpret_cast<uint64_t*>(shared_ + Patch::kWords + T::kStages * T::kWeightWords) +
           stage;
  }

  // Copies the next chunk's weights, [64 columns][half][16 of depth] in memory, to one operand in
  // shared memory, [half][16 of depth][columns].
  __device__ __forceinline__ void LoadWeights(int stage) {
    if (--chunks_left_ < 0 || threadIdx.x != 0) return;
    uint32_t* const to = shared_ + Patch::kWords + stage * T::kWeightWords;
    ExpectBytes(BarrierOf(stage), T::kWeightWords * 4);
#pragma unroll
    for (int n = 0; n < T::kColumnBlocks; ++n) {
#pragma unroll
      for (int step = 0; step < kPieces / kStepPieces; ++step) {
        CopyBulk(to + (step * kBlockStepPieces + n * kStepPieces) * 4,
                 weights_ + n * columns_stride_ + step * kStepPieces, kStepPieces * 16,
                 BarrierOf(stage));
      }
    }
    weights_ += kPieces;
  }

  __device__ __forceinline__ int patch_width() const {
    return T::kPatchWidth + g_.kernel_width - 1;
  }

  // Loads several pieces of 8 channels at a time, so that their reads overlap.
  __device__ __forceinline__ void LoadPatch(const ConvSource& source, int channel) {
    constexpr int kAtOnce = 3;
    const int width = patch_width(), height = T::kPatchHeight + g_.kernel_height - 1;
    const int plane = static_cast<int>(threadIdx.x) % kPlanes;
    const float* const image =
        source.data + static_cast<int64_t>(origin_.image) * source.image_stride * source.channels +
        channel + plane * 8;
    const int left = source.channels - channel - plane * 8;
    int y = first_y_, x = first_x_;
#pragma unroll 1
    while (y < height) {
      float values[kAtOnce][8];
      int pixels[kAtOnce];
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        pixels[n] = y < height ? y * width + x : -1;
        const int at_y = origin_.y - g_.pad_top + y, at_x = origin_.x - g_.pad_left + x;
        const bool inside = (pixels[n] >= 0) &
                            (static_cast<unsigned>(at_y) < static_cast<unsigned>(g_.height)) &
                            (static_cast<unsigned>(at_x) < static_cast<unsigned>(g_.width));
        const int64_t pixel = static_cast<int64_t>(at_y) * g_.width + at_x;
        ReadEight(image + pixel * source.channels, inside ? left : 0, source.channels % 4 == 0,
                  values[n]);
        y += step_y_;
        x += step_x_;
        if (x >= width) {
          x -= width;
          ++y;
        }
      }
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        if (pixels[n] >= 0) StoreEight(values[n], plane, pixels[n]);
      }
    }
  }

  // Reads at most `count` elements; the rest are zeros.
  __device__ __forceinline__ static void ReadEight(const float* from, int count, bool by_four,
                                                   float (&to)[8]) {
    if (by_four) {
#pragma unroll
      for (int four = 0; four < 8; four += 4) {
        const bool inside = four < count;
        const float4 v = inside ? *reinterpret_cast<const float4*>(from + four)
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

  // A tap, and the distance of its rows from those of the first tap, in pixels.
  struct Tap {
    int at, x;

    __device__ __forceinline__ void Next(int kernel_width) {
      ++at;
      if (++x == kernel_width) {
        x = 0;
        at += T::kPatchWidth - 1;  // the patch's width less the kernel's
      }
    }
  };

  // Adds the products of all taps of the patch. A chunk is 32 channels of a tap or 16 of two taps.
  __device__ __forceinline__ void AddPart(bool whole, Accumulators<T>& sums) {
    constexpr int kSecondHalf = 2 * Patch::kPlane;
    Tap tap = {0, 0};
#pragma unroll 1
    for (int left = g_.kernel_height * g_.kernel_width; left > 0; left -= whole ? 1 : 2) {
      const int first = tap.at;
      if (!whole) tap.Next(g_.kernel_width);
      // An odd last tap multiplies the zeros behind its 16 channels: a branch here would make ptxas
      // wait for every product.
      const int second = whole ? first + kSecondHalf : left > 1 ? tap.at : kSecondHalf;
      tap.Next(g_.kernel_width);

      WaitForBytes(BarrierOf(stage_), phase_);
      WgmmaFence();
      const uint64_t weights = WgmmaOperandAt(weights_operand_, stage_ * (T::kWeightWords / 4));
      Multiply(WgmmaOperandAt(rows_operand_, first), weights, sums);
      Multiply(WgmmaOperandAt(rows_operand_, second), WgmmaOperandAt(weights, kBlockStepPieces),
               sums);
      WgmmaCommit();
      // The previous chunk's products are done, and its stage is free for the next weights.
      WgmmaWait<1>();
      __syncthreads();
      LoadWeights(stage_ == 0 ? T::kStages - 1 : stage_ - 1);
      const bool last = stage_ == T::kStages - 1;
      stage_ = last ? 0 : stage_ + 1;
      phase_ ^= last ? 1 : 0;
    }
    WgmmaWait<0>();
    ClobberSums(sums);
  }

  // Adds the products of 16 of depth of a tap.
  __device__ __forceinline__ static void Multiply(uint64_t rows, uint64_t weights,
                                                  Accumulators<T>& sums) {
    if constexpr (Patch::kParts == 2) {
      WgmmaBf16(sums, WgmmaOperandAt(rows, Patch::kPartWords / 4), weights);
      WgmmaBf16(sums, rows, WgmmaOperandAt(weights, kDepth / 16 * kBlockStepPieces));
    }
    WgmmaBf16(sums, rows, weights);
  }

  ConvGeometry g_;
  TileOrigin origin_;
  uint32_t* shared_;
  const uint4* weights_;                     // of the next chunk to copy
  int64_t columns_stride_;                   // of the packed weights, between blocks of 64 columns
  int chunks_left_;                          // to copy
  uint64_t rows_operand_, weights_operand_;  // of the first tap, of the first stage
  int first_y_, first_x_, step_y_, step_x_;  // of this thread's pieces of the patch
  int stage_ = 0;
  uint32_t phase_ = 0;  // of the stages' barriers, in this pass over the ring
};
#endif  // CONVLSTM_CUDA_WGMMA

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_GEMM_PATCH_PRODUCT_CUH_
