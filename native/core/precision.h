#ifndef CONVLSTM_CORE_PRECISION_H_
#define CONVLSTM_CORE_PRECISION_H_

#include "core/names.h"

namespace convlstm {

// Matrix precision, by PyTorch's names. Largest error of outputs: kHighest float32 rounding, kHigh
// 1e-4, kMedium (bfloat16 products, float32 accumulation) 2e-2.
enum class Precision { kHighest, kHigh, kMedium };
template <>
inline constexpr auto kNames<Precision> = NamesInOrder<Precision>({{Precision::kHighest, "highest"},
                                                                   {Precision::kHigh, "high"},
                                                                   {Precision::kMedium, "medium"}});

}  // namespace convlstm

#endif  // CONVLSTM_CORE_PRECISION_H_
