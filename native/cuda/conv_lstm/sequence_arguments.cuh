// Kernel arguments of a stack of layers over a sequence.
#ifndef CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_

#include <utility>
#include <vector>

#include "cuda/conv_lstm/input_projection.cuh"
#include "cuda/conv_lstm/sequence_nodes.h"
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

// Pixels between images of a step, in sequences laid out as x and output.
inline int ImageStride(const ConvLstmShape& s) {
  return static_cast<int>(s.frame(s.batch > 1 ? 1 : 0, 0) * s.pixels());
}

// Operands of a layer, channels-last; null if absent.
struct LayerPointers {
  const uint4* weights;          // packed
  const float *bias, *peephole;  // as in StepArguments
  const float *x, *h0, *c0;
  float* output;  // h of every step, or double-buffered h, [kBuffers][batch]
  float* h;       // of the last step; may be null
  float* c;
  float* projection;  // input_projection.cuh, double-buffered if there are several
  const float *zoneout_h, *zoneout_c;
  const float *mask, *masked_h0;
  float* masked_h;  // double-buffered, [kBuffers][batch]
  float* saved;     // for the backward pass (SavedFrames)
};

// A layer as its kernels see it. Together with the steps per projection it determines the graph of
// a stack.
struct SequenceLayer {
  ConvLstmShape shape;
  Math math;
  int padded_hidden;
  bool spatial_peephole;
  bool has_h0;
  bool has_output;  // h of every step
  // Features with StepExtras.
  bool masked = false, zoneout_h = false, zoneout_c = false;
  bool one_zoneout_h = false, one_zoneout_c = false;  // one element stands for all
  int64_t save_every = 0;

  bool extended() const { return masked || zoneout_h || zoneout_c || save_every > 0; }
};

class SequenceArguments {
 public:
  SequenceArguments(std::vector<SequenceLayer> layers,
                    std::vector<OperandTable<LayerPointers>> operands, int64_t steps_per_projection)
      : layers_(std::move(layers)),
        operands_(std::move(operands)),
        steps_per_projection_(steps_per_projection) {}

  // Elements of LayerPointers::projection.
  int64_t projection_elements() const {
    const int buffers = steps_per_projection_ < layers_.front().shape.time ? kBuffers : 1;
    return buffers * ProjectionElements();
  }

  StepArguments StepOf(int index, int64_t t) const {
    const SequenceLayer& layer = layers_[index];
    const OperandTable<LayerPointers>& at = operands_[index];
    const ConvLstmShape& s = layer.shape;
    const ConvGeometry g = GeometryOf(s, s.batch);
    const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
    const auto pixels = static_cast<int>(s.pixels());
    const bool first = t == 0, projected = index == 0 && steps_per_projection_ > 0;
    const Frames x = FramesOf(s, index == 0), out = FramesOf(s, layer.has_output);
    StepArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, x.image_stride, projected ? 0 : g.chunks(in, layer.math)};
    p.x_data = at[&LayerPointers::x] + x.Pixel(t) * in;
    p.weights = at[&LayerPointers::weights] +
                (projected ? g.chunks(in, layer.math) * (ChunkWords(layer.math) / 4) : 0);
    p.packed_chunks = g.chunks(in, layer.math) + g.chunks(hidden, layer.math);
    p.bias = at[&LayerPointers::bias];
    p.projected = projected;
    if (projected) {
      const int64_t step = t % steps_per_projection_;
      const int64_t pixel = s.pixels() * step * (s.time_major ? s.batch : 1);
      p.projection = at[&LayerPointers::projection] + ProjectionOffset(t / steps_per_projection_) +
                     pixel * LstmCell::kGates * layer.padded_hidden;
      p.projection_image_stride =
          static_cast<int>(s.pixels() * (s.time_major ? 1 : steps_per_projection_));
    }
    p.peephole = at[&LayerPointers::peephole];
    p.peephole_elements = s.hidden_dim * (layer.spatial_peephole ? s.pixels() : 1);
    p.peephole_pixel_stride = layer.spatial_peephole ? hidden : 0;
    p.hidden = hidden;
    p.padded_hidden = layer.padded_hidden;

