// Helpers to run an engine's operations on its queue.
#ifndef CONVLSTM_TEST_CUDA_ON_ENGINE_H_
#define CONVLSTM_TEST_CUDA_ON_ENGINE_H_

#include <exception>
#include <memory>
#include <vector>

#include "reference.h"
#include "runtime/engine.h"
#include "runtime/prepare.h"

namespace convlstm::cuda {

// Runs `task` on the engine's queue and waits. Rethrows its exceptions.
template <typename Task>
void OnQueue(Engine& engine, Task task) {
  std::exception_ptr error;
  engine.queue().Wait(engine.queue().Enqueue([&] {
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
  }));
  if (error) std::rethrow_exception(error);
}

// The operation with its results, computed on the engine.
template <typename Op>
Op RunOn(Engine& engine, Op op) {
  Prepare(engine, op);
  OnQueue(engine, [&] { engine.Run(op); });
  return op;
}

inline StoragePtr New(Engine& engine, int64_t elements) {
  return std::make_shared<Storage>(elements, engine.memory());
}

inline StoragePtr Uploaded(Engine& engine, const std::vector<float>& values) {
  const StoragePtr storage = New(engine, static_cast<int64_t>(values.size()));
  if (const auto copy = engine.Upload(values.data(), storage)) OnQueue(engine, copy);
  return storage;
}

inline std::vector<float> Downloaded(Engine& engine, const StoragePtr& storage) {
  std::vector<float> values(storage->elements());
  OnQueue(engine, [&] { engine.StartDownload(storage)(values.data()); });
  return values;
}

// A peer copy to another GPU, which must have access to `from`'s memory.
inline StoragePtr Copied(Engine& from, Engine& to, const StoragePtr& x) {
  const StoragePtr out = New(to, x->elements());
  Engine::Arrival arrival;
  OnQueue(from, [&] { arrival = from.StartPeerCopy(x, to); });
  OnQueue(to, [&] { arrival(*out); });
  return out;
}

inline ConvLstmShape ShapeOf(int64_t batch, int64_t time, int64_t in, int64_t hidden,
                             int64_t height, int64_t width, int64_t kernel_height,
                             int64_t kernel_width, bool time_major = false) {
  return {batch, time, time_major, in, hidden, height, width, kernel_height, kernel_width};
}

// The operands of a case on an engine.
struct Operands {
  ConvLstmInputs inputs;

  Operands(Engine& engine, const ConvLstmCase& test) {
    const auto optional = [&](const std::vector<float>& values) {
      return values.empty() ? nullptr : Uploaded(engine, values);
    };
    inputs.x = optional(test.x);
    inputs.weight = optional(test.weight);
    inputs.bias = optional(test.bias);
    inputs.peephole = test.peephole;
    inputs.wci = optional(test.wci);
    inputs.wcf = optional(test.wcf);
    inputs.wco = optional(test.wco);
    inputs.h0 = optional(test.h0);
    inputs.c0 = optional(test.c0);
    inputs.recurrent_mask = optional(test.recurrent_mask);
    inputs.zoneout_h = optional(test.zoneout_h);
    inputs.zoneout_c = optional(test.zoneout_c);
  }
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_TEST_CUDA_ON_ENGINE_H_
