// The generator of random masks: Philox 4x32-10.
#ifndef CONVLSTM_TEST_OPERATIONS_PHILOX_H_
#define CONVLSTM_TEST_OPERATIONS_PHILOX_H_

#include <array>
#include <cstdint>

namespace convlstm {

// Salmon et al. 2011, word by word.
inline std::array<uint32_t, 4> Philox(std::array<uint32_t, 4> x, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xd2511f53} * x[0], product1 = uint64_t{0xcd9e8d57} * x[2];
    x = {static_cast<uint32_t>(product1 >> 32) ^ x[1] ^ key0, static_cast<uint32_t>(product1),
         static_cast<uint32_t>(product0 >> 32) ^ x[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  return x;
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_OPERATIONS_PHILOX_H_
