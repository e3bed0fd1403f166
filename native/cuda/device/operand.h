// Addresses of kernel operands. A graph is built once and launched for tensors at other addresses
// in every call, so its kernels read the addresses from a table in device memory, which the graph's
// first node writes.
#ifndef CONVLSTM_CUDA_DEVICE_OPERAND_H_
#define CONVLSTM_CUDA_DEVICE_OPERAND_H_

#include <cstdint>
#include <type_traits>

#include "cuda/instructions/ptx.cuh"

namespace convlstm::cuda {

// The address of one operand; null for an absent one.
template <typename T>
struct Operand {
  T* data = nullptr;
  T* const* entry = nullptr;  // in a table in device memory; null: the address is `data`
  int64_t offset = 0;         // elements

  __device__ __forceinline__ T* get() const {
    T* const begin = entry != nullptr ? *AssumeGlobal(entry) : data;
    return AssumeGlobal(begin == nullptr ? nullptr : begin + offset);
  }
  Operand operator+(int64_t elements) const { return {data, entry, offset + elements}; }

  // To const T.
  template <typename U, typename = std::enable_if_t<std::is_same_v<U, const T>>>
  operator Operand<U>() const {
    return {data, entry, offset};
  }
};

// The operands of a call, by member of a struct of pointers: operands[&Pointers::member].
template <typename Pointers>
struct OperandTable {
  Pointers pointers = {};
  const Pointers* table = nullptr;  // in device memory; null: kernels take `pointers`

  template <typename T>
  Operand<T> operator[](T* Pointers::*member) const {
    if (table != nullptr) return {nullptr, &(table->*member)};
    return {pointers.*member};
  }
};

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_DEVICE_OPERAND_H_
