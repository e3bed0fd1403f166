#include "cpu/tensor/bernoulli.h"

#include <doctest/doctest.h>

#include <array>

#include "operations.h"

namespace convlstm {
namespace {

// Salmon et al. 2011, word by word.
std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> x, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xd2511f53} * x[0], product1 = uint64_t{0xcd9e8d57} * x[2];
    x = {static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  return x;
}

std::vector<float> Expected(const BernoulliMask& b, int64_t count) {
  std::vector<float> values(count);
  for (int64_t n = 0; n < count; ++n) {
    const uint64_t counter = b.counter + n / 4;
    const auto words =
        Philox({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0}, b.key0,
               b.key1);
    values[n] = (words[n % 4] >> 8) / 0x1p24 < b.probability ? b.value : 0;
  }
  return values;
}

}  // namespace

TEST_SUITE("operations") {
  TEST_CASE("Philox gives its known answers") {
    CHECK(Philox({0, 0, 0, 0}, 0, 0) ==
          std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  }

  TEST_CASE("random masks are the generator's, whatever the length and the threads") {
    for (const int threads : {1, 3}) {
      cpu::ThreadPool pool(threads);
      for (const int64_t count : {0, 1, 3, 4, 5, 63, 64, 65, 1000, 100003}) {
        for (const BernoulliMask& b :
             {BernoulliMask{0.5, 2.0f, 1, 2, 0},
              BernoulliMask{0.9, 1 / 0.9f, 0xffffffff, 0x80000000, 0xfffffffa},
              BernoulliMask{1e-3, -1.0f, 7, 0, uint64_t{1} << 52}}) {
          const StoragePtr out = RunOnCpu(Bernoulli{count, b}, pool).out;
          CHECK(Values(*out, pool) == Expected(b, count));
        }
      }
    }
  }

  TEST_CASE("the ends of the range of probabilities are always and never") {
    cpu::ThreadPool pool(2);
    for (const double probability : {0.0, 1.0}) {
      const Bernoulli call = {10000, {probability, 3.0f, 5, 6, 7}};
      CHECK(Values(*RunOnCpu(call, pool).out, pool) ==
            std::vector<float>(10000, probability == 0 ? 0.0f : 3.0f));
    }
  }
}

}  // namespace convlstm
