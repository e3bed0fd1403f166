#include "addon/operations.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/arguments.h"
#include "addon/convolutions.h"
#include "addon/copies.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/optimizers.h"
#include "addon/submit.h"
#include "core/error.h"
#include "ops/check.h"

namespace convlstm::addon {
namespace {

Napi::Value Upload(const Napi::CallbackInfo& info) {
  const Napi::Value value = info[0];
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Error(ErrorCode::kDtype, "upload: expected a Float32Array");
  }
  const auto values = value.As<Napi::Float32Array>();
  Engine& engine = EngineOf(info);
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr storage = NewStorage({static_cast<int64_t>(values.ElementLength())}, engine);
  if (std::function<void()> copy = engine.Upload(values.Data(), storage)) {
    Submit(engine, environment, std::array<StoragePtr, 0>(), std::array{storage}, std::move(copy));
  }
  return environment.Wrap(storage);
}

Napi::Value Fill(const Napi::CallbackInfo& info) {
  const int64_t length = ToInteger(info[0], "length");
  const auto value = static_cast<float>(ToNumber(info[1], "value"));
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, Environment::Of(info.Env()), std::array<StoragePtr, 0>(), {length},
                   [&engine, value](Storage& out) { engine.Fill(value, out); });
}

UnaryOp ReadUnaryOp(Napi::Value value) {
  return ToEnum<UnaryOp>(value, "op",
                         {"neg", "abs", "exp", "log", "sqrt", "sigmoid", "tanh", "relu",
                          "leakyRelu", "square", "softplus"});
}

Napi::Value Unary(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const UnaryOp op = ReadUnaryOp(info[0]);
  const StoragePtr x = environment.Unwrap(info[1], "x");
  const auto alpha = static_cast<float>(ToNumber(info[2], "alpha"));
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{x}, {x->elements()},
                   [=, &engine](Storage& out) { engine.Unary(op, *x, alpha, out); });
}

Napi::Value UnaryBackward(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const UnaryOp op = ReadUnaryOp(info[0]);
  const StoragePtr saved = environment.Unwrap(info[1], "saved");
  const StoragePtr grad = environment.Unwrap(info[2], "grad");
  const auto alpha = static_cast<float>(ToNumber(info[3], "alpha"));
  CheckElements("unaryBackward: saved", saved, {grad->elements()});
  Engine& engine = EngineOf(info);
  return SubmitOne(
      engine, environment, std::array{saved, grad}, {grad->elements()},
      [=, &engine](Storage& out) { engine.UnaryBackward(op, *saved, *grad, alpha, out); });
}

Napi::Value Binary(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const auto op = ToEnum<BinaryOp>(
      info[0], "op", {"add", "sub", "mul", "div", "maximum", "minimum", "greater", "equal"});
  const StoragePtr a = environment.Unwrap(info[1], "a");
  const StoragePtr b = environment.Unwrap(info[3], "b");
  const BinaryShapes shapes = {ToIntegers(info[2], "aShape"), ToIntegers(info[4], "bShape"),
                               ToIntegers(info[5], "outShape")};
  CheckBinary(shapes, a, b);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{a, b}, shapes.out,
                   [=, &engine](Storage& out) { engine.Binary(op, shapes, *a, *b, out); });
}

Napi::Value Reduce(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const Reduction reduction = {ToEnum<ReduceOp>(info[0], "op", {"sum", "mean", "max"}),
                               ToIntegers(info[2], "shape"), ToIntegers(info[3], "axes")};
  const StoragePtr x = environment.Unwrap(info[1], "x");
  CheckReduction(reduction, x);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{x}, reduction.output(),
                   [=, &engine](Storage& out) { engine.Reduce(reduction, *x, out); });
}

Napi::Value Permute(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr x = environment.Unwrap(info[0], "x");
  const Permutation permutation = {ToIntegers(info[1], "shape"), ToIntegers(info[2], "order")};
  CheckPermutation(permutation, x);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{x}, permutation.shape,
                   [=, &engine](Storage& out) { engine.Permute(permutation, *x, out); });
}

// The arguments of slice and sliceBackward after the first.
Slice ReadSlice(const Napi::CallbackInfo& info) {
  Slice slice = {ToIntegers(info[1], "shape"), ToIntegers(info[2], "starts"),
                 ToIntegers(info[3], "sizes"), ToIntegers(info[4], "steps")};
  // A longer step than the axis is never taken, and could overflow.
  for (size_t axis = 0; axis < std::min(slice.shape.size(), slice.steps.size()); ++axis) {
    slice.steps[axis] = std::min(slice.steps[axis], std::max<int64_t>(1, slice.shape[axis]));
  }
  return slice;
}

