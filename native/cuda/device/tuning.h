// What a measurement may choose otherwise than the engine does (test/cuda/conv_lstm_bench.cc).
#ifndef CONVLSTM_CUDA_DEVICE_TUNING_H_
#define CONVLSTM_CUDA_DEVICE_TUNING_H_

#include <cstdint>
#include <optional>

namespace convlstm::cuda {

enum class TileSize { kSmall, kMedium, kLarge };

struct Tuning {
  bool graph = true;                            // a sequence as one graph, else a launch a step
  std::optional<TileSize> tile = std::nullopt;  // else ChooseTile's
  // Steps that one product of x serves, 0 for none; else StepsAtOnce's.
  std::optional<int64_t> steps_at_once = std::nullopt;
  bool wgmma = false;  // for bfloat16 products, where there is code for it
};
inline Tuning tuning;

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_TUNING_H_
