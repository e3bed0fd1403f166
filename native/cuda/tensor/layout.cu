#include <algorithm>
#include <utility>

#include "core/error.h"
#include "cuda/device/launch.cuh"
#include "cuda/tensor/layout.cuh"
#include "cuda/tensor/layout.h"

namespace convlstm::cuda {

void LaunchTranspose(Device& device, int64_t frames, int64_t rows, int64_t columns, const float* in,
                     float* out) {
  if (frames * rows * columns == 0) return;
  constexpr int64_t kMaxGrid = 65535;
  const auto tiles = [](int64_t size) { return (size + kTransposeTile - 1) / kTransposeTile; };
  const dim3 grid(static_cast<unsigned>(tiles(columns)),
                  static_cast<unsigned>(std::min(kMaxGrid, tiles(rows))),
                  static_cast<unsigned>(std::min(kMaxGrid, frames)));
  constexpr int kSharedBytes = kTransposeTile * (kTransposeTile + 1) * sizeof(float);
  Launch(device, "TransposeFrames", TransposeFrames, grid, dim3(kTransposeThreads), kSharedBytes,
         in, out, frames, rows, columns);
}

const float* RowMajor(Device& device, Storage& storage) {
  if (storage.channels_last()) {
    Buffer rows;
    ToRows(device, storage, rows);
    storage.ReplaceByRowMajor(std::move(rows));
  }
  return storage.data();
}

const float* ToRows(Device& device, const Storage& storage, Buffer& buffer) {
  if (!storage.channels_last()) return storage.data();
  const ChannelsLast& layout = storage.layout();
  buffer = device.Allocate(storage.bytes());
  LaunchTranspose(device, layout.frames, layout.pixels, layout.channels, storage.data(),
                  buffer.as<float>());
  return buffer.as<float>();
}

const float* ToFrames(Device& device, Storage& storage, const ChannelsLast& layout,
                      Buffer& buffer) {
  if (storage.channels_last() && storage.layout().channels == layout.channels &&
      storage.layout().pixels == layout.pixels) {
    return storage.data();
  }
  const float* rows = RowMajor(device, storage);
  if (layout.channels == 1 || layout.pixels == 1) return rows;
  buffer = device.Allocate(storage.bytes());
  LaunchTranspose(device, layout.frames, layout.channels, layout.pixels, rows, buffer.as<float>());
  return buffer.as<float>();
}

}  // namespace convlstm::cuda
