// One time step of a recurrent cell: convolution of x and h, and as its epilogue bias, peepholes,
// gates and the update of c and h. The accumulators of all gates of a channel are in one lane, so
// that only c and h are written.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_

#include "cuda/conv_lstm/lstm_cell.cuh"
#include "cuda/device/operand.h"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

// Operands of a step with a recurrent mask, zoneout or gates to save. Null disables a feature.
struct StepExtras {
  Operand<float> gates;                       // output, [row][gate][hidden]
  Operand<const float> mask;                  // [row][hidden]
  Operand<float> masked_h;                    // output, [row][hidden]: mask * new h
  Operand<const float> old_h;                 // unmasked h before the step; null: zeros
  int old_h_image_stride;                     // pixels
  Operand<const float> zoneout_h, zoneout_c;  // as out, or one element
  bool one_zoneout_h, one_zoneout_c;
  int zoneout_image_stride;  // pixels
};

struct StepArguments {
  ConvGeometry geometry;
  ConvSource x, h;  // data is null; 0 chunks: zeros
  Operand<const float> x_data, h_data;
  Operand<const uint4> weights;  // packed (pack_weights.cuh)
  int packed_chunks;             // of x and h, even if one of them has 0 chunks here
  Operand<const float> bias;     // [gate][padded hidden]; zeros without a bias

  // The precomputed input projection (input_projection.cuh), if projected; then x has 0 chunks.
  bool projected;
  Operand<const float> projection;
  int projection_image_stride;  // pixels

  Operand<const float> peephole;  // [wci, wcf, wco] of [hidden] or [pixels][hidden], or null
  int64_t peephole_elements;
  int peephole_pixel_stride;
  int hidden, padded_hidden;

  Operand<const float> c_in;  // [row][hidden]; null: zeros
  Operand<float> c;           // [row][hidden]; may alias c_in
  Operand<float> out;         // the new h; must not alias h
  int out_image_stride;       // pixels
  Operand<float> last_h;      // second copy of the new h, [row][hidden], or null

  bool extended;
  StepExtras extras;
};

// Bfloat16 products use approximate instructions, with an error of at most 4.4e-7 where `high`
// allows 1e-4: the epilogue then takes 45 instructions per cell instead of 181 (sm_90, large tile).
template <Math kMath>
struct Activations {
  static constexpr bool kFast = kMath != Math::kFma && kMath != Math::kTf32x3;
  static constexpr float kLog2E = 1.44269504f;

  __device__ __forceinline__ static float Sigmoid(float v) {
    if constexpr (kFast) return FastReciprocal(1.0f + FastExp2(-kLog2E * v));
    return 1.0f / (1.0f + expf(-v));
  }
  __device__ __forceinline__ static float Tanh(float v) {
    if constexpr (kFast) {
      return fmaf(-2.0f, FastReciprocal(1.0f + FastExp2(2.0f * kLog2E * v)), 1.0f);
    }
    return tanhf(v);
  }
};

// Load and store a lane's channels of a pixel: all with kAll, otherwise the first `count`; the rest
// load as zeros.
template <bool kAll, int kChannels>
__device__ __forceinline__ void LoadChannels(const float* from, int count, float (&to)[kChannels]) {
  static_assert(kChannels % 4 == 0);
  if constexpr (kAll) {
#pragma unroll
    for (int k = 0; k < kChannels; k += 4) {
      const float4 v = *reinterpret_cast<const float4*>(from + k);
      to[k] = v.x, to[k + 1] = v.y, to[k + 2] = v.z, to[k + 3] = v.w;
    }
  } else {
#pragma unroll
    for (int k = 0; k < kChannels; ++k) to[k] = k < count ? from[k] : 0.0f;
  }
}
template <bool kAll, int kChannels>
__device__ __forceinline__ void StoreChannels(const float (&from)[kChannels], int count,
                                              float* to) {
  static_assert(kChannels % 4 == 0);
  if constexpr (kAll) {
#pragma unroll
    for (int k = 0; k < kChannels; k += 4) {
      *reinterpret_cast<float4*>(to + k) =
          make_float4(from[k], from[k + 1], from[k + 2], from[k + 3]);
    }
  } else {
#pragma unroll
    for (int k = 0; k < kChannels; ++k) {
      if (k < count) to[k] = from[k];
    }
  }
}

// now = zoneout * old + (1 - zoneout) * now. `one`: `zoneout` is a single element.
template <bool kAll, int kChannels>
__device__ __forceinline__ void ApplyZoneout(const float* zoneout, bool one, int count,
                                             const float (&old)[kChannels],
                                             float (&now)[kChannels]) {
  float z[kChannels];
  if (one) {
    const float rate = *zoneout;
#pragma unroll
    for (int k = 0; k < kChannels; ++k) z[k] = rate;
  } else {
    LoadChannels<kAll>(zoneout, count, z);
  }
#pragma unroll
  for (int k = 0; k < kChannels; ++k) now[k] = z[k] * old[k] + (1.0f - z[k]) * now[k];
}

