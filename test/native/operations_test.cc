#include <doctest/doctest.h>

#include <set>

#include "cpu/engine.h"
#include "operations/check_case.h"

namespace convlstm {

TEST_SUITE("operations") {
  TEST_CASE("all cases on the CPU") { CheckAllCases(cpu::CpuEngine()); }
}

TEST_CASE("every operation has a case") {
  std::set<size_t> seen;
  for (const OperationCase& test : AllCases()) seen.insert(test.operation.index());
  seen.insert(Operation(ConvLstmBackward()).index());  // conv_lstm_backward_test.cc
  CHECK(seen.size() == std::variant_size_v<Operation>);
}

}  // namespace convlstm
