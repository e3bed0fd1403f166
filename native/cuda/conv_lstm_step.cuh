// One time step of a ConvLSTM: convolution over x and h, bias, peepholes, gates, update of c and h.
// The four gates' sums of a channel are in the same lane, so that nothing but c and h is written.
#ifndef CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_

#include "cuda/implicit_gemm.cuh"

namespace convlstm::cuda {

// Where a sequence lies: what changes from call to call.
struct SequencePointers {
  const float* x;
  const float* h0;
  const float* c0;  // null: zeros
  float* output;
  float* h;          // gets h of the last step too, [images][pixels][hidden], unless null
  float* c;          // [images][pixels][hidden]
  float* sums_of_x;  // conv_lstm_input.cuh; null where every step multiplies x itself
};

// What a step does beside when gradients are to be found or states zoned out.
struct StepExtras {
  float* gates;  // [row][4 hidden]: i, f, o, g; null: not kept
  // Of the step; null for none.
  const float *zoneout_h, *zoneout_c;
  bool one_zoneout_h, one_zoneout_c;  // one element stands for all
  int zoneout_image_stride;           // pixels
  const float* h;                     // before the step and not masked; null: zeros
  int h_image_stride;
};

struct StepArguments {
  ConvGeometry geometry;
  ConvSource x, h;        // their data is x and h0 or output of the pointers; h.chunks == 0: zeros
  const uint4* weights;   // packed (pack_weights.cuh)
  const float* bias;      // [4][padded hidden], zeros for none
  const float* peephole;  // wci, wcf, wco or null; each [hidden] or [pixels][hidden]
  int64_t peephole_elements;
  int peephole_pixel_stride;
  int hidden, padded_hidden;

  SequencePointers pointers;
  const SequencePointers* late_pointers;  // read instead where not null: in a graph
  bool first;                             // takes h0 and c0, a later step output and c
  bool last;
  bool begins_with_x;                      // with the sums of x, and x.chunks is 0
  int64_t x_offset, h_offset, out_offset;  // elements
  int out_image_stride;                    // pixels
  int64_t sums_offset;                     // elements
  int sums_image_stride;                   // pixels
  int packed_chunks;                       // of x and h, also where one is not multiplied

  bool extended;
  StepExtras extras;
};

__device__ __forceinline__ float Sigmoid(float v) { return 1.0f / (1.0f + expf(-v)); }

template <bool kAll>
__device__ __forceinline__ void LoadFour(const float* from, int count, float (&to)[4]) {
  if constexpr (kAll) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) to[e] = e < count ? from[e] : 0.0f;
  }
}
template <bool kAll>
__device__ __forceinline__ void StoreFour(const float (&from)[4], int count, float* to) {
  if constexpr (kAll) {
    *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
  } else {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      if (e < count) to[e] = from[e];
    }
  }
}

// new = zoneout . old + (1 - zoneout) . new.
template <bool kAll>
__device__ __forceinline__ void KeepPart(const float* zoneout, bool one, int count,
                                         const float (&old)[4], float (&now)[4]) {
  float z[4];
  if (one) {
    z[0] = z[1] = z[2] = z[3] = *zoneout;
  } else {
    LoadFour<kAll>(zoneout, count, z);
  }
#pragma unroll
  for (int e = 0; e < 4; ++e) now[e] = z[e] * old[e] + (1.0f - z[e]) * now[e];
}

// Four channels of a pixel and where they lie.
struct CellPlace {
  int image, pixel, channel;
  int64_t row;
};

// kAll: hidden is a multiple of 4, so that a lane's channels are all there or none is. kExtended:
// with StepExtras, apart, so that a step without pays no register for them.
template <bool kAll, bool kExtended>
__device__ __forceinline__ void UpdateCell(const StepArguments& p, const CellPlace& at,
                                           float (&gates)[4][4], const float* c_in, float* c,
                                           float* out, float* last_h) {
  const int count = p.hidden - at.channel;
  const int64_t state = at.row * p.hidden + at.channel;
  float old_c[4] = {}, new_c[4], new_h[4], wci[4] = {}, wcf[4] = {}, wco[4] = {};
  if (c_in != nullptr) LoadFour<kAll>(c_in + state, count, old_c);
  if (p.peephole != nullptr) {
    const float* w =
        p.peephole + static_cast<int64_t>(at.pixel) * p.peephole_pixel_stride + at.channel;
    LoadFour<kAll>(w, count, wci);
    LoadFour<kAll>(w + p.peephole_elements, count, wcf);
    LoadFour<kAll>(w + 2 * p.peephole_elements, count, wco);
  }
#pragma unroll
  for (int e = 0; e < 4; ++e) {
    gates[0][e] = Sigmoid(fmaf(wci[e], old_c[e], gates[0][e]));
    gates[1][e] = Sigmoid(fmaf(wcf[e], old_c[e], gates[1][e]));
    gates[3][e] = tanhf(gates[3][e]);
    new_c[e] = fmaf(gates[1][e], old_c[e], gates[0][e] * gates[3][e]);
    gates[2][e] = Sigmoid(fmaf(wco[e], new_c[e], gates[2][e]));
    new_h[e] = gates[2][e] * tanhf(new_c[e]);
  }
  if constexpr (kExtended) {
    const StepExtras& extras = p.extras;
    if (extras.gates != nullptr) {
      float* to = extras.gates + at.row * 4 * p.hidden + at.channel;
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        StoreFour<kAll>(gates[gate], count, to + gate * p.hidden);
      }
    }
    // Of frames that lie so far apart.
    const auto element = [&](int image_stride) {
      const int64_t pixel = static_cast<int64_t>(at.image) * image_stride + at.pixel;
      return pixel * p.hidden + at.channel;
    };
    if (extras.zoneout_h != nullptr) {
      float old_h[4] = {};
      if (extras.h != nullptr)
        LoadFour<kAll>(extras.h + element(extras.h_image_stride), count, old_h);
      const bool one = extras.one_zoneout_h;
      KeepPart<kAll>(extras.zoneout_h + (one ? 0 : element(extras.zoneout_image_stride)), one,
                     count, old_h, new_h);
    }
    if (extras.zoneout_c != nullptr) {
      const bool one = extras.one_zoneout_c;
      KeepPart<kAll>(extras.zoneout_c + (one ? 0 : element(extras.zoneout_image_stride)), one,
                     count, old_c, new_c);
    }
  }
  StoreFour<kAll>(new_c, count, c + state);
  StoreFour<kAll>(new_h, count, out);
  if (last_h != nullptr) StoreFour<kAll>(new_h, count, last_h + state);
}

