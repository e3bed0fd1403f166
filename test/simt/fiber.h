// Fibers: the stacks on which simt.cc runs the threads of a kernel, and switches between them.
#ifndef CONVLSTM_TEST_SIMT_FIBER_H_
#define CONVLSTM_TEST_SIMT_FIBER_H_

#include <cstddef>

#ifndef __x86_64__
#include <ucontext.h>
#endif
#ifdef __SANITIZE_THREAD__
#define CONVLSTM_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define CONVLSTM_NO_TSAN
#endif

namespace convlstm::simt {

struct Fiber {
  char* stack = nullptr;         // null: the caller's own
  const void* bottom = nullptr;  // of the stack, for AddressSanitizer
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
  void* tsan = nullptr;
#ifdef __x86_64__
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
};

// Allocates a stack on which `main` will run; `main` must not return. Throws Error.
void MakeStack(Fiber& fiber, void (*main)());
// Resets a fiber to the start of `main`.
void Prepare(Fiber& fiber, void (*main)());

void SwitchTo(Fiber& from, Fiber& to);
// Must be called first on a new stack, with the fiber that switched to it.
void FinishFirstSwitch(Fiber& from);

// Orders the work of an abandoned fiber before that of the caller, for ThreadSanitizer.
void OrderBefore(Fiber& fiber, Fiber& caller);
// Initialises `caller` as the fiber of the calling thread.
void Adopt(Fiber& caller);

// Order memory between fibers for ThreadSanitizer.
void Release(void* fence);
void Acquire(void* fence);

}  // namespace convlstm::simt

#endif  // CONVLSTM_TEST_SIMT_FIBER_H_
