#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "core/error.h"
#include "cpu/simd/isa.h"

// Exit code 77, which ctest counts as skipped, where CONVLSTM_ISA names what this machine has not.
int main(int argc, char** argv) {
  try {
    convlstm::cpu::CurrentIsa();
  } catch (const convlstm::Error& error) {
    std::puts(error.what());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
