// The arguments of every kernel of a stack: where in the memory of a call its operands lie.
#ifndef CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_

#include <utility>
#include <vector>

#include "cuda/conv_lstm/input.cuh"
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

// Pixels from one image of a step to the next in a sequence that lies as x and output do.
inline int ImageStride(const ConvLstmShape& s) {
  return static_cast<int>(s.frame(s.batch > 1 ? 1 : 0, 0) * s.pixels());
}

// Where a layer's operands lie, channels-last; null for what there is not.
struct LayerPointers {
  const uint4* weights;  // packed
  const float *bias, *peephole;
  const float *x, *h0, *c0;
  float* output;  // of the sequence, or the last kPlaces steps' h, [place][batch]
  float* h;       // gets h of the last step too
  float* c;
  float* sums_of_x;  // input.cuh
  const float *zoneout_h, *zoneout_c;
  const float *mask, *masked_h0;
  float* masked_h;  // the last kPlaces steps'
  float* saved;     // for the backward pass
};

// A layer as its kernels see it: with the steps at once, all that a stack's graph depends on.
struct SequenceLayer {
  ConvLstmShape shape;
  Math math;
  int padded_hidden;
  bool spatial_peephole;
  bool has_h0;
  bool has_output;  // of the sequence
  // What a plain step does not do.
  bool masked = false, zoneout_h = false, zoneout_c = false;
  bool one_zoneout_h = false, one_zoneout_c = false;  // one element stands for all
  int64_t save_every = 0;

  bool extended() const { return masked || zoneout_h || zoneout_c || save_every > 0; }
};

class SequenceArguments {
 public:
  SequenceArguments(std::vector<SequenceLayer> layers,
                    std::vector<Operands<LayerPointers>> operands, int64_t steps_at_once)
      : layers_(std::move(layers)), operands_(std::move(operands)), steps_at_once_(steps_at_once) {}

  // Elements of sums_of_x.
  int64_t sums_elements() const {
    const int places = steps_at_once_ < layers_.front().shape.time ? kPlaces : 1;
    return places * SumsOfProduct();
  }

  StepArguments StepOf(int index, int64_t t) const {
    const SequenceLayer& layer = layers_[index];
    const Operands<LayerPointers>& at = operands_[index];
    const ConvLstmShape& s = layer.shape;
    const ConvGeometry g = GeometryOf(s, s.batch);
    const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
    const auto pixels = static_cast<int>(s.pixels());
    const bool first = t == 0, begins_with_x = index == 0 && steps_at_once_ > 0;
    const Frames x = FramesOf(s, index == 0), out = FramesOf(s, layer.has_output);
    StepArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, x.image_stride, begins_with_x ? 0 : g.chunks(in, layer.math)};
    p.x_data = at[&LayerPointers::x] + x.Pixel(t) * in;
    p.weights = at[&LayerPointers::weights] +
                (begins_with_x ? g.chunks(in, layer.math) * (ChunkWords(layer.math) / 4) : 0);
    p.packed_chunks = g.chunks(in, layer.math) + g.chunks(hidden, layer.math);
    p.bias = at[&LayerPointers::bias];
    p.begins_with_x = begins_with_x;
    if (begins_with_x) {
      const int64_t step = t % steps_at_once_;
      const int64_t pixel = s.pixels() * step * (s.time_major ? s.batch : 1);
      p.sums_of_x = at[&LayerPointers::sums_of_x] + PlaceOf(t / steps_at_once_) +
                    pixel * LstmCell::kGates * layer.padded_hidden;
      p.sums_image_stride = static_cast<int>(s.pixels() * (s.time_major ? 1 : steps_at_once_));
    }
    p.peephole = at[&LayerPointers::peephole];
    p.peephole_elements = s.hidden_dim * (layer.spatial_peephole ? s.pixels() : 1);
    p.peephole_pixel_stride = layer.spatial_peephole ? hidden : 0;
    p.hidden = hidden;
    p.padded_hidden = layer.padded_hidden;

    const int64_t state = s.batch * s.pixels() * hidden;
    const auto masked_h = [&](int64_t step) {
      return at[&LayerPointers::masked_h] + step % kPlaces * state;
    };
    const Place<const float> h =
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

  // How many of InputOf's blockIdx.z there are.
  int64_t sequences() const {
    const ConvLstmShape& s = layers_.front().shape;
    return s.time_major || steps_at_once_ == s.time ? 1 : s.batch;
  }

  // The product of x of steps begin to end.
  InputArguments InputOf(int64_t begin, int64_t end) const {
    const SequenceLayer& layer = layers_.front();
    const Operands<LayerPointers>& at = operands_.front();
    const ConvLstmShape& s = layer.shape;
    const auto in = static_cast<int>(s.input_dim), pixels = static_cast<int>(s.pixels());
    const ConvGeometry g = GeometryOf(s, (end - begin) * s.batch / sequences());
    InputArguments p = {};
    p.geometry = g;
    p.x = {nullptr, in, pixels, g.chunks(in, layer.math)};
    p.x_data = at[&LayerPointers::x] + s.frame(0, begin) * pixels * in;
    p.x_sequence_stride = s.time * pixels * in;
    p.weights = at[&LayerPointers::weights];
    p.packed_chunks =
        g.chunks(in, layer.math) + g.chunks(static_cast<int>(s.hidden_dim), layer.math);
    p.bias = at[&LayerPointers::bias];
    p.padded_hidden = layer.padded_hidden;
    p.sums = at[&LayerPointers::sums_of_x] + PlaceOf(begin / steps_at_once_);
    p.sums_sequence_stride = steps_at_once_ * pixels * LstmCell::kGates * layer.padded_hidden;
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
    return {s, all, all ? ImageStride(s) : static_cast<int>(s.pixels())};
  }

  int64_t SumsOfProduct() const {
    const SequenceLayer& layer = layers_.front();
    return steps_at_once_ * layer.shape.batch * layer.shape.pixels() * LstmCell::kGates *
           layer.padded_hidden;
  }
  int64_t PlaceOf(int64_t product) const { return product % kPlaces * SumsOfProduct(); }

  std::vector<SequenceLayer> layers_;
  std::vector<Operands<LayerPointers>> operands_;
  int64_t steps_at_once_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_ARGUMENTS_CUH_
