// How the functions of a backend put operations on the device's queue.
#ifndef CONVLSTM_ADDON_SUBMIT_H_
#define CONVLSTM_ADDON_SUBMIT_H_

#include <napi.h>

#include <array>
#include <exception>
#include <memory>
#include <utility>

#include "addon/environment.h"
#include "core/shape.h"
#include "core/storage.h"
#include "cpu/thread_pool.h"

namespace convlstm::addon {

inline StoragePtr NewStorage(const Shape& shape) {
  return std::make_shared<Storage>(NumElements(shape));
}

// Enqueues `operation`, which computes `outputs` from `inputs` (null where there is none of
// either). What fails in it, or failed when an input was computed, is left with the outputs.
template <typename Inputs, typename Outputs, typename Operation>
void Submit(Environment& environment, const Inputs& inputs, const Outputs& outputs,
            Operation operation) {
  cpu::GlobalThreadPool();  // throws here, in the caller's line, when CONVLSTM_THREADS is no number
  environment.Enqueue([inputs, outputs, operation = std::move(operation)] {
    try {
      for (const StoragePtr& input : inputs) {
        if (input) input->ThrowIfFailed();
      }
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
Napi::Value SubmitOne(Environment& environment, const Inputs& inputs, const Shape& shape,
                      Operation operation) {
  const StoragePtr out = NewStorage(shape);
  Submit(environment, inputs, std::array{out},
         [operation = std::move(operation), out] { operation(*out); });
  return environment.Wrap(out);
}

}  // namespace convlstm::addon

#endif  // CONVLSTM_ADDON_SUBMIT_H_
