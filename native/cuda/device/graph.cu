#include <algorithm>
#include <iterator>
#include <utility>

#include "cuda/device/graph.h"

namespace convlstm::cuda {
namespace {

// One thread per pointer.
__global__ void StorePointers(const PointerWords pointers, uint64_t* to) {
  to[threadIdx.x] = pointers.words[threadIdx.x];
}

// Parameters of a node that launches `kernel` with `arguments`.
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
  device.CheckLaunch(call.name, [&] {
    return cudaLaunchKernel(call.kernel, call.grid, call.block, arguments,
                            static_cast<size_t>(call.shared_bytes), device.stream());
  });
}

Graph::Graph(Device& device, const char* name, int pointers)
    : device_(device),
      name_(name),
      count_(static_cast<unsigned>(pointers)),
      pointers_(device.Allocate(sizeof(uint64_t) * count_)) {}

// The driver frees a running graph once it is done; the table is freed in stream order.
Graph::~Graph() {
  for (const Part& part : parts_) {
    if (part.exec != nullptr) cudaGraphExecDestroy(part.exec);
    cudaGraphDestroy(part.graph);
  }
}

cudaGraphNode_t Graph::Add(const Part& part, const cudaKernelNodeParams& params,
                           const std::vector<cudaGraphNode_t>& after) {
  cudaGraphNode_t node = nullptr;
  device_.Check(device_.WithRoom([&] {
    return cudaGraphAddKernelNode(&node, part.graph, after.data(), after.size(), &params);
  }),
                "adding a kernel to a graph");
  return node;
}

void Graph::Build(const std::vector<GraphCall>& calls) {
  PointerWords none = {};
  auto* to = pointers_.as<uint64_t>();
  void* pointers[] = {&none, &to};
  const cudaKernelNodeParams first =
      NodeOf(KernelAddress(StorePointers), dim3(1), dim3(count_), 0, pointers);
  std::vector<cudaGraphNode_t> added;
  for (size_t begin = 0; begin < calls.size(); begin += kMaxNodes) {
    cudaGraph_t graph = nullptr;
    device_.Check(cudaGraphCreate(&graph, 0), "creating a graph");
    Part& part = parts_.emplace_back(Part{graph});
    if (begin == 0) first_ = Add(part, first, {});
    for (size_t k = begin; k < std::min(begin + kMaxNodes, calls.size()); ++k) {
      const auto& [call, waits_for] = calls[k];
      void* arguments[] = {call.arguments.get()};
      std::vector<cudaGraphNode_t> after;
      for (const int before : waits_for) {  // earlier parts are done
        if (static_cast<size_t>(before) >= begin) after.push_back(added[before]);
      }
      if (begin == 0 && after.empty()) after.push_back(first_);
      added.push_back(Add(
          part, NodeOf(call.kernel, call.grid, call.block, call.shared_bytes, arguments), after));
    }
    device_.Check(device_.WithRoom([&] { return cudaGraphInstantiate(&part.exec, part.graph, 0); }),
                  "instantiating a graph");
  }
  nodes_ = calls.size();
}

void Graph::Launch(const PointerWords& pointers) {
  PointerWords value = pointers;
  auto* to = pointers_.as<uint64_t>();
  void* arguments[] = {&value, &to};
  const cudaKernelNodeParams node =
      NodeOf(KernelAddress(StorePointers), dim3(1), dim3(count_), 0, arguments);
  device_.Check(cudaGraphExecKernelNodeSetParams(parts_.front().exec, first_, &node),
                "updating a graph");
  for (const Part& part : parts_) {
    device_.CheckLaunch(name_, [&] { return cudaGraphLaunch(part.exec, device_.stream()); });
  }
}

Graph* GraphCache::Find(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return found->graph.get();
}

Graph* GraphCache::Keep(const Key& key, std::unique_ptr<Graph> graph) {
  nodes_ += graph->nodes();
  while (!entries_.empty() && (entries_.size() >= kMaxGraphs || nodes_ > kMaxNodes)) {
    nodes_ -= entries_.back().graph->nodes();
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(graph)});
  return entries_.front().graph.get();
}

}  // namespace convlstm::cuda
