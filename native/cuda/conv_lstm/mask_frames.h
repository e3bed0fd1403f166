#ifndef CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_
#define CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_

#include <cstdint>

#include "cuda/device/place.h"

namespace convlstm::cuda {

// h of some steps times a mask.
struct MaskArguments {
  Place<const float> h;
  int64_t step_stride, image_stride;  // elements
  int64_t frame, state;               // elements of an image's frame, of a step's frames
  Place<const float> mask;            // of one step
  Place<float> out;                   // [step][image][pixel][channel]
  int64_t count;                      // of all steps
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_MASK_FRAMES_H_
