#include <utility>

#include "cuda/sequence_graph.h"

namespace convlstm::cuda {
namespace {

// A thread a layer.
__global__ void StorePointers(const StackPointers pointers, SequencePointers* to) {
  to[threadIdx.x] = pointers.layers[threadIdx.x];
}

// A node that launches `kernel` with `arguments`.
cudaKernelNodeParams NodeOf(const void* kernel, dim3 grid, dim3 block, int shared_bytes,
                            void** arguments) {
  cudaKernelNodeParams node = {};
  node.func = const_cast<void*>(kernel);
  node.gridDim = grid;
  node.blockDim = block;
  node.sharedMemBytes = static_cast<unsigned>(shared_bytes);
  node.kernelParams = arguments;
  return node;
}

void* ArgumentsOf(KernelCall& call) {
  return std::visit([](auto& arguments) -> void* { return &arguments; }, call.arguments);
}

}  // namespace

void Launch(Device& device, KernelCall call) {
  void* arguments[] = {ArgumentsOf(call)};
  device.CheckLaunch(call.name,
                     cudaLaunchKernel(call.kernel, call.grid, call.block, arguments,
                                      static_cast<size_t>(call.shared_bytes), device.stream()));
}

SequenceGraph::SequenceGraph(Device& device, int layers, const std::vector<SequenceNode>& nodes,
                             const CallOf& call_of)
    : device_(device),
      layers_(static_cast<unsigned>(layers)),
      pointers_(device.Allocate(sizeof(SequencePointers) * static_cast<size_t>(layers))) {
  try {
    Build(nodes, call_of);
  } catch (...) {
    Destroy();
    throw;
  }
}

SequenceGraph::~SequenceGraph() { Destroy(); }

void SequenceGraph::Build(const std::vector<SequenceNode>& nodes, const CallOf& call_of) {
  device_.Check(cudaGraphCreate(&graph_, 0), "beginning a graph");
  const auto add = [&](const cudaKernelNodeParams& params,
                       const std::vector<cudaGraphNode_t>& after) {
    cudaGraphNode_t node = nullptr;
    device_.Check(cudaGraphAddKernelNode(&node, graph_, after.data(), after.size(), &params),
                  "adding to a graph");
    return node;
  };
  StackPointers none = {};
  auto* pointers = pointers_.as<SequencePointers>();
  void* arguments[] = {&none, &pointers};
  first_ = add(
      NodeOf(reinterpret_cast<const void*>(StorePointers), dim3(1), dim3(layers_), 0, arguments),
      {});
  std::vector<cudaGraphNode_t> added;
  for (const SequenceNode& node : nodes) {
    KernelCall call = call_of(node, pointers + node.layer);
    void* call_arguments[] = {ArgumentsOf(call)};
    std::vector<cudaGraphNode_t> after;
    for (const int before : node.after) after.push_back(added[static_cast<size_t>(before)]);
    if (after.empty()) after.push_back(first_);
    added.push_back(
        add(NodeOf(call.kernel, call.grid, call.block, call.shared_bytes, call_arguments), after));
  }
  device_.Check(cudaGraphInstantiate(&exec_, graph_, 0), "making a graph");
}

void SequenceGraph::Destroy() {
  if (exec_ != nullptr) cudaGraphExecDestroy(exec_);
  if (graph_ != nullptr) cudaGraphDestroy(graph_);
}

void SequenceGraph::Launch(const StackPointers& pointers) {
  StackPointers value = pointers;
  auto* to = pointers_.as<SequencePointers>();
  void* arguments[] = {&value, &to};
  const cudaKernelNodeParams node =
      NodeOf(reinterpret_cast<const void*>(StorePointers), dim3(1), dim3(layers_), 0, arguments);
  device_.Check(cudaGraphExecKernelNodeSetParams(exec_, first_, &node), "setting up a graph");
  device_.CheckLaunch("a graph of ConvLstmStep", cudaGraphLaunch(exec_, device_.stream()));
}

}  // namespace convlstm::cuda
