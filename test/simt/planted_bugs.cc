// planted_bugs NAME: pipelines of asynchronous copies like those of the kernels, with one planted
// bug. Exits with 0 if the bug was not found.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {
namespace {

enum class Bug {
  kNone,
  kNoWait,
  kNoBarrierAfterCopy,
  kNoBarrierBeforeCopy,
  kBesideSharedMemory,
  kNoWaitForBulk,
  kNoWaitForProduct,
  kStageReusedEarly,
  kNoFenceOfMemory,
  kFenceTooEarly,
  kNoFenceOfBarriers,
  kNoFenceOfProducts
};

constexpr int kThreads = 128, kChunks = 6;

// out[thread] = sum over chunks of the element that the opposite thread copied. Two stages.
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

// out[64][64] = kChunks times the column sums of b, 16 rows of bfloat16: wgmma with a all ones, and
// b bulk-copied into two stages alternately.
void Products(Bug bug, const uint32_t* in, float* out) {
  CONVLSTM_SHARED_MEMORY(memory);
  constexpr int kWords = 512;
  auto* const shared = reinterpret_cast<uint32_t*>(memory);
  uint32_t* const ones = shared + 2 * kWords;
  auto* const barriers = reinterpret_cast<uint64_t*>(ones + kWords);
  if (bug == Bug::kFenceTooEarly) ProxyFence();
  for (int k = 0; k < 4; ++k) ones[threadIdx.x * 4 + k] = 0x3f803f80;
  if (threadIdx.x == 0) {
    InitBarrier(barriers);
    InitBarrier(barriers + 1);
    if (bug != Bug::kNoFenceOfBarriers) FenceBarriers();
  }
  const bool fenced = bug != Bug::kNoFenceOfMemory && bug != Bug::kFenceTooEarly;
  if (fenced) ProxyFence();
  __syncthreads();
  const auto load = [&](int chunk) {
    if (threadIdx.x != 0) return;
    ExpectBytes(barriers + chunk % 2, kWords * 4);
    CopyBulk(shared + chunk % 2 * kWords, in, kWords * 4, barriers + chunk % 2);
  };
  float sums[1][8][4] = {};
  load(0);
  for (int chunk = 0; chunk < kChunks; ++chunk) {
    if (bug != Bug::kStageReusedEarly) WgmmaWait<0>();
    __syncthreads();
    if (chunk + 1 < kChunks) load(chunk + 1);
    if (bug != Bug::kNoWaitForBulk) WaitForBytes(barriers + chunk % 2, chunk / 2 % 2);
    if (bug != Bug::kNoFenceOfProducts) WgmmaFence();
    WgmmaBf16(sums, WgmmaOperand(ones, 8, 16), WgmmaOperand(shared + chunk % 2 * kWords, 8, 16));
    WgmmaCommit();
    if (bug == Bug::kStageReusedEarly) WgmmaWait<1>();
  }
  if (bug != Bug::kNoWaitForProduct) WgmmaWait<0>();
  const int lane = static_cast<int>(threadIdx.x) % 32, row = threadIdx.x / 32 * 16 + lane / 4;
  for (int j = 0; j < 8; ++j) {
    for (int k = 0; k < 4; ++k) {
      out[(row + k / 2 * 8) * 64 + j * 8 + lane % 4 * 2 + k % 2] = sums[0][j][k];
    }
  }
}

bool ProductsAreRight(Bug bug) {
  std::vector<uint4> in(128, uint4{0x40003f80, 0x40003f80, 0x40003f80, 0x40003f80});  // 1 and 2
  std::vector<float> out(64 * 64);
  simt::Launch(Products, {1}, {kThreads}, 3 * 2048 + 16, bug,
               reinterpret_cast<const uint32_t*>(in.data()), out.data());
  return std::all_of(out.begin(), out.end(), [](float sum) { return sum == kChunks * 24.0f; });
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  using convlstm::cuda::Bug;
  const std::string name = argc > 1 ? argv[1] : "none";
  const char* names[] = {"none",
                         "no-wait",
                         "no-barrier-after-copy",
                         "no-barrier-before-copy",
                         "beside-shared-memory",
                         "no-wait-for-bulk",
                         "no-wait-for-product",
                         "stage-reused-early",
                         "no-fence-of-memory",
                         "fence-too-early",
                         "no-fence-of-barriers",
                         "no-fence-of-products"};
  for (size_t k = 0; k < std::size(names); ++k) {
    if (name != names[k]) continue;
    try {
      const auto bug = static_cast<Bug>(k);
      if (convlstm::cuda::Right(bug) && convlstm::cuda::ProductsAreRight(bug)) return 0;
      std::puts("found: wrong results");
    } catch (const convlstm::simt::Error& error) {
      std::printf("found: %s\n", error.what());
    }
    return 1;
  }
  std::printf("unknown bug: %s\n", name.c_str());
  return 0;
}
