// The kernels of a stack of layers over a sequence and their dependencies. Independent of the CUDA
// runtime, so that the tests can inspect it on the host.
#ifndef CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_
#define CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cuda/gemm/tiles.h"

namespace convlstm::cuda {

// Double buffering. A layer without an output sequence alternates between two h: a step reads one
// and writes the other. The input projection likewise: the next one is computed while steps read
// the current one.
constexpr int kBuffers = 2;

struct SequenceNode {
  int layer;
  bool projection;  // the input projection of steps [begin, end), else the step `begin`
  int64_t begin, end;
  std::vector<int> after;  // indices of the nodes to wait for, all smaller than its own
};

// `steps_per_projection`: how many steps share an input projection; 0: steps multiply x themselves.
// Only the first layer can have one, because only its x exists as a whole sequence.
//
//   step t of layer l   reads   h of its step t - 1; h of step t of layer l - 1, or the projection
//                       writes  h over its step t - 2's, which step t - 2 of layer l + 1 reads
//   a projection        writes  over the one before the last
//
// There are no other dependencies: layers run as a wavefront.
inline std::vector<SequenceNode> ListNodes(int layers, int64_t time, int64_t steps_per_projection) {
  std::vector<SequenceNode> nodes;
  // Indices of the last kBuffers + 1 steps of every layer.
  std::vector<int> steps(layers * (kBuffers + 1), -1);
  const auto step = [&](int layer, int64_t t) -> int& {
    return steps[layer * (kBuffers + 1) + t % (kBuffers + 1)];
  };
  std::vector<int> last_step_of_projection;
  for (int64_t t = 0; t < time; ++t) {
    for (int layer = 0; layer < layers; ++layer) {
      std::vector<int> after;
      if (layer == 0 && steps_per_projection > 0 && t % steps_per_projection == 0) {
        SequenceNode projection = {0, true, t, std::min(t + steps_per_projection, time), {}};
        const size_t before = last_step_of_projection.size();
        if (before >= kBuffers)
          projection.after.push_back(last_step_of_projection[before - kBuffers]);
        after.push_back(static_cast<int>(nodes.size()));
        nodes.push_back(std::move(projection));
      }
      if (t > 0) after.push_back(step(layer, t - 1));
      if (layer > 0) after.push_back(step(layer - 1, t));
      if (layer + 1 < layers && t >= kBuffers) after.push_back(step(layer + 1, t - kBuffers));
      step(layer, t) = static_cast<int>(nodes.size());
      nodes.push_back({layer, false, t, t + 1, std::move(after)});
      if (layer == 0 && steps_per_projection > 0 && (t + 1) % steps_per_projection == 0) {
        last_step_of_projection.push_back(step(0, t));
      }
    }
  }
  return nodes;
}

// How many steps should share an input projection; 0: it does not pay.
//
// Steps are sequential, so one alone may have too few large tiles to fill the GPU; x of several
// steps has enough. The cost model counts bytes copied to shared memory: per output and element of
// depth a tile of R rows and C columns reads 4 / C bytes of activations and 4 / R of weights (2 / R
// in bfloat16), in float32 3/16 with the small, 1/8 with the medium and 1/16 with the large tile.
// Against the saving over the depth of x stand writing and reading the projection, 8 bytes per
// output, counted twice because they come from further away than a tile shared with other blocks.
// So in float32 it pays from 128 of depth (small to large tile) or 256 (otherwise), 3x3 of 15 or 29
// channels, and never for a step with enough large tiles. Not measured yet.
//
// The number of steps gives every multiprocessor two large tiles: a projection of 17 MB on an H100,
// less than half of its L2, which also bounds the memory.
inline int64_t StepsPerProjection(Math math, int rows, int columns, int input_depth, int64_t time,
                                  int multiprocessors) {
  const auto bytes_per_result = [&](TileSize tile) {
    const double tile_rows = tile == TileSize::kLarge ? 128 : tile == TileSize::kMedium ? 64 : 32;
    const double tile_columns = tile == TileSize::kLarge ? 128 : 64;
    return 4 / tile_columns + (UnitDepth(math) == 32 ? 2 : 4) / tile_rows;
  };
  const int64_t tiles = static_cast<int64_t>(DivideUp(rows, 128)) * DivideUp(columns, 128);
  const int64_t enough = std::min((2 * multiprocessors + tiles - 1) / tiles, time);
  const int64_t projections = time / enough;
  const int64_t steps = (time + projections - 1) / projections;
  const TileSize own = ChooseTile(rows, columns, multiprocessors);
  const TileSize joint = ChooseTile(static_cast<int>(rows * steps), columns, multiprocessors);
  constexpr double kProjectionBytes = 2 * 8;
  const double saved = input_depth * (bytes_per_result(own) - bytes_per_result(joint));
  return saved >= kProjectionBytes ? steps : 0;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_NODES_H_
