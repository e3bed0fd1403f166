#include "core/error.h"
#include "cuda/launch.cuh"
#include "cuda/sequence_graph.h"

namespace convlstm::cuda {
namespace {

__global__ void StorePointers(SequencePointers pointers, SequencePointers* to) { *to = pointers; }

}  // namespace

// Recorded on a stream of its own: in the device's, another thread may just be giving memory back.
SequenceGraph::SequenceGraph(
    Device& device, const std::function<void(const SequencePointers* pointers)>& launch_steps)
    : device_(device), pointers_(device.Allocate(sizeof(SequencePointers))) {
  auto* pointers = pointers_.as<SequencePointers>();
  cudaStream_t recorder = nullptr;
  device.Check(cudaStreamCreateWithFlags(&recorder, cudaStreamNonBlocking), "making a stream");
  try {
    device.Check(cudaStreamBeginCapture(recorder, cudaStreamCaptureModeThreadLocal),
                 "beginning a graph");
    device.set_launch_stream(recorder);
    cuda::Launch(device, "StorePointers", StorePointers, dim3(1), dim3(1), 0, SequencePointers{},
                 pointers);
    launch_steps(pointers);
    device.Check(cudaStreamEndCapture(recorder, &graph_), "ending a graph");
    size_t roots = 1;
    device.Check(cudaGraphGetRootNodes(graph_, &first_, &roots), "reading a graph");
    device.Check(cudaGraphInstantiate(&exec_, graph_, 0), "making a graph");
  } catch (...) {
    device.set_launch_stream(device.stream());
    cudaStreamDestroy(recorder);  // also ends what it was recording
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
    throw;
  }
  device.set_launch_stream(device.stream());
  cudaStreamDestroy(recorder);
}

SequenceGraph::~SequenceGraph() {
  if (exec_ != nullptr) cudaGraphExecDestroy(exec_);
  if (graph_ != nullptr) cudaGraphDestroy(graph_);
}

void SequenceGraph::Launch(const SequencePointers& pointers) {
  SequencePointers value = pointers;
  auto* to = pointers_.as<SequencePointers>();
  void* arguments[] = {&value, &to};
  cudaKernelNodeParams node = {};
  node.func = reinterpret_cast<void*>(StorePointers);
  node.gridDim = dim3(1);
  node.blockDim = dim3(1);
  node.kernelParams = arguments;
  device_.Check(cudaGraphExecKernelNodeSetParams(exec_, first_, &node), "setting up a graph");
  device_.Check(cudaGraphLaunch(exec_, device_.stream()), "launching a graph of ConvLstmStep");
}

}  // namespace convlstm::cuda
