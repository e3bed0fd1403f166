// The gradient of a strided convolution's input as unstrided convolutions of the deltas.
//
// With stride s, input pixel y meets the taps k for which (y + pad - k dilation) is divisible by s:
// the same taps for all pixels that are s apart. So each phase, the pixels first, first + s, ...,
// is a convolution with a subset of the taps, flipped, and no inserted zeros are multiplied.
#ifndef CONVLSTM_CUDA_CONVOLUTION_GRADIENT_PHASES_H_
#define CONVLSTM_CUDA_CONVOLUTION_GRADIENT_PHASES_H_

#include <algorithm>
#include <numeric>
#include <vector>

#include "cuda/gemm/convolution.h"

namespace convlstm::cuda {

// The taps of a weight that a phase uses: tap (y, x) of the phase is tap
// last - y * row_step - x * step of the weight.
struct TapSteps {
  int taps;  // of the weight
  int last, row_step, step;
};

struct GradientPhase {
  ConvGeometry geometry;  // from the deltas to the pixels of the phase
  int first_y, first_x;
  TapSteps taps;

  // Without taps the gradient of its pixels is zero.
  bool empty() const { return geometry.kernel_height * geometry.kernel_width == 0; }
};

// A phase along one axis.
struct PhaseAxis {
  int first, size;  // first pixel, number of pixels
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
