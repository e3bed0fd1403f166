// A layer as tile products: shared by the AMX kernels' packing (plan.cc) and steps (step-inl.h).
//
// The convolution is a matrix product with pixels as rows, (ky, kx, channel) as the inner dimension
// and gate channels as columns. x and h are copied, as bfloat16, to scratch frames with the
// border's zeros in place. There the kw columns that a pixel sees in one row are kw * channels
// contiguous elements, whatever the number of channels: a tile's row is 32 of them, and the next
// pixel's row begins `channels` elements later. So there is no im2col. Only the end of each such
// segment is padded to a multiple of 32: its weights of zero meet neighbouring pixels, so that an
// infinity or NaN in x reaches up to 31 elements to the left of its window.
//
// float32 accuracy comes from splitting a number into bfloat16 planes of 8 bits, each the rounded
// remainder of those before: one plane and one product for `medium`, two and three for `high`,
// three and six for `highest`. The products left out are below the sum's rounding.
#ifndef CONVLSTM_CPU_CONV_LSTM_AMX_AMX_H_
#define CONVLSTM_CPU_CONV_LSTM_AMX_AMX_H_

#include <cstdint>
#include <memory>

#include "cpu/conv_lstm/kernel.h"

namespace convlstm::cpu {

inline constexpr int kAmxChannels = 16;           // hidden channels of a group: a tile's columns
inline constexpr int kAmxDepth = 32;              // inner elements of a k-step: a tile's row
inline constexpr int kAmxTileElements = 16 * 32;  // bfloat16 elements of a weight tile
inline constexpr int kAmxTilePixels = 16;         // pixels of a tile's rows
inline constexpr int kAmxStripTiles = 4;          // tiles of a row of a block, at most
inline constexpr int kAmxBlockTiles = 32;         // tiles of a block, at most

// The layout of x or h in scratch: rows of columns of bfloat16.
struct AmxSource {
  int64_t channels;  // of the float32 frame
  bool folded;       // a column holds the kernel's rows too: [kernel_height][channels]
  int64_t columns;   // elements of a column
  int64_t segments;  // runs of contiguous elements that a pixel sees: kernel_height, folded 1
  int64_t steps;     // k-steps of a segment

  int64_t total_steps() const { return segments * steps; }
};

// Folding repeats every row kernel_height times in scratch, and pays where it fills tiles better:
// one channel and 3x3 need one k-step instead of three.
AmxSource MakeAmxSource(int64_t channels, const ConvLstmShape& shape);

struct AmxWeights final : PackedWeights {
  AmxSource x, h;
  int64_t gates;  // even: a product makes the sums of two
  int64_t groups;
  Peephole peephole;
  // [group][pair of gates][k-step: x, then h][plane][gate][16 depth pairs][16 channels][2]
  Buffer tiles;
  Buffer bias;       // [group][gate][16]
  Buffer peepholes;  // kChannel: [group][peephole][16]; kSpatial: [pixel][group][peephole][16]

  int64_t steps() const { return x.total_steps() + h.total_steps(); }
};

std::unique_ptr<AmxWeights> PackAmxWeights(const ConvLstmShape& shape,
                                           const ConvLstmWeights& weights, int64_t gates,
                                           int planes, ThreadPool& pool);

// One thread's part of a step.
struct AmxPart {
  Range rows;  // of batch * strips * height
  Range groups;
};

// A step cut into parts, an image into strips side by side, and a strip into blocks of at most
// kAmxBlockTiles tiles.
struct AmxPlan {
  int64_t strips;       // of an image
  int64_t strip_tiles;  // width of the widest
  int64_t block_rows;   // height of a block, at most

  explicit AmxPlan(const ConvLstmShape& shape);
  // Pixel columns of a strip; the first is a multiple of 16.
  Range Columns(const ConvLstmShape& shape, int64_t strip) const;
  AmxPart Part(const ConvLstmShape& shape, int64_t groups, int part, int parts) const;
};

using AmxStepFunction = void (*)(const ConvLstmShape& shape, const AmxWeights& weights,
                                 const ConvLstmStep& step, ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONV_LSTM_AMX_AMX_H_
