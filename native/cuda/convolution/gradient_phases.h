// The gradient of a convolution's input as convolutions of the deltas without stride.
//
// With stride s, pixel y of the input meets the taps k with (y + pad - k dilation) divisible by s:
// of pixels that are s apart the same ones. So every phase, the pixels first, first + s, ..., is a
// convolution with some of the taps, in reverse, and nothing is multiplied by zeros in between.
#ifndef CONVLSTM_CUDA_CONVOLUTION_GRADIENT_PHASES_H_
#define CONVLSTM_CUDA_CONVOLUTION_GRADIENT_PHASES_H_

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda/gemm/convolution.h"

namespace convlstm::cuda {

// Which of a weight's taps a packed convolution has: `last - y row_step - x step` is its tap (y,
// x).
struct TapSteps {
  int taps;  // of the weight
  int last, row_step, step;
};

struct GradientPhase {
  ConvGeometry geometry;  // from the deltas to the phase's pixels; a kernel without taps: zeros
  int first_y, first_x;
  TapSteps taps;

  bool empty() const { return geometry.kernel_height * geometry.kernel_width == 0; }
};

// One axis of a phase.
struct PhaseAxis {
  int first, size;  // of the pixels
  int taps, first_tap, tap_step;
  int pad, dilation;
};
inline std::vector<PhaseAxis> PhaseAxes(int size, int kernel, int stride, int pad, int dilation) {
  std::vector<PhaseAxis> axes;
  const int common = std::gcd(dilation, stride), period = stride / common;
  for (int first = 0; first < std::min(stride, size); ++first) {
    int tap = 0;
    while (tap < std::min(period, kernel) && (first + pad - tap * dilation) % stride != 0) ++tap;
    PhaseAxis axis = {first, DivideUp(size - first, stride), 0, 0, period, 0, dilation / common};
    if (tap < std::min(period, kernel)) {
      axis.taps = DivideUp(kernel - tap, period);
      axis.first_tap = tap;
      axis.pad = (axis.taps - 1) * axis.dilation - (first + pad - tap * dilation) / stride;
    }
    axes.push_back(axis);
  }
  return axes;
}

inline std::vector<GradientPhase> PhasesOf(const ConvGeometry& f) {
  std::vector<GradientPhase> phases;
  for (const PhaseAxis& y :
       PhaseAxes(f.height, f.kernel_height, f.stride_y, f.pad_top, f.dilation_y)) {
    for (const PhaseAxis& x :
         PhaseAxes(f.width, f.kernel_width, f.stride_x, f.pad_left, f.dilation_x)) {
      const ConvGeometry geometry = {f.images, f.out_height, f.out_width, y.size, x.size,
                                     y.taps,   x.taps,       1,           1,      y.pad,
                                     x.pad,    y.dilation,   x.dilation};
      const int last_y = y.first_tap + (y.taps - 1) * y.tap_step;
      const int last_x = x.first_tap + (x.taps - 1) * x.tap_step;
      phases.push_back({geometry,
                        y.first,
                        x.first,
                        {f.kernel_height * f.kernel_width, last_y * f.kernel_width + last_x,
                         y.tap_step * f.kernel_width, x.tap_step}});
    }
  }
  return phases;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONVOLUTION_GRADIENT_PHASES_H_
