#ifndef CONVLSTM_OPS_CHECK_H_
#define CONVLSTM_OPS_CHECK_H_

#include <cstddef>
#include <string_view>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

inline constexpr size_t kMaxRank = 8;

// Throws Error(kShape), "conv2d: weight has 12 elements, [4, 2, 3, 3] has 72", unless `storage` has
// as many elements as `shape`, whose rank is at most kMaxRank. A null storage fits every shape.
void CheckElements(std::string_view what, const StoragePtr& storage, const Shape& shape);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CHECK_H_
