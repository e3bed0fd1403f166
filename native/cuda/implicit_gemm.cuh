// The main loop of every convolution: a block's rows times its columns, accumulated in registers.
//
// A warp computes 16 kRowTiles x 64; with kRowTiles = 2 and a depth of 16 it reads 2 KiB of the
// activations and 4 KiB of the weights from shared memory for 32 mma of 16x8x8. Activations lie in
// shared memory as rows of 32 floats whose 16-byte pieces are exchanged so (Swizzle) that neither
// the copies nor the reads of 16 bytes a lane meet in a bank; weights lie as lanes read them.
#ifndef CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_
#define CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_

#include "cuda/convolution.h"
#include "cuda/ptx.cuh"

namespace convlstm::cuda {

template <Math kMathValue, int kWarpsMValue, int kWarpsNValue, int kRowTilesValue, int kStagesValue>
struct Tile {
  static constexpr Math kMath = kMathValue;
  static constexpr int kWarpsM = kWarpsMValue, kWarpsN = kWarpsNValue;
  static constexpr int kRowTiles = kRowTilesValue, kStages = kStagesValue;
  static constexpr int kThreads = 32 * kWarpsM * kWarpsN;
  static constexpr int kRows = 16 * kRowTiles * kWarpsM;
  static constexpr int kBlockColumns = kColumns * kWarpsN;

  static constexpr int kActivationWords = kRows * kDepth;
  static constexpr int kWeightWords = ChunkWords(kMath) * kWarpsN;
  static constexpr int kStageWords = kActivationWords + kWeightWords;
  static constexpr int kSharedBytes = kStages * kStageWords * 4;

  // A thread copies one column of 16 bytes of so many rows.
  static constexpr int kRowStep = kThreads / (kDepth / 4);
  static constexpr int kThreadRows = kRows / kRowStep;
  static_assert(kThreadRows * kRowStep == kRows);
};

// Where the 16-byte piece of a row lies in it. Eight lanes are served at once: those that read one
// piece of eight rows and those that read four pieces of two rows must all differ.
__device__ __forceinline__ int Swizzle(int row, int piece) {
  return piece ^ ((row & 1) << 2 | (row >> 1 & 3));
}

// A lane's part of a warp's sums: [16 rows][8 columns][d of mma].
template <class T>
using Accumulators = float[T::kRowTiles][kColumns / 8][4];

// Copies chunk after chunk into shared memory.
template <class T>
class ChunkLoader {
 public:
  __device__ __forceinline__ ChunkLoader(const ConvGeometry& geometry, const ConvSource& first,
                                         const ConvSource& second, const uint4* weights,
                                         int packed_chunks, uint32_t* shared)
      : g_(geometry),
        second_(second),
        chunks_left_(first.chunks),
        packed_chunks_(packed_chunks),
        weights_(weights),
        shared_(shared) {
    Begin(first);
    if (chunks_left_ == 0) Switch();
  }

  __device__ __forceinline__ void Load(int stage) {
    if (chunks_left_ == 0) Switch();
    --chunks_left_;
    uint32_t* activations = shared_ + stage * T::kStageWords;
    if (source_.channels % 4 == 0) {
      LoadPieces(activations);
    } else {
      LoadElements(activations);
    }
    LoadWeights(activations + T::kActivationWords);
    Advance(kDepth);
  }

 private:
  __device__ __forceinline__ void Begin(const ConvSource& source) {
    source_ = source;
    channel_ = tap_y_ = tap_x_ = 0;
    const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const int row = static_cast<int>(blockIdx.x) * T::kRows + tid / 8 + i * T::kRowStep;
      const bool inside = row < g_.rows();
      const int image = row / g_.out_pixels(), pixel = row % g_.out_pixels();
      const int y = pixel / g_.out_width * g_.stride_y - g_.pad_top;
      const int x = pixel % g_.out_width * g_.stride_x - g_.pad_left;
      row_y_[i] = inside ? y : kNowhere;
      row_x_[i] = x;
      row_pixel_[i] = inside ? image * source.image_stride + y * g_.width + x : 0;
    }
    Advance(tid % 8 * 4);
  }

