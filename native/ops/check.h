#ifndef CONVLSTM_OPS_CHECK_H_
#define CONVLSTM_OPS_CHECK_H_

#include <cstddef>
#include <string_view>

#include "core/shape.h"
#include "core/storage.h"

namespace convlstm {

inline constexpr size_t kMaxRank = 8;

// Throws Error(kShape), "conv2d: weight: expected 72 elements of [4, 2, 3, 3], got 12", unless
// `storage` is null or has the elements of `shape`, and for a rank above kMaxRank.
void CheckElements(std::string_view what, const StoragePtr& storage, const Shape& shape);

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CHECK_H_