// The channels that a lane updates at once.
template <class Cell>
constexpr int kLaneChannels = LaneChannels(Cell::kGates);

// The first channel that a lane updates, and its pixel.
struct CellIndex {
  int image, pixel, channel;
  int64_t row;
};

// Operands of the epilogue.
struct CellOperands {
  const float *peephole, *c_in;
  float *c, *out, *last_h;
};

// kAll: `hidden` is a multiple of kLaneChannels, so that a lane has all of its channels or none.
// kExtended: with StepExtras; a template parameter, so that a plain step pays no registers for
// them.
template <class Cell, Math kMath, bool kAll, bool kExtended>
__device__ __forceinline__ void UpdateCell(const StepArguments& p, const CellIndex& at,
                                           float (&gates)[Cell::kGates][kLaneChannels<Cell>],
                                           const CellOperands& operands) {
  constexpr int kChannels = kLaneChannels<Cell>;
  const int count = p.hidden - at.channel;
  const int64_t state = at.row * p.hidden + at.channel;
  // Offset into frames that are `image_stride` pixels apart.
  const auto element = [&](int image_stride) {
    const int64_t pixel = static_cast<int64_t>(at.image) * image_stride + at.pixel;
    return pixel * p.hidden + at.channel;
  };
  float old_c[kChannels] = {}, new_c[kChannels], new_h[kChannels];
  float peepholes[Cell::kPeepholes][kChannels] = {};
  if (operands.c_in != nullptr) LoadChannels<kAll>(operands.c_in + state, count, old_c);
  if (operands.peephole != nullptr) {
    const float* w =
        operands.peephole + static_cast<int64_t>(at.pixel) * p.peephole_pixel_stride + at.channel;
#pragma unroll
    for (int k = 0; k < Cell::kPeepholes; ++k) {
      LoadChannels<kAll>(w + k * p.peephole_elements, count, peepholes[k]);
    }
  }
  Cell::template Update<Activations<kMath>>(peepholes, old_c, gates, new_c, new_h);
  if constexpr (kExtended) {
    const StepExtras& extras = p.extras;
    if (float* const to = extras.gates.get(); to != nullptr) {
#pragma unroll
      for (int gate = 0; gate < Cell::kGates; ++gate) {
        StoreChannels<kAll>(gates[gate], count,
                            to + (at.row * Cell::kGates + gate) * p.hidden + at.channel);
      }
    }
    if (const float* const zoneout = extras.zoneout_h.get(); zoneout != nullptr) {
      float old_h[kChannels] = {};
      if (const float* const from = extras.old_h.get(); from != nullptr) {
        LoadChannels<kAll>(from + element(extras.old_h_image_stride), count, old_h);
      }
      const bool one = extras.one_zoneout_h;
      ApplyZoneout<kAll>(zoneout + (one ? 0 : element(extras.zoneout_image_stride)), one, count,
                         old_h, new_h);
    }
    if (const float* const zoneout = extras.zoneout_c.get(); zoneout != nullptr) {
      const bool one = extras.one_zoneout_c;
      ApplyZoneout<kAll>(zoneout + (one ? 0 : element(extras.zoneout_image_stride)), one, count,
                         old_c, new_c);
    }
    if (const float* const mask = extras.mask.get(); mask != nullptr) {
      float masked[kChannels];
      LoadChannels<kAll>(mask + state, count, masked);
#pragma unroll
      for (int k = 0; k < kChannels; ++k) masked[k] *= new_h[k];
      StoreChannels<kAll>(masked, count, extras.masked_h.get() + state);
    }
  }
  StoreChannels<kAll>(new_c, count, operands.c + state);
  StoreChannels<kAll>(new_h, count, operands.out + element(p.out_image_stride));
  if (operands.last_h != nullptr) StoreChannels<kAll>(new_h, count, operands.last_h + state);
}

// Offset of a lane in the input projection of a pixel, [64 columns][gate][channel]: a warp reads
// and writes 64 contiguous bytes whatever its tile.
template <class Cell, class T>
__device__ __forceinline__ int64_t LaneProjection(int64_t pixel, int padded_hidden, int tile) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  return pixel * (Cell::kGates * padded_hidden) + ColumnBlock<T>(tile) * kColumns +
         lane % 4 * kLaneChannels<Cell>;
}

// The lane's first channel of a tile.
template <class Cell, class T>
__device__ __forceinline__ int LaneChannel(int tile) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  return ColumnBlock<T>(tile) * WarpChannels(Cell::kGates) + lane % 4 * kLaneChannels<Cell>;
}

