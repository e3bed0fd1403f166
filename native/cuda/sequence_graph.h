// The kernels of a sequence as one graph: a launch for all of them, no gap on the device between
// one and the next that waits for the host, and those that do not wait for each other side by side.
#ifndef CONVLSTM_CUDA_SEQUENCE_GRAPH_H_
#define CONVLSTM_CUDA_SEQUENCE_GRAPH_H_

#include <functional>
#include <variant>
#include <vector>

#include "cuda/device.h"
#include "cuda/sequence_arguments.cuh"

namespace convlstm::cuda {

// A launch that is still to be made.
struct KernelCall {
  const char* name;
  const void* kernel;
  dim3 grid, block;
  int shared_bytes;
  std::variant<StepArguments, InputArguments> arguments;
};
void Launch(Device& device, KernelCall call);

// The layers of one graph.
constexpr int kMaxLayers = 16;
struct StackPointers {
  SequencePointers layers[kMaxLayers];
};

// Where a sequence lies differs from call to call: the graph's first node writes that to the
// device's memory, where the others read it, so that one node is changed and not each.
class SequenceGraph {
 public:
  // The kernel of a node, which takes its pointers from `pointers`.
  using CallOf = std::function<KernelCall(const SequenceNode&, const SequencePointers* pointers)>;
  SequenceGraph(Device& device, int layers, const std::vector<SequenceNode>& nodes,
                const CallOf& call_of);
  ~SequenceGraph();
  SequenceGraph(const SequenceGraph&) = delete;
  SequenceGraph& operator=(const SequenceGraph&) = delete;

  void Launch(const StackPointers& pointers);

 private:
  void Build(const std::vector<SequenceNode>& nodes, const CallOf& call_of);
  void Destroy();

  Device& device_;
  unsigned layers_;
  Buffer pointers_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphNode_t first_ = nullptr;
  cudaGraphExec_t exec_ = nullptr;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_SEQUENCE_GRAPH_H_
