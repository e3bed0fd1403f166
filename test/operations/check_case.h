// Runs the cases of test/operations on an engine.
#ifndef CONVLSTM_TEST_OPERATIONS_CHECK_CASE_H_
#define CONVLSTM_TEST_OPERATIONS_CHECK_CASE_H_

#include <doctest/doctest.h>

#include <cmath>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "operations/cases.h"
#include "runtime/engine.h"
#include "runtime/prepare.h"

namespace convlstm {

// Runs on the queue and waits; what is thrown there is thrown here.
inline void RunAndWait(Queue& queue, const std::function<void()>& task) {
  std::exception_ptr error;
  queue.Wait(queue.Enqueue([&] {
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
  }));
  if (error) std::rethrow_exception(error);
}

// The element of `actual` that is furthest out of its bound; -1 if none is.
inline int64_t WorstElement(const std::vector<float>& actual, const Expected& expected) {
  int64_t worst = -1;
  double excess = 0;
  for (size_t k = 0; k < actual.size(); ++k) {
    const double value = expected.values[k];
    if (actual[k] == value || (std::isnan(actual[k]) && std::isnan(value))) continue;
    // The float32 nearest to a value differs from it by up to 2^-24.
    const double bound = expected.bounds[k] == 0 ? std::abs(value) * 0x1p-24 : expected.bounds[k];
    const double over = std::abs(actual[k] - value) - bound;
    if (over <= excess && !std::isnan(over)) continue;
    worst = static_cast<int64_t>(k);
    excess = std::isnan(over) ? HUGE_VAL : over;
  }
  return worst;
}

// Gives the operation operands in the memory of the engine.
inline void UploadOperands(Engine& engine, OperationCase& test) {
  const auto upload = [&](StoragePtr& operand) {
    if (operand == nullptr) return;
    const std::vector<float> values = Elements(*operand);
    operand = std::make_shared<Storage>(operand->elements(), engine.memory());
    if (const auto copy = engine.Upload(values.data(), operand)) {
      RunAndWait(engine.queue(), copy);
    }
  };
  std::visit([&](auto& op) { VisitOperands(op, upload); }, test.operation);
}

// Runs the operation, whose operands are the engine's, and compares the results.
inline void CheckCase(Engine& engine, OperationCase test) {
  INFO(test.name, " on ", engine.name());
  const Results results =
      std::visit([&](auto& op) { return Prepare(engine, op); }, test.operation);
  RunAndWait(engine.queue(), [&] { engine.Run(std::move(test.operation)); });
  REQUIRE(results.size() == test.results.size());
  for (size_t k = 0; k < results.size(); ++k) {
    const StoragePtr& storage = results[k].storage;
    const Expected& expected = test.results[k];
    if (storage == nullptr) {
      CHECK(expected.values.empty());
      continue;
    }
    std::vector<float> actual(storage->elements());
    REQUIRE(actual.size() == expected.values.size());
    RunAndWait(engine.queue(), [&] { engine.StartDownload(storage)(actual.data()); });
    const int64_t worst = WorstElement(actual, expected);
    if (worst < 0) continue;
    FAIL_CHECK(std::string(results[k].name), ", element ", worst, ": ", actual[worst], " instead of ",
               expected.values[worst], " within ", expected.bounds[worst]);
  }
}

inline void CheckAllCases(Engine& engine) {
  Cases cases = AllCases();
  for (OperationCase& test : cases) {
    UploadOperands(engine, test);
    CheckCase(engine, test);
  }
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_OPERATIONS_CHECK_CASE_H_
