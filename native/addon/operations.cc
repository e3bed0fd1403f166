#include "addon/operations.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "addon/arguments.h"
#include "addon/engines.h"
#include "addon/environment.h"
#include "addon/errors.h"
#include "addon/transfers.h"
#include "runtime/operations.h"
#include "runtime/prepare.h"

namespace convlstm::addon {
namespace {

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

template <typename Op>
Op ReadArguments(const Napi::CallbackInfo& info) {
  Op op;
  if constexpr (Op::kCalling == Calling::kByName) {
    op.VisitArguments(ArgumentReader(info[0], "arguments"));
  } else {
    op.VisitArguments(ArgumentReader(info));
  }
  return op;
}

Napi::Value Wrap(Environment& environment, Napi::Env env, const StoragePtr& storage) {
  return storage == nullptr ? env.Null() : environment.Wrap(storage);
}

// A single result is returned itself, several as an object by name.
Napi::Value Wrap(Environment& environment, Napi::Env env, const Results& results) {
  if (results.size() == 1) return environment.Wrap(results.front().storage);
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [name, storage] : results) object.Set(name, Wrap(environment, env, storage));
  return object;
}

// { output, states: [{ h, c }, ...] } from the results output, h, c, h, c, ...
Napi::Value WrapStack(Environment& environment, Napi::Env env, const Results& results) {
  Napi::Array states = Napi::Array::New(env, results.size() / 2);
  for (uint32_t k = 0; k < states.Length(); ++k) {
    const auto h = results.begin() + 1 + 2 * k;
    states.Set(k, Wrap(environment, env, Results(h, h + 2)));
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("output", environment.Wrap(results.front().storage));
  object.Set("states", states);
  return object;
}

// One operation as a function of `Backend`.
template <typename Op>
Napi::Value Call(const Napi::CallbackInfo& info) {
  Engine& engine = EngineOf(info);
  Environment& environment = Environment::Of(info.Env());
  Op op = ReadArguments<Op>(info);
  const Results results = Prepare(engine, op);
  environment.Enqueue(engine.queue(), TaskOf(engine, std::move(op), results));
  if constexpr (std::is_same_v<Op, ConvLstmStack>) {
    return WrapStack(environment, info.Env(), results);
  } else {
    return Wrap(environment, info.Env(), results);
  }
}

template <typename... Ops, typename Add>
void AddAll(std::type_identity<std::variant<Ops...>>, const Add& add) {
  (add(Ops::kName, Guarded<Call<Ops>>), ...);
}

}  // namespace

Napi::Object MakeBackend(Napi::Env env, Engine& engine) {
  Napi::Object backend = Napi::Object::New(env);
  const auto add = [&](const char* name, Function function) {
    backend.DefineProperty(
        Napi::PropertyDescriptor::Function(env, backend, name, function, napi_enumerable, &engine));
  };
  add("upload", Guarded<Upload>);
  add("copy", Guarded<Copy>);
  AddAll(std::type_identity<Operation>(), add);
  return backend;
}

}  // namespace convlstm::addon
