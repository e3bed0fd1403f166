#include "ops/conv_lstm.h"

#include <memory>
#include <string>

#include "core/error.h"
#include "core/shape.h"
#include "ops/check.h"

namespace convlstm {
namespace {

void CheckSaveEvery(int64_t save_every) {
  if (save_every < 0 || save_every > (int64_t{1} << 31)) {
    throw Error(ErrorCode::kOption,
                "convLstm: saveEvery: expected 0 to 2^31, got " + std::to_string(save_every));
  }
}

}  // namespace

void ConvLstmLayer::Check(bool needs_x) const {
  const ConvLstmShape& s = shape;
  const ConvLstmInputs& in = inputs;
  for (const int64_t dim : {s.batch, s.time, s.input_dim, s.hidden_dim, s.height, s.width,
                            s.kernel_height, s.kernel_width}) {
    if (dim < 1 || dim > (int64_t{1} << 31)) {
      throw Error(ErrorCode::kShape,
                  "convLstm: expected dimensions of 1 to 2^31, got " + std::to_string(dim));
    }
  }
  if ((needs_x && in.x == nullptr) || in.weight == nullptr) {
    throw Error(ErrorCode::kOption, "convLstm: x and weight are required");
  }
  const bool has_peephole = in.peephole != Peephole::kNone;
  for (const StoragePtr& w : {in.wci, in.wcf, in.wco}) {
    if ((w != nullptr) != has_peephole) {
      throw Error(ErrorCode::kOption,
                  "convLstm: expected wci, wcf and wco with a peephole, null without");
    }
  }
  const Shape state = s.state(), peephole = in.peephole == Peephole::kSpatial
                                                ? Shape{s.hidden_dim, s.height, s.width}
                                                : Shape{s.hidden_dim};
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
  NumElements(s.output());
  for (const StoragePtr& zoneout : {in.zoneout_h, in.zoneout_c}) {
    if (zoneout != nullptr && zoneout->elements() != 1) {
      CheckElements("convLstm: zoneout", zoneout, s.output());
    }
  }
}

void ConvLstm::Check() const {
  ConvLstmLayer::Check(true);
  CheckSaveEvery(outputs.save_every);
}

void ConvLstmStack::Check() const {
  if (layers.empty()) throw Error(ErrorCode::kOption, "convLstmStack: expected at least one layer");
  const ConvLstmLayer* below = nullptr;
  for (const ConvLstmLayer& layer : layers) {
    if (below != nullptr) {
      const ConvLstmShape& s = layer.shape;
      const Shape given = below->shape.output();
      const Shape taken = {s.batch, s.time, s.input_dim, s.height, s.width};
      if (given != taken || s.time_major != below->shape.time_major) {
        throw Error(ErrorCode::kShape, "convLstmStack: expected a layer for " + ToString(given) +
                                           ", the output of the one below, got one for " +
                                           ToString(taken));
      }
    }
    layer.Check(below == nullptr);
    below = &layer;
  }
}

int64_t SavedElements(const ConvLstmShape& s, int64_t save_every, SavedFormat format) {
  if (save_every == 0) return 0;
  const int64_t step = NumElements(s.state());
  if (save_every > 1) return NumElements({step, (s.time - 1) / save_every});
  if (format == SavedFormat::kFloat32) return NumElements({step, 5 * s.time - 1});
  return NumElements({step, 2 * s.time}) + NumElements({(step + 1) / 2, s.time - 1});
}

void ConvLstmBackward::Check() const {
  ConvLstmLayer{shape, inputs.forward, precision, {}}.Check(true);
  CheckSaveEvery(inputs.save_every);
  if (inputs.output == nullptr || inputs.saved == nullptr || inputs.save_every == 0) {
    throw Error(ErrorCode::kOption, "convLstmBackward: output, saved and saveEvery are required");
  }
  CheckElements("convLstmBackward: output", inputs.output, shape.output());
  CheckElements("convLstmBackward: saved", inputs.saved,
                {SavedElements(shape, inputs.save_every, inputs.saved_format)});
  CheckElements("convLstmBackward: outputGrad", inputs.output_grad, shape.output());
  CheckElements("convLstmBackward: hGrad", inputs.h_grad, shape.state());
  CheckElements("convLstmBackward: cGrad", inputs.c_grad, shape.state());
}

}  // namespace convlstm
