// Reasons why there is no usable GPU, or why a GPU is not usable.
#ifndef CONVLSTM_CUDA_WHY_NONE_H_
#define CONVLSTM_CUDA_WHY_NONE_H_

#include <algorithm>
#include <string>

#include "cuda/architectures.h"

namespace convlstm::cuda {

inline constexpr int kNeededDriver = 580;  // the first driver with CUDA 13

// CUDA's number 13020 is version 13.2.
inline std::string VersionName(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

struct DriverAnswers {
  int driver = 0;             // CUDA version of the driver; 0: no driver
  int runtime = 0;            // CUDA version that was compiled in
  std::string branch;         // driver branch, such as "470"; empty if unknown
  bool insufficient = false;  // the runtime reported cudaErrorInsufficientDriver
  std::string error;          // any error except "no device"
};

inline std::string WhyNone(const DriverAnswers& answers) {
  if (answers.driver == 0) return "no driver";
  if (answers.insufficient || answers.driver / 1000 < answers.runtime / 1000) {
    return "driver too old: " +
           (answers.branch.empty()
                ? "CUDA " + VersionName(answers.driver) + " < " + VersionName(answers.runtime)
                : answers.branch + " < " + std::to_string(kNeededDriver));
  }
  return answers.error.empty() ? "no device" : answers.error;
}

// Why a GPU cannot be used; empty if it can. `built` is CMake's list (architectures.h). PTX needs a
// driver that is at least as new as the runtime.
inline std::string WhyNotDevice(const std::string& built, int major, int minor, int driver,
                                int runtime) {
  const auto name = [](int number) {
    return std::to_string(number / 10) + "." + std::to_string(number % 10);
  };
  const std::string capability =
      "compute capability " + std::to_string(major) + "." + std::to_string(minor);
  const Architecture found = ArchitectureFor(built, major, minor);
  if (found.ptx && driver < runtime) {
    return "driver too old: CUDA " + VersionName(driver) + " < " + VersionName(runtime) +
           ", and it has to compile the kernels for " + capability;
  }
  if (found.number > 0) return "";
  int oldest = found.number;
  for (const Architecture& a : ParseArchitectures(built)) {
    oldest = oldest == 0 ? a.number : std::min(oldest, a.number);
  }
  if (major * 10 + minor < oldest) return "device too old: " + capability + " < " + name(oldest);
  return "no kernels for " + capability + ": built for " + built;
}

}  // namespace convlstm::cuda

#endif  // CONVLSTM_CUDA_WHY_NONE_H_
