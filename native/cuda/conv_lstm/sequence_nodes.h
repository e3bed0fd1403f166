// The kernels of a stack of layers over a sequence, and which waits for which. Knows nothing of the
// driver, so that the tests of the host can look at it.
#ifndef CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_
#define CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {

// The h of a layer that has no output lies in so many places in turn: a step reads one and writes
// the other. The sums of x likewise: those of the next steps are made beside the steps that read
// these.
constexpr int kPlaces = 2;

struct SequenceNode {
  int layer;
  // The product of x of steps begin to end, or else the step `begin`.
  bool input;
  int64_t begin, end;
  // Places in the list of what must have run; all are before this one.
  std::vector<int> after;
};

// `steps_at_once`: the steps of the first layer, the only one whose x is there as a whole, that one
// product of x serves; 0 for steps that multiply x themselves.
//
//   step t of layer l   reads   h of its step t - 1, and h of step t of layer l - 1 or the sums of
//   x
//                       writes  h where that of its step t - 2 was, which step t - 2 of layer l + 1
//                               has read
//   a product of x      writes  its sums where those of the one before the last were
//
// Nothing else is waited for: the layers follow each other as a wavefront.
inline std::vector<SequenceNode> ListNodes(int layers, int64_t time, int64_t steps_at_once) {
  std::vector<SequenceNode> nodes;
  // Of the last kPlaces + 1 steps of every layer.
  std::vector<int> steps(layers * (kPlaces + 1), -1);
  const auto step = [&](int layer, int64_t t) -> int& {
    return steps[layer * (kPlaces + 1) + t % (kPlaces + 1)];
  };
  std::vector<int> last_of_product;
  for (int64_t t = 0; t < time; ++t) {
    for (int layer = 0; layer < layers; ++layer) {
      std::vector<int> after;
      if (layer == 0 && steps_at_once > 0 && t % steps_at_once == 0) {
        SequenceNode product = {0, true, t, std::min(t + steps_at_once, time), {}};
        const size_t before = last_of_product.size();
        if (before >= kPlaces) product.after.push_back(last_of_product[before - kPlaces]);
        after.push_back(static_cast<int>(nodes.size()));
        nodes.push_back(std::move(product));
      }
      if (t > 0) after.push_back(step(layer, t - 1));
      if (layer > 0) after.push_back(step(layer - 1, t));
      if (layer + 1 < layers && t >= kPlaces) after.push_back(step(layer + 1, t - kPlaces));
      step(layer, t) = static_cast<int>(nodes.size());
      nodes.push_back({layer, false, t, t + 1, std::move(after)});
      if (layer == 0 && steps_at_once > 0 && (t + 1) % steps_at_once == 0) {
        last_of_product.push_back(step(0, t));
      }
    }
  }
  return nodes;
}

// How many steps one product of x should serve; 0: none is worth it.
//
// Steps follow each other, so a step alone may have too few large tiles to fill the GPU; x of
// several steps has enough. Counted in bytes that tiles bring to shared memory: a tile of R rows
// and C columns reads, for each of its results and each element of depth, 4 / C bytes of
// activations and 4 / R of weights (2 / R of bfloat16): in float32 3/16 with the small tile, 1/8
// with the medium one and 1/16 with the large one. Against what that saves over the depth of x, the
// sums are written and read again: 8 bytes each, here counted twice, for they come from further
// away than a tile that the blocks beside it read as well. So float32 pays from 128 of depth (small
// to large) or 256 (the others), which is 3x3 of 15 or 29 channels, and never for a step that has
// enough large tiles. Not measured yet.
//
// As many steps as give every multiprocessor two large tiles: their sums are 17 MB on an H100, less
// than half of its L2, and that bounds the memory as well.
inline int64_t StepsAtOnce(Math math, int rows, int columns, int input_depth, int64_t time,
                           int multiprocessors) {
  const auto bytes_per_result = [&](TileSize tile) {
    const double tile_rows = tile == TileSize::kLarge ? 128 : tile == TileSize::kMedium ? 64 : 32;
    const double tile_columns = tile == TileSize::kLarge ? 128 : 64;
    return 4 / tile_columns + (UnitDepth(math) == 32 ? 2 : 4) / tile_rows;
  };
  const int64_t tiles = static_cast<int64_t>(DivideUp(rows, 128)) * DivideUp(columns, 128);
  const int64_t enough = std::min((2 * multiprocessors + tiles - 1) / tiles, time);
  const int64_t products = time / enough;
  const int64_t steps = (time + products - 1) / products;
  const TileSize own = ChooseTile(rows, columns, multiprocessors);
  const TileSize joint = ChooseTile(static_cast<int>(rows * steps), columns, multiprocessors);
  constexpr double kBytesOfSums = 2 * 8;
  const double saved = input_depth * (bytes_per_result(own) - bytes_per_result(joint));
  return saved >= kBytesOfSums ? steps : 0;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_
