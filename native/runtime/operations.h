// The operations of every device. A new operation is one more alternative of the variant: engines
// do not compile until they have its Run.
#ifndef CONVLSTM_RUNTIME_OPERATIONS_H_
#define CONVLSTM_RUNTIME_OPERATIONS_H_

#include <variant>

#include "ops/bernoulli.h"
#include "ops/conv2d.h"
#include "ops/conv_lstm.h"
#include "ops/elementwise.h"
#include "ops/optimizers.h"
#include "ops/rearrange.h"
#include "ops/reduce.h"

namespace convlstm {

using Operation = std::variant<Fill, Bernoulli, Unary, UnaryBackward, Binary, Reduce, Permute,
                               Slice, SliceBackward, Concat, Conv2d, Conv2dBackward, ConvLstm,
                               ConvLstmStack, ConvLstmBackward, SgdStep, RmspropStep, AdamStep>;

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_OPERATIONS_H_
