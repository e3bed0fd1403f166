// Kernel arguments of a layer's backward pass.
#ifndef CONVLSTM_CUDA_CONV_LSTM_BACKWARD_ARGUMENTS_CUH_
#define CONVLSTM_CUDA_CONV_LSTM_BACKWARD_ARGUMENTS_CUH_

#include <algorithm>
#include <cstdint>

#include "cuda/conv_lstm/backward_nodes.h"
#include "cuda/conv_lstm/delta.cuh"
#include "cuda/conv_lstm/mask_frames.h"
#include "cuda/conv_lstm/sequence_arguments.cuh"
#include "cuda/convolution/conv2d.cuh"
#include "cuda/convolution/weight_gradient.cuh"

namespace convlstm::cuda {

// Operands of a backward pass, channels-last; null if absent.
struct BackwardPointers {
  LayerPointers layer;                 // output and saved as the forward pass left them
  const uint4 *x_weights, *h_weights;  // packed for the gradients of x and h
  const float* output_grad;
  float *h_grad, *c_grad;  // running gradients of h and c
  float* x_grad;
  double* sums;                      // as in DeltaArguments, for bias and peepholes
  float* spatial_sums;               // [peephole][pixel][hidden]
  float *x_partial, *h_partial;      // partial sums of the weights' gradients
  float* masked_h;                   // of the steps of a segment
  float *segment_gates, *segment_c;  // recomputed
  float* scratch_h;                  // output of recomputed steps, never read
};

class BackwardArguments {
 public:
  // `layer` as in the forward pass, with has_output; `sum_count` as in DeltaArguments.
  BackwardArguments(const SequenceLayer& layer, const BackwardPlan& plan, int sum_count,
                    const OperandTable<BackwardPointers>& at)
      : s_(layer.shape),
        plan_(plan),
        sum_count_(sum_count),
        zoneout_h_(layer.zoneout_h),
        pixels_(static_cast<int>(s_.pixels())),
        in_(static_cast<int>(s_.input_dim)),
        hidden_(static_cast<int>(s_.hidden_dim)),
        frame_(s_.hidden_dim * s_.pixels()),
        state_(s_.batch * frame_),
        saved_(s_, layer.save_every, nullptr),
        at_(at),
        layer_{at.pointers.layer, at.table == nullptr ? nullptr : &at.table->layer},
        steps_({layer}, {layer_}, 0) {}

  StepArguments Step(int64_t segment, int64_t t) const {
    StepArguments p = steps_.StepOf(0, t);
    p.c_in = CBefore(segment, t);
    p.c = at_[&BackwardPointers::segment_c] + (t - segment) * state_;
    p.out = at_[&BackwardPointers::scratch_h];
    p.out_image_stride = pixels_;
    p.last_h = {};
    p.extended = true;
    p.extras.gates = Gates(segment, t);
    p.extras.mask = {};
    if (plan_.masked && t > 0) p.h_data = MaskedH(segment, t);
    return p;
  }

  DeltaArguments Delta(int64_t segment, int64_t t) const {
    const StepArguments step = steps_.StepOf(0, t);
    DeltaArguments p = {};
    p.hidden = hidden_;
    p.images = static_cast<int>(s_.batch);
    p.pixels = pixels_;
    p.gates = Gates(segment, t);
    p.c_in = CBefore(segment, t);
    p.h_grad = at_[&BackwardPointers::h_grad];
    p.c_grad = at_[&BackwardPointers::c_grad];
    p.output_grad = at_[&BackwardPointers::output_grad] + s_.frame(0, t) * frame_;
    p.zoneout_h = step.extras.zoneout_h;
    p.zoneout_c = step.extras.zoneout_c;
    p.one_zoneout_h = step.extras.one_zoneout_h;
    p.one_zoneout_c = step.extras.one_zoneout_c;
    p.image_stride = ImageStride(s_);
    p.peephole = step.peephole;
    p.peephole_elements = step.peephole_elements;
    p.peephole_pixel_stride = step.peephole_pixel_stride;
    p.sums = at_[&BackwardPointers::sums];
    p.sum_count = sum_count_;
    p.spatial_sums = at_[&BackwardPointers::spatial_sums];
    return p;
  }

  // The gradient of h before step t. With zoneout it already holds the part that bypasses the step.
  Conv2dArguments Hidden(int64_t segment, int64_t t) const {
    Conv2dArguments p = GradientOf(hidden_, s_.batch);
    p.x_data = Gates(segment, t);
    p.weights = at_[&BackwardPointers::h_weights];
    p.out = at_[&BackwardPointers::h_grad];
    p.inner = 1;
    p.outer_stride = pixels_;
    p.mask = layer_[&LayerPointers::mask];
    p.add = zoneout_h_;
    return p;
  }