// The lane's accumulator of a gate of its k-th channel, in row (i, half) of ForLaneRows.
template <class Cell, class T>
__device__ __forceinline__ float& SumOf(Accumulators<T>& sums, int i, int half, int gate, int k) {
  return sums[i][gate + k / 2 * Cell::kGates][half * 2 + k % 2];
}

// Initial values of the accumulators: the bias, equal for every pixel, or the input projection.
// Both are read by the same code without a branch: otherwise ptxas 13.0 moves the accumulators of
// wgmma between registers and waits for each product.
struct InitialSums {
  const float* values;
  int64_t pixel_stride;
  int image_stride;                 // pixels
  int gate_stride, columns_stride;  // elements; between blocks of 64 columns
};
template <class Cell, class T>
__device__ __forceinline__ InitialSums BiasSums(const float* bias, int padded_hidden) {
  return {bias + LaneChannel<Cell, T>(0), 0, 0, padded_hidden, WarpChannels(Cell::kGates)};
}
template <class Cell, class T>
__device__ __forceinline__ void LoadInitialSums(const InitialSums& from,
                                                const ConvGeometry& geometry,
                                                Accumulators<T>& sums) {
  const int last = geometry.rows() - 1;
  ForLaneRows<T>(geometry, [&](int i, int half, int row) {
    row = row < last ? row : last;
    const auto [image, in_image] = Divide(row, geometry.out_pixels());
    const int64_t pixel = static_cast<int64_t>(image) * from.image_stride + in_image;
    const float* const values = from.values + pixel * from.pixel_stride +
                                (ColumnBlock<T>(i) - ColumnBlock<T>(0)) * from.columns_stride;
#pragma unroll
    for (int gate = 0; gate < Cell::kGates; ++gate) {
      float first[kLaneChannels<Cell>];
      LoadChannels<true>(values + gate * from.gate_stride, kLaneChannels<Cell>, first);
#pragma unroll
      for (int k = 0; k < kLaneChannels<Cell>; ++k)
        SumOf<Cell, T>(sums, i, half, gate, k) = first[k];
    }
  });
}

// Gathers the lane's accumulators of a row by gate and channel.
template <class Cell, class T>
__device__ __forceinline__ void TakeGates(Accumulators<T>& sums, int i, int half,
                                          float (&gates)[Cell::kGates][kLaneChannels<Cell>]) {
#pragma unroll
  for (int gate = 0; gate < Cell::kGates; ++gate) {
#pragma unroll
    for (int k = 0; k < kLaneChannels<Cell>; ++k)
      gates[gate][k] = SumOf<Cell, T>(sums, i, half, gate, k);
  }
}

template <class Cell, class T, bool kAll, bool kExtended>
__device__ __forceinline__ void UpdateState(const StepArguments& p, Accumulators<T>& sums,
                                            const CellOperands& operands) {
  ForLaneRows<T>(p.geometry, [&](int i, int half, int row) {
    const int channel = LaneChannel<Cell, T>(i);
    if (row >= p.geometry.rows() || channel >= p.hidden) return;
    float gates[Cell::kGates][kLaneChannels<Cell>];
    TakeGates<Cell, T>(sums, i, half, gates);
    const auto [image, pixel] = Divide(row, p.geometry.out_pixels());
    UpdateCell<Cell, T::kMath, kAll, kExtended>(p, {image, pixel, channel, row}, gates, operands);
  });
}

// Grid: (RowBlocks, column blocks of T).
template <class Cell, class T>
__global__ void __launch_bounds__(T::kThreads, kMinBlocks<T>) ConvLstmStep(const StepArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    ConvSource x = p.x, h = p.h;
    x.data = p.x_data.get();
    h.data = p.h_data.get();
    const CellOperands operands = {p.peephole.get(), p.c_in.get(), p.c.get(), p.out.get(),
                                   p.last_h.get()};

    Accumulators<T> sums;
    InitialSums initial = BiasSums<Cell, T>(p.bias.get(), p.padded_hidden);
    if (p.projected && LaneChannel<Cell, T>(0) < p.hidden) {
      initial = {p.projection.get() + LaneProjection<Cell, T>(0, p.padded_hidden, 0),
                 Cell::kGates * p.padded_hidden, p.projection_image_stride,
                 WarpChannels(Cell::kGates), kColumns};
    }
    Accumulate<T>(
        p.geometry, x, h, p.weights.get(), p.packed_chunks, shared,
        [&] { LoadInitialSums<Cell, T>(initial, p.geometry, sums); }, sums);
    const bool all = p.hidden % kLaneChannels<Cell> == 0;
    if (p.extended) {
      if (all) {
        UpdateState<Cell, T, true, true>(p, sums, operands);
      } else {
        UpdateState<Cell, T, false, true>(p, sums, operands);
      }
    } else if (all) {
      UpdateState<Cell, T, true, false>(p, sums, operands);
    } else {
      UpdateState<Cell, T, false, false>(p, sums, operands);
    }
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_
