#ifndef CONVLSTM_CORE_PRECISION_H_
#define CONVLSTM_CORE_PRECISION_H_

#include "core/names.h"

namespace convlstm {

// PyTorch's names. kHighest: float32-class, whatever the algorithm. kHigh: at most 1e-4 on outputs.
// kMedium: bfloat16 products with float32 accumulation, at most 2e-2.
enum class Precision { kHighest, kHigh, kMedium };
template <>
inline constexpr auto kNames<Precision> = NamesInOrder<Precision>({{Precision::kHighest, "highest"},
                                                                   {Precision::kHigh, "high"},
                                                                   {Precision::kMedium, "medium"}});

}  // namespace convlstm

#endif  // CONVLSTM_CORE_PRECISION_H_
