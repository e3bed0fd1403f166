#include "cpu/tensor/bernoulli.h"

#include <doctest/doctest.h>

#include <array>

#include "operations.h"
#include "operations/philox.h"

namespace convlstm {

TEST_SUITE("operations") {
  TEST_CASE("Philox gives its known answers") {
    CHECK(Philox({0, 0, 0, 0}, 0, 0) ==
          std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  }

  TEST_CASE("random masks have the same bits with any number of threads") {
    cpu::ThreadPool one(1), three(3);
    const Bernoulli mask = {100003, {0.9, 2.0f, 1, 2, 0xfffffffa}};
    CHECK(Values(*RunOnCpu(mask, one).out, one) == Values(*RunOnCpu(mask, three).out, three));
  }
}

}  // namespace convlstm
