#include "cuda/device/launch.cuh"
#include "cuda/gemm/packed_weights.h"

namespace convlstm::cuda {

template <int kGates>
Buffer LaunchPack(Device& device, Math math, PackArguments p) {
  p.words = static_cast<int64_t>(PackedColumns<kGates>(p.channels) / kColumns) *
            (p.first_chunks + p.second_chunks) * ChunkWords(math);
  Buffer packed = device.AllocateArray<uint32_t>(p.words);
  p.packed = packed.as<uint32_t>();
  constexpr int kThreads = 256;
  const auto launch = [&](void (*kernel)(PackArguments)) {
    const auto blocks = static_cast<unsigned>((p.words + kThreads - 1) / kThreads);
    Launch(device, "PackWeights", kernel, dim3(blocks), dim3(kThreads), 0, p);
  };
  WithMath(math, [&](auto kind) { launch(PackWeights<kind(), kGates>); });
  return packed;
}

template Buffer LaunchPack<kNoGates>(Device&, Math, PackArguments);
template Buffer LaunchPack<4>(Device&, Math, PackArguments);

}  // namespace convlstm::cuda
