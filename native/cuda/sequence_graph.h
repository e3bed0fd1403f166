// The steps of a sequence as one graph: a launch for all of them, and no gap on the device between
// one and the next that waits for the host.
#ifndef CONVLSTM_CUDA_SEQUENCE_GRAPH_H_
#define CONVLSTM_CUDA_SEQUENCE_GRAPH_H_

#include <functional>

#include "cuda/conv_lstm_step.cuh"
#include "cuda/device.h"

namespace convlstm::cuda {

// Where a sequence lies differs from call to call: the graph's first node writes that to the
// device's memory, where the steps read it, so that one node is changed and not each.
class SequenceGraph {
 public:
  // `launch_steps(pointers)` launches the steps, which take their pointers from there.
  SequenceGraph(Device& device,
                const std::function<void(const SequencePointers* pointers)>& launch_steps);
  ~SequenceGraph();
  SequenceGraph(const SequenceGraph&) = delete;
  SequenceGraph& operator=(const SequenceGraph&) = delete;

  void Launch(const SequencePointers& pointers);

 private:
  Device& device_;
  Buffer pointers_;
  cudaGraphExec_t exec_ = nullptr;
  cudaGraph_t graph_ = nullptr;
  cudaGraphNode_t first_ = nullptr;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_SEQUENCE_GRAPH_H_
