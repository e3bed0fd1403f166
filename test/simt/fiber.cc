#include "simt/fiber.h"

#include <sys/mman.h>

#include <algorithm>

#include "simt/simt.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace convlstm::simt {
namespace {

constexpr size_t kStackBytes = size_t{256} << 10, kPage = 4096;

#ifdef __x86_64__
// swapcontext makes two system calls per switch, and there are millions of switches.
extern "C" void ConvlstmSimtSwitch(void** save, void* to);
asm(R"(
.text
.type ConvlstmSimtSwitch,@function
ConvlstmSimtSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size ConvlstmSimtSwitch,.-ConvlstmSimtSwitch
)");
#endif

}  // namespace

void Release(void* fence) {
#ifdef __SANITIZE_THREAD__
  __tsan_release(fence);
#else
  (void)fence;
#endif
}
void Acquire(void* fence) {
#ifdef __SANITIZE_THREAD__
  __tsan_acquire(fence);
#else
  (void)fence;
#endif
}

// Not instrumented: the code after the switch runs as the other fiber.
CONVLSTM_NO_TSAN void SwitchTo(Fiber& from, Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(&from.fake_stack, to.bottom, to.stack_bytes);
#endif
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(to.tsan, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef __x86_64__
  ConvlstmSimtSwitch(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.context, &to.context);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void FinishFirstSwitch(Fiber& from) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &from.bottom, &from.stack_bytes);
#else
  (void)from;
#endif
}

void Prepare(Fiber& fiber, void (*main)()) {
  fiber.fake_stack = nullptr;
#ifdef __SANITIZE_ADDRESS__
  // A failed kernel leaves its frames poisoned.
  __asan_unpoison_memory_region(fiber.stack + kPage, kStackBytes - kPage);
#endif
#ifdef __SANITIZE_THREAD__
  fiber.tsan = __tsan_create_fiber(0);
#endif
#ifdef __x86_64__
  void** top = reinterpret_cast<void**>(fiber.stack + kStackBytes);
  *--top = nullptr;  // return address of main, which does not return
  *--top = reinterpret_cast<void*>(main);
  top -= 6;  // registers that the switch pops
  std::fill_n(top, 6, nullptr);
  fiber.stack_pointer = top;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack + kPage;
  fiber.context.uc_stack.ss_size = kStackBytes - kPage;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, main, 0);
#endif
}

void MakeStack(Fiber& fiber, void (*main)()) {
  void* stack =
      mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (stack == MAP_FAILED) throw Error("no memory for a fiber's stack");
  mprotect(stack, kPage, PROT_NONE);
  fiber.stack = static_cast<char*>(stack);
  fiber.bottom = fiber.stack;
  fiber.stack_bytes = kStackBytes;
  Prepare(fiber, main);
}

CONVLSTM_NO_TSAN void OrderBefore(Fiber& fiber, Fiber& caller) {
#ifdef __SANITIZE_THREAD__
  __tsan_switch_to_fiber(fiber.tsan, 0);
  __tsan_switch_to_fiber(caller.tsan, 0);
#else
  (void)fiber;
  (void)caller;
#endif
}

void Adopt(Fiber& caller) {
#ifdef __SANITIZE_THREAD__
  caller.tsan = __tsan_get_current_fiber();
#else
  (void)caller;
#endif
}

}  // namespace convlstm::simt
