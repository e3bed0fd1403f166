// Which of the compiled kernels a GPU runs. CMake's list of architectures, such as "75-real 80
// 90a-real", names machine code (-real), PTX that the driver compiles (-virtual), or both.
#ifndef CONVLSTM_CUDA_ARCHITECTURES_H_
#define CONVLSTM_CUDA_ARCHITECTURES_H_

#include <sstream>
#include <string>
#include <vector>

namespace convlstm::cuda {

struct Architecture {
  int number = 0;         // 80 for compute capability 8.0; 0: none
  bool specific = false;  // 90a: architecture-specific, for this GPU only
  bool machine_code = false, ptx = false;

  bool has_tensor_cores() const { return number >= 80; }  // with the formats that the kernels use
  bool has_wgmma() const { return number == 90 && specific; }
};

inline std::vector<Architecture> ParseArchitectures(const std::string& built) {
  std::vector<Architecture> architectures;
  std::istringstream words(built);
  for (std::string word; words >> word;) {
    size_t digits = 0;
    const int number = std::stoi(word, &digits);
    architectures.push_back({number, digits < word.size() && word[digits] != '-',
                             !word.ends_with("-virtual"), !word.ends_with("-real")});
  }
  return architectures;
}

// The architecture that the driver chooses: machine code before PTX, the newest of either. Machine
// code runs on GPUs of the same major version and at least its minor version, PTX on any GPU that
// is not older, architecture-specific code on its own GPU only.
inline Architecture ArchitectureFor(const std::string& built, int major, int minor) {
  const int device = major * 10 + minor;
  Architecture best;
  for (const Architecture& a : ParseArchitectures(built)) {
    if (a.specific ? a.number != device : a.number > device) continue;
    const bool machine_code = a.machine_code && a.number / 10 == major;
    if (!machine_code && (!a.ptx || best.machine_code)) continue;
    if (best.machine_code == machine_code && best.number > a.number) continue;
    best = {a.number, a.specific, machine_code, !machine_code};
  }
  return best;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_ARCHITECTURES_H_
