#include "addon/convolutions.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/submit.h"
#include "core/error.h"
#include "ops/conv2d.h"
#include "ops/conv_lstm.h"

namespace convlstm::addon {
namespace {

Shape Rank4(const Arguments& arguments, const char* name) {
  Shape shape = arguments.Integers(name);
  if (shape.size() != 4) {
    throw Error(ErrorCode::kShape,
                std::string(name) + ": expected 4 dimensions, got " + ToString(shape));
  }
  return shape;
}

Precision ReadPrecision(const Arguments& arguments) {
  return arguments.Choice<Precision>("precision", {"highest", "high", "medium"});
}

Conv2dShape ReadConv2dShape(const Arguments& arguments) {
  const Shape x_shape = Rank4(arguments, "xShape");
  const Shape weight_shape = Rank4(arguments, "weightShape");
  if (weight_shape[1] != x_shape[1]) {
    throw Error(ErrorCode::kShape, "conv2d: weight " + ToString(weight_shape) +
                                       " does not take the channels of " + ToString(x_shape));
  }
  const auto [stride_y, stride_x] = arguments.IntegerPair("stride");
  const auto [padding_y, padding_x] = arguments.IntegerPair("padding");
  const auto [dilation_y, dilation_x] = arguments.IntegerPair("dilation");
  return {.batch = x_shape[0],
          .in_channels = x_shape[1],
          .height = x_shape[2],
          .width = x_shape[3],
          .out_channels = weight_shape[0],
          .kernel_height = weight_shape[2],
          .kernel_width = weight_shape[3],
          .stride_y = stride_y,
          .stride_x = stride_x,
          .padding_y = padding_y,
          .padding_x = padding_x,
          .dilation_y = dilation_y,
          .dilation_x = dilation_x};
}

Conv2dInputs ReadConv2dInputs(const Arguments& arguments) {
  return {arguments.RequiredStorage("x"), arguments.RequiredStorage("weight"),
          arguments.OptionalStorage("bias")};
}

ConvLstmShape ReadConvLstmShape(const Arguments& arguments) {
  return {.batch = arguments.Integer("batch"),
          .time = arguments.Integer("time"),
          .time_major = arguments.Boolean("timeMajor"),
          .input_dim = arguments.Integer("inputDim"),
          .hidden_dim = arguments.Integer("hiddenDim"),
          .height = arguments.Integer("height"),
          .width = arguments.Integer("width"),
          .kernel_height = arguments.Integer("kernelHeight"),
          .kernel_width = arguments.Integer("kernelWidth")};
}

ConvLstmInputs ReadConvLstmInputs(const Arguments& arguments, bool with_x = true) {
  return {.x = with_x ? arguments.RequiredStorage("x") : nullptr,
          .weight = arguments.RequiredStorage("weight"),
          .bias = arguments.OptionalStorage("bias"),
          .peephole = arguments.Choice<Peephole>("peephole", {"none", "channel", "spatial"}),
          .wci = arguments.OptionalStorage("wci"),
          .wcf = arguments.OptionalStorage("wcf"),
          .wco = arguments.OptionalStorage("wco"),
          .h0 = arguments.OptionalStorage("h0"),
          .c0 = arguments.OptionalStorage("c0"),
          .recurrent_mask = arguments.OptionalStorage("recurrentMask"),
          .zoneout_h = arguments.OptionalStorage("zoneoutH"),
          .zoneout_c = arguments.OptionalStorage("zoneoutC")};
}

// All of them, null where there is none.
std::vector<StoragePtr> StoragesOf(const ConvLstmInputs& in) {
  return {in.x,  in.weight, in.bias,           in.wci,       in.wcf,      in.wco,
          in.h0, in.c0,     in.recurrent_mask, in.zoneout_h, in.zoneout_c};
}

// An object of storages by name; null where there is none.
Napi::Object WrapAll(Napi::Env env,
                     const std::vector<std::pair<const char*, StoragePtr>>& storages) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, storage] : storages) {
    object.Set(name, storage == nullptr ? env.Null() : Environment::Of(env).Wrap(storage));
  }
  return object;
}

