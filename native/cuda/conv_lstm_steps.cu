#include "cuda/conv_lstm_steps.h"
#include "cuda/launch.cuh"
#include "cuda/mask_frames.cuh"
#include "cuda/operations.h"
#include "cuda/packed_layer.h"
#include "cuda/strides.h"

namespace convlstm::cuda {
namespace {

ChannelsLast StateLayout(const ConvLstmShape& s) { return {s.batch, s.hidden_dim, s.pixels()}; }

}  // namespace

StepPlan PlanStep(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                  Precision precision) {
  const std::shared_ptr<const PackedLayer> layer = PackOnce(device, s, inputs, precision);
  const StepKernel kernel = ChooseStepKernel(device, layer->math, s);
  const SequenceArguments arguments({layer->For(s, true, true)}, 0);
  const int rows = GeometryOf(s, s.batch).rows();
  const Math math = layer->math == Math::kBf16Wgmma ? Math::kBf16 : layer->math;
  return {layer, math, kernel, GridOf(rows, s, kernel.rows, kernel.columns),
          arguments.StepOf(0, 0)};
}

void LaunchMask(Device& device, const ConvLstmShape& s, const Frames& h, int64_t h_step_stride,
                const float* mask, int64_t steps, float* out) {
  const int64_t frame = s.hidden_dim * s.pixels(), state = s.batch * frame;
  LaunchStrided(device, "MaskFrames", MaskFrames, steps * state, h.data, h_step_stride,
                int64_t{h.stride} * s.hidden_dim, frame, mask, state, out, steps * state);
}

ConvLstmSteps::ConvLstmSteps(Device& device, const ConvLstmShape& shape,
                             const ConvLstmInputs& inputs, Precision precision)
    : device_(device),
      shape_(shape),
      plan_(PlanStep(device, shape, inputs, precision)),
      x_(device, inputs.x, {shape.batch * shape.time, shape.input_dim, shape.pixels()}),
      mask_(device, inputs.recurrent_mask, StateLayout(shape)),
      zoneout_h_(device, shape, inputs.zoneout_h),
      zoneout_c_(device, shape, inputs.zoneout_c) {
  if (mask_.data() != nullptr) {
    masked_h_ = device.AllocateArray<float>(shape.batch * shape.hidden_dim * shape.pixels());
  }
}

void ConvLstmSteps::Run(int64_t t, const Step& step) {
  const auto pixels = static_cast<int>(shape_.pixels());
  Frames h = step.h_in;
  if (h.data != nullptr && mask_.data() != nullptr) {
    LaunchMask(device_, shape_, h, 0, mask_.data(), 1, masked_h_.as<float>());
    h = {masked_h_.as<float>(), pixels};
  }
  StepArguments p = plan_.arguments;
  p.first = true;
  p.pointers = {x_.data(), h.data, step.c_in, step.h, nullptr, step.c, nullptr};
  p.x_offset = shape_.frame(0, t) * pixels * shape_.input_dim;
  p.h_offset = p.out_offset = 0;
  p.h.image_stride = h.stride;
  if (h.data == nullptr) p.h.chunks = 0;
  p.out_image_stride = step.h_stride;
  p.extended = true;
  p.extras = {step.gates,
              zoneout_h_.At(shape_, t),
              zoneout_c_.At(shape_, t),
              zoneout_h_.one_for_all(),
              zoneout_c_.one_for_all(),
              ImageStride(shape_),
              step.h_in.data,
              step.h_in.stride};
  Launch(device_, "ConvLstmStep", plan_.kernel.kernel, plan_.grid,
         dim3(static_cast<unsigned>(plan_.kernel.threads)), plan_.kernel.shared_bytes, p);
}

void ConvLstmByStep(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                    Precision precision, const ConvLstmOutputs& outputs) {
  const ChannelsLast state = StateLayout(s);
  const int64_t frame = s.hidden_dim * s.pixels();
  const HeldFrames h0(device, inputs.h0, state), c0(device, inputs.c0, state);
  ConvLstmSteps steps(device, s, inputs, precision);
  float* const output =
      outputs.output->AllocateChannelsLast({s.batch * s.time, s.hidden_dim, s.pixels()});
  float* const c = outputs.c->AllocateChannelsLast(state);
  const SavedFrames saved(s, outputs.save_every,
                          outputs.saved == nullptr ? nullptr : outputs.saved->Allocate());
  const int stride = ImageStride(s);
  Frames h_in = {h0.data(), static_cast<int>(s.pixels())};
  const float* c_in = c0.data();
  for (int64_t t = 0; t < s.time; ++t) {
    float* const h = output + s.frame(0, t) * frame;
    float* const c_kept = saved.c(t);
    float* const c_out = c_kept == nullptr ? c : c_kept;
    steps.Run(t, {h_in, c_in, h, stride, c_out, saved.has_gates() ? saved.gates(t) : nullptr});
    h_in = {h, stride};
    c_in = c_out;
  }

  if (s.time == 1) {
    outputs.h->ShareElements(*outputs.output);
    return;
  }
  Strides from, to;
  from.Add(s.batch, stride * s.hidden_dim);
  from.Add(frame, 1);
  from.first = s.frame(0, s.time - 1) * frame;
  to.Add(s.batch * frame, 1);
  Move(device, output, from, outputs.h->AllocateChannelsLast(state), to);
}

}  // namespace convlstm::cuda
