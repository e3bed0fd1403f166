// Keys of cached graphs: everything that kernels and arguments depend on.
#ifndef CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_KEY_H_
#define CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_KEY_H_

#include "cuda/conv_lstm/sequence_arguments.cuh"
#include "cuda/device/graph.h"
#include "cuda/device/tuning.h"

namespace convlstm::cuda {

enum class GraphKind { kForward, kBackward };

inline void AppendTo(GraphCache::Key& key, const SequenceLayer& layer) {
  const auto& [s, math, padded_hidden, spatial_peephole, has_h0, has_output, masked, zoneout_h,
               zoneout_c, one_zoneout_h, one_zoneout_c, save_every] = layer;
  const auto& [batch, time, time_major, input_dim, hidden_dim, height, width, kernel_height,
               kernel_width] = s;
  key.insert(key.end(), {batch,
                         time,
                         time_major,
                         input_dim,
                         hidden_dim,
                         height,
                         width,
                         kernel_height,
                         kernel_width,
                         static_cast<int64_t>(math),
                         padded_hidden,
                         spatial_peephole,
                         has_h0,
                         has_output,
                         masked,
                         zoneout_h,
                         zoneout_c,
                         one_zoneout_h,
                         one_zoneout_c,
                         save_every,
                         tuning.tile ? static_cast<int64_t>(*tuning.tile) : -1});
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_CONV_LSTM_SEQUENCE_KEY_H_
