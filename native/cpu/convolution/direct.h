// Direct convolution: serves every geometry.
#ifndef CONVLSTM_CPU_CONVOLUTION_DIRECT_H_
#define CONVLSTM_CPU_CONVOLUTION_DIRECT_H_

#include <memory>

#include "cpu/convolution/convolution.h"

namespace convlstm::cpu {

std::unique_ptr<PackedConvolution> PackDirect(const ConvolutionShape& shape,
                                              const ConvolutionWeight& weight, Isa isa);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_CONVOLUTION_DIRECT_H_