  __device__ __forceinline__ void Switch() {
    chunks_left_ = second_.chunks;
    Begin(second_);
  }

  __device__ __forceinline__ void Advance(int depth) {
    channel_ += depth;
    while (channel_ >= source_.channels) {
      channel_ -= source_.channels;
      NextTap(tap_y_, tap_x_);
    }
  }
  __device__ __forceinline__ void NextTap(int& tap_y, int& tap_x) const {
    if (++tap_x == g_.kernel_width) {
      tap_x = 0;
      ++tap_y;
    }
  }

  template <int kBytes>
  __device__ __forceinline__ void Copy(uint32_t* to, int i, int channel, int tap_y, int tap_x) {
    const int dy = tap_y * g_.dilation_y, dx = tap_x * g_.dilation_x;
    const bool inside = tap_y < g_.kernel_height &&
                        static_cast<unsigned>(row_y_[i] + dy) < static_cast<unsigned>(g_.height) &&
                        static_cast<unsigned>(row_x_[i] + dx) < static_cast<unsigned>(g_.width);
    const int pixel = row_pixel_[i] + dy * g_.width + dx;
    const float* from =
        inside ? source_.data + static_cast<int64_t>(pixel) * source_.channels + channel
               : source_.data;
    CopyAsync<kBytes>(to, from, inside);
  }

  // Four channels of one tap at a time.
  __device__ __forceinline__ void LoadPieces(uint32_t* activations) {
    const int tid = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int i = 0; i < T::kThreadRows; ++i) {
      const int row = tid / 8 + i * T::kRowStep;
      Copy<16>(activations + row * kDepth + Swizzle(row, tid % 8) * 4, i, channel_, tap_y_, tap_x_);
    }
  }
  __device__ __forceinline__ void LoadElements(uint32_t* activations) {
    const int tid = static_cast<int>(threadIdx.x);
    int channel = channel_, tap_y = tap_y_, tap_x = tap_x_;
#pragma unroll 1
    for (int e = 0; e < 4; ++e) {
#pragma unroll
      for (int i = 0; i < T::kThreadRows; ++i) {
        const int row = tid / 8 + i * T::kRowStep;
        Copy<4>(activations + row * kDepth + Swizzle(row, tid % 8) * 4 + e, i, channel, tap_y,
                tap_x);
      }
      if (++channel == source_.channels) {
        channel = 0;
        NextTap(tap_y, tap_x);
      }
    }
  }

  // The packed weights are [64 columns][chunk][ChunkWords].
  __device__ __forceinline__ void LoadWeights(uint32_t* to) {
    constexpr int kPieces = ChunkWords(T::kMath) / 4;
#pragma unroll
    for (int p = static_cast<int>(threadIdx.x); p < kPieces * T::kWarpsN; p += T::kThreads) {
      const int64_t block = static_cast<int64_t>(blockIdx.y) * T::kWarpsN + p / kPieces;
      CopyAsync<16>(to + p * 4,
                    weights_ + (block * packed_chunks_ + weight_chunk_) * kPieces + p % kPieces,
                    true);
    }
    ++weight_chunk_;
  }

  // A row that is no pixel: no tap brings it into the image.
  static constexpr int kNowhere = -(1 << 30);

  ConvGeometry g_;
  ConvSource source_, second_;
  int chunks_left_;
  int packed_chunks_;
  int weight_chunk_ = 0;
  const uint4* weights_;
  uint32_t* shared_;
  int channel_, tap_y_, tap_x_;  // where this thread's column of the chunk begins
  int row_y_[T::kThreadRows], row_x_[T::kThreadRows], row_pixel_[T::kThreadRows];
};

