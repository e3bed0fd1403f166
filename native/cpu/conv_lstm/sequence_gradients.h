// The gradients of x and of the weights, which no step of the backward pass waits for.
#ifndef CONVLSTM_CPU_CONV_LSTM_SEQUENCE_GRADIENTS_H_
#define CONVLSTM_CPU_CONV_LSTM_SEQUENCE_GRADIENTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/gate_pointer.h"
#include "cpu/convolution/convolution.h"
#include "cpu/frames/frames.h"
#include "cpu/threads/thread_pool.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

// Winograd forms of the weights take up to four times the weights' memory: those of x and of h
// exist one after the other, and only when the steps are through.
class SequenceGradients {
 public:
  // `h0` and `mask`: channels-last frames [batch] of hidden channels, null for none.
  SequenceGradients(const ConvLstmShape& shape, const ConvLstmBackwardInputs& inputs,
                    const ConvLstmGradients& gradients, const float* h0, const float* mask,
                    ThreadPool& pool);

  // Adds steps [begin, end), after all later ones. `deltas` points to step `begin`'s, [step][batch]
  // frames. With begin = 0 the gradients are complete.
  void Add(int64_t begin, int64_t end, const GatePointer& deltas);

 private:
  using Frames = std::vector<const float*>;

  // Fills frames[batch] with the masked h that step t convolved; false for zeros.
  bool HSeen(int64_t t, const float** frames) const;
  template <typename Body>
  void ForChunks(int64_t begin, int64_t end, const GatePointer& deltas, const Body& body) const;
  void AddToX(int64_t begin, int64_t end, const GatePointer& deltas);
  void AddToWeights(bool of_h, int64_t begin, int64_t end, const GatePointer& deltas);

  const ConvLstmShape& shape_;
  const ConvLstmBackwardInputs& inputs_;
  const ConvLstmGradients& gradients_;
  ThreadPool& pool_;
  const float* const h0_;
  const float* const mask_;
  const int64_t frame_;  // elements of a frame of h
  const int64_t taps_;
  const int64_t chunk_steps_;
  std::optional<StepFrames> x_, h_;
  Buffer masked_h_;
  std::unique_ptr<DataGradient> x_gradient_;
  std::unique_ptr<WeightGradient> x_weights_, h_weights_;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_SEQUENCE_GRADIENTS_H_
