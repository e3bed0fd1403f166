// From an operation that has its arguments to a task of a device's queue.
#ifndef CONVLSTM_RUNTIME_PREPARE_H_
#define CONVLSTM_RUNTIME_PREPARE_H_

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/shape.h"
#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm {

// A result by its name in binding.d.ts; the storage is null where it was not asked for.
struct Result {
  const char* name;
  StoragePtr storage;
};
using Results = std::vector<Result>;

// Checks the operation and gives it its results, which it returns as well, in memory of `engine`.
// Throws Error(kDevice) for an operand on another device, and what Op::Check throws.
template <typename Op>
Results Prepare(Engine& engine, Op& op) {
  if constexpr (requires { op.saved_format(); }) {
    op.saved_format() = engine.FormatOfSaved(op.precision);
  }
  op.Check();
  VisitOperands(op, [&](const StoragePtr& operand) {
    if (operand != nullptr && &operand->memory() != &engine.memory()) {
      throw Error(ErrorCode::kDevice, std::string(Op::kName) + " on '" + engine.name() +
                                          "': an operand is on another device");
    }
  });
  Results results;
  op.VisitResults([&](const char* name, StoragePtr& storage, const std::optional<Shape>& shape) {
    if (shape) storage = std::make_shared<Storage>(NumElements(*shape), engine.memory());
    results.push_back({name, storage});
  });
  return results;
}

// A task that leaves what `work` throws with the results.
template <typename Work>
std::function<void()> TaskOf(Work work, Results results) {
  return [work = std::move(work), results = std::move(results)]() mutable {
    try {
      work();
    } catch (...) {
      for (const Result& result : results) {
        if (result.storage) result.storage->Fail(std::current_exception());
      }
    }
  };
}

// Runs a prepared operation, unless an operand has failed: then its results fail with that error.
// Holds no operand beyond the operation.
template <typename Op>
std::function<void()> TaskOf(Engine& engine, Op op, Results results) {
  return TaskOf(
      [&engine, op = std::move(op)]() mutable {
        VisitOperands(op, [](const StoragePtr& operand) {
          if (operand != nullptr) operand->ThrowIfFailed();
        });
        engine.Run(std::move(op));
      },
      std::move(results));
}

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_PREPARE_H_
