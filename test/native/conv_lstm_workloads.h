// Shared by the benchmarks of ConvLSTM: workloads, options, timing.
#ifndef CONVLSTM_TEST_CONV_LSTM_WORKLOADS_H_
#define CONVLSTM_TEST_CONV_LSTM_WORKLOADS_H_

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "cpu/simd/isa.h"
#include "ops/conv_lstm.h"

namespace convlstm::cpu {

struct Workload {
  const char* name;
  std::vector<ConvLstmShape> layers;
};

inline std::vector<ConvLstmShape> Stack(int64_t batch, int64_t time, int64_t input,
                                        const std::vector<int64_t>& hidden, int64_t size,
                                        int64_t kernel) {
  std::vector<ConvLstmShape> layers;
  for (const int64_t h : hidden) {
    layers.push_back({batch, time, false, input, h, size, size, kernel, kernel});
    input = h;
  }
  return layers;
}

// FLOPs of a direct convolution over `channels` input channels, also for other algorithms.
inline double ConvolutionFlops(const ConvLstmShape& s, int64_t channels) {
  return 2.0 * s.batch * s.time * s.pixels() * channels * s.kernel_height * s.kernel_width * 4 *
         s.hidden_dim;
}

inline double Flops(const Workload& workload) {
  double flops = 0;
  for (const ConvLstmShape& s : workload.layers) {
    flops += ConvolutionFlops(s, s.input_dim + s.hidden_dim);
  }
  return flops;
}

// The best instruction set if none has this name.
inline Isa IsaByName(const std::string& name) {
  for (const Isa isa : AvailableIsas()) {
    if (name == IsaName(isa)) return isa;
  }
  return AvailableIsas().front();
}

// Whether the arguments from `first` on include the workload; without arguments, all are selected.
inline bool IsSelected(const Workload& workload, int argc, char** argv, int first) {
  return argc == first ||
         std::find(argv + first, argv + argc, std::string(workload.name)) != argv + argc;
}

// Calls `body` for about a second, and at least five times. With one thread it measures processor
// time, which other programs affect less. GFLOP/s are those of the fastest call.
template <typename Body>
void Measure(const std::string& name, double flops, int threads, const Body& body) {
  using Clock = std::chrono::steady_clock;
  const auto now = [threads] {
    if (threads == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
  };
  body();
  std::vector<double> seconds;
  const auto start = Clock::now();
  while (seconds.size() < 5 ||
         (Clock::now() - start < std::chrono::seconds(1) && seconds.size() < 20000)) {
    const double before = now();
    body();
    seconds.push_back(now() - before);
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%-34s %10.4f ms median %10.4f ms least %7.1f GFLOP/s\n", name.c_str(),
              seconds[seconds.size() / 2] * 1e3, seconds[0] * 1e3, flops / seconds[0] * 1e-9);
  std::fflush(stdout);
}

}  // namespace convlstm::cpu

#endif  // CONVLSTM_TEST_CONV_LSTM_WORKLOADS_H_
