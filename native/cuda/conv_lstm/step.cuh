// One time step of a ConvLSTM: convolution over x and h, bias, peepholes, gates, update of c and h.
// The four gates' sums of a channel are in the same lane, so that nothing but c and h is written.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_

#include "cuda/conv_lstm/lstm_cell.cuh"
#include "cuda/device/place.h"
#include "cuda/gemm/implicit_gemm.cuh"

namespace convlstm::cuda {

// What a step does beside where it is masked, zoned out or to be trained. No place: not that.
struct StepExtras {
  Place<float> gates;        // [row][4 hidden], gets i, f, o, g
  Place<const float> mask;   // [row][hidden]
  Place<float> masked_h;     // [row][hidden], gets the new h times the mask
  Place<const float> old_h;  // before the step and not masked; zeros without
  int old_h_image_stride;    // pixels
  Place<const float> zoneout_h, zoneout_c;
  bool one_zoneout_h, one_zoneout_c;  // one element stands for all
  int zoneout_image_stride;           // pixels
};

struct StepArguments {
  ConvGeometry geometry;
  ConvSource x, h;  // without data; no chunks: zeros
  Place<const float> x_data, h_data;
  Place<const uint4> weights;  // packed (pack_weights.cuh)
  int packed_chunks;           // of x and h, also where one is not multiplied
  Place<const float> bias;     // [4][padded hidden], zeros for none

  // input.cuh's, which the step begins with then: x has no chunks.
  bool begins_with_x;
  Place<const float> sums_of_x;
  int sums_image_stride;  // pixels

  Place<const float> peephole;  // wci, wcf, wco; each [hidden] or [pixels][hidden]
  int64_t peephole_elements;
  int peephole_pixel_stride;
  int hidden, padded_hidden;

  Place<const float> c_in;  // [row][hidden]; zeros without
  Place<float> c;           // may be c_in
  Place<float> out;         // must not be h
  int out_image_stride;     // pixels
  Place<float> last_h;      // [row][hidden], gets the new h too

  bool extended;
  StepExtras extras;
};

// With products of bfloat16 by the instructions that approximate, off by at most 4.4e-7 where
// `high` allows 1e-4: the end of a step is 45 instructions a cell then and not 181 (sm_90, large
// tile).
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

// A lane's channels of a pixel; all of them with kAll, else `count` and zeros.
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

// new = zoneout . old + (1 - zoneout) . new.
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

// The channels of a cell that a lane updates at once.
template <class Cell>
constexpr int kLaneChannels = LaneChannels(Cell::kGates);

// The first of a lane's channels, of a pixel.
struct CellIndex {
  int image, pixel, channel;
  int64_t row;
};

// What the end of a step reads and writes.
struct CellOperands {
  const float *peephole, *c_in;
  float *c, *out, *last_h;
};

// kAll: hidden is a multiple of kLaneChannels, so that a lane has all of its channels or none.
// kExtended: with StepExtras, apart, so that a step without pays no register for them.
template <class Cell, Math kMath, bool kAll, bool kExtended>
__device__ __forceinline__ void UpdateCell(const StepArguments& p, const CellIndex& at,
                                           float (&gates)[Cell::kGates][kLaneChannels<Cell>],
                                           const CellOperands& operands) {
  constexpr int kChannels = kLaneChannels<Cell>;
  const int count = p.hidden - at.channel;
  const int64_t state = at.row * p.hidden + at.channel;
  // Of frames that lie so far apart.
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

// The sums of x of a pixel: [64 columns][gate][channel], so that a warp reads and writes 64 bytes
// in a row whatever its tile.
template <class Cell, class T>
__device__ __forceinline__ int64_t SumsOfLane(int64_t pixel, int padded_hidden, int tile) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  return pixel * (Cell::kGates * padded_hidden) + ColumnBlock<T>(tile) * kColumns +
         lane % 4 * kLaneChannels<Cell>;
}

// The first of the lane's channels of a tile.
template <class Cell, class T>
__device__ __forceinline__ int LaneChannel(int tile) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  return ColumnBlock<T>(tile) * WarpChannels(Cell::kGates) + lane % 4 * kLaneChannels<Cell>;
}

// The lane's sum of a gate of its k-th channel, of the row (i, half) of ForLaneRows.
template <class Cell, class T>
__device__ __forceinline__ float& SumOf(Accumulators<T>& sums, int i, int half, int gate, int k) {
  return sums[i][gate + k / 2 * Cell::kGates][half * 2 + k % 2];
}

// What sums begin with: bias, the same for every pixel, or the sums of x. One way for both and no
// condition: otherwise ptxas 13.0 moves the accumulators of wgmma about and waits for each product.
struct Beginning {
  const float* values;
  int64_t pixel_stride;
  int image_stride;                 // pixels
  int gate_stride, columns_stride;  // elements; from 64 columns to the next
};
template <class Cell, class T>
__device__ __forceinline__ Beginning BeginningOf(const float* bias, int padded_hidden) {
  return {bias + LaneChannel<Cell, T>(0), 0, 0, padded_hidden, WarpChannels(Cell::kGates)};
}
template <class Cell, class T>
__device__ __forceinline__ void Begin(const Beginning& from, const ConvGeometry& geometry,
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

// A lane's sums of the gates of a row.
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

// Grid: (RowBlocks, padded hidden / T's channels).
template <class Cell, class T>
__global__ void __launch_bounds__(T::kThreads, kLeastBlocks<T>)
    ConvLstmStep(const StepArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    ConvSource x = p.x, h = p.h;
    x.data = p.x_data.get();
    h.data = p.h_data.get();
    const CellOperands operands = {p.peephole.get(), p.c_in.get(), p.c.get(), p.out.get(),
                                   p.last_h.get()};

    Accumulators<T> sums;
    Beginning beginning = BeginningOf<Cell, T>(p.bias.get(), p.padded_hidden);
    if (p.begins_with_x && LaneChannel<Cell, T>(0) < p.hidden) {
      beginning = {p.sums_of_x.get() + SumsOfLane<Cell, T>(0, p.padded_hidden, 0),
                   Cell::kGates * p.padded_hidden, p.sums_image_stride, WarpChannels(Cell::kGates),
                   kColumns};
    }
    Accumulate<T>(
        p.geometry, x, h, p.weights.get(), p.packed_chunks, shared,
        [&] { Begin<Cell, T>(beginning, p.geometry, sums); }, sums);
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
