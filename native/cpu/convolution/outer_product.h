// Sums of outer products, what the gradient of a convolution's weights is made of.
#ifndef CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_
#define CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_

#include <array>
#include <cstdint>

#include "cpu/simd/isa.h"

namespace convlstm::cpu {

// The products of a rectangle of points: at each, some neighbouring values of `left` by some
// vectors of `right`.
struct OuterProducts {
  const float* left;
  int64_t left_point, left_row;  // from point to point of a row, and from row to row
  const float* right;
  int64_t right_point, right_row;
  int64_t points, rows;
};

// sums[left value][vector] += products. Summed from zero first (kApart), so that the error of a
// long sum grows with the number of calls, or on from what there is (kOn), so that the bits do not
// depend on how the points were dealt out to calls.
enum class SumProducts { kApart, kOn };
using AddProductsFunction = void (*)(const OuterProducts& products, float* sums);

struct OuterProductKernel {
  static constexpr int64_t kMaxVectors = 4;

  int64_t lanes;
  // The most left values for one to four vectors: more do not fit into the registers.
  std::array<int64_t, kMaxVectors> most_values;
  AddProductsFunction (*get)(SumProducts how, int64_t vectors, int64_t values);
};
OuterProductKernel GetOuterProductKernel(Isa isa);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_
