// Runs CUDA kernels compiled for the host. The threads of a block are fibers of one host thread,
// which switches between them only where the kernel synchronises.
//
// How mistakes show:
//   missing barrier         a warp runs as far as it can before another starts, in an order that is
//                           drawn anew at every barrier (seed 0: ascending); warps in lockstep
//                           would hide it. ThreadSanitizer sees fibers as threads that only
//                           barriers order, and blocks as unordered.
//   missing wait            an asynchronous copy poisons its destination when issued and lands when
//                           waited for, so that reading too early and overwriting too early both
//                           show (simt/ptx.h). wgmma likewise poisons its accumulators, and reads
//                           its operands when waited for.
//   missing fence           wgmma sees what all threads had written when they fenced and met at a
//                           barrier
//   divergent barrier       an error with the positions of all threads
//   uninitialised memory    shared memory starts as NaN
//   out of bounds           AddressSanitizer: shared memory is a heap block of exactly its size
#ifndef CONVLSTM_TEST_SIMT_SIMT_H_
#define CONVLSTM_TEST_SIMT_SIMT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// Keywords of CUDA C++.
#define __global__ inline  // several tests may include a kernel
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(16) int4 {
  int32_t x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }
inline int4 make_int4(int32_t x, int32_t y, int32_t z, int32_t w) { return {x, y, z, w}; }

namespace convlstm::simt {

using Location = std::source_location;

// A mistake of a kernel: threads of a block at different barriers, threads of a warp at different
// instructions, a copy that is never awaited, a misaligned or foreign address.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Seed of the order of warps and lanes; 0: ascending. Default: environment variable SIMT_SEED, or
// 0.
void SetSeed(uint64_t seed);

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  bool valid;
  int group;
};

// A product of a warpgroup in flight, and its accumulators.
struct Product {
  int group;
  float* sums;
  int count;
  std::function<void()> multiply;
};

// A thread of the running block.
struct Lane {
  dim3 thread;
  int index;
  std::vector<Copy> copies;
  int group = 0;
  // Products in flight, and the values of their accumulators, which are NaN meanwhile.
  std::vector<Product> products;
  int product_group = 0;
  std::vector<std::pair<float*, std::vector<float>>> sums;
  bool began_products = false;  // may issue wgmma
  bool fenced = false;          // since the last barrier
};

// A bulk copy in flight.
struct BulkCopy {
  const void* barrier;
  unsigned char* to;
  const void* from;
  size_t bytes;
};

struct Block {
  dim3 index, size, grid;
  unsigned char* shared = nullptr;
  size_t shared_bytes = 0;
  std::vector<BulkCopy> bulk_copies;
  std::vector<const void*> new_barriers;  // initialised and not fenced yet
  // Shared memory as wgmma sees it now, and after the next barrier if all threads have fenced.
  std::vector<unsigned char> seen, fenced;
  size_t fenced_threads = 0;
};

Lane& CurrentLane();
Block& CurrentBlock();

// Leaves the kernel with an Error that lists the positions of all threads of the block.
[[noreturn]] void Fail(const std::string& what, const Location& location);

void BlockBarrier(const Location& location);

// A warp-wide operation: every lane passes `bytes_in` bytes; the last to arrive calls exchange(in,
// out) on the bytes of all 32, kSlot per lane; every lane takes `bytes_out`. Orders memory only if
// `fence`.
constexpr size_t kSlot = 64;
using Exchange = void (*)(const unsigned char (*in)[kSlot], unsigned char (*out)[kSlot]);
void WarpExchange(const char* what, const void* in, size_t bytes_in, void* out, size_t bytes_out,
                  Exchange exchange, const Location& location, bool fence = false);

// Hides the simulator's own accesses from ThreadSanitizer.
class TsanIgnoreScope {
 public:
  TsanIgnoreScope();
  ~TsanIgnoreScope();
  TsanIgnoreScope(const TsanIgnoreScope&) = delete;
  TsanIgnoreScope& operator=(const TsanIgnoreScope&) = delete;
};

void Run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

template <typename... Parameters, typename... Arguments>
void Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes,
            Arguments... arguments) {
  Run(grid, block, shared_bytes, [=] { kernel(arguments...); });
}

// Registers a kernel by its address, which is all that the runtime's functions take.
using Binder = std::function<void()> (*)(const void* kernel, void** arguments);
void RegisterKernel(const void* kernel, Binder binder);
// A call of a registered kernel with copies of its arguments.
std::function<void()> BodyOf(const void* kernel, void** arguments);

template <typename... Parameters>
std::function<void()> Bind(const void* kernel, void** arguments) {
  const auto copies = [&]<size_t... k>(std::index_sequence<k...>) {
    return std::tuple<Parameters...>(*static_cast<Parameters*>(arguments[k])...);
  }
  (std::index_sequence_for<Parameters...>());
  return [copies, call = reinterpret_cast<void (*)(Parameters...)>(const_cast<void*>(kernel))] {
    std::apply(call, copies);
  };
}

// A dim3 of the running block. Not a macro: members of the runtime's structs have the same names.
template <dim3 Block::*which>
struct OfBlock {
  template <unsigned dim3::*axis>
  struct Axis {
    operator unsigned() const { return CurrentBlock().*which.*axis; }
  };
  Axis<& dim3::x> x = {};
  Axis<& dim3::y> y = {};
  Axis<& dim3::z> z = {};
};

}  // namespace convlstm::simt

#define threadIdx (::convlstm::simt::CurrentLane().thread)
inline constexpr convlstm::simt::OfBlock<& convlstm::simt::Block::index> blockIdx = {};
inline constexpr convlstm::simt::OfBlock<& convlstm::simt::Block::size> blockDim = {};
inline constexpr convlstm::simt::OfBlock<& convlstm::simt::Block::grid> gridDim = {};

inline void __syncthreads(
    const convlstm::simt::Location& location = convlstm::simt::Location::current()) {
  convlstm::simt::BlockBarrier(location);
}
inline void __syncwarp(
    const convlstm::simt::Location& location = convlstm::simt::Location::current()) {
  convlstm::simt::WarpExchange(
      "__syncwarp", nullptr, 0, nullptr, 0, [](const unsigned char(*)[64], unsigned char(*)[64]) {},
      location, true);
}

#endif  // CONVLSTM_TEST_SIMT_SIMT_H_