// The sums of x of a pixel: [64 columns][gate][channel], so that a warp reads and writes 64 bytes
// in a row whatever its tile.
template <class T>
__device__ __forceinline__ int64_t SumsOfLane(int64_t pixel, int padded_hidden) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int block = static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
  return pixel * (4 * padded_hidden) + block * kColumns + lane % 4 * 4;
}

template <class T>
__device__ __forceinline__ void BeginWithBias(const float* bias, int padded_hidden,
                                              Accumulators<T>& sums) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int block = static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
  bias += block * kWarpChannels + lane % 4 * 4;
#pragma unroll
  for (int gate = 0; gate < 4; ++gate) {
    float values[4];
    LoadFour<true>(bias + gate * padded_hidden, 4, values);
#pragma unroll
    for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        sums[i][gate + e / 2 * 4][e % 2] = sums[i][gate + e / 2 * 4][2 + e % 2] = values[e];
      }
    }
  }
}

template <class T>
__device__ __forceinline__ void BeginWithX(const StepArguments& p, const float* of_x,
                                           Accumulators<T>& sums) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int block = static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
  const bool inside = block * kWarpChannels + lane % 4 * 4 < p.hidden;
  const int first_row =
      static_cast<int>(blockIdx.x) * T::kRows + warp % T::kWarpsM * (16 * T::kRowTiles) + lane / 4;
#pragma unroll
  for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + i * 16 + half * 8;
      const int pixels = p.geometry.out_pixels(), image = row / pixels;
      const int64_t pixel = static_cast<int64_t>(image) * p.sums_image_stride + row % pixels;
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
        float values[4] = {};
        if (inside && row < p.geometry.rows()) {
          LoadFour<true>(of_x + SumsOfLane<T>(pixel, p.padded_hidden) + gate * kWarpChannels, 4,
                         values);
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[i][gate + e / 2 * 4][half * 2 + e % 2] = values[e];
      }
    }
  }
}

template <class T, bool kAll, bool kExtended>
__device__ __forceinline__ void UpdateState(const StepArguments& p, const Accumulators<T>& sums,
                                            const float* c_in, float* c, float* out,
                                            float* last_h) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int block = static_cast<int>(blockIdx.y) * T::kWarpsN + warp / T::kWarpsM;
  const int channel = block * kWarpChannels + lane % 4 * 4;
  if (channel >= p.hidden) return;
  const int first_row =
      static_cast<int>(blockIdx.x) * T::kRows + warp % T::kWarpsM * (16 * T::kRowTiles) + lane / 4;
#pragma unroll
  for (int i = 0; i < T::kRowTiles; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + i * 16 + half * 8;
      if (row >= p.geometry.rows()) continue;
      float gates[4][4];
#pragma unroll
      for (int gate = 0; gate < 4; ++gate) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          gates[gate][e] = sums[i][gate + e / 2 * 4][half * 2 + e % 2];
        }
      }
      const int pixels = p.geometry.out_pixels(), image = row / pixels, pixel = row % pixels;
      const int64_t out_pixel = static_cast<int64_t>(image) * p.out_image_stride + pixel;
      UpdateCell<kAll, kExtended>(p, {image, pixel, channel, row}, gates, c_in, c,
                                  out + out_pixel * p.hidden + channel, last_h);
    }
  }
}

// Grid: (rows / T::kRows, padded hidden / T's channels). `out` must not be h; c may.
template <class T>
__global__ void __launch_bounds__(T::kThreads, kLeastBlocks<T>)
    ConvLstmStep(const StepArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    const SequencePointers at = p.late_pointers != nullptr ? *p.late_pointers : p.pointers;
    ConvSource x = p.x, h = p.h;
    x.data = at.x + p.x_offset;
    h.data = (p.first ? at.h0 : at.output) + p.h_offset;
    float* out = at.output + p.out_offset;
    const float* c_in = p.first ? at.c0 : at.c;

    float* last_h = p.last ? at.h : nullptr;

    Accumulators<T> sums;
    if (p.begins_with_x) {
      BeginWithX<T>(p, at.sums_of_x + p.sums_offset, sums);
    } else {
      BeginWithBias<T>(p.bias, p.padded_hidden, sums);
    }

    ChunkLoader<T> loader(p.geometry, x, h, p.weights, p.packed_chunks, shared);
    Accumulate<T>(loader, x.chunks + h.chunks, shared, sums);
    const bool all = p.hidden % 4 == 0;
    if (p.extended) {
      if (all) {
        UpdateState<T, true, true>(p, sums, c_in, at.c, out, last_h);
      } else {
        UpdateState<T, false, true>(p, sums, c_in, at.c, out, last_h);
      }
    } else if (all) {
      UpdateState<T, true, false>(p, sums, c_in, at.c, out, last_h);
    } else {
      UpdateState<T, false, false>(p, sums, c_in, at.c, out, last_h);
    }
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_STEP_CUH_
