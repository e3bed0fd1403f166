#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "core/error.h"
#include "cpu/simd/isa.h"

// Exits with 77, ctest's code for skipped, if CONVLSTM_ISA names an unsupported instruction set.
int main(int argc, char** argv) {
  try {
    convlstm::cpu::CurrentIsa();
  } catch (const convlstm::Error& error) {
    std::puts(error.what());
    return 77;
  }
  return doctest::Context(argc, argv).run();
}
