// The instructions that CUDA C++ has no word for. The tests run the kernels on the host: there
// test/simt/ptx.h takes the place of what is below, with the same names.
#ifndef CONVLSTM_CUDA_INSTRUCTIONS_PTX_CUH_
#define CONVLSTM_CUDA_INSTRUCTIONS_PTX_CUH_

#include <cstdint>

#ifdef CONVLSTM_SIMT
#include "simt/ptx.h"
#else
#include <cuda_runtime.h>

#include "cuda/instructions/wgmma_layout.h"

#ifdef __CUDA_ARCH__
#define CONVLSTM_CUDA_ARCH __CUDA_ARCH__
#else
#define CONVLSTM_CUDA_ARCH \
  900  // nvcc's pass for the host parses kernels, and makes nothing of them
#endif

// Whether there is wgmma: it belongs to sm_90a alone.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define CONVLSTM_CUDA_WGMMA 0
#else
#define CONVLSTM_CUDA_WGMMA 1
#endif

#define CONVLSTM_SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]

namespace convlstm::cuda {

__device__ __forceinline__ uint32_t Bits(float value) { return __float_as_uint(value); }
__device__ __forceinline__ float FromBits(uint32_t bits) { return __uint_as_float(bits); }

// 2^v and 1 / v by the instructions that approximate, off by at most 2^-22 and 2^-23 of the result;
// denormal numbers are taken for 0 (PTX ISA, ex2 and rcp).
__device__ __forceinline__ float FastExp2(float v) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(v));
  return result;
}
__device__ __forceinline__ float FastReciprocal(float v) {
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(v));
  return result;
}

// The same address. Of one that was itself read from memory the compiler does not know in which
// memory it lies, and finds that out with every access.
template <typename T>
__device__ __forceinline__ T* InGlobalMemory(T* address) {
  __builtin_assume(__isGlobal(address));
  return address;
}

// What is the same in all lanes of a warp, so that the compiler knows it.
__device__ __forceinline__ int SameInWarp(int value) { return __shfl_sync(0xffffffffu, value, 0); }

__device__ __forceinline__ float ShuffleXor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
__device__ __forceinline__ double ShuffleXor(double value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

// Whether a copy passes by the L1 cache, which has better use for what a block reads again.
enum class Cache { kL1, kL2 };

// Copies kBytes (4 or 16) from global to shared memory, or writes zeros unless `valid`: nothing is
// read then. The bytes are there after WaitForCopies and a barrier. Four bytes always go through
// L1.
template <int kBytes, Cache kCache = Cache::kL1>
__device__ __forceinline__ void CopyAsync(void* to, const void* from, bool valid) {
  static_assert(kBytes == 4 || kBytes == 16);
#if CONVLSTM_CUDA_ARCH >= 800
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const int bytes = valid ? kBytes : 0;
  if constexpr (kBytes == 16 && kCache == Cache::kL2) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from),
                 "r"(bytes)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(from),
                 "n"(kBytes), "r"(bytes)
                 : "memory");
  }
#else
  if constexpr (kBytes == 16) {
    *static_cast<uint4*>(to) = valid ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
  } else {
    *static_cast<uint32_t*>(to) = valid ? *static_cast<const uint32_t*>(from) : 0;
  }
#endif
}

// Closes a group of copies; a group may be empty.
__device__ __forceinline__ void CommitCopies() {
#if CONVLSTM_CUDA_ARCH >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's copies, all but those of the last kGroups groups.
template <int kGroups>
__device__ __forceinline__ void WaitForCopies() {
#if CONVLSTM_CUDA_ARCH >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

#if CONVLSTM_CUDA_ARCH >= 800
// Both rounded to bfloat16, `low` in the low half.
__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// d (16 x 8) += a (16 x 8) b (8 x 8). With g = lane / 4 and t = lane % 4 a lane holds
//   a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4)    b: (t, g) (t + 4, g)
//   d: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1)
__device__ __forceinline__ void MmaTf32(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// d (16 x 8) += a (16 x 16) b (16 x 8); two elements a register, the even k in the low half:
//   a: (g, 2t) (g + 8, 2t) (g, 2t + 8) (g + 8, 2t + 8)    b: (2t, g) (2t + 8, g)    d: as above
__device__ __forceinline__ void MmaBf16(float (&d)[4], const uint32_t (&a)[4],
                                        const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

#if CONVLSTM_CUDA_WGMMA
// Barriers that bytes arrive at, 8 bytes of shared memory each: one thread announces how many are
// to come, and all may wait for them; then the barrier is at its next phase, 0, 1, 0, ...
__device__ __forceinline__ void InitBarrier(uint64_t* barrier) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address) : "memory");
}
// Behind it and a __syncthreads they are there for all threads and for bulk copies.
__device__ __forceinline__ void FenceBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void ExpectBytes(uint64_t* barrier, int bytes) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void WaitForBytes(uint64_t* barrier, uint32_t phase) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  uint32_t there = 0;
  do {
    asm volatile(
        "{\n.reg .pred there;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 there, [%1], %2;\n"
        "selp.u32 %0, 1, 0, there;\n}"
        : "=r"(there)
        : "r"(address), "r"(phase)
        : "memory");
  } while (there == 0);
}

