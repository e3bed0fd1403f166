// Sums of outer products, the inner loop of the weight gradients.
#ifndef CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_
#define CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_

#include <array>
#include <cstdint>

#include "cpu/simd/isa.h"

namespace convlstm::cpu {

// A rectangle of points; each contributes neighbouring values of `left` times vectors of `right`.
struct OuterProducts {
  const float* left;
  int64_t left_point, left_row;  // floats from point to point and from row to row
  const float* right;
  int64_t right_point, right_row;
  int64_t points, rows;
};

// sums[left value][vector] += products. kApart sums a call from zero first: the error of a long sum
// grows with the number of calls. kOn continues the present sum: bits do not depend on how points
// are divided among calls.
enum class SumProducts { kApart, kOn };
using AddProductsFunction = void (*)(const OuterProducts& products, float* sums);

struct OuterProductKernel {
  static constexpr int64_t kMaxVectors = 4;

  int64_t lanes;
  // The most left values whose sums fit into the registers, for one to four vectors.
  std::array<int64_t, kMaxVectors> most_values;
  AddProductsFunction (*get)(SumProducts how, int64_t vectors, int64_t values);
};
OuterProductKernel GetOuterProductKernel(Isa isa);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_OUTER_PRODUCT_H_
