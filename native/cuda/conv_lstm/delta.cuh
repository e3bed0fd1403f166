// Elementwise part of a step's backward pass: from the gradients of h and c to those of the gates'
// pre-activations ("deltas"), which overwrite the saved gates.
//
// Memory-bound: per channel and pixel of the LSTM it reads four gates, c before the step and up to
// three gradients, and writes five values, 52 bytes against some 60 instructions; c after the step
// is recomputed from the gates. Up to 80 registers allow three blocks, 24 warps, per multiprocessor
// to hide the latency of the reads; for four ptxas 13.0 spills on sm_120. 1 KiB of shared memory.
// Bias and peephole gradients are summed here: reading the deltas again would cost another 16
// bytes.
#ifndef CONVLSTM_CUDA_CONV_LSTM_DELTA_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_DELTA_CUH_

#include "cuda/conv_lstm/lstm_cell.cuh"
#include "cuda/convolution/channel_sums.cuh"
#include "cuda/device/operand.h"

namespace convlstm::cuda {

// Sums per channel: the deltas of each gate, then the gradient of each peephole.
template <class Cell>
constexpr int kDeltaSums = Cell::kGates + Cell::kPeepholes;

// Operands of one step. A row is a pixel of an image; images are contiguous unless noted.
struct DeltaArguments {
  int hidden, images, pixels;
  Operand<float> gates;       // [row][gate][hidden]; overwritten with the deltas
  Operand<const float> c_in;  // c before the step, [row][hidden]; null: zeros
  // Gradient of h from the following step, [row][hidden]. With zoneout_h it is overwritten with the
  // part that bypasses this step.
  Operand<float> h_grad;
  Operand<const float> output_grad;           // null: zeros
  Operand<float> c_grad;                      // of c after the step; overwritten with c_in's
  Operand<const float> zoneout_h, zoneout_c;  // as output_grad, one element, or null
  bool one_zoneout_h, one_zoneout_c;
  int image_stride;               // of output_grad and zoneout, pixels
  Operand<const float> peephole;  // [wci, wcf, wco], or null
  int64_t peephole_elements;
  int peephole_pixel_stride;    // 0: one peephole per channel
  Operand<double> sums;         // [slice][kDeltaSums][hidden], accumulated; or null
  int sum_count;                // kGates, or kDeltaSums with peepholes per channel
  Operand<float> spatial_sums;  // [peephole][pixel][hidden], accumulated; or null
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
  // With sums per pixel, one thread processes all images of a pixel.
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
        unit_sums[k] = fmaf(gradient.deltas[k], gradient.peephole_c[k], unit_sums[k]);
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
