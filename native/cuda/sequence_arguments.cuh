// The arguments of every kernel of a stack: where in the memory of a call its operands lie.
#ifndef CONVLSTM_CUDA_SEQUENCE_ARGUMENTS_CUH_
#define CONVLSTM_CUDA_SEQUENCE_ARGUMENTS_CUH_

#include <utility>
#include <vector>

#include "cuda/conv_lstm_input.cuh"
#include "cuda/sequence_nodes.h"
#include "ops/conv_lstm.h"

namespace convlstm::cuda {

inline ConvGeometry GeometryOf(const ConvLstmShape& s, int64_t images) {
  const auto height = static_cast<int>(s.height), width = static_cast<int>(s.width);
  return {static_cast<int>(images),
          height,
          width,
          height,
          width,
          static_cast<int>(s.kernel_height),
          static_cast<int>(s.kernel_width),
          1,
          1,
          static_cast<int>(s.pad_top()),
          static_cast<int>(s.pad_left()),
          1,
          1};
}

// A layer as its kernels see it.
struct SequenceLayer {
  ConvLstmShape shape;
  Math math;
  const uint4* weights;
  const float* bias;
  const float* peephole;  // null for none
  bool spatial_peephole;
  int padded_hidden;
  bool has_h0;
  // Its output is that of the sequence; otherwise the last kPlaces steps', [place][batch].
  bool has_output;
};

class SequenceArguments {
 public:
  SequenceArguments(std::vector<SequenceLayer> layers, int64_t steps_at_once)
      : layers_(std::move(layers)), steps_at_once_(steps_at_once) {}

  // Elements of the pointers' sums_of_x.
  int64_t sums_elements() const {
    const int places = steps_at_once_ < layers_.front().shape.time ? kPlaces : 1;
    return places * SumsOfProduct();
  }

  StepArguments StepOf(int index, int64_t t) const {
    const SequenceLayer& layer = layers_[index];
    const ConvLstmShape& s = layer.shape;
    const ConvGeometry g = GeometryOf(s, s.batch);
    const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
    const bool first = t == 0, begins_with_x = index == 0 && steps_at_once_ > 0;
    const Frames x = FramesOf(s, index == 0), out = FramesOf(s, layer.has_output);
    StepArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, x.image_stride, begins_with_x ? 0 : g.chunks(in)};
    p.h = {nullptr, hidden, first ? static_cast<int>(s.pixels()) : out.image_stride,
           first && !layer.has_h0 ? 0 : g.chunks(hidden)};
    p.weights = layer.weights + (begins_with_x ? g.chunks(in) * (ChunkWords(layer.math) / 4) : 0);
    p.bias = layer.bias;
    p.peephole = layer.peephole;
    p.peephole_elements = s.hidden_dim * (layer.spatial_peephole ? s.pixels() : 1);
    p.peephole_pixel_stride = layer.spatial_peephole ? hidden : 0;
    p.hidden = hidden;
    p.padded_hidden = layer.padded_hidden;
    p.first = first;
    p.last = t == s.time - 1;
    p.begins_with_x = begins_with_x;
    p.x_offset = x.Pixel(t) * in;
    p.h_offset = first ? 0 : out.Pixel(t - 1) * hidden;
    p.out_offset = out.Pixel(t) * hidden;
    p.out_image_stride = out.image_stride;
    if (begins_with_x) {
      const int64_t step = t % steps_at_once_;
      const int64_t pixel = s.pixels() * step * (s.time_major ? s.batch : 1);
      p.sums_offset = PlaceOf(t / steps_at_once_) + pixel * 4 * layer.padded_hidden;
      p.sums_image_stride = static_cast<int>(s.pixels() * (s.time_major ? 1 : steps_at_once_));
    }
    p.packed_chunks = g.chunks(in) + g.chunks(hidden);
    return p;
  }

  // How many of InputOf's blockIdx.z there are.
  int64_t sequences() const {
    const ConvLstmShape& s = layers_.front().shape;
    return s.time_major || steps_at_once_ == s.time ? 1 : s.batch;
  }

  // The product of x of steps begin to end.
  InputArguments InputOf(int64_t begin, int64_t end) const {
    const SequenceLayer& layer = layers_.front();
    const ConvLstmShape& s = layer.shape;
    const auto in = static_cast<int>(s.input_dim), pixels = static_cast<int>(s.pixels());
    const ConvGeometry g = GeometryOf(s, (end - begin) * s.batch / sequences());
    InputArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, pixels, g.chunks(in)};
    p.weights = layer.weights;
    p.bias = layer.bias;
    p.padded_hidden = layer.padded_hidden;
    p.packed_chunks = g.chunks(in) + g.chunks(static_cast<int>(s.hidden_dim));
    p.x_offset = s.frame(0, begin) * pixels * in;
    p.sums_offset = PlaceOf(begin / steps_at_once_);
    p.x_sequence_stride = s.time * pixels * in;
    p.sums_sequence_stride = steps_at_once_ * pixels * 4 * layer.padded_hidden;
    return p;
  }

 private:
  // Where the frames of a step lie, in pixels.
  struct Frames {
    const ConvLstmShape& shape;
    bool all;  // else the last kPlaces steps'
    int image_stride;

    int64_t Pixel(int64_t t) const {
      return (all ? shape.frame(0, t) : t % kPlaces * shape.batch) * shape.pixels();
    }
  };
  static Frames FramesOf(const ConvLstmShape& s, bool all) {
    const int64_t frames = all && !s.time_major && s.batch > 1 ? s.time : 1;
    return {s, all, static_cast<int>(frames * s.pixels())};
  }

  int64_t SumsOfProduct() const {
    const SequenceLayer& layer = layers_.front();
    return steps_at_once_ * layer.shape.batch * layer.shape.pixels() * 4 * layer.padded_hidden;
  }
  int64_t PlaceOf(int64_t product) const { return product % kPlaces * SumsOfProduct(); }

  std::vector<SequenceLayer> layers_;
  int64_t steps_at_once_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_SEQUENCE_ARGUMENTS_CUH_
