// Convolutions of channels-last frames: the seam between the operations and the families of kernels
// (direct, Winograd).
//
// The forward pass and the gradient of its input are the same thing, a convolution with packed
// weights: the gradient's has the weights flipped and transposed. The gradient of the weights sums,
// for every tap, input and output channel, the products of the input under the tap and the output's
// gradient ("delta") over pixels and frames.
//
// A frame is [height][width][channels] without padding; frames need not follow each other. Inputs
// and outputs never alias. Buffers end with room for reads past the last frame (core/buffer.h).
#ifndef CONVLSTM_CPU_CONVOLUTION_CONVOLUTION_H_
#define CONVLSTM_CPU_CONVOLUTION_CONVOLUTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/precision.h"
#include "cpu/convolution/shape.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

// Row-major weights by strides, so that they may be flipped and transposed. `data` is tap (0, 0) of
// output channel 0 and input channel 0.
struct ConvolutionWeight {
  const float* data;
  int64_t out_stride, in_stride;
  int64_t tap_y_stride, tap_x_stride;
};

// Frames of one call.
struct ConvolutionFrames {
  int64_t count;
  const float* const* in;  // [count] frames of in_channels
  float* const* out;       // [count] frames of out_channels, overwritten
};

// Weights in the form of a kernel. Depends on channels and kernel size only: one serves all images
// that its kernel was chosen for.
class PackedConvolution {
 public:
  virtual ~PackedConvolution() = default;
  // bias: [out_channels], or null for zeros.
  virtual void Run(const ConvolutionShape& shape, const ConvolutionFrames& frames,
                   const float* bias, ThreadPool& pool) const = 0;
};

// The choice of a family and of its variant.
struct ConvolutionKernel {
  Isa isa;
  std::optional<size_t> winograd = {};  // index into kWinogradVariants; none: direct
  // Winograd: large values are multiplied one by one, so that every output is accurate; else the
  // result is accurate in norm, which is what a gradient needs.
  bool separates_spikes = false;

  // "winograd-f4x4-3x3 f32 avx2", "direct f32 avx2": names all that the packed form depends on
  // beside the weights' shape.
  std::string name() const;
  // `weight` is read before the function returns and not held.
  std::unique_ptr<PackedConvolution> Pack(const ConvolutionShape& shape,
                                          const ConvolutionWeight& weight, ThreadPool& pool) const;
};

// The fastest kernel whose results keep `precision`'s bound (core/precision.h) for `frames` frames.
ConvolutionKernel ChooseForward(const ConvolutionShape& shape, int64_t frames, Precision precision,
                                Isa isa);

// The gradient of a convolution's input from delta.
class DataGradient {
 public:
  // shape: of the forward convolution. weight: [out channel][in channel][tap], `out_stride` floats
  // from one output channel to the next; not held.
  DataGradient(const ConvolutionShape& shape, const float* weight, int64_t out_stride, Isa isa,
               ThreadPool& pool);
  // With a kernel of the caller's choice.
  DataGradient(const ConvolutionShape& shape, const float* weight, int64_t out_stride,
               const ConvolutionKernel& kernel, ThreadPool& pool);

  // delta: [frames] frames of out_channels; in_grad: [frames] frames of in_channels, overwritten.
  void Run(int64_t frames, const float* const* delta, float* const* in_grad,
           ThreadPool& pool) const;

 private:
  ConvolutionShape shape_;  // of the convolution of delta
  std::unique_ptr<PackedConvolution> packed_;
};

// The convolution of delta that gives the gradient of the input: a stride becomes a spread.
ConvolutionShape TransposedOf(const ConvolutionShape& shape);

// Accumulates over all frames that are added. One thread makes each sum, in the order in which
// frames are added: its bits do not depend on the number of threads.
class WeightGradient {
 public:
  virtual ~WeightGradient() = default;
  // in: [frames] frames of in_channels; delta: [frames] frames of out_channels.
  virtual void Add(int64_t frames, const float* const* in, const float* const* delta,
                   ThreadPool& pool) = 0;
  // Writes weight[out channel * out_stride + in channel * taps + tap].
  virtual void Finish(float* weight, int64_t out_stride, ThreadPool& pool) = 0;
};

std::unique_ptr<WeightGradient> MakeWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                   ThreadPool& pool);
// Null where Winograd does not serve the shape or does not pay.
std::unique_ptr<WeightGradient> MakeWinogradWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                           ThreadPool& pool);
// Serves every shape without spread.
std::unique_ptr<WeightGradient> MakeDirectWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                         ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_CONVOLUTION_H_
