// The LSTM cell of the kernels: its gates, the state update and the gradient of the update. Kernels
// take the cell as a template parameter.
#ifndef CONVLSTM_CUDA_CONV_LSTM_LSTM_CELL_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_LSTM_CELL_CUH_

#include <cmath>
#include <cstdint>

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

struct LstmCell {
  // The order of the gates in weights, saved gates and deltas.
  static constexpr int kI = 0, kF = 1, kO = 2, kG = 3;
  static constexpr int kGates = 4;
  static constexpr int kPeepholes = 3;  // wci, wcf, wco

  // Updates kChannels channels of a pixel. `gates` holds the pre-activations (convolution and bias)
  // and receives the activations; `peepholes` is zeros without peepholes. A has Sigmoid and Tanh.
  template <class A, int kChannels>
  __device__ __forceinline__ static void Update(const float (&peepholes)[kPeepholes][kChannels],
                                                const float (&old_c)[kChannels],
                                                float (&gates)[kGates][kChannels],
                                                float (&new_c)[kChannels],
                                                float (&new_h)[kChannels]) {
#pragma unroll
    for (int k = 0; k < kChannels; ++k) {
      gates[kI][k] = A::Sigmoid(fmaf(peepholes[kI][k], old_c[k], gates[kI][k]));
      gates[kF][k] = A::Sigmoid(fmaf(peepholes[kF][k], old_c[k], gates[kF][k]));
      gates[kG][k] = A::Tanh(gates[kG][k]);
      new_c[k] = fmaf(gates[kF][k], old_c[k], gates[kI][k] * gates[kG][k]);
      gates[kO][k] = A::Sigmoid(fmaf(peepholes[kO][k], new_c[k], gates[kO][k]));
      new_h[k] = gates[kO][k] * A::Tanh(new_c[k]);
    }
  }

  // Gradients of the update, of one channel of a pixel.
  struct Gradient {
    float deltas[kGates];          // of the pre-activations
    float c_in;                    // of c before the step
    float peephole_c[kPeepholes];  // the c that each peephole multiplies: its gradient is the sum
                                   // of deltas[k] * peephole_c[k]
  };
  // `gates` are the activations and `c_in` is c before the step. Peephole k of the channel is
  // peepholes[k * peephole_stride]; null without peepholes. `h_grad` and `c_grad` are the
  // gradients of h and c after the step; zoneout adds `c_kept` to that of c before it.
  __device__ __forceinline__ static Gradient Backward(const float (&gates)[kGates], float c_in,
                                                      float h_grad, float c_grad, float c_kept,
                                                      const float* peepholes,
                                                      int64_t peephole_stride) {
    const float i = gates[kI], f = gates[kF], o = gates[kO], g = gates[kG];
    const float c = fmaf(f, c_in, i * g), tanh_c = tanhf(c);
    const float o_delta = h_grad * tanh_c * (o * (1.0f - o));
    c_grad = fmaf(h_grad * o, fmaf(-tanh_c, tanh_c, 1.0f), c_grad);
    if (peepholes != nullptr) c_grad = fmaf(o_delta, peepholes[kO * peephole_stride], c_grad);
    const float i_delta = c_grad * g * (i * (1.0f - i));
    const float f_delta = c_grad * c_in * (f * (1.0f - f));
    const float g_delta = c_grad * i * fmaf(-g, g, 1.0f);
    float c_in_grad = fmaf(c_grad, f, c_kept);
    if (peepholes != nullptr) {
      c_in_grad = fmaf(i_delta, peepholes[kI * peephole_stride], c_in_grad);
      c_in_grad = fmaf(f_delta, peepholes[kF * peephole_stride], c_in_grad);
    }
    return {{i_delta, f_delta, o_delta, g_delta}, c_in_grad, {c_in, c_in, c}};
  }
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_LSTM_CELL_CUH_
