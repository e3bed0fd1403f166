// The seam between the ConvLSTM operation (sequence.cc, steps.cc, kernel_choice.cc) and the
// families of kernels (direct, Winograd, AMX). A family packs the weights once and then runs one
// time step at a time: convolution, gates and state update fused.
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

// A family's packed form of the weights; each family derives its own.
class PackedWeights {
 public:
  virtual ~PackedWeights() = default;
};

// One time step. Each array has [batch] channels-last frames [height][width][channels], which the
// caller owns. x, h_in and h_out never alias.
struct ConvLstmStep {
  const float* const* x;               // input_dim channels
  const float* const* h_in;            // hidden_dim channels; null: zeros, which are not multiplied
  float* const* h_out;                 // hidden_dim channels, written
  float* const* c;                     // hidden_dim channels: the new state
  const float* const* c_in = nullptr;  // hidden_dim channels: the old state; null: in c, in place
  // gates * hidden_dim channels: what the cell saves for the backward pass; null: nothing. h and c
  // have the same bits either way.
  const GatePointer* gates = nullptr;
};

class ConvLstmKernel {
 public:
  virtual ~ConvLstmKernel() = default;
  // Algorithm, tile, number format and instruction set: "winograd-f4x4-3x3 f32 avx512".
  virtual std::string name() const = 0;
  // The result serves other batches, times and images: of the shape it depends on channels and
  // kernel size only, and with spatial peepholes on the image's size.
  virtual std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape,
                                              const ConvLstmWeights& weights,
                                              ThreadPool& pool) const = 0;
  // Steps come in the order of time, from one thread.
  virtual void Step(const ConvLstmShape& shape, const PackedWeights& packed,
                    const ConvLstmStep& step, ThreadPool& pool) const = 0;
};

// A layer that asks for a kernel.
struct ConvLstmRequest {
  ConvLstmShape shape;
  Peephole peephole;
  Precision precision;
  Isa isa;
  CacheSizes caches = GetCpuFeatures().caches;
};

// The family's kernel for a request, null for none. Kernels live as long as the process.
const ConvLstmKernel* FindDirectKernel(const ConvLstmRequest& request);    // serves everything
const ConvLstmKernel* FindWinogradKernel(const ConvLstmRequest& request);  // 3x3 and 5x5
const ConvLstmKernel* FindAmxKernel(const ConvLstmRequest& request);       // kAmx and kEmulatedAmx

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_KERNEL_H_
