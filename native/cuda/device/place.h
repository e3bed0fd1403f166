// Where the operands of kernels lie. A graph is made once and launched for tensors that lie
// elsewhere in every call: its kernels read the addresses from a struct of pointers in the device's
// memory, which the graph's first node fills in.
#ifndef CONVLSTM_CUDA_DEVICE_PLACE_H_
#define CONVLSTM_CUDA_DEVICE_PLACE_H_

#include <cstdint>
#include <type_traits>

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// An operand, or none.
template <typename T>
struct Place {
  T* data = nullptr;
  T* const* late = nullptr;  // where not null, the address is read there
  int64_t offset = 0;        // elements

  __device__ __forceinline__ T* get() const {
    T* const begin = late != nullptr ? *InGlobalMemory(late) : data;
    return InGlobalMemory(begin == nullptr ? nullptr : begin + offset);
  }
  Place operator+(int64_t elements) const { return {data, late, offset + elements}; }

  // To const T.
  template <typename U, typename = std::enable_if_t<std::is_same_v<U, const T>>>
  operator Place<U>() const {
    return {data, late, offset};
  }
};

// The pointers of a call, or where its kernels will find them: operands[&Pointers::member].
template <typename Pointers>
struct Operands {
  Pointers pointers = {};
  const Pointers* late = nullptr;

  template <typename T>
  Place<T> operator[](T* Pointers::*member) const {
    if (late != nullptr) return {nullptr, &(late->*member)};
    return {pointers.*member};
  }
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_PLACE_H_
