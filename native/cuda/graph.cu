#include <algorithm>
#include <iterator>
#include <utility>

#include "cuda/graph.h"

namespace convlstm::cuda {
namespace {

// A thread a pointer.
__global__ void StorePointers(const PointerWords pointers, uint64_t* to) {
  to[threadIdx.x] = pointers.words[threadIdx.x];
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

}  // namespace

void Launch(Device& device, const KernelCall& call) {
  void* arguments[] = {call.arguments.get()};
  device.CheckLaunch(call.name,
                     cudaLaunchKernel(call.kernel, call.grid, call.block, arguments,
                                      static_cast<size_t>(call.shared_bytes), device.stream()));
}

Graph::Graph(Device& device, const char* name, int pointers)
    : device_(device),
      name_(name),
      count_(static_cast<unsigned>(pointers)),
      pointers_(device.Allocate(sizeof(uint64_t) * count_)) {}

// One that still runs is freed when it is done; its pointers are given back in the stream's order.
Graph::~Graph() {
  if (exec_ != nullptr) cudaGraphExecDestroy(exec_);
  if (graph_ != nullptr) cudaGraphDestroy(graph_);
}

void Graph::Build(const std::vector<GraphCall>& calls) {
  device_.Check(cudaGraphCreate(&graph_, 0), "beginning a graph");
  const auto add = [&](const cudaKernelNodeParams& params,
                       const std::vector<cudaGraphNode_t>& after) {
    cudaGraphNode_t node = nullptr;
    device_.Check(cudaGraphAddKernelNode(&node, graph_, after.data(), after.size(), &params),
                  "adding to a graph");
    return node;
  };
  PointerWords none = {};
  auto* to = pointers_.as<uint64_t>();
  void* arguments[] = {&none, &to};
  first_ = add(NodeOf(KernelAddress(StorePointers), dim3(1), dim3(count_), 0, arguments), {});
  std::vector<cudaGraphNode_t> added;
  for (const auto& [call, waits_for] : calls) {
    void* call_arguments[] = {call.arguments.get()};
    std::vector<cudaGraphNode_t> after;
    for (const int before : waits_for) after.push_back(added[static_cast<size_t>(before)]);
    if (after.empty()) after.push_back(first_);
    added.push_back(
        add(NodeOf(call.kernel, call.grid, call.block, call.shared_bytes, call_arguments), after));
  }
  device_.Check(cudaGraphInstantiate(&exec_, graph_, 0), "making a graph");
}

void Graph::Launch(const PointerWords& pointers) {
  PointerWords value = pointers;
  auto* to = pointers_.as<uint64_t>();
  void* arguments[] = {&value, &to};
  const cudaKernelNodeParams node =
      NodeOf(KernelAddress(StorePointers), dim3(1), dim3(count_), 0, arguments);
  device_.Check(cudaGraphExecKernelNodeSetParams(exec_, first_, &node), "setting up a graph");
  device_.CheckLaunch(name_, cudaGraphLaunch(exec_, device_.stream()));
}

Graph* GraphCache::Find(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->graph.get();
}

Graph* GraphCache::Keep(const Key& key, std::unique_ptr<Graph> graph) {
  // A process that meets endlessly many shapes keeps the last few.
  constexpr size_t kMaxGraphs = 64;
  if (entries_.size() == kMaxGraphs) entries_.pop_back();
  entries_.push_front({key, std::move(graph)});
  return entries_.front().graph.get();
}

}  // namespace convlstm::cuda
