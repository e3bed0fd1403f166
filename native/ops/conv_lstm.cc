#include "ops/conv_lstm.h"

#include <memory>
#include <string>

#include "core/error.h"
#include "core/shape.h"
#include "ops/check.h"

namespace convlstm {
namespace {

Shape StateOf(const ConvLstmShape& s) { return {s.batch, s.hidden_dim, s.height, s.width}; }
Shape OutputOf(const ConvLstmShape& s) {
  return {s.batch, s.time, s.hidden_dim, s.height, s.width};
}
Shape PeepholeOf(const ConvLstmShape& s, Peephole peephole) {
  return peephole == Peephole::kSpatial ? Shape{s.hidden_dim, s.height, s.width}
                                        : Shape{s.hidden_dim};
}

}  // namespace

void CheckConvLstm(const ConvLstmShape& s, const ConvLstmInputs& in) {
  for (const int64_t dim : {s.batch, s.time, s.input_dim, s.hidden_dim, s.height, s.width,
                            s.kernel_height, s.kernel_width}) {
    if (dim < 1 || dim > (int64_t{1} << 31)) {
      throw Error(ErrorCode::kShape,
                  "convLstm: expected dimensions of 1 to 2^31, got " + std::to_string(dim));
    }
  }
  if (in.x == nullptr || in.weight == nullptr) {
    throw Error(ErrorCode::kOption, "convLstm: x and weight are required");
  }
  const bool has_peephole = in.peephole != Peephole::kNone;
  for (const StoragePtr& w : {in.wci, in.wcf, in.wco}) {
    if ((w != nullptr) != has_peephole) {
      throw Error(ErrorCode::kOption, "convLstm: wci, wcf and wco go with a peephole and only so");
    }
  }
  const Shape state = StateOf(s), peephole = PeepholeOf(s, in.peephole);
  CheckElements("convLstm: x", in.x, {s.batch, s.time, s.input_dim, s.height, s.width});
  CheckElements("convLstm: weight", in.weight,
                {4 * s.hidden_dim, s.input_dim + s.hidden_dim, s.kernel_height, s.kernel_width});
  CheckElements("convLstm: bias", in.bias, {4 * s.hidden_dim});
  CheckElements("convLstm: wci", in.wci, peephole);
  CheckElements("convLstm: wcf", in.wcf, peephole);
  CheckElements("convLstm: wco", in.wco, peephole);
  CheckElements("convLstm: h0", in.h0, state);
  CheckElements("convLstm: c0", in.c0, state);
  CheckElements("convLstm: recurrentMask", in.recurrent_mask, state);
  NumElements(OutputOf(s));
  for (const StoragePtr& zoneout : {in.zoneout_h, in.zoneout_c}) {
    if (zoneout != nullptr && zoneout->elements() != 1) {
      CheckElements("convLstm: zoneout", zoneout, OutputOf(s));
    }
  }
}

void CheckConvLstmStack(const std::vector<ConvLstmLayer>& layers) {
  if (layers.empty()) throw Error(ErrorCode::kOption, "convLstmStack: expected at least one layer");
  const ConvLstmLayer* below = nullptr;
  for (const ConvLstmLayer& layer : layers) {
    ConvLstmInputs inputs = layer.inputs;
    if (below != nullptr) {
      const ConvLstmShape& s = layer.shape;
      const Shape given = OutputOf(below->shape);
      const Shape taken = {s.batch, s.time, s.input_dim, s.height, s.width};
      if (given != taken || s.time_major != below->shape.time_major) {
        throw Error(ErrorCode::kShape, "convLstmStack: a layer gives " + ToString(given) +
                                           " and the next takes " + ToString(taken));
      }
      inputs.x = std::make_shared<Storage>(NumElements(given));
    }
    CheckConvLstm(layer.shape, inputs);
    below = &layer;
  }
}

void CheckSaveEvery(int64_t save_every) {
  if (save_every < 0 || save_every > (int64_t{1} << 31)) {
    throw Error(ErrorCode::kOption,
                "saveEvery: expected 0 to 2^31, got " + std::to_string(save_every));
  }
}

int64_t SavedElements(const ConvLstmShape& s, int64_t save_every, SavedFormat format) {
  const int64_t step = NumElements(StateOf(s));
  if (save_every > 1) return NumElements({step, (s.time - 1) / save_every});
  if (format == SavedFormat::kFloat32) return NumElements({step, 5 * s.time - 1});
  return NumElements({step, 2 * s.time}) + NumElements({(step + 1) / 2, s.time - 1});
}

void CheckConvLstmBackward(const ConvLstmShape& s, const ConvLstmBackwardInputs& in,
                           const ConvLstmGradients& out) {
  CheckConvLstm(s, in.forward);
  CheckSaveEvery(in.save_every);
  if (in.output == nullptr || in.saved == nullptr || in.save_every == 0) {
    throw Error(ErrorCode::kOption, "convLstmBackward: output, saved and saveEvery are required");
  }
  const auto check_wanted = [](const char* name, const StoragePtr& gradient,
                               const StoragePtr& operand) {
    if (gradient != nullptr && operand == nullptr) {
      throw Error(ErrorCode::kOption,
                  std::string("convLstmBackward: no ") + name + " to find a gradient of");
    }
    if (gradient != nullptr) CheckElements(name, gradient, {operand->elements()});
  };
  check_wanted("x", out.x, in.forward.x);
  check_wanted("h0", out.h0, in.forward.h0);
  check_wanted("c0", out.c0, in.forward.c0);
  check_wanted("weight", out.weight, in.forward.weight);
  check_wanted("bias", out.bias, in.forward.bias);
  check_wanted("wci", out.wci, in.forward.wci);
  check_wanted("wcf", out.wcf, in.forward.wcf);
  check_wanted("wco", out.wco, in.forward.wco);
  CheckElements("convLstmBackward: output", in.output, OutputOf(s));
  CheckElements("convLstmBackward: saved", in.saved,
                {SavedElements(s, in.save_every, in.saved_format)});
  CheckElements("convLstmBackward: outputGrad", in.output_grad, OutputOf(s));
  CheckElements("convLstmBackward: hGrad", in.h_grad, StateOf(s));
  CheckElements("convLstmBackward: cGrad", in.c_grad, StateOf(s));
}

}  // namespace convlstm
