// What x adds to the sums of the gates, bias included, for several steps at once. Steps that begin
// with it have only h left to multiply; they add the same numbers in the same order as those that
// multiply x themselves, so that the results are the same bits.
#ifndef CONVLSTM_CUDA_CONV_LSTM_INPUT_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_INPUT_CUH_

#include "cuda/conv_lstm/step.cuh"

namespace convlstm::cuda {

struct InputArguments {
  ConvGeometry geometry;  // of the frames of all those steps, or of one sequence's
  ConvSource x;           // without data
  Place<const float> x_data;
  int64_t x_sequence_stride;   // elements from one blockIdx.z to the next
  Place<const uint4> weights;  // as the step's
  int packed_chunks;
  Place<const float> bias;
  int padded_hidden;
  Place<float> sums;
  int64_t sums_sequence_stride;
};

// Grid: (RowBlocks, padded hidden / T's channels, sequences).
template <class Cell, class T>
__global__ void __launch_bounds__(T::kThreads, kLeastBlocks<T>)
    ConvLstmInput(const InputArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    ConvSource x = p.x;
    x.data = p.x_data.get() + blockIdx.z * p.x_sequence_stride;

    Accumulators<T> sums;
    Accumulate<T>(
        p.geometry, x, ConvSource{}, p.weights.get(), p.packed_chunks, shared,
        [&] {
          Begin<Cell, T>(BeginningOf<Cell, T>(p.bias.get(), p.padded_hidden), p.geometry, sums);
        },
        sums);

    float* of_x = p.sums.get() + blockIdx.z * p.sums_sequence_stride;
    ForLaneRows<T>(p.geometry, [&](int i, int half, int row) {
      if (row >= p.geometry.rows()) return;
      float* const to = of_x + SumsOfLane<Cell, T>(row, p.padded_hidden, i);
      float gates[Cell::kGates][kLaneChannels<Cell>];
      TakeGates<Cell, T>(sums, i, half, gates);
#pragma unroll
      for (int gate = 0; gate < Cell::kGates; ++gate) {
        StoreChannels<true>(gates[gate], kLaneChannels<Cell>,
                            to + gate * WarpChannels(Cell::kGates));
      }
    });
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_INPUT_CUH_