Napi::Value TakeSlice(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr x = environment.Unwrap(info[0], "x");
  const Slice slice = ReadSlice(info);
  CheckSlice(slice, x);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{x}, slice.sizes,
                   [=, &engine](Storage& out) { engine.TakeSlice(slice, *x, out); });
}

Napi::Value SliceBackward(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr grad = environment.Unwrap(info[0], "grad");
  const Slice slice = ReadSlice(info);
  CheckSliceBackward(slice, grad);
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, std::array{grad}, slice.shape,
                   [=, &engine](Storage& out) { engine.SliceBackward(slice, *grad, out); });
}

Napi::Value Concat(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  if (!info[0].IsArray() || !info[1].IsArray()) {
    throw Error(ErrorCode::kOption, "concat: expected arrays of parts and of shapes");
  }
  const auto handles = info[0].As<Napi::Array>(), shapes = info[1].As<Napi::Array>();
  std::vector<StoragePtr> parts;
  for (uint32_t k = 0; k < handles.Length(); ++k) {
    parts.push_back(environment.Unwrap(handles.Get(k), "part"));
  }
  Concatenation concatenation;
  for (uint32_t k = 0; k < shapes.Length(); ++k) {
    concatenation.shapes.push_back(ToIntegers(shapes.Get(k), "shape"));
  }
  concatenation.axis = ToInteger(info[2], "axis");
  CheckConcatenation(concatenation, parts);
  int64_t elements = 0;
  for (const StoragePtr& part : parts) elements += part->elements();
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, environment, parts, {elements},
                   [=, &engine](Storage& out) { engine.Concatenate(concatenation, parts, out); });
}

Napi::Value MakeBernoulli(const Napi::CallbackInfo& info) {
  const int64_t length = ToInteger(info[0], "length");
  const Bernoulli bernoulli = {.probability = ToNumber(info[1], "probability"),
                               .value = static_cast<float>(ToNumber(info[2], "value")),
                               .key0 = static_cast<uint32_t>(ToInteger(info[3], "key0")),
                               .key1 = static_cast<uint32_t>(ToInteger(info[4], "key1")),
                               .counter = static_cast<uint64_t>(ToInteger(info[5], "counter"))};
  if (!(bernoulli.probability >= 0 && bernoulli.probability <= 1)) {
    throw Error(ErrorCode::kOption, "bernoulli: probability: expected a number from 0 to 1");
  }
  Engine& engine = EngineOf(info);
  return SubmitOne(engine, Environment::Of(info.Env()), std::array<StoragePtr, 0>(), {length},
                   [=, &engine](Storage& out) { engine.FillBernoulli(bernoulli, out); });
}

}  // namespace

Napi::Object MakeBackend(Napi::Env env, Engine& engine) {
  Napi::Object backend = Napi::Object::New(env);
  const auto add = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    backend.DefineProperty(
        Napi::PropertyDescriptor::Function(env, backend, name, function, napi_enumerable, &engine));
  };
  add("upload", Guarded<Upload>);
  add("copy", Guarded<Copy>);
  add("fill", Guarded<Fill>);
  add("unary", Guarded<Unary>);
  add("binary", Guarded<Binary>);
  add("reduce", Guarded<Reduce>);
  add("permute", Guarded<Permute>);
  add("slice", Guarded<TakeSlice>);
  add("concat", Guarded<Concat>);
  add("conv2d", Guarded<Conv2d>);
  add("unaryBackward", Guarded<UnaryBackward>);
  add("sliceBackward", Guarded<SliceBackward>);
  add("bernoulli", Guarded<MakeBernoulli>);
  add("convLstm", Guarded<ConvLstm>);
  add("convLstmStack", Guarded<ConvLstmStack>);
  add("conv2dBackward", Guarded<Conv2dBackward>);
  add("convLstmBackward", Guarded<ConvLstmBackward>);
  add("sgdStep", Guarded<SgdStep>);
  add("rmspropStep", Guarded<RmspropStep>);
  add("adamStep", Guarded<AdamStep>);
  return backend;
}

}  // namespace convlstm::addon