#if CONVLSTM_CUDA_ARCH >= 800
// Both halves of four elements of consecutive depth, as bfloat16 pairs.
struct Bf16Halves {
  uint32_t high[2], low[2];
};
__device__ __forceinline__ Bf16Halves SplitBf16(const float4& v) {
  const auto rest = [](float value, uint32_t bits) { return value - FromBits(bits); };
  Bf16Halves split;
  split.high[0] = PackBf16(v.x, v.y);
  split.high[1] = PackBf16(v.z, v.w);
  split.low[0] = PackBf16(rest(v.x, split.high[0] << 16), rest(v.y, split.high[0] & 0xffff0000u));
  split.low[1] = PackBf16(rest(v.z, split.high[1] << 16), rest(v.w, split.high[1] & 0xffff0000u));
  return split;
}

// Both halves of a value as TF32.
__device__ __forceinline__ void SplitTf32(float value, uint32_t& high, uint32_t& low) {
  high = RoundToTf32(value);
  low = RoundToTf32(value - FromBits(high));
}
#endif

// Multiplies a chunk. Which element of depth a lane takes as which operand of mma is free as long
// as both sides agree: a lane takes four in a row, one read of 16 bytes for two mma of depth 8 or
// one of depth 16.
template <class T>
struct ChunkProduct {
  static constexpr int kTiles = kColumns / 8;

  // Element 4 (lane % 4) on, of depth 16 `step`, of row lane / 4 (+ 8) of every 16 rows.
  __device__ __forceinline__ static void ReadRows(const uint32_t* activations, int step,
                                                  float4 (&rows)[T::kRowTiles][2]) {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4;
    const int piece = Swizzle(g, step * 4 + lane % 4) * 4;
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        rows[i][half] = *reinterpret_cast<const float4*>(activations +
                                                         (i * 16 + half * 8 + g) * kDepth + piece);
      }
    }
  }

  __device__ __forceinline__ static uint4 ReadUnit(const uint32_t* weights, int tile, int unit) {
    constexpr int kUnits = kDepth / UnitDepth(T::kMath);
    const int lane = static_cast<int>(threadIdx.x) & 31;
    return reinterpret_cast<const uint4*>(weights)[(tile * kUnits + unit) * 32 + lane];
  }

  __device__ __forceinline__ static void Run(const uint32_t* activations, const uint32_t* weights,
                                             Accumulators<T>& sums) {
    const int warp = static_cast<int>(threadIdx.x) >> 5;
    activations += warp % T::kWarpsM * (16 * T::kRowTiles) * kDepth;
    weights += warp / T::kWarpsM * ChunkWords(T::kMath);
    if constexpr (T::kMath == Math::kFma) {
      RunFma(activations, weights, sums);
    } else if constexpr (T::kMath == Math::kBf16Wgmma) {
#if CONVLSTM_CUDA_WGMMA
      RunWgmma(activations, weights, sums);
#endif
    } else {
#if CONVLSTM_CUDA_ARCH >= 800
      // Unrolled, three TF32 products of the large tile take more registers than there are.
#pragma unroll(T::kMath == Math::kTf32x3 ? 1 : kDepth / 16)
      for (int step = 0; step < kDepth / 16; ++step) {
        float4 rows[T::kRowTiles][2];
        ReadRows(activations, step, rows);
        if constexpr (T::kMath == Math::kTf32x3) RunTf32x3(rows, weights, step, sums);
        if constexpr (T::kMath == Math::kBf16x3) RunBf16x3(rows, weights, step, sums);
        if constexpr (T::kMath == Math::kBf16) RunBf16(rows, weights, step, sums);
      }
#endif
    }
  }

  // Without tensor cores: the same sums in the same lanes. The lane reads four elements of depth
  // of its rows and of its two columns of every eight.
  __device__ __forceinline__ static void RunFma(const uint32_t* activations,
                                                const uint32_t* weights, Accumulators<T>& sums) {
    const int lane = static_cast<int>(threadIdx.x) & 31, g = lane / 4, t = lane % 4;
    const auto dot = [](const float4& a, const float4& b, float sum) {
      sum = fmaf(a.x, b.x, sum);
      sum = fmaf(a.y, b.y, sum);
      sum = fmaf(a.z, b.z, sum);
      return fmaf(a.w, b.w, sum);
    };
#pragma unroll 1
    for (int quad = 0; quad < kDepth / 4; ++quad) {
      float4 rows[T::kRowTiles][2];
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          rows[i][half] = *reinterpret_cast<const float4*>(
              activations + (i * 16 + half * 8 + g) * kDepth + Swizzle(g, quad) * 4);
        }
      }
