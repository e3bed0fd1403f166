// Elementwise operations of the CPU engine. A result has the layout of its operands where they
// agree, else it is row-major.
#ifndef CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_
#define CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_

#include "cpu/threads/thread_pool.h"
#include "ops/elementwise.h"

namespace convlstm::cpu {

void Run(ThreadPool& pool, const Fill& op);
void Run(ThreadPool& pool, const Unary& op);
void Run(ThreadPool& pool, const UnaryBackward& op);
void Run(ThreadPool& pool, const Binary& op);

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_ELEMENTWISE_H_
