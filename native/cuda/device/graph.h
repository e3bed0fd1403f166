// Kernels as a graph: a launch for all of them, no gap on the device between one and the next that
// waits for the host, and those that do not wait for each other side by side.
//
// Very many, as a sequence of thousands of steps has, are several of CUDA's graphs that follow one
// another, so that the size of each is bounded. Kernels of two of them do not overlap.
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

// A launch that is still to be made.
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

// With the places, in the list of calls, of those that must have run; all are before it.
struct GraphCall {
  KernelCall call;
  std::vector<int> after;
};

// The pointers of a call, as the graph's first node takes them.
constexpr int kMaxPointers = 256;
struct PointerWords {
  uint64_t words[kMaxPointers];
};

// Where operands lie differs from call to call: the first node writes that to the device's memory,
// where the others read it (place.h), so that one node is changed and not each.
class Graph {
 public:
  static constexpr size_t kMaxNodes = 1024;  // of one of CUDA's

  Graph(Device& device, const char* name, int pointers);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Where its kernels find the pointers.
  template <typename Pointers>
  const Pointers* late() const {
    return pointers_.as<const Pointers>();
  }
  // Once, before Launch.
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
  cudaGraphNode_t first_ = nullptr;  // of the first part
};

// The graphs of a device, by all that their kernels and arguments depend on.
class GraphCache {
 public:
  using Key = std::vector<int64_t>;

  // Makes the calls' graph and keeps it where there is none yet, and launches it. Pointers holds
  // pointers and nothing else; make(late) returns the calls of operands that lie there.
  template <typename Pointers, typename Make>
  void Launch(Device& device, const char* name, const Key& key,
              const std::vector<Pointers>& pointers, const Make& make) {
    static_assert(std::is_trivially_copyable_v<Pointers>);
    constexpr size_t kWords = sizeof(Pointers) / sizeof(uint64_t);
    static_assert(kWords * sizeof(uint64_t) == sizeof(Pointers) && kWords <= kMaxPointers);
    Graph* graph = Find(key);
    if (graph == nullptr) {
      auto made = std::make_unique<Graph>(device, name, static_cast<int>(kWords * pointers.size()));
      made->Build(make(made->template late<Pointers>()));
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
  // A process that meets endlessly many shapes, or long ones, keeps the last few.
  static constexpr size_t kMaxGraphs = 64, kMaxNodes = 32 * Graph::kMaxNodes;

  struct Entry {
    Key key;
    std::unique_ptr<Graph> graph;
  };
  Graph* Find(const Key& key);
  Graph* Keep(const Key& key, std::unique_ptr<Graph> graph);

  std::list<Entry> entries_;  // used last first
  size_t nodes_ = 0;          // of all
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_GRAPH_H_
