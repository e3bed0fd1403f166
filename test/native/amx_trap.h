// Executes AMX machine code on processors without AMX: tile instructions raise SIGILL, and the
// handler emulates them by Intel's manual. Each takes a microsecond or more, but the hardware
// kernels run unchanged.
#ifndef CONVLSTM_TEST_AMX_TRAP_H_
#define CONVLSTM_TEST_AMX_TRAP_H_

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__)
#include <signal.h>
#include <ucontext.h>
#endif

namespace convlstm {

using TileOfPairs = std::array<std::array<uint16_t, 32>, 16>;
using TileOfSums = std::array<std::array<float, 16>, 16>;

inline float DenormalAsZero(float v) {
  return std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v;
}
inline float MakeFp32(uint16_t v) {
  return DenormalAsZero(std::bit_cast<float>(uint32_t{v} << 16));
}

// TDPBF16PS, line by line as in the manual's section Operation.
inline TileOfSums ManualDot(const TileOfSums& srcdest, const TileOfPairs& src1,
                            const TileOfPairs& src2) {
  TileOfSums result;
  for (int m = 0; m < 16; ++m) {
    float temp1[32] = {};
    for (int k = 0; k < 16; ++k) {
      for (int n = 0; n < 16; ++n) {
        for (int odd = 0; odd < 2; ++odd) {
          temp1[2 * n + odd] = DenormalAsZero(std::fma(
              MakeFp32(src1[m][2 * k + odd]), MakeFp32(src2[k][2 * n + odd]), temp1[2 * n + odd]));
        }
      }
    }
    for (int n = 0; n < 16; ++n) {
      const float pair = DenormalAsZero(temp1[2 * n] + temp1[2 * n + 1]);
      result[m][n] = DenormalAsZero(DenormalAsZero(srcdest[m][n]) + pair);
    }
  }
  return result;
}

#if defined(__x86_64__) && defined(__linux__)

// Emulates the tile instructions of all threads during its lifetime. Not for processors with AMX.
class AmxTrap {
 public:
  static constexpr bool kSupported = true;

  AmxTrap() {
    struct sigaction action = {};
    action.sa_sigaction = &AmxTrap::Handle;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &previous_);
  }
  ~AmxTrap() { sigaction(SIGILL, &previous_, nullptr); }
  AmxTrap(const AmxTrap&) = delete;
  AmxTrap& operator=(const AmxTrap&) = delete;

 private:
  union Tile {
    TileOfSums sums;
    TileOfPairs pairs;
    uint8_t rows[16][64];
  };

  // The tile registers of a thread; present after ldtilecfg.
  struct Registers {
    bool configured = false;
    Tile tiles[8];
  };
  static Registers& State() {
    static thread_local Registers registers;
    return registers;
  }

  // A VEX instruction of map 0F38 with a prefix of three bytes: all tile instructions have this
  // form.
  struct Instruction {
    int opcode, prefix;  // prefix: 0 none, 2 F3, 3 F2
    int reg, rm, vvvv;   // rm: register number
    bool memory;
    uint64_t base = 0, index = 0;  // base includes the displacement
    int length;

    Instruction(const uint8_t* code, const greg_t* registers) {
      static constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                         REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                         REG_R12, REG_R13, REG_R14, REG_R15};
      const auto value = [&](int number) {
        return static_cast<uint64_t>(registers[kOrder[number]]);
      };
      opcode = code[3];
      prefix = code[2] & 3;
      vvvv = ~(code[2] >> 3) & 15;
      const int mod = code[4] >> 6;
      reg = code[4] >> 3 & 7;
      rm = code[4] & 7;
      memory = mod != 3;
      length = 5;
      if (!memory) return;
      const int high_base = code[1] & 0x20 ? 0 : 8, high_index = code[1] & 0x40 ? 0 : 8;
      int base_number = rm;
      if (rm == 4) {
        const int sib = code[length++];
        base_number = sib & 7;
        const int index_number = (sib >> 3 & 7) + high_index;
        if (index_number != 4) index = value(index_number) << (sib >> 6);
      }
      const bool displacement_only = mod == 0 && base_number == 5;
      if (!displacement_only) base = value(base_number + high_base);
      if (mod == 1) {
        base += static_cast<int8_t>(code[length++]);
      } else if (mod == 2 || displacement_only) {
        int32_t displacement;
        std::memcpy(&displacement, code + length, 4);
        length += 4;
        base += displacement;
        if (displacement_only && rm == 5) base += reinterpret_cast<uint64_t>(code + length);
      }
    }
  };

  static bool Execute(const Instruction& i) {
    Registers& state = State();
    uint8_t* const memory = reinterpret_cast<uint8_t*>(i.base);
    const int64_t stride = static_cast<int64_t>(i.index);
    if (i.opcode == 0x49 && i.prefix == 0) {  // ldtilecfg, tilerelease
      if (i.memory) {
        if (memory[0] != 1) return false;
        for (int tile = 0; tile < 8; ++tile) {
          if (memory[16 + 2 * tile] != 64 || memory[48 + tile] != 16) return false;
        }
      }
      state.configured = i.memory;
      return true;
    }
    if (!state.configured) return false;
    if (i.opcode == 0x49 && i.prefix == 3) {  // tilezero
      state.tiles[i.reg] = {};
      return true;
    }
    if (i.opcode == 0x4b && i.prefix == 3) {  // tileloadd
      for (int r = 0; r < 16; ++r) {
        std::memcpy(state.tiles[i.reg].rows[r], memory + r * stride, 64);
      }
      return true;
    }
    if (i.opcode == 0x4b && i.prefix == 2) {  // tilestored
      for (int r = 0; r < 16; ++r) {
        std::memcpy(memory + r * stride, state.tiles[i.reg].rows[r], 64);
      }
      return true;
    }
    if (i.opcode == 0x5c && i.prefix == 2 && !i.memory) {  // tdpbf16ps reg, rm, vvvv
      if (i.reg == i.rm || i.reg == i.vvvv || i.rm == i.vvvv) return false;
      state.tiles[i.reg].sums =
          ManualDot(state.tiles[i.reg].sums, state.tiles[i.rm].pairs, state.tiles[i.vvvv].pairs);
      return true;
    }
    return false;
  }

  static void Handle(int, siginfo_t*, void* context) {
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    const uint8_t* code = reinterpret_cast<const uint8_t*>(registers[REG_RIP]);
    const bool vex_0f38 = code[0] == 0xc4 && (code[1] & 0x1f) == 2;
    if (vex_0f38) {
      const Instruction instruction(code, registers);
      if (Execute(instruction)) {
        registers[REG_RIP] += instruction.length;
        return;
      }
    }
    signal(SIGILL, SIG_DFL);  // runs again and ends the process
  }

  struct sigaction previous_;
};

#else

class AmxTrap {
 public:
  static constexpr bool kSupported = false;
};

#endif

}  // namespace convlstm

#endif  // CONVLSTM_TEST_AMX_TRAP_H_
