#ifndef CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_
#define CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_

#include <cstdint>

#include "cuda/device/operand.h"

namespace convlstm::cuda {

// The h of several steps times a recurrent mask.
struct MaskArguments {
  Operand<const float> h;
  int64_t step_stride, image_stride;  // elements
  int64_t frame, state;               // elements of an image, of a step
  Operand<const float> mask;          // [image][pixel][channel]
  Operand<float> out;                 // [step][image][pixel][channel]
  int64_t count;                      // elements of all steps
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_