#pragma unroll
      for (int j = 0; j < kTiles; ++j) {
        const float4* columns =
            reinterpret_cast<const float4*>(weights) + (j * 2 + quad / 4) * 32 + quad % 4 * 8;
        const float4 left = columns[2 * t], right = columns[2 * t + 1];
#pragma unroll
        for (int i = 0; i < T::kRowTiles; ++i) {
          sums[i][j][0] = dot(rows[i][0], left, sums[i][j][0]);
          sums[i][j][1] = dot(rows[i][0], right, sums[i][j][1]);
          sums[i][j][2] = dot(rows[i][1], left, sums[i][j][2]);
          sums[i][j][3] = dot(rows[i][1], right, sums[i][j][3]);
        }
      }
    }
  }

#if CONVLSTM_CUDA_ARCH >= 800
  __device__ __forceinline__ static void RunTf32x3(const float4 (&rows)[T::kRowTiles][2],
                                                   const uint32_t* weights, int step,
                                                   Accumulators<T>& sums) {
    uint32_t high[T::kRowTiles][2][4], low[T::kRowTiles][2][4];
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4& v = rows[i][half];
        SplitTf32(v.x, high[i][0][half], low[i][0][half]);
        SplitTf32(v.y, high[i][0][half + 2], low[i][0][half + 2]);
        SplitTf32(v.z, high[i][1][half], low[i][1][half]);
        SplitTf32(v.w, high[i][1][half + 2], low[i][1][half + 2]);
      }
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, step);
      uint32_t b_high[2][2], b_low[2][2];
      SplitTf32(FromBits(unit.x), b_high[0][0], b_low[0][0]);
      SplitTf32(FromBits(unit.y), b_high[0][1], b_low[0][1]);
      SplitTf32(FromBits(unit.z), b_high[1][0], b_low[1][0]);
      SplitTf32(FromBits(unit.w), b_high[1][1], b_low[1][1]);
// The tensor core cuts sums off instead of rounding them. Over 100 products of depth 8 that adds up
// to ten times the error of a float32 sum, so each 16 of depth begin at zero and are added here.
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) {
        float part[4] = {};
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          MmaTf32(part, low[i][k], b_high[k]);
          MmaTf32(part, high[i][k], b_low[k]);
        }
#pragma unroll
        for (int k = 0; k < 2; ++k) MmaTf32(part, high[i][k], b_high[k]);
