// Turns an operation with its arguments into a task for a device's queue:
//
//   Unary op = {UnaryOp::kExp, x};
//   const Results results = Prepare(engine, op);  // op.out is its storage now
//   engine.queue().Enqueue(TaskOf(engine, op, results));
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

// A result by its name in binding.d.ts; the storage is null if not requested.
struct Result {
  const char* name;
  StoragePtr storage;
};
using Results = std::vector<Result>;

// Checks `op`, then makes its results in the memory of `engine`, stores them in `op` and returns
// them. Throws Error(kDevice) for an operand on another device, and the errors of Op::Check.
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

// A task whose exceptions are stored in the results.
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

// A task that runs a prepared operation. If an operand has failed, the results fail with the same
// error. Operands are owned by the operation alone, so that it can free them early.
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