// A storage for the gradient of an operand that is there and wanted.
StoragePtr GradientOf(const StoragePtr& operand, bool wanted, Engine& engine) {
  return operand == nullptr || !wanted ? nullptr : NewStorage({operand->elements()}, engine);
}

}  // namespace

// Float32 whatever the precision asked for.
Napi::Value Conv2d(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const Conv2dShape shape = ReadConv2dShape(arguments);
  const Conv2dInputs inputs = ReadConv2dInputs(arguments);
  ReadPrecision(arguments);
  CheckConv2d(shape, inputs);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, Environment::Of(info.Env()),
                   std::array{inputs.x, inputs.weight, inputs.bias}, shape.output(),
                   [=, &engine](Storage& out) { engine.Conv2d(shape, inputs, out); });
}

Napi::Value ConvLstm(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const ConvLstmShape shape = ReadConvLstmShape(arguments);
  const ConvLstmInputs inputs = ReadConvLstmInputs(arguments);
  const Precision precision = ReadPrecision(arguments);
  const int64_t save_every = arguments.Integer("saveEvery");
  CheckConvLstm(shape, inputs);
  CheckSaveEvery(save_every);
  Engine& engine = EngineOf(info);
  const Shape state = {shape.batch, shape.hidden_dim, shape.height, shape.width};
  ConvLstmOutputs outputs = {
      NewStorage({shape.batch, shape.time, shape.hidden_dim, shape.height, shape.width}, engine),
      NewStorage(state, engine), NewStorage(state, engine)};
  if (save_every > 0) {
    outputs.saved_format = engine.FormatOfSaved(precision);
    outputs.saved = NewStorage({SavedElements(shape, save_every, outputs.saved_format)}, engine);
    outputs.save_every = save_every;
  }
  Submit(engine, Environment::Of(info.Env()), StoragesOf(inputs),
         std::array{outputs.output, outputs.h, outputs.c, outputs.saved},
         [=, &engine] { engine.ConvLstm(shape, inputs, precision, outputs); });
  return WrapAll(
      info.Env(),
      {{"output", outputs.output}, {"h", outputs.h}, {"c", outputs.c}, {"saved", outputs.saved}});
}

Napi::Value Conv2dBackward(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const Conv2dShape shape = ReadConv2dShape(arguments);
  const Conv2dInputs inputs = ReadConv2dInputs(arguments);
  const StoragePtr grad = arguments.RequiredStorage("grad");
  ReadPrecision(arguments);
  const Arguments wants = arguments.Object("wants");
  Engine& engine = EngineOf(info);
  const Conv2dGradients gradients = {
      GradientOf(inputs.x, wants.Boolean("x"), engine),
      GradientOf(inputs.weight, wants.Boolean("weight"), engine),
      wants.Boolean("bias") ? NewStorage({shape.out_channels}, engine) : nullptr};
  CheckConv2dBackward(shape, inputs, grad, gradients);
  Submit(engine, Environment::Of(info.Env()),
         std::array{inputs.x, inputs.weight, inputs.bias, grad},
         std::array{gradients.x, gradients.weight, gradients.bias},
         [=, &engine] { engine.Conv2dBackward(shape, inputs, grad, gradients); });
  return WrapAll(info.Env(),
                 {{"x", gradients.x}, {"weight", gradients.weight}, {"bias", gradients.bias}});
}

