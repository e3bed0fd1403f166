// The AMX kernels' k-steps, packed weights and parts of a step.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "core/divide_up.h"
#include "cpu/conv_lstm/amx/amx.h"

namespace convlstm::cpu {
namespace {

// Rounds to nearest, ties to even.
uint16_t RoundToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float FromBf16(uint16_t value) { return std::bit_cast<float>(uint32_t{value} << 16); }

// The weight that multiplies element `element` of segment `segment` of a source, whose channels
// begin at `first_channel` of the weight's input channels.
class WeightReader {
 public:
  WeightReader(const ConvLstmShape& shape, const float* weight) : shape_(shape), weight_(weight) {}

  float operator()(int64_t output, const AmxSource& source, int64_t first_channel, int64_t segment,
                   int64_t element) const {
    const int64_t kx = element / source.columns, within = element % source.columns;
    if (kx >= shape_.kernel_width) return 0;
    const int64_t ky = source.folded ? within / source.channels : segment;
    const int64_t channel = first_channel + within % source.channels;
    const int64_t inputs = shape_.input_dim + shape_.hidden_dim;
    return weight_[((output * inputs + channel) * shape_.kernel_height + ky) * shape_.kernel_width +
                   kx];
  }

 private:
  const ConvLstmShape& shape_;
  const float* weight_;
};

// Packs one k-step of one pair of gates of a group: [plane][2 gates][16 pairs][16 channels][2].
void PackStep(const WeightReader& weights, const ConvLstmShape& shape, const AmxSource& source,
              int64_t first_channel, int64_t step, int64_t group, int64_t pair, int planes,
              uint16_t* to) {
  const int64_t segment = step / source.steps;
  const int64_t first_element = step % source.steps * kAmxDepth;
  const int64_t channels = std::min<int64_t>(kAmxChannels, shape.hidden_dim - group * kAmxChannels);
  for (int gate = 0; gate < 2; ++gate) {
    for (int64_t n = 0; n < channels; ++n) {
      const int64_t output = (pair * 2 + gate) * shape.hidden_dim + group * kAmxChannels + n;
      for (int k = 0; k < kAmxDepth; ++k) {
        float rest = weights(output, source, first_channel, segment, first_element + k);
        for (int plane = 0; plane < planes; ++plane) {
          const uint16_t rounded = RoundToBf16(rest);
          to[(plane * 2 + gate) * kAmxTileElements + (k / 2 * kAmxChannels + n) * 2 + k % 2] =
              rounded;
          rest -= FromBf16(rounded);
        }
      }
    }
  }
}

}  // namespace

AmxSource MakeAmxSource(int64_t channels, const ConvLstmShape& shape) {
  const int64_t rows = shape.kernel_height;
  const int64_t steps = DivideUp(shape.kernel_width * channels, kAmxDepth);
  const int64_t folded_steps = DivideUp(rows * shape.kernel_width * channels, kAmxDepth);
  // Folding must save an eighth of the k-steps to pay for its copies.
  if (8 * folded_steps < 7 * rows * steps) {
    return {channels, true, rows * channels, 1, folded_steps};
  }
  return {channels, false, channels, rows, steps};
}

std::unique_ptr<AmxWeights> PackAmxWeights(const ConvLstmShape& shape,
                                           const ConvLstmWeights& weights, int64_t gates,
                                           int planes, ThreadPool& pool) {
  const int64_t hidden = shape.hidden_dim;
  auto packed = std::make_unique<AmxWeights>();
  packed->x = MakeAmxSource(shape.input_dim, shape);
  packed->h = MakeAmxSource(hidden, shape);
  packed->gates = gates;
  packed->groups = DivideUp(hidden, kAmxChannels);
  packed->peephole = weights.peephole;

  const int64_t step_elements = int64_t{planes} * 2 * kAmxTileElements;
  const int64_t tile_steps = packed->groups * gates / 2 * packed->steps();
  packed->tiles = Buffer::AllocateArray<uint16_t>(tile_steps * step_elements);
  const WeightReader reader(shape, weights.weight);
  pool.Run([&](int part) {
    const Range range = SplitRange(tile_steps, part, pool.threads());
    for (int64_t i = range.begin; i < range.end; ++i) {
      const int64_t pairs = gates / 2, step = i % packed->steps();
      const int64_t group = i / packed->steps() / pairs, pair = i / packed->steps() % pairs;
      uint16_t* to = packed->tiles.as<uint16_t>() + i * step_elements;
      std::memset(to, 0, step_elements * sizeof(uint16_t));
      const bool is_x = step < packed->x.total_steps();
      PackStep(reader, shape, is_x ? packed->x : packed->h, is_x ? 0 : shape.input_dim,
               is_x ? step : step - packed->x.total_steps(), group, pair, planes, to);
    }
  });

  // Channels past hidden_dim are zero.
  const int64_t padded = packed->groups * kAmxChannels;
  packed->bias = Buffer::AllocateArray<float>(gates * padded);
  float* bias = packed->bias.as<float>();
  std::fill_n(bias, gates * padded, 0.0f);
  if (weights.bias) {
    for (int64_t i = 0; i < gates * hidden; ++i) {
      const int64_t gate = i / hidden, group = i % hidden / kAmxChannels;
      bias[(group * gates + gate) * kAmxChannels + i % hidden % kAmxChannels] = weights.bias[i];
    }
  }
  if (weights.peephole != Peephole::kNone) {
    const int64_t pixels = weights.peephole == Peephole::kSpatial ? shape.pixels() : 1;
    const int64_t count = static_cast<int64_t>(weights.peepholes.size());
    packed->peepholes = Buffer::AllocateArray<float>(pixels * count * padded);
    float* peepholes = packed->peepholes.as<float>();
    std::fill_n(peepholes, pixels * count * padded, 0.0f);
    for (int64_t k = 0; k < count; ++k) {
      for (int64_t i = 0; i < hidden * pixels; ++i) {
        const int64_t channel = i / pixels, pixel = i % pixels, group = channel / kAmxChannels;
        peepholes[((pixel * packed->groups + group) * count + k) * kAmxChannels +
                  channel % kAmxChannels] = weights.peepholes[k][i];
      }
    }
  }
  return packed;
}

// 32 tiles of 16 pixels: each weight, which may come from L3, is used 512 times. Among wide blocks,
// 64 columns by 8 rows have the smallest border.
AmxPlan::AmxPlan(const ConvLstmShape& shape) {
  const int64_t tiles = DivideUp(shape.width, kAmxTilePixels);
  strips = DivideUp(tiles, kAmxStripTiles);
  strip_tiles = DivideUp(tiles, strips);
  block_rows = kAmxBlockTiles / strip_tiles;
}

Range AmxPlan::Columns(const ConvLstmShape& shape, int64_t strip) const {
  const int64_t tiles = DivideUp(shape.width, kAmxTilePixels);
  return {tiles * strip / strips * kAmxTilePixels,
          std::min(tiles * (strip + 1) / strips * kAmxTilePixels, shape.width)};
}

// Threads split rows, and where rows are few groups too: the split that gives the busiest thread
// the fewest pairs of tiles.
AmxPart AmxPlan::Part(const ConvLstmShape& shape, int64_t groups, int part, int parts) const {
  const int64_t rows = shape.batch * strips * shape.height;
  int best_splits = 1;
  int64_t best_cost = 0;
  for (int splits = 1; splits <= std::min<int64_t>(parts, groups); ++splits) {
    if (parts % splits != 0) continue;
    const int64_t pairs = DivideUp(DivideUp(rows, parts / splits) * strip_tiles, 2);
    const int64_t cost = pairs * DivideUp(groups, splits);
    if (splits == 1 || cost < best_cost) {
      best_splits = splits;
      best_cost = cost;
    }
  }
  return {SplitRange(rows, part / best_splits, parts / best_splits),
          SplitRange(groups, part % best_splits, best_splits)};
}

}  // namespace convlstm::cpu
