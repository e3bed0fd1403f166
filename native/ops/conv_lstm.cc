#include "ops/conv_lstm.h"

#include <string>

#include "core/error.h"
#include "core/shape.h"
#include "ops/check.h"

namespace convlstm {

void CheckConvLstm(const ConvLstmShape& s, const ConvLstmInputs& in) {
  for (const int64_t dim : {s.batch, s.time, s.input_dim, s.hidden_dim, s.height, s.width,
                            s.kernel_height, s.kernel_width}) {
    if (dim < 1 || dim > (int64_t{1} << 31)) {
      throw Error(ErrorCode::kShape,
                  "convLstm: expected dimensions of 1 to 2^31, got " + std::to_string(dim));
    }
  }
  if (in.x == nullptr || in.weight == nullptr) {
    throw Error(ErrorCode::kOption, "convLstm: x and weight are required");
  }
  const bool has_peephole = in.peephole != Peephole::kNone;
  for (const StoragePtr& w : {in.wci, in.wcf, in.wco}) {
    if ((w != nullptr) != has_peephole) {
      throw Error(ErrorCode::kOption, "convLstm: wci, wcf and wco go with a peephole and only so");
    }
  }
  const Shape state = {s.batch, s.hidden_dim, s.height, s.width};
  const Shape peephole = in.peephole == Peephole::kSpatial ? Shape{s.hidden_dim, s.height, s.width}
                                                           : Shape{s.hidden_dim};
  CheckElements("convLstm: x", in.x, {s.batch, s.time, s.input_dim, s.height, s.width});
  CheckElements("convLstm: weight", in.weight,
                {4 * s.hidden_dim, s.input_dim + s.hidden_dim, s.kernel_height, s.kernel_width});
  CheckElements("convLstm: bias", in.bias, {4 * s.hidden_dim});
  CheckElements("convLstm: wci", in.wci, peephole);
  CheckElements("convLstm: wcf", in.wcf, peephole);
  CheckElements("convLstm: wco", in.wco, peephole);
  CheckElements("convLstm: h0", in.h0, state);
  CheckElements("convLstm: c0", in.c0, state);
  NumElements({s.batch, s.time, s.hidden_dim, s.height, s.width});
}

}  // namespace convlstm
