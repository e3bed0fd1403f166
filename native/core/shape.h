#ifndef CONVLSTM_CORE_SHAPE_H_
#define CONVLSTM_CORE_SHAPE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace convlstm {

using Shape = std::vector<int64_t>;

// Product of the dimensions. Throws Error(kShape) on a negative dimension, and Error(kOutOfMemory)
// if the product of the nonzero dimensions exceeds 2^40, so that no partial product can overflow.
int64_t NumElements(const Shape& shape);

// "[1, 10, 3, 64, 64]"
std::string ToString(const Shape& shape);

}  // namespace convlstm

#endif  // CONVLSTM_CORE_SHAPE_H_
