// Stacks that simt.cc runs a kernel's threads on, and the change from one to another.
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
  const void* bottom = nullptr;  // what AddressSanitizer calls the stack
  size_t stack_bytes = 0;
  void* fake_stack = nullptr;
  void* tsan = nullptr;
#ifdef __x86_64__
  void* stack_pointer = nullptr;
#else
  ucontext_t context;
#endif
};

// Gives it a stack on which `main`, which must not return, is to run. Throws Error.
void MakeStack(Fiber& fiber, void (*main)());
// To begin with `main` again.
void Prepare(Fiber& fiber, void (*main)());

void SwitchTo(Fiber& from, Fiber& to);
// The first on a new stack: says where it came from.
void FinishFirstSwitch(Fiber& from);

// What a fiber that failed or was left in mid-kernel has done is then before what the caller does.
void OrderBefore(Fiber& fiber, Fiber& caller);
// The fiber of the thread that calls.
void Adopt(Fiber& caller);

// Order memory between fibers, for ThreadSanitizer.
void Release(void* fence);
void Acquire(void* fence);

}  // namespace convlstm::simt

#endif  // CONVLSTM_TEST_SIMT_FIBER_H_