Napi::Value ConvLstmStack(const Napi::CallbackInfo& info) {
  if (!info[0].IsArray()) {
    throw Error(ErrorCode::kOption, "convLstmStack: expected an array of layers");
  }
  const auto array = info[0].As<Napi::Array>();
  std::vector<ConvLstmLayer> layers;
  for (uint32_t k = 0; k < array.Length(); ++k) {
    const Arguments arguments(array.Get(k));
    layers.push_back({ReadConvLstmShape(arguments),
                      ReadConvLstmInputs(arguments, k == 0),
                      ReadPrecision(arguments),
                      {}});
  }
  CheckConvLstmStack(layers);
  Engine& engine = EngineOf(info);
  const ConvLstmShape& last = layers.back().shape;
  layers.back().outputs.output =
      NewStorage({last.batch, last.time, last.hidden_dim, last.height, last.width}, engine);
  std::vector<StoragePtr> inputs, outputs = {layers.back().outputs.output};
  for (ConvLstmLayer& layer : layers) {
    const ConvLstmShape& s = layer.shape;
    layer.outputs.h = NewStorage({s.batch, s.hidden_dim, s.height, s.width}, engine);
    layer.outputs.c = NewStorage({s.batch, s.hidden_dim, s.height, s.width}, engine);
    for (const StoragePtr& input : StoragesOf(layer.inputs)) inputs.push_back(input);
    outputs.insert(outputs.end(), {layer.outputs.h, layer.outputs.c});
  }
  const Napi::Env env = info.Env();
  Submit(engine, Environment::Of(env), inputs, outputs,
         [layers, &engine] { engine.ConvLstmStack(layers); });
  Napi::Object result = WrapAll(env, {{"output", outputs.front()}});
  Napi::Array states = Napi::Array::New(env, layers.size());
  for (uint32_t k = 0; k < layers.size(); ++k) {
    const ConvLstmOutputs& state = layers[k].outputs;
    states.Set(k, WrapAll(env, {{"h", state.h}, {"c", state.c}}));
  }
  result.Set("states", states);
  return result;
}

Napi::Value ConvLstmBackward(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const ConvLstmShape shape = ReadConvLstmShape(arguments);
  const Precision precision = ReadPrecision(arguments);
  Engine& engine = EngineOf(info);
  const ConvLstmBackwardInputs inputs = {.forward = ReadConvLstmInputs(arguments),
                                         .output = arguments.RequiredStorage("output"),
                                         .saved = arguments.RequiredStorage("saved"),
                                         .save_every = arguments.Integer("saveEvery"),
                                         .output_grad = arguments.OptionalStorage("outputGrad"),
                                         .h_grad = arguments.OptionalStorage("hGrad"),
                                         .c_grad = arguments.OptionalStorage("cGrad"),
                                         .saved_format = engine.FormatOfSaved(precision)};
  const Arguments wants = arguments.Object("wants");
  const ConvLstmInputs& in = inputs.forward;
  const auto gradient_of = [&](const StoragePtr& operand, const char* name) {
    return GradientOf(operand, wants.Boolean(name), engine);
  };
  const ConvLstmGradients gradients = {.x = gradient_of(in.x, "x"),
                                       .h0 = gradient_of(in.h0, "h0"),
                                       .c0 = gradient_of(in.c0, "c0"),
                                       .weight = gradient_of(in.weight, "weight"),
                                       .bias = gradient_of(in.bias, "bias"),
                                       .wci = gradient_of(in.wci, "peephole"),
                                       .wcf = gradient_of(in.wcf, "peephole"),
                                       .wco = gradient_of(in.wco, "peephole")};
  CheckConvLstmBackward(shape, inputs, gradients);
  std::vector<StoragePtr> operands = StoragesOf(in);
  operands.insert(operands.end(),
                  {inputs.output, inputs.saved, inputs.output_grad, inputs.h_grad, inputs.c_grad});
  const std::vector<std::pair<const char*, StoragePtr>> results = {
      {"x", gradients.x},           {"h0", gradients.h0},     {"c0", gradients.c0},
      {"weight", gradients.weight}, {"bias", gradients.bias}, {"wci", gradients.wci},
      {"wcf", gradients.wcf},       {"wco", gradients.wco}};
  std::vector<StoragePtr> outputs;
  outputs.reserve(results.size());
  for (const auto& [name, storage] : results) outputs.push_back(storage);
  Submit(engine, Environment::Of(info.Env()), operands, outputs,
         [=, &engine, inputs = inputs]() mutable {
           engine.ConvLstmBackward(shape, std::move(inputs), precision, gradients);
         });
  return WrapAll(info.Env(), results);
}

}  // namespace convlstm::addon
