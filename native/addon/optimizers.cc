#include "addon/optimizers.h"

#include <array>
#include <memory>
#include <vector>

#include "addon/arguments.h"
#include "addon/environment.h"
#include "addon/submit.h"
#include "ops/check.h"
#include "ops/optimizers.h"

namespace convlstm::addon {
namespace {

// A slot by its name in binding.d.ts, and whether the step writes it.
struct Slot {
  const char* name;
  bool written;
};

Napi::Value Step(const Napi::CallbackInfo& info, const Arguments& arguments,
                 const OptimizerOptions& options, const std::vector<Slot>& slots) {
  Engine& engine = EngineOf(info);
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr parameter = arguments.RequiredStorage("parameter");
  const Shape shape = {parameter->elements()};
  const StoragePtr grad = arguments.RequiredStorage("grad");
  CheckElements("grad", grad, shape);
  OptimizerState before = {parameter, {}}, after = {NewStorage(shape, engine), {}};
  for (size_t k = 0; k < slots.size(); ++k) {
    before.slots[k] = arguments.OptionalStorage(slots[k].name);
    CheckElements(slots[k].name, before.slots[k], shape);
    if (slots[k].written) after.slots[k] = NewStorage(shape, engine);
  }
  Submit(engine, environment, std::array{parameter, grad, before.slots[0], before.slots[1]},
         std::array{after.parameter, after.slots[0], after.slots[1]},
         [=, &engine] { engine.OptimizerStep(options, *grad, before, after); });
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("parameter", environment.Wrap(after.parameter));
  for (size_t k = 0; k < slots.size(); ++k) {
    result.Set(slots[k].name,
               slots[k].written ? environment.Wrap(after.slots[k]) : info.Env().Null());
  }
  return result;
}

}  // namespace

Napi::Value SgdStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const SgdOptions options = {.lr = arguments.Number("lr"),
                              .momentum = arguments.Number("momentum"),
                              .dampening = arguments.Number("dampening"),
                              .nesterov = arguments.Boolean("nesterov"),
                              .weight_decay = arguments.Number("weightDecay")};
  return Step(info, arguments, options, {{"buffer", options.momentum != 0}});
}

Napi::Value RmspropStep(const Napi::CallbackInfo& info) {
  const Arguments arguments(info[0]);
  const RmspropOptions options = {.lr = arguments.Number("lr"),
                                  .alpha = arguments.Number("alpha"),
                                  .eps = arguments.Number("eps"),
                                  .momentum = arguments.Number("momentum"),
                                  .weight_decay = arguments.Number("weightDecay")};
  return Step(info, arguments, options,
              {{"squareAverage", true}, {"buffer", options.momentum != 0}});
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
  return Step(info, arguments, options, {{"average", true}, {"squareAverage", true}});
}

}  // namespace convlstm::addon