#pragma unroll
        for (int k = 0; k < 4; ++k) sums[i][j][k] += part[k];
      }
    }
  }

  __device__ __forceinline__ static void RunBf16x3(const float4 (&rows)[T::kRowTiles][2],
                                                   const uint32_t* weights, int step,
                                                   Accumulators<T>& sums) {
    uint32_t high[T::kRowTiles][4], low[T::kRowTiles][4];
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const Bf16Halves split = SplitBf16(rows[i][half]);
        high[i][half] = split.high[0];
        high[i][half + 2] = split.high[1];
        low[i][half] = split.low[0];
        low[i][half + 2] = split.low[1];
      }
    }
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, step);
      const uint32_t b_high[2] = {unit.x, unit.y}, b_low[2] = {unit.z, unit.w};
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], low[i], b_high);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], high[i], b_low);
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], high[i], b_high);
    }
  }

  __device__ __forceinline__ static void RoundRows(const float4 (&rows)[T::kRowTiles][2],
                                                   uint32_t (&a)[T::kRowTiles][4]) {
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float4& v = rows[i][half];
        a[i][half] = PackBf16(v.x, v.y);
        a[i][half + 2] = PackBf16(v.z, v.w);
      }
    }
  }

  __device__ __forceinline__ static void RunBf16(const float4 (&rows)[T::kRowTiles][2],
                                                 const uint32_t* weights, int step,
                                                 Accumulators<T>& sums) {
    uint32_t a[T::kRowTiles][4];
    RoundRows(rows, a);
#pragma unroll
    for (int j = 0; j < kTiles; ++j) {
      const uint4 unit = ReadUnit(weights, j, 0);
      const uint32_t b[2] = {step == 0 ? unit.x : unit.z, step == 0 ? unit.y : unit.w};
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) MmaBf16(sums[i][j], a[i], b);
    }
  }
#endif

#if CONVLSTM_CUDA_WGMMA
  // Rows come through registers, because they are rounded on the way; weights stay in shared
  // memory.
  __device__ __forceinline__ static void RunWgmma(const uint32_t* activations,
                                                  const uint32_t* weights, Accumulators<T>& sums) {
    static_assert(T::kWarpsM == 4 && kTiles == 8, "a warpgroup has 64 columns");
    constexpr int kSteps = kDepth / 16;
    uint32_t a[kSteps][T::kRowTiles][4];
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      float4 rows[T::kRowTiles][2];
      ReadRows(activations, step, rows);
      RoundRows(rows, a[step]);
    }
    BeginWgmma();
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
#pragma unroll
      for (int i = 0; i < T::kRowTiles; ++i) {
        WgmmaBf16(sums[i], a[step][i], weights + step * (ChunkWords(T::kMath) / kSteps));
      }
    }
    FinishWgmma();
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) TakeFromWgmma(sums[i]);
  }
#endif
};

// Adds the block's products to `sums`. One barrier a chunk: behind it every warp has multiplied the
// chunk before, whose place the next copies take.
template <class T>
__device__ __forceinline__ void Accumulate(ChunkLoader<T>& loader, int chunks,
                                           const uint32_t* shared, Accumulators<T>& sums) {
#pragma unroll 1
  for (int chunk = 0; chunk < T::kStages - 1; ++chunk) {
    if (chunk < chunks) loader.Load(chunk);
    CommitCopies();
  }
  int stage = 0, next_stage = T::kStages - 1;
#pragma unroll 1
  for (int chunk = 0; chunk < chunks; ++chunk) {
    WaitForCopies<T::kStages - 2>();
#if CONVLSTM_CUDA_WGMMA
    if constexpr (T::kMath == Math::kBf16Wgmma) FenceForWgmma();
#endif
    __syncthreads();
    if (chunk + T::kStages - 1 < chunks) loader.Load(next_stage);
    CommitCopies();
    const uint32_t* activations = shared + stage * T::kStageWords;
    ChunkProduct<T>::Run(activations, activations + T::kActivationWords, sums);
    stage = stage + 1 == T::kStages ? 0 : stage + 1;
    next_stage = next_stage + 1 == T::kStages ? 0 : next_stage + 1;
  }
}

// Left to itself, ptxas 13.0 holds kernels to 96 or 128 registers, for more blocks than shared
// memory lets in, and spills. An H100 has room for three blocks of the medium tile, 64 KiB each:
// 168 registers. The large tile takes up to 242.
template <class T>
constexpr int kLeastBlocks = T::kThreads > 128 ? 1 : 3;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_IMPLICIT_GEMM_CUH_
