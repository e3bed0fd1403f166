// Overrides of the engine's choices, for tests and benchmarks (test/cuda/conv_lstm_bench.cc).
#ifndef CONVLSTM_CUDA_DEVICE_TUNING_H_
#define CONVLSTM_CUDA_DEVICE_TUNING_H_

#include <cstdint>
#include <optional>

namespace convlstm::cuda {

enum class TileSize { kSmall, kMedium, kLarge };

struct Tuning {
  bool graph = true;                            // run a sequence as a graph, else kernel by kernel
  std::optional<TileSize> tile = std::nullopt;  // default: ChooseTile
  // Steps per input projection, 0 for none. Default: StepsPerProjection.
  std::optional<int64_t> steps_per_projection = std::nullopt;
  bool wgmma = false;  // use wgmma for bfloat16 products, if the GPU has it
};
inline Tuning tuning;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_TUNING_H_