// Copies a run of memory from global to shared memory, by the copy engine: addresses and bytes are
// multiples of 16. It writes where wgmma reads, past the caches of ordinary accesses.
__device__ __forceinline__ void CopyBulk(void* to, const void* from, int bytes, uint64_t* barrier) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const auto arrival = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(address),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(arrival)
      : "memory");
}

// Before the first WgmmaBf16 of several: registers that were written are ready.
__device__ __forceinline__ void BeginWgmma() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// What is written to shared memory before is there for wgmma behind it and a __syncthreads.
__device__ __forceinline__ void FenceForWgmma() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// The same operand so many times 16 bytes on.
__device__ __forceinline__ uint64_t WgmmaOperandAt(uint64_t operand, int pieces) {
  const auto low = static_cast<uint32_t>(operand) + static_cast<uint32_t>(pieces);
  return (operand & ~uint64_t{0xffffffff}) | low;
}

// An operand in shared memory, with pieces so many times 16 bytes apart (wgmma_layout.h).
__device__ __forceinline__ uint64_t WgmmaOperand(const uint32_t* begin, int next_depth,
                                                 int next_eight) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(begin));
  return (address >> 4 & kWgmmaBegin) | static_cast<uint64_t>(next_depth) << kWgmmaNextDepth |
         static_cast<uint64_t>(next_eight) << kWgmmaNextEight;
}

// d (64 x 64 or 128) += a (64 x 16) b (16 x 64 or 128), asynchronously, by the four warps of a
// warpgroup together, each with 16 rows of d: registers as MmaBf16's, one for every eight columns.
#define CONVLSTM_FOUR(d) "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
__device__ __forceinline__ void WgmmaBf16(float (&d)[1][8][4], uint64_t a, uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
      "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
      "%32, %33, 1, 1, 1, 0, 0;"
      : CONVLSTM_FOUR(d[0][0]), CONVLSTM_FOUR(d[0][1]), CONVLSTM_FOUR(d[0][2]),
        CONVLSTM_FOUR(d[0][3]), CONVLSTM_FOUR(d[0][4]), CONVLSTM_FOUR(d[0][5]),
        CONVLSTM_FOUR(d[0][6]), CONVLSTM_FOUR(d[0][7])
      : "l"(a), "l"(b)
      : "memory");
}
__device__ __forceinline__ void WgmmaBf16(float (&d)[2][8][4], uint64_t a, uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,"
      "%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,"
      "%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,"
      "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
      "%64, %65, 1, 1, 1, 0, 0;"
      : CONVLSTM_FOUR(d[0][0]), CONVLSTM_FOUR(d[0][1]), CONVLSTM_FOUR(d[0][2]),
        CONVLSTM_FOUR(d[0][3]), CONVLSTM_FOUR(d[0][4]), CONVLSTM_FOUR(d[0][5]),
        CONVLSTM_FOUR(d[0][6]), CONVLSTM_FOUR(d[0][7]), CONVLSTM_FOUR(d[1][0]),
        CONVLSTM_FOUR(d[1][1]), CONVLSTM_FOUR(d[1][2]), CONVLSTM_FOUR(d[1][3]),
        CONVLSTM_FOUR(d[1][4]), CONVLSTM_FOUR(d[1][5]), CONVLSTM_FOUR(d[1][6]),
        CONVLSTM_FOUR(d[1][7])
      : "l"(a), "l"(b)
      : "memory");
}
#undef CONVLSTM_FOUR

// Behind the last of several.
__device__ __forceinline__ void CommitWgmma() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for this warpgroup's, all but those of the last kGroups commits.
template <int kGroups>
__device__ __forceinline__ void FinishWgmma() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}
// Behind FinishWgmma<0>: the compiler does not know that d was written until there.
template <int kBlocks>
__device__ __forceinline__ void TakeFromWgmma(float (&d)[kBlocks][8][4]) {
#pragma unroll
  for (int i = 0; i < kBlocks * 32; ++i) {
    asm volatile("" : "+f"(d[i / 32][i / 4 % 8][i % 4])::"memory");
  }
}
#endif

}  // namespace convlstm::cuda

#endif  // CONVLSTM_SIMT
#endif  // CONVLSTM_CUDA_INSTRUCTIONS_PTX_CUH_
