// A ConvLSTM layer on the host, step by step, with the kernels of the CUDA engine.
#ifndef CONVLSTM_TEST_SIMT_LAYER_H_
#define CONVLSTM_TEST_SIMT_LAYER_H_

#include <cmath>
#include <cstdint>
#include <vector>

#include "cuda/conv_lstm/mask_frames.cuh"
#include "cuda/conv_lstm/sequence_arguments.cuh"
#include "cuda/gemm/pack_weights.cuh"
#include "cuda/gemm/tiles.h"
#include "reference.h"

namespace convlstm::cuda {

// Transposes [frame][channel][pixel] to [frame][pixel][channel].
template <typename V>
std::vector<float> ChannelsLast(const std::vector<V>& rows, int64_t channels, int64_t pixels) {
  std::vector<float> out(rows.size());
  for (size_t k = 0; k < rows.size(); ++k) {
    const int64_t i = static_cast<int64_t>(k);
    const int64_t frame = i / (channels * pixels), c = i / pixels % channels, p = i % pixels;
    out[(frame * pixels + p) * channels + c] = static_cast<float>(rows[k]);
  }
  return out;
}

template <Math kMath, int kGates>
std::vector<uint4> Pack(PackArguments p, int blocks) {
  p.words = int64_t{blocks} * (p.first_chunks + p.second_chunks) * ChunkWords(kMath);
  std::vector<uint4> packed(p.words / 4);
  p.packed = reinterpret_cast<uint32_t*>(packed.data());
  if (p.words == 0) return packed;
  simt::Launch(PackWeights<kMath, kGates>, {static_cast<unsigned>(DivideUp(p.words, 256))}, {256},
               0, p);
  return packed;
}

// [wci, wcf, wco], channels innermost.
inline std::vector<float> PackedPeepholes(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const bool spatial = test.peephole == Peephole::kSpatial;
  std::vector<float> packed;
  for (const std::vector<float>* w : {&test.wci, &test.wcf, &test.wco}) {
    const std::vector<float> last = spatial ? ChannelsLast(*w, s.hidden_dim, s.pixels()) : *w;
    packed.insert(packed.end(), last.begin(), last.end());
  }
  return packed;
}

// The packed weights of a layer for tile T.
struct PackedLayer {
  std::vector<uint4> weights;
  std::vector<float> bias, peephole;
  int padded_hidden;
};

template <class T>
PackedLayer PackLayer(const ConvLstmCase& test) {
  const ConvLstmShape& s = test.shape;
  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const ConvGeometry geometry = GeometryOf(s, s.batch);
  constexpr int kLayerChannels = WarpChannels(LstmCell::kGates);
  const int blocks = DivideUp(hidden, kLayerChannels * T::kColumnBlocks) * T::kColumnBlocks;
  PackedLayer layer;
  layer.weights = Pack<T::kMath, LstmCell::kGates>(
      {test.weight.data(), nullptr, 0, hidden, in, hidden,
       geometry.kernel_height * geometry.kernel_width, geometry.kernel_width,
       geometry.chunks(in, T::kMath), geometry.chunks(hidden, T::kMath)},
      blocks);
  layer.padded_hidden = blocks * kLayerChannels;
  layer.bias.resize(LstmCell::kGates * layer.padded_hidden);
  for (int k = 0; k < LstmCell::kGates * hidden && !test.bias.empty(); ++k) {
    layer.bias[k / hidden * layer.padded_hidden + k % hidden] = test.bias[k];
  }
  layer.peephole = PackedPeepholes(test);
  return layer;
}

// The frames of step t of a row-major sequence, as [batch][pixel][channel]. A separate heap block,
// so that AddressSanitizer sees reads out of bounds.
inline std::vector<float> StepFrames(const std::vector<float>& sequence, const ConvLstmShape& s,
                                     int64_t channels, int64_t t) {
  const int64_t frame = channels * s.pixels();
  std::vector<float> rows;
  for (int64_t b = 0; b < s.batch && !sequence.empty(); ++b) {
    const auto begin = sequence.begin() + s.frame(b, t) * frame;
    rows.insert(rows.end(), begin, begin + frame);
  }
  return ChannelsLast(rows, channels, s.pixels());
}

// Operands and results of a step, [batch][pixel][channel].
struct LayerStep {
  std::vector<float> x, h_before, masked_h, c_before, gates, c, h;
};

// Without `extended`, gates are not saved, and the case must have no masks.
template <class T>
std::vector<LayerStep> RunSteps(const ConvLstmCase& test, bool extended = true) {
  const ConvLstmShape& s = test.shape;
  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const auto pixels = static_cast<int>(s.pixels());
  const int64_t state = s.batch * hidden * pixels;
  const ConvGeometry geometry = GeometryOf(s, s.batch);
  const PackedLayer layer = PackLayer<T>(test);
  const std::vector<float> mask = ChannelsLast(test.recurrent_mask, hidden, pixels);
  const bool spatial = test.peephole == Peephole::kSpatial;
  const bool masks = !mask.empty();

  std::vector<LayerStep> steps;
  for (int64_t t = 0; t < s.time; ++t) {
    LayerStep step;
    step.x = StepFrames(test.x, s, in, t);
    step.h_before = t == 0 ? ChannelsLast(test.h0, hidden, pixels) : steps.back().h;
    step.c_before = t == 0 ? ChannelsLast(test.c0, hidden, pixels) : steps.back().c;
    step.masked_h = step.h_before;
    if (masks && !step.h_before.empty()) {
      const int64_t frame = state / s.batch;
      simt::Launch(MaskFrames, {2}, {32}, 0,
                   MaskArguments{{step.h_before.data()},
                                 0,
                                 frame,
                                 frame,
                                 state,
                                 {mask.data()},
                                 {step.masked_h.data()},
                                 state});
    }
    step.gates.assign(LstmCell::kGates * state, NAN);
    step.c.assign(state, NAN);
    step.h.assign(state, NAN);
    const auto zoneout = [&](const std::vector<float>& all) {
      return all.size() == 1 ? all : StepFrames(all, s, hidden, t);
    };
    const std::vector<float> zoneout_h = zoneout(test.zoneout_h);
    const std::vector<float> zoneout_c = zoneout(test.zoneout_c);
    const auto data = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
    StepArguments p = {};
    p.geometry = geometry;
    p.x = {nullptr, in, pixels, geometry.chunks(in, T::kMath)};
    p.h = {nullptr, hidden, pixels, step.masked_h.empty() ? 0 : geometry.chunks(hidden, T::kMath)};
    p.x_data = {step.x.data()};
    p.h_data = {step.masked_h.data()};
    p.weights = {layer.weights.data()};
    p.packed_chunks = geometry.chunks(in, T::kMath) + geometry.chunks(hidden, T::kMath);
    p.bias = {layer.bias.data()};
    p.peephole = {data(layer.peephole)};
    p.peephole_elements = static_cast<int64_t>(layer.peephole.size()) / 3;
    p.peephole_pixel_stride = spatial ? hidden : 0;
    p.hidden = hidden;
    p.padded_hidden = layer.padded_hidden;
    p.c_in = {data(step.c_before)};
    p.c = {step.c.data()};
    p.out = {step.h.data()};
    p.out_image_stride = pixels;
    p.extended = extended;
    p.extras.gates = {step.gates.data()};
    p.extras.old_h = {data(step.h_before)};
    p.extras.old_h_image_stride = pixels;
    p.extras.zoneout_h = {data(zoneout_h)};
    p.extras.zoneout_c = {data(zoneout_c)};
    p.extras.one_zoneout_h = test.zoneout_h.size() == 1;
    p.extras.one_zoneout_c = test.zoneout_c.size() == 1;
    p.extras.zoneout_image_stride = pixels;
    const dim3 grid = {
        static_cast<unsigned>(RowBlocks(geometry, T::kRows, T::kMath)),
        static_cast<unsigned>(LstmCell::kGates * layer.padded_hidden / T::kBlockColumns)};
    simt::Launch(ConvLstmStep<LstmCell, T>, grid, {T::kThreads}, T::kSharedBytes, p);
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_SIMT_LAYER_H_
