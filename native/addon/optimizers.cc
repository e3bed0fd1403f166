#include "addon/optimizers.h"

#include <array>
#include <memory>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/submit.h"
#include "cpu/optimizers.h"
#include "cpu/thread_pool.h"
#include "ops/check.h"

namespace convlstm::addon {
namespace {

using cpu::GlobalThreadPool;

// A storage as long as the parameter; null where that may be.
StoragePtr ReadState(const Arguments& arguments, const char* name, const StoragePtr& parameter) {
  StoragePtr state = arguments.OptionalStorage(name);
  CheckElements(name, state, {parameter->elements()});
  return state;
}

StoragePtr ReadGrad(const Arguments& arguments, const StoragePtr& parameter) {
  const StoragePtr& grad = arguments.RequiredStorage("grad");
  CheckElements("grad", grad, {parameter->elements()});
  return grad;
}

StoragePtr NewState(const StoragePtr& parameter) { return NewStorage({parameter->elements()}); }

Napi::Value WrapOptional(Napi::Env env, const StoragePtr& storage) {
  if (storage == nullptr) return env.Null();
  return Environment::Of(env).Wrap(storage);
}

Napi::Value SgdStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const SgdOptions options = {.lr = arguments.Number("lr"),
                              .momentum = arguments.Number("momentum"),
                              .dampening = arguments.Number("dampening"),
                              .nesterov = arguments.Boolean("nesterov"),
                              .weight_decay = arguments.Number("weightDecay")};
  const StoragePtr& parameter = arguments.RequiredStorage("parameter");
  const StoragePtr grad = ReadGrad(arguments, parameter);
  const SgdState before = {parameter, ReadState(arguments, "buffer", parameter)};
  const SgdState after = {NewState(parameter),
                          options.momentum == 0 ? nullptr : NewState(parameter)};
  Submit(Environment::Of(info.Env()), std::array{parameter, grad, before.buffer},
         std::array{after.parameter, after.buffer},
         [=] { cpu::SgdStep(options, *grad, before, after, GlobalThreadPool()); });
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameter", WrapOptional(info.Env(), after.parameter));
  result.Set("buffer", WrapOptional(info.Env(), after.buffer));
  return result;
}

Napi::Value RmspropStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const RmspropOptions options = {.lr = arguments.Number("lr"),
                                  .alpha = arguments.Number("alpha"),
                                  .eps = arguments.Number("eps"),
                                  .momentum = arguments.Number("momentum"),
                                  .weight_decay = arguments.Number("weightDecay")};
  const StoragePtr& parameter = arguments.RequiredStorage("parameter");
  const StoragePtr grad = ReadGrad(arguments, parameter);
  const RmspropState before = {parameter, ReadState(arguments, "squareAverage", parameter),
                               ReadState(arguments, "buffer", parameter)};
  const RmspropState after = {NewState(parameter), NewState(parameter),
                              options.momentum == 0 ? nullptr : NewState(parameter)};
  Submit(Environment::Of(info.Env()),
         std::array{parameter, grad, before.square_average, before.buffer},
         std::array{after.parameter, after.square_average, after.buffer},
         [=] { cpu::RmspropStep(options, *grad, before, after, GlobalThreadPool()); });
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameter", WrapOptional(info.Env(), after.parameter));
  result.Set("squareAverage", WrapOptional(info.Env(), after.square_average));
  result.Set("buffer", WrapOptional(info.Env(), after.buffer));
  return result;
}

Napi::Value AdamStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const AdamOptions options = {.step = arguments.Integer("step"),
                               .lr = arguments.Number("lr"),
                               .beta1 = arguments.Number("beta1"),
                               .beta2 = arguments.Number("beta2"),
                               .eps = arguments.Number("eps"),
                               .weight_decay = arguments.Number("weightDecay"),
                               .decoupled = arguments.Boolean("decoupled")};
  const StoragePtr& parameter = arguments.RequiredStorage("parameter");
  const StoragePtr grad = ReadGrad(arguments, parameter);
  const AdamState before = {parameter, ReadState(arguments, "average", parameter),
                            ReadState(arguments, "squareAverage", parameter)};
  const AdamState after = {NewState(parameter), NewState(parameter), NewState(parameter)};
  Submit(Environment::Of(info.Env()),
         std::array{parameter, grad, before.average, before.square_average},
         std::array{after.parameter, after.average, after.square_average},
         [=] { cpu::AdamStep(options, *grad, before, after, GlobalThreadPool()); });
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameter", WrapOptional(info.Env(), after.parameter));
  result.Set("average", WrapOptional(info.Env(), after.average));
  result.Set("squareAverage", WrapOptional(info.Env(), after.square_average));
  return result;
}

}  // namespace

void AddOptimizers(Napi::Object backend) {
  const Napi::Env env = backend.Env();
  backend.DefineProperties({
      Napi::PropertyDescriptor::Function(env, backend, "sgdStep", Guarded<SgdStep>,
                                         napi_enumerable),
      Napi::PropertyDescriptor::Function(env, backend, "rmspropStep", Guarded<RmspropStep>,
                                         napi_enumerable),
      Napi::PropertyDescriptor::Function(env, backend, "adamStep", Guarded<AdamStep>,
                                         napi_enumerable),
  });
}

}  // namespace convlstm::addon