  Conv2dArguments Input(int64_t begin, int64_t end) const {
    Conv2dArguments p = GradientOf(in_, (end - begin) * s_.batch);
    p.x_data = Gates(begin, begin);
    p.weights = at_[&BackwardPointers::x_weights];
    p.out = at_[&BackwardPointers::x_grad] + s_.frame(0, begin) * pixels_ * in_;
    p.inner = static_cast<int>(s_.batch);
    p.inner_stride = ImageStride(s_);
    p.outer_stride = StepFrames() * pixels_;
    return p;
  }

  // Weight gradients; WeightGradientSums::Call sets slice_rows.
  WeightGradientArguments InputWeights(int64_t begin, int64_t end) const {
    WeightGradientArguments p = WeightsOf(begin, begin, end);
    p.x = layer_[&LayerPointers::x] + s_.frame(0, end - 1) * pixels_ * in_;
    p.x_step_stride = StepFrames() * pixels_ * in_;
    p.channels = in_;
    p.image_stride = ImageStride(s_);
    p.partial = at_[&BackwardPointers::x_partial];
    return p;
  }

  // From the previous h of steps [first, end), all in the output or h0.
  WeightGradientArguments HiddenWeights(int64_t segment, int64_t first, int64_t end) const {
    const bool of_output = first > 0;
    WeightGradientArguments p = WeightsOf(segment, first, end);
    if (plan_.masked) {
      p.x = of_output ? MaskedH(segment, end - 1) : layer_[&LayerPointers::masked_h0];
      p.x_step_stride = state_;
    } else {
      p.x = of_output ? Operand<const float>(Output(end - 2)) : layer_[&LayerPointers::h0];
      p.x_step_stride = StepFrames() * frame_;
    }
    p.channels = hidden_;
    p.image_stride = of_output && !plan_.masked ? ImageStride(s_) : pixels_;
    p.partial = at_[&BackwardPointers::h_partial];
    return p;
  }

  // The masked previous h of steps [first, end), which are in the output.
  MaskArguments Mask(int64_t first, int64_t end) const {
    return {Output(first - 1),
            StepFrames() * frame_,
            int64_t{ImageStride(s_)} * hidden_,
            frame_,
            state_,
            layer_[&LayerPointers::mask],
            at_[&BackwardPointers::masked_h],
            (end - first) * state_};
  }

 private:
  Conv2dArguments GradientOf(int channels, int64_t images) const {
    const ConvGeometry forward = GeometryOf(s_, images);
    return GradientArguments(forward, PhasesOf(forward).front(), channels,
                             LstmCell::kGates * hidden_);
  }
  WeightGradientArguments WeightsOf(int64_t segment, int64_t first, int64_t end) const {
    WeightGradientArguments p = {};
    p.geometry = GeometryOf(s_, s_.batch);
    p.deltas = Gates(segment, end - 1);
    p.delta_step_stride = LstmCell::kGates * state_;
    p.out_channels = LstmCell::kGates * hidden_;
    p.steps = static_cast<int>(end - first);
    p.add = end < s_.time;
    return p;
  }

  // Frames between steps, in sequences laid out as x and output.
  int64_t StepFrames() const { return s_.time_major ? s_.batch : 1; }

  Operand<float> Gates(int64_t segment, int64_t t) const {
    return plan_.recomputes
               ? at_[&BackwardPointers::segment_gates] + LstmCell::kGates * (t - segment) * state_
               : layer_[&LayerPointers::saved] + saved_.gates_at(t);
  }
  Operand<const float> CBefore(int64_t segment, int64_t t) const {
    if (t == 0) return layer_[&LayerPointers::c0];
    if (t == segment || !plan_.recomputes) {
      return layer_[&LayerPointers::saved] + saved_.c_at(t - 1);
    }
    return at_[&BackwardPointers::segment_c] + (t - 1 - segment) * state_;
  }
  Operand<float> Output(int64_t t) const {
    return layer_[&LayerPointers::output] + s_.frame(0, t) * frame_;
  }
  // The masked previous h of step t > 0 of a segment.
  Operand<const float> MaskedH(int64_t segment, int64_t t) const {
    return at_[&BackwardPointers::masked_h] + (t - std::max<int64_t>(segment, 1)) * state_;
  }

  const ConvLstmShape s_;
  const BackwardPlan plan_;
  const int sum_count_;
  const bool zoneout_h_;
  const int pixels_, in_, hidden_;
  const int64_t frame_, state_;  // elements of h: of an image, of the batch
  const SavedFrames saved_;
  const OperandTable<BackwardPointers> at_;
  const OperandTable<LayerPointers> layer_;
  const SequenceArguments steps_;
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_BACKWARD_ARGUMENTS_CUH_
