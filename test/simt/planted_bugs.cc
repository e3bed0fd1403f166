// planted_bugs NAME: a pipeline of asynchronous copies as the kernels have it, with one mistake.
// Exits with 0 only when nothing was found.
#include <cstdio>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "cuda/ptx.cuh"

namespace convlstm::cuda {
namespace {

enum class Bug { kNone, kNoWait, kNoBarrierAfterCopy, kNoBarrierBeforeCopy, kBesideSharedMemory };

constexpr int kThreads = 128, kChunks = 6;

// out[thread] = the sum of what the thread opposite copied, over all chunks, in two stages.
void Pipeline(Bug bug, const float* in, float* out) {
  CONVLSTM_SHARED_MEMORY(memory);
  auto* shared = reinterpret_cast<float*>(memory);
  const int tid = static_cast<int>(threadIdx.x);
  const auto load = [&](int chunk) {
    CopyAsync<4>(shared + chunk % 2 * kThreads + tid, in + chunk * kThreads + tid, true);
    CommitCopies();
  };
  float sum = 0;
  load(0);
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (chunk + 1 < kChunks) load(chunk + 1);
    if (bug == Bug::kNoWait) {
      if (chunk + 1 == kChunks) WaitForCopies<0>();
    } else if (chunk + 1 < kChunks) {
      WaitForCopies<1>();
    } else {
      WaitForCopies<0>();
    }
    if (bug != Bug::kNoBarrierAfterCopy) __syncthreads();
    const int past = bug == Bug::kBesideSharedMemory ? kThreads : 0;
    sum += shared[chunk % 2 * kThreads + past + kThreads - 1 - tid];
    if (bug != Bug::kNoBarrierBeforeCopy) __syncthreads();
  }
  out[tid] = sum;
}

bool Right(Bug bug) {
  std::vector<float> in(kChunks * kThreads), out(kThreads);
  std::iota(in.begin(), in.end(), 0.0f);
  simt::Launch(Pipeline, {1}, {kThreads}, 2 * kThreads * sizeof(float), bug, in.data(), out.data());
  for (int tid = 0; tid < kThreads; ++tid) {
    float sum = 0;
    for (int chunk = 0; chunk < kChunks; ++chunk) sum += in[(chunk + 1) * kThreads - 1 - tid];
    if (out[tid] != sum) return false;
  }
  return true;
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  using convlstm::cuda::Bug;
  const std::string name = argc > 1 ? argv[1] : "none";
  const char* names[] = {"none", "no-wait", "no-barrier-after-copy", "no-barrier-before-copy",
                         "beside-shared-memory"};
  for (int k = 0; k < 5; ++k) {
    if (name != names[k]) continue;
    try {
      if (convlstm::cuda::Right(static_cast<Bug>(k))) return 0;
      std::puts("found: the numbers are wrong");
    } catch (const convlstm::simt::Error& error) {
      std::printf("found: %s\n", error.what());
    }
    return 1;
  }
  std::printf("no mistake is called %s\n", name.c_str());
  return 0;
}
