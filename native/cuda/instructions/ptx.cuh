// PTX instructions without a CUDA C++ equivalent. test/simt/ptx.h replaces them, under the same
// names, when the tests run the kernels on the host.
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
#define CONVLSTM_CUDA_ARCH 900  // nvcc's host pass parses kernels without compiling them
#endif

// Whether the target has wgmma, which only sm_90a has.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define CONVLSTM_CUDA_WGMMA 0
#else
#define CONVLSTM_CUDA_WGMMA 1
#endif

#define CONVLSTM_SHARED_MEMORY(name) extern __shared__ __align__(128) unsigned char name[]

namespace convlstm::cuda {

__device__ __forceinline__ uint32_t Bits(float value) { return __float_as_uint(value); }
__device__ __forceinline__ float FromBits(uint32_t bits) { return __uint_as_float(bits); }

// Approximate 2^v and 1 / v, with relative errors of at most 2^-22 and 2^-23; subnormal numbers are
// flushed to zero (PTX ISA, ex2 and rcp).
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

// Tells the compiler that an address is in global memory. It cannot know so of an address that was
// itself read from memory, and would use generic accesses.
template <typename T>
__device__ __forceinline__ T* AssumeGlobal(T* address) {
  __builtin_assume(__isGlobal(address));
  return address;
}

// Tells the compiler that a value is the same in all lanes of a warp.
__device__ __forceinline__ int WarpUniform(int value) { return __shfl_sync(0xffffffffu, value, 0); }

__device__ __forceinline__ float ShuffleXor(float value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
__device__ __forceinline__ double ShuffleXor(double value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}

// Caching of a copy: kL2 bypasses L1, to leave it to data that a block reads again.
enum class Cache { kL1, kL2 };

// Copies kBytes (4 or 16) from global to shared memory; unless `valid`, reads nothing and writes
// zeros. The copy is complete after WaitForCopies and a barrier. Copies of 4 bytes always use L1.
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

// Closes a group of copies, which may be empty.
__device__ __forceinline__ void CommitCopies() {
#if CONVLSTM_CUDA_ARCH >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits for this thread's copies, except the last kGroups groups.
template <int kGroups>
__device__ __forceinline__ void WaitForCopies() {
#if CONVLSTM_CUDA_ARCH >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
#endif
}

#if CONVLSTM_CUDA_ARCH >= 800
// Rounds both to bfloat16, `low` in the low half.
__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}

// d (16 x 8) += a (16 x 8) b (8 x 8). A lane holds, with g = lane / 4 and t = lane % 4,
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

// d (16 x 8) += a (16 x 16) b (16 x 8); two elements per register, the even k in the low half:
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
// Transaction barriers (mbarrier), 8 bytes of shared memory each. One thread announces the number
// of bytes to arrive, any thread may wait for them, and the barrier enters its next phase, 0, 1, 0,
// ...
__device__ __forceinline__ void InitBarrier(uint64_t* barrier) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address) : "memory");
}
// After it and a __syncthreads, initialised barriers are visible to all threads and to bulk copies.
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
  uint32_t arrived = 0;
  do {
    asm volatile(
        "{\n.reg .pred arrived;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 arrived, [%1], %2;\n"
        "selp.u32 %0, 1, 0, arrived;\n}"
        : "=r"(arrived)
        : "r"(address), "r"(phase)
        : "memory");
  } while (arrived == 0);
}

// Bulk copy from global to shared memory (TMA). Addresses and bytes are multiples of 16. It writes
// through the async proxy, from which wgmma reads: no fence is needed between the two.
__device__ __forceinline__ void CopyBulk(void* to, const void* from, int bytes, uint64_t* barrier) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const auto arrival = static_cast<uint32_t>(__cvta_generic_to_shared(barrier));
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(address),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(arrival)
      : "memory");
}

// Orders earlier register writes before a sequence of WgmmaBf16.
__device__ __forceinline__ void WgmmaFence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// After it and a __syncthreads, earlier writes to shared memory are visible to wgmma.
__device__ __forceinline__ void ProxyFence() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// The operand `pieces` times 16 bytes further on.
__device__ __forceinline__ uint64_t WgmmaOperandAt(uint64_t operand, int pieces) {
  const auto low = static_cast<uint32_t>(operand) + static_cast<uint32_t>(pieces);
  return (operand & ~uint64_t{0xffffffff}) | low;
}

// The descriptor of an operand (wgmma_layout.h); distances between core matrices in 16 bytes.
__device__ __forceinline__ uint64_t WgmmaOperand(const uint32_t* begin, int next_depth,
                                                 int next_eight) {
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(begin));
  return (address >> 4 & kWgmmaBegin) | static_cast<uint64_t>(next_depth) << kWgmmaNextDepth |
         static_cast<uint64_t>(next_eight) << kWgmmaNextEight;
}

// d (64 x 64 or 128) += a (64 x 16) b (16 x 64 or 128), asynchronously, by the four warps of a
// warpgroup. Each warp holds 16 rows of d, as one MmaBf16 fragment for every eight columns.
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

// Closes a group of WgmmaBf16.
__device__ __forceinline__ void WgmmaCommit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for this warpgroup's products, except the last kGroups groups.
template <int kGroups>
__device__ __forceinline__ void WgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kGroups) : "memory");
}
// Tells the compiler, after WgmmaWait<0>, that wgmma has written d.
template <int kBlocks>
__device__ __forceinline__ void ClobberSums(float (&d)[kBlocks][8][4]) {
#pragma unroll
  for (int i = 0; i < kBlocks * 32; ++i) {
    asm volatile("" : "+f"(d[i / 32][i / 4 % 8][i % 4])::"memory");
  }
}
#endif

}  // namespace convlstm::cuda

#endif  // CONVLSTM_SIMT
#endif  // CONVLSTM_CUDA_INSTRUCTIONS_PTX_CUH_
