// The packed weights of a ConvLSTM layer, cached with the weight's storage.
#ifndef CONVLSTM_CUDA_CONV_LSTM_PACKED_LAYER_H_
#define CONVLSTM_CUDA_CONV_LSTM_PACKED_LAYER_H_

#include <array>
#include <memory>

#include "core/precision.h"
#include "core/storage.h"
#include "cuda/conv_lstm/mask_frames.h"
#include "cuda/conv_lstm/sequence_arguments.cuh"
#include "cuda/conv_lstm/steps/kernels.h"
#include "cuda/device/device.h"
#include "cuda/device/graph.h"
#include "ops/conv_lstm.h"

namespace convlstm::cuda {

// The memory of a storage's elements when something was derived from them: a cached value is stale
// once the storage has other memory.
struct Identity {
  bool present = false;
  std::weak_ptr<const Buffer> memory;

  static Identity Of(const StoragePtr& storage) {
    if (storage == nullptr) return {};
    return {true, storage->buffer()};
  }
  bool operator==(const Identity& other) const {
    return present == other.present &&
           (!present || (memory.lock() != nullptr && memory.lock() == other.memory.lock()));
  }
};

struct PackedLayer {
  using Companions = std::array<Identity, 1 + LstmCell::kPeepholes>;  // bias, wci, wcf, wco

  ConvLstmShape shape;
  Math math;
  Peephole peephole_kind;
  Companions companions;
  Buffer weights, bias, peephole;
  int padded_hidden;
};

// Cached in weight->derived(). Throws Error(kShape) for more pixels or channels than kernels can
// index.
std::shared_ptr<const PackedLayer> PackOnce(Device& device, const ConvLstmShape& shape,
                                            const ConvLstmInputs& inputs, Precision precision);

// The layer as its kernels see it. The caller sets has_output and save_every.
SequenceLayer ViewOf(const PackedLayer& layer, const ConvLstmShape& shape,
                     const ConvLstmInputs& inputs);

inline int ColumnsOf(const ConvLstmShape& s) {
  return DivideUp(static_cast<int>(s.hidden_dim), WarpChannels(LstmCell::kGates)) * kColumns;
}
StepKernel ChooseStepKernel(Device& device, Math math, const ConvLstmShape& shape);
KernelCall MaskCall(const Device& device, const MaskArguments& arguments);
// The grid of a kernel with `row_blocks` row tiles and column tiles that cover the layer.
dim3 GridOf(int row_blocks, const ConvLstmShape& shape, int tile_columns);

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_PACKED_LAYER_H_
