// Times conv2d on common heads of ConvLSTM models, in GFLOP/s.
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cpu/convolution/conv2d.h"
#include "operations.h"

int main() {
  using convlstm::Conv2dShape;
  convlstm::cpu::ThreadPool pool(1);
  std::mt19937 random(1);
  const Conv2dShape shapes[] = {
      {1, 64, 64, 64, 16, 1, 1, 1, 1, 0, 0, 1, 1},  {1, 64, 64, 64, 64, 1, 1, 1, 1, 0, 0, 1, 1},
      {1, 64, 64, 64, 1, 1, 1, 1, 1, 0, 0, 1, 1},   {1, 64, 64, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1},
      {1, 16, 64, 64, 16, 3, 3, 1, 1, 1, 1, 1, 1},  {1, 3, 64, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1},
      {8, 256, 16, 16, 256, 3, 3, 1, 1, 1, 1, 1, 1}};
  for (const Conv2dShape& s : shapes) {
    const convlstm::Conv2dInputs inputs = {
        convlstm::ChannelsLastStorage(
            convlstm::RandomValues(random, s.batch * s.in_channels * s.height * s.width),
            {s.batch, s.in_channels, s.height * s.width}),
        convlstm::RowMajorStorage(convlstm::RandomValues(
            random, s.out_channels * s.in_channels * s.kernel_height * s.kernel_width)),
        nullptr};
    double best = 1e9;
    for (int run = 0; run < 30; ++run) {
      convlstm::Conv2d op = {s, inputs};
      convlstm::Prepare(convlstm::cpu::CpuEngine(), op);
      const auto begin = std::chrono::steady_clock::now();
      convlstm::cpu::Run(pool, op);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      best = std::min(best, time.count());
    }
    const double flops = 2.0 * static_cast<double>(convlstm::NumElements(s.output())) *
                         static_cast<double>(s.in_channels * s.kernel_height * s.kernel_width);
    std::printf("%lldx%lld, %lld -> %lld, %lldx%lld: %.1f us, %.1f GFLOP/s on one thread\n",
                static_cast<long long>(s.kernel_height), static_cast<long long>(s.kernel_width),
                static_cast<long long>(s.in_channels), static_cast<long long>(s.out_channels),
                static_cast<long long>(s.height), static_cast<long long>(s.width), best * 1e6,
                flops / best * 1e-9);
  }
}
