// The gradients of a convolution, from that of its output ("delta"), on channels-last frames. That
// of its input is the convolution of delta with the weights, transposed and flipped; that of its
// weights is, for every tap, input and output channel, the products of the input under the tap and
// delta, summed over pixels and frames.
#ifndef CONVLSTM_CPU_CONVOLUTION_GRADIENTS_H_
#define CONVLSTM_CPU_CONVOLUTION_GRADIENTS_H_

#include <cstdint>
#include <memory>

#include "cpu/convolution/shape.h"
#include "cpu/simd/isa.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {

class DataGradient {
 public:
  virtual ~DataGradient() = default;
  // `delta` and `in_grad` point to `frames` frames each; those of in_grad are written.
  virtual void Run(int64_t frames, const float* const* delta, float* const* in_grad,
                   ThreadPool& pool) const = 0;
};

// Accumulates over as many frames as are added. Every sum is made by one thread, in the order in
// which frames are added, so its bits do not depend on the number of threads.
class WeightGradient {
 public:
  virtual ~WeightGradient() = default;
  // `in` and `delta` point to `frames` channels-last frames each.
  virtual void Add(int64_t frames, const float* const* in, const float* const* delta,
                   ThreadPool& pool) = 0;
  // Fills weight[out channel * out_stride + in channel * taps + tap].
  virtual void Finish(float* weight, int64_t out_stride, ThreadPool& pool) = 0;
};

// Weights [out channel][in channel][tap], `out_stride` floats from one output channel to the next.
// They are looked at now only.
std::unique_ptr<DataGradient> MakeDataGradient(const ConvolutionShape& shape, const float* weight,
                                               int64_t out_stride, Isa isa, ThreadPool& pool);
std::unique_ptr<WeightGradient> MakeWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                   ThreadPool& pool);

// The families behind them. Winograd ones are null where they do not serve a shape or do not pay;
// direct ones serve every shape.
std::unique_ptr<DataGradient> MakeWinogradDataGradient(const ConvolutionShape& shape,
                                                       const float* weight, int64_t out_stride,
                                                       Isa isa, ThreadPool& pool);
std::unique_ptr<WeightGradient> MakeWinogradWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                           ThreadPool& pool);
std::unique_ptr<DataGradient> MakeDirectDataGradient(const ConvolutionShape& shape,
                                                     const float* weight, int64_t out_stride,
                                                     Isa isa, ThreadPool& pool);
std::unique_ptr<WeightGradient> MakeDirectWeightGradient(const ConvolutionShape& shape, Isa isa,
                                                         ThreadPool& pool);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_GRADIENTS_H_
