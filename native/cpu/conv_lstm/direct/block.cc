// The direct kernel's packing of weights and staging of blocks with their halo.
#include <algorithm>
#include <vector>

#include "cpu/conv_lstm/direct/direct.h"

namespace convlstm::cpu {

DirectWeights::DirectWeights(const ConvLstmShape& shape, const ConvLstmWeights& in,
                             int64_t cell_gates, int64_t vector_lanes, ThreadPool& pool)
    : gates(cell_gates),
      lanes(vector_lanes),
      groups((shape.hidden_dim + lanes - 1) / lanes),
      rows(shape.kernel_height * shape.kernel_width * (shape.input_dim + shape.hidden_dim)),
      weights(Buffer::AllocateArray<float>(static_cast<size_t>(groups * rows * gates * lanes))),
      biases(Buffer::AllocateArray<float>(static_cast<size_t>(groups * gates * lanes))),
      peepholes(shape, in, pool) {
  const int64_t hidden = shape.hidden_dim, inputs = shape.input_dim + hidden;
  const int64_t taps = shape.kernel_height * shape.kernel_width;
  const auto pack_lane = [&](int64_t group, int64_t gate, int64_t lane) {
    const int64_t channel = group * lanes + lane;
    float* out = weights.as<float>() + (group * rows * gates + gate) * lanes + lane;
    float* bias = biases.as<float>() + (group * gates + gate) * lanes + lane;
    const int64_t stride = gates * lanes;
    if (channel >= hidden) {
      for (int64_t row = 0; row < rows; ++row) out[row * stride] = 0;
      *bias = 0;
      return;
    }
    *bias = in.bias == nullptr ? 0 : in.bias[gate * hidden + channel];
    const float* source = in.weight + (gate * hidden + channel) * inputs * taps;
    for (int64_t input = 0; input < inputs; ++input) {
      const bool is_h = input >= shape.input_dim;
      const int64_t first_row = is_h ? taps * shape.input_dim + input - shape.input_dim : input;
      const int64_t channels = is_h ? hidden : shape.input_dim;
      for (int64_t tap = 0; tap < taps; ++tap) {
        out[(first_row + tap * channels) * stride] = *source++;
      }
    }
  };
  const int64_t items = groups * gates * lanes;
  pool.Run([&](int part) {
    const Range range = SplitRange(items, part, pool.threads());
    for (int64_t item = range.begin; item < range.end; ++item) {
      pack_lane(item / (gates * lanes), item / lanes % gates, item % lanes);
    }
  });
}

DirectScratch::DirectScratch(const DirectStep& s) {
  const int64_t staged_pixels =
      (s.block_rows + s.shape.kernel_height - 1) * (s.block_columns + s.shape.kernel_width - 1);
  staged_x = Buffer::AllocateArray<float>(static_cast<size_t>(staged_pixels * s.shape.input_dim));
  if (s.step.h_in != nullptr) {
    staged_h =
        Buffer::AllocateArray<float>(static_cast<size_t>(staged_pixels * s.shape.hidden_dim));
  }
  const int64_t block_pixels = s.block_rows * s.block_columns;
  sums = Buffer::AllocateArray<float>(
      static_cast<size_t>(block_pixels * s.weights.gates * s.weights.lanes));
}

namespace {

// Copies rows [top, top + rows) and columns [left, left + columns) of a frame, with zeros outside.
void Stage(const ConvLstmShape& shape, const float* frame, int64_t channels, int64_t top,
           int64_t left, int64_t rows, int64_t columns, float* out) {
  const int64_t first = std::clamp<int64_t>(-left, 0, columns);
  const int64_t last = std::clamp<int64_t>(shape.width - left, first, columns);
  for (int64_t y = top; y < top + rows; ++y, out += columns * channels) {
    if (y < 0 || y >= shape.height) {
      std::fill_n(out, columns * channels, 0.0f);
      continue;
    }
    std::fill_n(out, first * channels, 0.0f);
    std::copy_n(frame + (y * shape.width + left + first) * channels, (last - first) * channels,
                out + first * channels);
    std::fill_n(out + last * channels, (columns - last) * channels, 0.0f);
  }
}

// Appends the products of one source, x or h: the taps that meet the image, by kernel rows.
void AppendSegments(const ConvLstmShape& shape, const Block& block, const Window& window,
                    int64_t first_weight_row, std::vector<Segment>& segments) {
  const int64_t top = block.rows.begin - shape.pad_top();
  const int64_t bottom = block.rows.end - 1 - shape.pad_top();
  const int64_t left = block.columns.begin - shape.pad_left();
  const int64_t right = block.columns.end - 1 - shape.pad_left();
  const int64_t first_ky = std::max<int64_t>(0, -bottom);
  const int64_t last_ky = std::min(shape.kernel_height, shape.height - top);
  const int64_t first_kx = std::max<int64_t>(0, -right);
  const int64_t last_kx = std::min(shape.kernel_width, shape.width - left);
  const int64_t run = (last_kx - first_kx) * window.channels;
  const int64_t pieces = (run + kChunk - 1) / kChunk;
  for (int64_t ky = first_ky; ky < last_ky; ++ky) {
    const float* values = window.origin + (ky * block.pitch + first_kx) * window.channels;
    const int64_t row = first_weight_row + (ky * shape.kernel_width + first_kx) * window.channels;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      const int64_t begin = run * piece / pieces, end = run * (piece + 1) / pieces;
      segments.push_back({values + begin, window.channels, row + begin, end - begin});
    }
  }
}

}  // namespace

Block PrepareBlock(const DirectStep& s, int64_t index, DirectScratch& scratch) {
  const ConvLstmShape& shape = s.shape;
  const int64_t across = index % s.blocks_across;
  const int64_t down = index / s.blocks_across % s.blocks_down;
  Block block{};
  block.batch = index / (s.blocks_across * s.blocks_down);
  block.rows = SplitRange(shape.height, static_cast<int>(down), static_cast<int>(s.blocks_down));
  block.columns =
      SplitRange(shape.width, static_cast<int>(across), static_cast<int>(s.blocks_across));
  const int64_t rows = block.rows.end - block.rows.begin;
  const int64_t columns = block.columns.end - block.columns.begin;
  const int64_t top = block.rows.begin - shape.pad_top();
  const int64_t left = block.columns.begin - shape.pad_left();
  const int64_t window_rows = rows + shape.kernel_height - 1;
  const int64_t window_columns = columns + shape.kernel_width - 1;
  const bool in_place = top >= 0 && left >= 0 && top + window_rows <= shape.height &&
                        left + window_columns <= shape.width;
  block.pitch = in_place ? shape.width : window_columns;

  scratch.pixels.clear();
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) scratch.pixels.push_back(y * block.pitch + x);
  }

  const auto window = [&](const float* frame, int64_t channels, const Buffer& staged) -> Window {
    if (in_place) return {frame + (top * shape.width + left) * channels, channels};
    Stage(shape, frame, channels, top, left, window_rows, window_columns, staged.as<float>());
    return {staged.as<float>(), channels};
  };
  scratch.segments.clear();
  block.x = window(s.step.x[block.batch], shape.input_dim, scratch.staged_x);
  AppendSegments(shape, block, block.x, 0, scratch.segments);
  if (s.step.h_in != nullptr) {
    block.h = window(s.step.h_in[block.batch], shape.hidden_dim, scratch.staged_h);
    AppendSegments(shape, block, block.h,
                   shape.kernel_height * shape.kernel_width * shape.input_dim, scratch.segments);
  }
  return block;
}

}  // namespace convlstm::cpu
