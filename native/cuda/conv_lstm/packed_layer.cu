#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "core/error.h"
#include "cuda/conv_lstm/mask_frames.cuh"
#include "cuda/conv_lstm/packed_layer.h"
#include "cuda/device/launch.cuh"
#include "cuda/device/tuning.h"
#include "cuda/gemm/packed_weights.h"
#include "cuda/tensor/layout.h"
#include "cuda/tensor/operations.h"
#include "cuda/tensor/strides.h"

namespace convlstm::cuda {
namespace {

Math MathOf(const Device& device, const ConvLstmShape& s, Precision precision) {
  if (!device.has_tensor_cores()) return Math::kFma;
  // Opt-in: no measurement has shown yet that it is faster.
  const bool wgmma = tuning.wgmma && device.has_wgmma() &&
                     std::max(s.kernel_height, s.kernel_width) <= kMaxPatchTaps;
  switch (precision) {
    case Precision::kHighest:
      return Math::kTf32x3;
    case Precision::kHigh:  // a single TF32 product errs by up to 4e-4
      return wgmma ? Math::kBf16x3Wgmma : Math::kBf16x3;
    case Precision::kMedium:
      return wgmma ? Math::kBf16Wgmma : Math::kBf16;
  }
  return Math::kTf32x3;
}

bool Serves(const PackedLayer& layer, const ConvLstmShape& shape, Peephole peephole,
            const PackedLayer::Companions& companions) {
  const ConvLstmShape& s = layer.shape;
  const bool same_image = s.height == shape.height && s.width == shape.width;
  return s.input_dim == shape.input_dim && s.hidden_dim == shape.hidden_dim &&
         s.kernel_height == shape.kernel_height && s.kernel_width == shape.kernel_width &&
         layer.peephole_kind == peephole && (peephole != Peephole::kSpatial || same_image) &&
         layer.companions == companions;
}

void PackPeepholes(Device& device, const ConvLstmShape& s, const ConvLstmInputs& inputs,
                   PackedLayer& layer) {
  const bool spatial = inputs.peephole == Peephole::kSpatial;
  const int64_t elements = s.hidden_dim * (spatial ? s.pixels() : 1);
  layer.peephole = device.AllocateArray<float>(LstmCell::kPeepholes * elements);
  float* out = layer.peephole.as<float>();
  for (const StoragePtr& w : {inputs.wci, inputs.wcf, inputs.wco}) {
    LaunchTranspose(device, 1, spatial ? s.hidden_dim : 1, elements / (spatial ? s.hidden_dim : 1),
                    RowMajor(device, *w), out);
    out += elements;
  }
}

void CheckLimits(const Device& device, const ConvLstmShape& s) {
  constexpr int64_t kMax = std::numeric_limits<int>::max() - kMaxTileRows;
  const int64_t columns = LstmCell::kGates * (s.hidden_dim + 2 * kColumns);
  const int64_t depth = s.kernel_height * s.kernel_width * (s.input_dim + s.hidden_dim);
  if (s.batch * s.time * s.pixels() > kMax || std::max(s.input_dim, columns) > kMaxChannels ||
      depth > kMax - 2 * kDepth) {
    throw Error(ErrorCode::kShape,
                device.name() + ": convLstm of more than 2^31 pixels or 2^29 channels");
  }
}

}  // namespace

std::shared_ptr<const PackedLayer> PackOnce(Device& device, const ConvLstmShape& s,
                                            const ConvLstmInputs& inputs, Precision precision) {
  CheckLimits(device, s);
  const Math math = MathOf(device, s, precision);
  for (const StoragePtr& operand :
       {inputs.weight, inputs.bias, inputs.wci, inputs.wcf, inputs.wco}) {
    if (operand != nullptr) RowMajor(device, *operand);
  }
  const PackedLayer::Companions companions = {Identity::Of(inputs.bias), Identity::Of(inputs.wci),
                                              Identity::Of(inputs.wcf), Identity::Of(inputs.wco)};
  const std::string key = "cuda conv_lstm " + std::to_string(static_cast<int>(math));
  std::shared_ptr<const void>& cached = inputs.weight->derived()[key];
  if (cached != nullptr) {
    auto layer = std::static_pointer_cast<const PackedLayer>(cached);
    if (Serves(*layer, s, inputs.peephole, companions)) return layer;
    cached.reset();
  }

  const auto in = static_cast<int>(s.input_dim), hidden = static_cast<int>(s.hidden_dim);
  const ConvGeometry g = GeometryOf(s, s.batch);
  const PackArguments arguments = {inputs.weight->data(),
                                   nullptr,
                                   0,
                                   hidden,
                                   in,
                                   hidden,
                                   g.kernel_height * g.kernel_width,
                                   g.kernel_width,
                                   g.chunks(in, math),
                                   g.chunks(hidden, math)};
  auto layer = std::make_shared<PackedLayer>();
  layer->shape = s;
  layer->math = math;
  layer->peephole_kind = inputs.peephole;
  layer->companions = companions;
  layer->weights = LaunchPack<LstmCell::kGates>(device, math, arguments);
  layer->padded_hidden = PackedColumns<LstmCell::kGates>(hidden) / LstmCell::kGates;
  layer->bias = device.AllocateArray<float>(LstmCell::kGates * layer->padded_hidden);
  device.Check(cudaMemsetAsync(layer->bias.as<float>(), 0, layer->bias.bytes(), device.stream()),
               "clearing the bias");
  if (inputs.bias != nullptr) {
    Strides from, to;
    from.Add(LstmCell::kGates * s.hidden_dim, 1);
    to.Add(LstmCell::kGates, layer->padded_hidden);
    to.Add(s.hidden_dim, 1);
    Move(device, inputs.bias->data(), from, layer->bias.as<float>(), to);
  }
  if (inputs.peephole != Peephole::kNone) PackPeepholes(device, s, inputs, *layer);
  cached = layer;
  return layer;
}

SequenceLayer ViewOf(const PackedLayer& layer, const ConvLstmShape& s,
                     const ConvLstmInputs& inputs) {
  const auto is_one = [](const StoragePtr& zoneout) {
    return zoneout != nullptr && zoneout->elements() == 1;
  };
  SequenceLayer view = {s,
                        layer.math,
                        layer.padded_hidden,
                        layer.peephole_kind == Peephole::kSpatial,
                        inputs.h0 != nullptr,
                        false};
  view.masked = inputs.recurrent_mask != nullptr;
  view.zoneout_h = inputs.zoneout_h != nullptr;
  view.zoneout_c = inputs.zoneout_c != nullptr;
  view.one_zoneout_h = is_one(inputs.zoneout_h);
  view.one_zoneout_c = is_one(inputs.zoneout_c);
  return view;
}

KernelCall MaskCall(const Device& device, const MaskArguments& arguments) {
  return CallOf("MaskFrames", MaskFrames, StridedGrid(device, arguments.count), kStrideThreads, 0,
                arguments);
}

StepKernel ChooseStepKernel(Device& device, Math math, const ConvLstmShape& s) {
  const int rows = GeometryOf(s, s.batch).rows();
  const StepKernel kernel = FindStepKernel<LstmCell>(
      math, tuning.tile.value_or(ChooseTile(rows, ColumnsOf(s), device.multiprocessors())));
  device.AllowShared(KernelAddress(kernel.kernel), kernel.shared_bytes);
  return kernel;
}

dim3 GridOf(int row_blocks, const ConvLstmShape& s, int tile_columns) {
  return dim3(static_cast<unsigned>(row_blocks),
              static_cast<unsigned>(DivideUp(ColumnsOf(s), tile_columns)));
}

}  // namespace convlstm::cuda
