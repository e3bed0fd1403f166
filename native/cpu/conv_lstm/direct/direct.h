// Shared by the direct kernel's packing and staging (block.cc) and its vector code (direct.cc).
#ifndef CONVLSTM_CPU_CONV_LSTM_DIRECT_DIRECT_H_
#define CONVLSTM_CPU_CONV_LSTM_DIRECT_DIRECT_H_

#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "cpu/conv_lstm/cell.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/threads/thread_pool.h"
#include "cpu/threads/work_items.h"

namespace convlstm::cpu {

// Pixels of a block. At 64 every weight that comes from L2 serves 64 multiply-adds, and the sums of
// four gates are 16 KiB with 16 lanes; 12 pixels, two tiles, are the fewest that are worth staging.
inline constexpr int64_t kBlockPixels = 64;
inline constexpr int64_t kMinBlockPixels = 12;
// Weight rows that pass over all tiles of a block before the next: with four gates 16 KiB of 8
// lanes, which L1 keeps, 32 KiB of 16. To load and store a tile's sums once for 128 rows costs 1%.
// Sums are rounded once a chunk: another number changes bits.
inline constexpr int64_t kChunk = 128;

struct DirectWeights final : PackedWeights {
  DirectWeights(const ConvLstmShape& shape, const ConvLstmWeights& in, int64_t cell_gates,
                int64_t vector_lanes, ThreadPool& pool);

  int64_t gates;
  int64_t lanes;
  int64_t groups;  // vectors of hidden channels; the last is padded with zeros
  int64_t rows;    // weight rows of a group: taps of x, then of h, each [ky][kx][channel]
  Buffer weights;  // [group][row][gate][lane]
  Buffer biases;   // [group][gate][lane]
  PackedPeepholes peepholes;
};

// Products of every pixel: values[pixel * channels + k] by weight row weight_row + k, k < count.
struct Segment {
  const float* values;
  int64_t channels;
  int64_t weight_row;
  int64_t count;
};

struct DirectStep {
  const ConvLstmShape& shape;
  const DirectWeights& weights;
  const ConvLstmStep& step;
  // Pixels of a block, at most, and blocks of a frame.
  int64_t block_rows, block_columns, blocks_down, blocks_across;

  int64_t blocks() const { return shape.batch * blocks_down * blocks_across; }
};

// A source's values of a block and its halo: pixel (r, c) of the block has its first tap at
// origin + (r * pitch + c) * channels.
struct Window {
  const float* origin = nullptr;
  int64_t channels = 0;
};

// The current block of a thread.
struct Block {
  int64_t batch;
  Range rows, columns;  // in the frame
  int64_t pitch;        // pixels from one row of the windows to the next
  Window x, h;
};

// One thread's scratch.
struct DirectScratch {
  explicit DirectScratch(const DirectStep& s);

  Buffer staged_x, staged_h;
  Buffer sums;                  // [pixel of the block][gate][lane]
  std::vector<int64_t> pixels;  // [pixel of the block], in pixels from the windows' origin
  std::vector<Segment> segments;
};

// Locates block `index`, stages its windows and lists its pixels and segments.
Block PrepareBlock(const DirectStep& s, int64_t index, DirectScratch& scratch);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_DIRECT_DIRECT_H_
