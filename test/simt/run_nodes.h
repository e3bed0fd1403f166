#ifndef CONVLSTM_TEST_SIMT_RUN_NODES_H_
#define CONVLSTM_TEST_SIMT_RUN_NODES_H_

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

namespace convlstm::cuda {

// Calls run(node) for all nodes, in a random order that their dependencies allow.
template <typename Node, typename Run>
void RunNodes(const std::vector<Node>& nodes, uint32_t seed, const Run& run) {
  std::vector<bool> done(nodes.size());
  std::mt19937 random(seed);
  for (size_t k = 0; k < nodes.size(); ++k) {
    std::vector<size_t> ready;
    for (size_t n = 0; n < nodes.size(); ++n) {
      if (!done[n] && std::all_of(nodes[n].after.begin(), nodes[n].after.end(),
                                  [&](int before) { return done[before]; })) {
        ready.push_back(n);
      }
    }
    const size_t n = ready[random() % ready.size()];
    run(nodes[n]);
    done[n] = true;
  }
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_RUN_NODES_H_
