// The precomputed input projection: bias plus the convolution of x, for several steps at once.
// Steps that start from it multiply only h. They add the same numbers in the same order as steps
// that multiply x themselves, so that the results are bitwise equal.
#ifndef CONVLSTM_CUDA_CONV_LSTM_INPUT_PROJECTION_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_INPUT_PROJECTION_CUH_

#include "cuda/conv_lstm/step.cuh"

namespace convlstm::cuda {

struct ProjectionArguments {
  ConvGeometry geometry;  // of the frames of those steps, of all sequences or of one
  ConvSource x;           // data is null
  Operand<const float> x_data;
  int64_t x_sequence_stride;     // elements, between blockIdx.z
  Operand<const uint4> weights;  // packed, as in StepArguments
  int packed_chunks;
  Operand<const float> bias;
  int padded_hidden;
  Operand<float> out;  // [pixel][64 columns][gate][channel]
  int64_t out_sequence_stride;
};

// Grid: (RowBlocks, column blocks of T, sequences).
template <class Cell, class T>
__global__ void __launch_bounds__(T::kThreads, kMinBlocks<T>)
    InputProjection(const ProjectionArguments p) {
  if constexpr (kCompiled<T::kMath>) {
    CONVLSTM_SHARED_MEMORY(memory);
    auto* shared = reinterpret_cast<uint32_t*>(memory);
    ConvSource x = p.x;
    x.data = p.x_data.get() + blockIdx.z * p.x_sequence_stride;

    Accumulators<T> sums;
    Accumulate<T>(
        p.geometry, x, ConvSource{}, p.weights.get(), p.packed_chunks, shared,
        [&] {
          LoadInitialSums<Cell, T>(BiasSums<Cell, T>(p.bias.get(), p.padded_hidden), p.geometry,
                                   sums);
        },
        sums);

    float* const out = p.out.get() + blockIdx.z * p.out_sequence_stride;
    ForLaneRows<T>(p.geometry, [&](int i, int half, int row) {
      if (row >= p.geometry.rows()) return;
      float* const to = out + LaneProjection<Cell, T>(row, p.padded_hidden, i);
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

#endif  // CONVLSTM_CUDA_CONV_LSTM_INPUT_PROJECTION_CUH_
