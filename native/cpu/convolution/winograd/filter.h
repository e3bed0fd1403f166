// The filter transform of a Winograd variant and its transpose, in double: the same bits on every
// instruction set. The compiler vectorizes them.
#ifndef CONVLSTM_CPU_CONVOLUTION_WINOGRAD_FILTER_H_
#define CONVLSTM_CPU_CONVOLUTION_WINOGRAD_FILTER_H_

#include <cstddef>

#include "cpu/simd/isa.h"

namespace convlstm::cpu {

// filter[tap row][tap column][row] to products[row of products][column][row].
using WinogradFilterTransform = void (*)(const double* filter, size_t row, double* products);
WinogradFilterTransform GetWinogradFilterTransform(Isa isa, size_t variant);

// The transpose, which makes the gradient of a filter from that of its products:
// products[row of products][column][row] to filter[tap row][tap column][row].
using WinogradFilterGradient = void (*)(const double* products, size_t row, double* filter);
WinogradFilterGradient GetWinogradFilterGradient(Isa isa, size_t variant);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_WINOGRAD_FILTER_H_