    const int64_t state = s.batch * s.pixels() * hidden;
    const auto masked_h = [&](int64_t step) {
      return at[&LayerPointers::masked_h] + step % kBuffers * state;
    };
    const Operand<const float> h =
        first ? at[&LayerPointers::h0] : at[&LayerPointers::output] + out.Pixel(t - 1) * hidden;
    const int h_image_stride = first ? pixels : out.image_stride;
    p.h = {nullptr, hidden, layer.masked ? pixels : h_image_stride,
           first && !layer.has_h0 ? 0 : g.chunks(hidden, layer.math)};
    if (layer.masked) {
      p.h_data = first ? at[&LayerPointers::masked_h0] : masked_h(t - 1);
    } else {
      p.h_data = h;
    }
    const SavedFrames saved(s, layer.save_every, nullptr);
    const auto c_after = [&](int64_t step) {
      return saved.has_c(step) ? at[&LayerPointers::saved] + saved.c_at(step)
                               : at[&LayerPointers::c];
    };
    p.c_in = first ? at[&LayerPointers::c0] : c_after(t - 1);
    p.c = c_after(t);
    p.out = at[&LayerPointers::output] + out.Pixel(t) * hidden;
    p.out_image_stride = out.image_stride;
    if (t == s.time - 1) p.last_h = at[&LayerPointers::h];

    p.extended = layer.extended();
    if (!p.extended) return p;
    if (saved.has_gates()) p.extras.gates = at[&LayerPointers::saved] + saved.gates_at(t);
    if (layer.masked && t + 1 < s.time) {
      p.extras.mask = at[&LayerPointers::mask];
      p.extras.masked_h = masked_h(t);
    }
    p.extras.old_h = h;
    p.extras.old_h_image_stride = h_image_stride;
    const int64_t zoneout = s.frame(0, t) * s.pixels() * hidden;
    p.extras.zoneout_h = at[&LayerPointers::zoneout_h] + (layer.one_zoneout_h ? 0 : zoneout);
    p.extras.zoneout_c = at[&LayerPointers::zoneout_c] + (layer.one_zoneout_c ? 0 : zoneout);
    p.extras.one_zoneout_h = layer.one_zoneout_h;
    p.extras.one_zoneout_c = layer.one_zoneout_c;
    p.extras.zoneout_image_stride = ImageStride(s);
    return p;
  }

  // Sequences of ProjectionOf's grid (gridDim.z).
  int64_t sequences() const {
    const ConvLstmShape& s = layers_.front().shape;
    return s.time_major || steps_per_projection_ == s.time ? 1 : s.batch;
  }

  // The input projection of steps [begin, end).
  ProjectionArguments ProjectionOf(int64_t begin, int64_t end) const {
    const SequenceLayer& layer = layers_.front();
    const OperandTable<LayerPointers>& at = operands_.front();
    const ConvLstmShape& s = layer.shape;
    const auto in = static_cast<int>(s.input_dim), pixels = static_cast<int>(s.pixels());
    const ConvGeometry g = GeometryOf(s, (end - begin) * s.batch / sequences());
    ProjectionArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, pixels, g.chunks(in, layer.math)};
    p.x_data = at[&LayerPointers::x] + s.frame(0, begin) * pixels * in;
    p.x_sequence_stride = s.time * pixels * in;
    p.weights = at[&LayerPointers::weights];
    p.packed_chunks =
        g.chunks(in, layer.math) + g.chunks(static_cast<int>(s.hidden_dim), layer.math);
    p.bias = at[&LayerPointers::bias];
    p.padded_hidden = layer.padded_hidden;
    p.out = at[&LayerPointers::projection] + ProjectionOffset(begin / steps_per_projection_);
    p.out_sequence_stride = steps_per_projection_ * pixels * LstmCell::kGates * layer.padded_hidden;
    return p;
  }

 private:
  // Positions of a step's frames, in pixels.
  struct Frames {
    const ConvLstmShape& shape;
    bool all;  // of every step, else double-buffered
    int image_stride;

    int64_t Pixel(int64_t t) const {
      return (all ? shape.frame(0, t) : t % kBuffers * shape.batch) * shape.pixels();
    }
  };
  static Frames FramesOf(const ConvLstmShape& s, bool all) {
    return {s, all, all ? ImageStride(s) : static_cast<int>(s.pixels())};
  }

  int64_t ProjectionElements() const {
    const SequenceLayer& layer = layers_.front();
    return steps_per_projection_ * layer.shape.batch * layer.shape.pixels() * LstmCell::kGates *
           layer.padded_hidden;
  }
  int64_t ProjectionOffset(int64_t index) const { return index % kBuffers * ProjectionElements(); }

  std::vector<SequenceLayer> layers_;
  std::vector<OperandTable<LayerPointers>> operands_;
  int64_t steps_per_projection_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_
