// The elementwise part of a ConvLSTM step's backward pass: from the gradients of h and c to those
// of the gates' sums ("deltas"), which take the gates' place.
//
// Memory is the limit: of every channel and pixel the four gates, c before the step and up to three
// gradients are read and five values written, 52 bytes against some 60 instructions; c of the step
// is made again from the gates. Up to 80 registers let three blocks, 24 warps, run at once to cover
// the reads; for four ptxas 13.0 spills on sm_120. 1 KiB of shared memory. Sums over pixels are
// taken along, for reading the deltas again would cost another 16 bytes.
#ifndef CONVLSTM_CUDA_CONV_LSTM_DELTA_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_DELTA_CUH_

#include "cuda/conv_lstm/lstm_cell.cuh"
#include "cuda/convolution/channel_sums.cuh"
#include "cuda/device/place.h"

namespace convlstm::cuda {

// Of the deltas of the gates, then of the gradients of the peepholes.
template <class Cell>
constexpr int kDeltaSums = Cell::kGates + Cell::kPeepholes;

// Of one step; a row is a pixel of an image, rows of images follow one another unless it says
// otherwise.
struct DeltaArguments {
  int hidden, images, pixels;
  Place<float> gates;       // [row][gate][hidden]; become the deltas
  Place<const float> c_in;  // [row][hidden] before the step; zeros without
  Place<float> h_grad;      // from the step behind; with zoneout_h becomes what passes by the step
  Place<const float> output_grad;  // zeros without
  Place<float> c_grad;             // of c after the step; becomes that of c before it
  Place<const float> zoneout_h, zoneout_c;
  bool one_zoneout_h, one_zoneout_c;  // one element stands for all
  int image_stride;                   // pixels; of output_grad and zoneout
  Place<const float> peephole;        // wci, wcf, wco, or none
  int64_t peephole_elements;
  int peephole_pixel_stride;  // 0: one of each channel
  Place<double> sums;         // [slice][kDeltaSums][hidden] to add to, or none
  int sum_count;              // kGates, or kDeltaSums with peepholes of each channel
  Place<float> spatial_sums;  // [peephole][pixel][hidden] to add to, or none
};

// Grid: (slices, ChannelBlocks(hidden)).
template <class Cell>
__global__ void __launch_bounds__(kChannelThreads, 3) ConvLstmDelta(const DeltaArguments p) {
  const ChannelThread thread(p.hidden);
  float *const all_gates = p.gates.get(), *const h_grads = p.h_grad.get();
  float *const c_grads = p.c_grad.get(), *const spatial_sums = p.spatial_sums.get();
  const float *const c_ins = p.c_in.get(), *const output_grads = p.output_grad.get();
  const float *const zoneout_h = p.zoneout_h.get(), *const zoneout_c = p.zoneout_c.get();
  const float *const peephole = p.peephole.get();
  float sums[kDeltaSums<Cell>] = {};
  // With sums of each pixel its images are all one thread's.
  const bool spatial = spatial_sums != nullptr;
  const int64_t units = spatial ? p.pixels : static_cast<int64_t>(p.images) * p.pixels;
  const int unit_images = spatial ? p.images : 1;
  for (int64_t unit = thread.first_row; unit < units && thread.active; unit += thread.row_step) {
    float unit_sums[Cell::kPeepholes] = {};
    for (int n = 0; n < unit_images; ++n) {
      const int row = static_cast<int>(unit) + n * p.pixels;
      const int image = row / p.pixels, pixel = row % p.pixels;
      const int64_t state = static_cast<int64_t>(row) * p.hidden + thread.channel;
      const int64_t strided_pixel = static_cast<int64_t>(image) * p.image_stride + pixel;
      const int64_t strided = strided_pixel * p.hidden + thread.channel;
      float *const row_gates =
          all_gates + static_cast<int64_t>(row) * Cell::kGates * p.hidden + thread.channel;
      float gates[Cell::kGates];
#pragma unroll
      for (int gate = 0; gate < Cell::kGates; ++gate) gates[gate] = row_gates[gate * p.hidden];
      const float c_in = c_ins == nullptr ? 0.0f : c_ins[state];

      float h_grad = h_grads[state];
      if (output_grads != nullptr) h_grad += output_grads[strided];
      if (zoneout_h != nullptr) {
        const float z = zoneout_h[p.one_zoneout_h ? 0 : strided];
        h_grads[state] = z * h_grad;
        h_grad *= 1.0f - z;
      }
      float c_grad = c_grads[state], c_kept = 0.0f;
      if (zoneout_c != nullptr) {
        const float z = zoneout_c[p.one_zoneout_c ? 0 : strided];
        c_kept = z * c_grad;
        c_grad *= 1.0f - z;
      }

      const float *const w =
          peephole == nullptr
              ? nullptr
              : peephole + static_cast<int64_t>(pixel) * p.peephole_pixel_stride + thread.channel;
      const typename Cell::Gradient gradient =
          Cell::Backward(gates, c_in, h_grad, c_grad, c_kept, w, p.peephole_elements);
#pragma unroll
      for (int gate = 0; gate < Cell::kGates; ++gate) {
        row_gates[gate * p.hidden] = gradient.deltas[gate];
      }
      c_grads[state] = gradient.c_in;

#pragma unroll
      for (int gate = 0; gate < Cell::kGates; ++gate) sums[gate] += gradient.deltas[gate];
#pragma unroll
      for (int k = 0; k < Cell::kPeepholes; ++k) {
        unit_sums[k] = fmaf(gradient.deltas[k], gradient.peepholes[k], unit_sums[k]);
      }
    }
#pragma unroll
    for (int k = 0; k < Cell::kPeepholes; ++k) {
      sums[Cell::kGates + k] += unit_sums[k];
      if (spatial) {
        spatial_sums[k * p.peephole_elements + unit * p.hidden + thread.channel] += unit_sums[k];
      }
    }
  }
  if (double *const slices = p.sums.get(); slices != nullptr) {
    const int64_t slice = static_cast<int64_t>(blockIdx.x) * kDeltaSums<Cell> * p.hidden;
    AddBlockSums(thread, sums, p.sum_count, p.hidden, slices + slice);
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_DELTA_CUH_
