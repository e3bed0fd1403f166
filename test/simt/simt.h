// Runs CUDA kernels that the host's compiler compiled: the threads of a block are fibers of one
// thread, which changes from one to the next only where a kernel synchronises.
//
// What makes mistakes show:
//   a missing barrier       a warp runs as far as it can before another starts, in an order drawn
//                           anew at every barrier (seed 0: ascending); in step with each other they
//                           would hide it. Under ThreadSanitizer fibers are threads that only
//                           barriers order, and blocks are not ordered at all.
//   a missing wait          an asynchronous copy poisons its destination when it is issued, and
//                           lands when it is waited for: a place used too early and one given away
//                           too early both show (simt/ptx.h); likewise wgmma's sums, and what it
//                           reads is read when it is waited for
//   a missing fence         wgmma sees what all threads had written when they fenced it and met at
//                           a barrier
//   a divergent barrier     is an error with the places of all threads
//   uninitialised memory    shared memory begins as NaN
//   out of bounds           AddressSanitizer: shared memory is one heap block of exactly its size
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

// The words of CUDA C++.
#define __global__ inline  // a kernel may be part of several tests
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

// What a kernel did wrong: threads of a block at different barriers, a warp's threads at different
// instructions, a copy nobody waited for, a misaligned or foreign address.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

// 0 takes warps and lanes in ascending order; default: SIMT_SEED of the environment, else 0.
void SetSeed(uint64_t seed);

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
  bool valid;
  int group;
};

// A product of a warpgroup under way, and what it is to be added to.
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
  // Products that it has begun, and what they are to be added to, which is NaN meanwhile.
  std::vector<Product> products;
  int product_group = 0;
  std::vector<std::pair<float*, std::vector<float>>> sums;
  bool began_products = false;  // and may begin more
  bool fenced = false;          // since the last barrier
};

// Bytes on their way to shared memory that threads wait for at a barrier there.
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
  std::vector<const void*> new_barriers;  // not fenced yet
  // Shared memory as wgmma sees it, and as it will behind the next barrier when all have fenced.
  std::vector<unsigned char> seen, fenced;
  size_t fenced_threads = 0;
};

Lane& CurrentLane();
Block& CurrentBlock();

// Leaves the kernel with an Error that says where every thread of the block is.
[[noreturn]] void Fail(const std::string& what, const Location& location);

void BlockBarrier(const Location& location);

// All 32 lanes of a warp bring `bytes_in` bytes; the last to come calls exchange(in, out) with the
// bytes of all, 64 a lane; each takes `bytes_out`. Orders memory only where `fence`.
constexpr size_t kSlot = 64;
using Exchange = void (*)(const unsigned char (*in)[kSlot], unsigned char (*out)[kSlot]);
void WarpExchange(const char* what, const void* in, size_t bytes_in, void* out, size_t bytes_out,
                  Exchange exchange, const Location& location, bool fence = false);

// While one lives, ThreadSanitizer does not look: it is the runtime that touches memory.
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

// Kernels by their addresses, for a runtime that knows no more of them.
using Binder = std::function<void()> (*)(const void* kernel, void** arguments);
void RegisterKernel(const void* kernel, Binder binder);
// What calls a registered kernel with copies of its arguments.
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

// A dim3 of the running block. No macro: members of the runtime's structs have the same names.
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
