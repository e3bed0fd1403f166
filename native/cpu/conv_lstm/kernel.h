// The seam between the ConvLSTM operation (sequence.cc: the loop over time; steps.cc: packing,
// layouts, masks; kernel_choice.cc: the choice) and the families of kernels (direct, Winograd,
// AMX): a family packs the weights once and then runs one time step, convolution, gates and state
// update fused.
#ifndef CONVLSTM_CPU_CONV_LSTM_KERNEL_H_
#define CONVLSTM_CPU_CONV_LSTM_KERNEL_H_

#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/gate_pointer.h"
#include "cpu/simd/cpu_features.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Row-major weights as the operation has them.
struct ConvLstmWeights {
  const float* weight;  // [gates * hidden, input + hidden, kernel_height, kernel_width]
  const float* bias;    // [gates * hidden] or null
  Peephole peephole;
  std::vector<const float*> peepholes;  // each [hidden] or [hidden, height, width]; kNone: ignored
};

// What a family made of them; each family derives its own.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
};

// One time step. Frames are channels-last without padding: [height][width][channels], one per
// sequence of the batch. x, h_in and h_out never alias.
struct ConvLstmStep {
  const float* const* x;  // [batch] frames of input_dim channels
  const float* const*
      h_in;  // [batch] frames of hidden_dim channels, or null: zeros, nothing to multiply
  float* const* h_out;  // [batch] frames of hidden_dim channels
  float* const* c;      // [batch] frames of hidden_dim channels: the new state
  // [batch] frames of hidden_dim channels, the state before; null: it is in c and updated in place.
  const float* const* c_in = nullptr;
  // [batch] frames of gates * hidden_dim channels, filled with what the cell saves for the backward
  // pass; null: not wanted. h and c have the same bits either way.
  const GatePointer* gates = nullptr;
};

class ConvLstmKernel {
 public:
  virtual ~ConvLstmKernel() = default;
  // Says algorithm, tile, number format and instruction set: "winograd-f4x4-3x3 f32 avx512".
  virtual std::string name() const = 0;
  // May depend on the layer's channels, kernel and peepholes, on the image's size with spatial
  // peepholes, and on nothing else of the shape: the result is kept for other images and times.
  virtual std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape,
                                              const ConvLstmWeights& weights,
                                              ThreadPool& pool) const = 0;
  // Called for t = 0, 1, ... in order, from one thread.
  virtual void Step(const ConvLstmShape& shape, const PackedWeights& packed,
                    const ConvLstmStep& step, ThreadPool& pool) const = 0;
};

// What a family needs to know to say whether it serves a layer, and with which kernel.
struct ConvLstmRequest {
  ConvLstmShape shape;
  Peephole peephole;
  Precision precision;
  Isa isa;
  CacheSizes caches = GetCpuFeatures().caches;
};

// Each returns null where the family has nothing for the request. Kernels live as long as the
// process.
const ConvLstmKernel* FindDirectKernel(const ConvLstmRequest& request);    // serves everything
const ConvLstmKernel* FindWinogradKernel(const ConvLstmRequest& request);  // 3x3 and 5x5
const ConvLstmKernel* FindAmxKernel(const ConvLstmRequest& request);       // kAmx and kEmulatedAmx

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_KERNEL_H_
