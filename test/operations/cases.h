// The test cases of every operation: operands, and results computed in float64. One list for all
// engines: the CPU's instruction sets, the simulated GPU, a GPU (check_case.h) and, written out by
// write_cases.cc, whatever JavaScript computes on (test/parity/operations.test.ts).
//
// ConvLstmBackward has no case here: its operand `saved` is in each engine's own layout.
#ifndef CONVLSTM_TEST_OPERATIONS_CASES_H_
#define CONVLSTM_TEST_OPERATIONS_CASES_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/shape.h"
#include "core/storage.h"
#include "runtime/operations.h"

namespace convlstm {

// A result: its elements, and the largest error that each may have. A NaN stands for any NaN.
struct Expected {
  std::vector<double> values, bounds;

  void Add(double value, double bound) {
    values.push_back(value);
    bounds.push_back(bound);
  }
};

struct OperationCase {
  std::string name;
  Operation operation;            // operands are row-major, in host memory; results are null
  std::vector<Expected> results;  // in the order of VisitResults; empty for null
};
using Cases = std::vector<OperationCase>;

Cases AllCases();
void AddElementwiseCases(Cases& cases);
void AddReduceCases(Cases& cases);
void AddRearrangeCases(Cases& cases);
void AddOptimizerCases(Cases& cases);
void AddConv2dCases(Cases& cases);
void AddConvLstmCases(Cases& cases);

inline StoragePtr Operand(const std::vector<float>& values) {
  const auto storage = std::make_shared<Storage>(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), storage->Allocate());
  return storage;
}

inline std::vector<float> Elements(const Storage& operand) {
  return {operand.data(), operand.data() + operand.elements()};
}

inline std::vector<float> Normal(std::mt19937& random, int64_t count, float scale = 1) {
  std::normal_distribution<float> normal(0, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// 0, 1, 2, ...
inline std::vector<float> Counted(int64_t count) {
  std::vector<float> values(count);
  for (int64_t k = 0; k < count; ++k) values[k] = static_cast<float>(k);
  return values;
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_OPERATIONS_CASES_H_
