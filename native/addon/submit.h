// How the functions of a backend put operations on the device's queue.
#ifndef CONVLSTM_ADDON_SUBMIT_H_
#define CONVLSTM_ADDON_SUBMIT_H_

#include <napi.h>

#include <array>
#include <exception>
#include <memory>
#include <utility>

#include "addon/environment.h"
#include "core/error.h"
#include "core/shape.h"
#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm::addon {

inline StoragePtr NewStorage(const Shape& shape, Engine& engine) {
  return std::make_shared<Storage>(NumElements(shape), engine.memory());
}

// The engine of the backend that a function belongs to.
inline Engine& EngineOf(const Napi::CallbackInfo& info) {
  return *static_cast<Engine*>(info.Data());
}

// Throws Error(kDevice) for an input of another device.
template <typename Inputs>
void CheckDevice(Engine& engine, const Inputs& inputs) {
  for (const StoragePtr& input : inputs) {
    if (input && &input->memory() != &engine.memory()) {
      throw Error(ErrorCode::kDevice,
                  "an operation of '" + engine.name() + "' on an input that is on another device");
    }
  }
}

// Enqueues `operation`, which computes `outputs` from `inputs` (null where there is none of
// either). What fails in it, or failed when an input was computed, is left with the outputs.
template <typename Inputs, typename Outputs, typename Operation>
void Submit(Engine& engine, Environment& environment, const Inputs& inputs, const Outputs& outputs,
            Operation operation) {
  CheckDevice(engine, inputs);
  environment.Enqueue(engine.queue(),
                      [inputs = inputs, outputs, operation = std::move(operation)]() mutable {
                        try {
                          for (const StoragePtr& input : inputs) {
                            if (input) input->ThrowIfFailed();
                          }
                          inputs = {};  // the operation lets go of them when it can
                          operation();
                        } catch (...) {
                          for (const StoragePtr& output : outputs) {
                            if (output) output->Fail(std::current_exception());
                          }
                        }
                      });
}

// The same for one output of `shape`, which `operation(output)` computes.
template <typename Inputs, typename Operation>
Napi::Value SubmitOne(Engine& engine, Environment& environment, const Inputs& inputs,
                      const Shape& shape, Operation operation) {
  const StoragePtr out = NewStorage(shape, engine);
  Submit(engine, environment, inputs, std::array{out},
         [operation = std::move(operation), out] { operation(*out); });
  return environment.Wrap(out);
}

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_SUBMIT_H_
