// CUDA graphs: many kernels in one launch, without gaps for the host between them, and with
// independent kernels in parallel.
//
// A long sequence is split into several CUDA graphs of bounded size, launched one after the other.
// Kernels of different graphs do not overlap.
#ifndef CONVLSTM_CUDA_DEVICE_GRAPH_H_
#define CONVLSTM_CUDA_DEVICE_GRAPH_H_

#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <type_traits>
#include <vector>

#include "cuda/device/device.h"
#include "cuda/device/kernel_address.h"

namespace convlstm::cuda {

// A kernel launch that has not been made yet.
struct KernelCall {
  const char* name;
  const void* kernel;
  dim3 grid, block;
  int shared_bytes;
  std::shared_ptr<void> arguments;
};
template <typename Arguments>
KernelCall CallOf(const char* name, void (*kernel)(Arguments), dim3 grid, int threads,
                  int shared_bytes, const Arguments& arguments) {
  return {name,         KernelAddress(kernel),
          grid,         dim3(static_cast<unsigned>(threads)),
          shared_bytes, std::make_shared<Arguments>(arguments)};
}
void Launch(Device& device, const KernelCall& call);

// A node: a call and the indices of the nodes to wait for, all smaller than its own.
struct GraphCall {
  KernelCall call;
  std::vector<int> after;
};

// The operand table of a call, as the graph's first node takes it.
constexpr int kMaxPointers = 256;
struct PointerWords {
  uint64_t words[kMaxPointers];
};

// A graph for operands whose addresses differ from call to call. Its first node writes their table
// to device memory, where the other kernels read it (operand.h), so that a call updates one node
// only.
class Graph {
 public:
  static constexpr size_t kMaxNodes = 1024;  // per CUDA graph

  Graph(Device& device, const char* name, int pointers);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // The operand table in device memory.
  template <typename Pointers>
  const Pointers* table() const {
    return pointers_.as<const Pointers>();
  }
  // Must be called once, before Launch.
  void Build(const std::vector<GraphCall>& calls);
  size_t nodes() const { return nodes_; }

  void Launch(const PointerWords& pointers);

 private:
  struct Part {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t exec = nullptr;
  };
  cudaGraphNode_t Add(const Part& part, const cudaKernelNodeParams& params,
                      const std::vector<cudaGraphNode_t>& after);

  Device& device_;
  const char* name_;
  unsigned count_;
  size_t nodes_ = 0;
  Buffer pointers_;
  std::vector<Part> parts_;
  cudaGraphNode_t first_ = nullptr;  // writes the table; in the first part
};

// The cached graphs of a device. A key holds everything that kernels and arguments depend on.
class GraphCache {
 public:
  using Key = std::vector<int64_t>;

  // Launches the graph of `key`; if there is none yet, builds it from make(table), which returns
  // the calls with operands from `table` in device memory. Pointers is a struct of pointers only.
  template <typename Pointers, typename Make>
  void Launch(Device& device, const char* name, const Key& key,
              const std::vector<Pointers>& pointers, const Make& make) {
    static_assert(std::is_trivially_copyable_v<Pointers>);
    constexpr size_t kWords = sizeof(Pointers) / sizeof(uint64_t);
    static_assert(kWords * sizeof(uint64_t) == sizeof(Pointers) && kWords <= kMaxPointers);
    Graph* graph = Find(key);
    if (graph == nullptr) {
      auto made = std::make_unique<Graph>(device, name, static_cast<int>(kWords * pointers.size()));
      made->Build(make(made->template table<Pointers>()));
      graph = Keep(key, std::move(made));
    }
    PointerWords words = {};
    std::memcpy(words.words, pointers.data(), sizeof(Pointers) * pointers.size());
    graph->Launch(words);
  }
  void Clear() {
    entries_.clear();
    nodes_ = 0;
  }

 private:
  // Bounds for processes with many different or very long shapes. Least recently used graphs go
  // first.
  static constexpr size_t kMaxGraphs = 64, kMaxNodes = 32 * Graph::kMaxNodes;

  struct Entry {
    Key key;
    std::unique_ptr<Graph> graph;
  };
  Graph* Find(const Key& key);
  Graph* Keep(const Key& key, std::unique_ptr<Graph> graph);

  std::list<Entry> entries_;  // most recently used first
  size_t nodes_ = 0;          // of all graphs
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_GRAPH_H_
