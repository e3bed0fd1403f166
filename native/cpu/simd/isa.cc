#include "cpu/simd/isa.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "cpu/simd/cpu_features.h"

namespace convlstm::cpu {
namespace {

std::string JoinNames(const std::vector<Isa>& isas) {
  std::string text;
  for (const Isa isa : isas) text += std::string(text.empty() ? "" : ", ") + IsaName(isa);
  return text;
}

Isa ReadCurrentIsa() {
  std::vector<Isa> allowed = AvailableIsas();
  const char* name = std::getenv("CONVLSTM_ISA");
  if (name == nullptr || *name == '\0') return allowed.front();
  allowed.push_back(Isa::kEmulatedAmx);
  const auto found = std::find_if(allowed.begin(), allowed.end(), [name](Isa isa) {
    return std::string_view(name) == IsaName(isa);
  });
  if (found == allowed.end()) {
    throw Error(ErrorCode::kOption, "CONVLSTM_ISA: expected one of " + JoinNames(allowed) +
                                        " on this machine, got " + name);
  }
  return *found;
}

}  // namespace

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kNeon:
      return "neon";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
    case Isa::kEmulatedAmx:
      return "emulated-amx";
  }
  return "portable";
}

std::vector<Isa> AvailableIsas() {
  const CpuFeatures& f = GetCpuFeatures();
  std::vector<Isa> isas;
  if (f.amx_bf16) isas.push_back(Isa::kAmx);
  if (f.avx512) isas.push_back(Isa::kAvx512);
  if (f.avx2) isas.push_back(Isa::kAvx2);
  if (f.neon) isas.push_back(Isa::kNeon);
  isas.push_back(Isa::kPortable);
  return isas;
}

Isa SimdIsa(Isa isa) {
  if (isa != Isa::kAmx && isa != Isa::kEmulatedAmx) return isa;
  const CpuFeatures& f = GetCpuFeatures();
  if (f.avx512) return Isa::kAvx512;
  if (f.avx2) return Isa::kAvx2;
  return f.neon ? Isa::kNeon : Isa::kPortable;
}

Isa CurrentIsa() {
  static const Isa isa = ReadCurrentIsa();
  return isa;
}

}  // namespace convlstm::cpu
