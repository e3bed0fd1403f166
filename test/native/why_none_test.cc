#include "cuda/why_none.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "cuda/engines.h"

namespace convlstm::cuda {

TEST_CASE("why there is no GPU") {
  CHECK(WhyNone({0, 13000, "", false, ""}) == "no driver");
  CHECK(WhyNone({0, 13000, "", true, ""}) == "no driver");
  CHECK(WhyNone({11040, 13000, "470", true, ""}) == "driver too old: 470 < 580");
  // Names of driver libraries and replies of old drivers differ between systems.
  CHECK(WhyNone({12080, 13000, "", false, "unknown"}) == "driver too old: CUDA 12.8 < 13.0");
  CHECK(WhyNone({13020, 13000, "590", false, ""}) == "no device");
  CHECK(WhyNone({13020, 13000, "590", false, "not initialized"}) == "not initialized");
}

TEST_CASE("which GPUs the binary has code for") {
  const std::string release = "75-real 80 86-real 89-real 90a-real 100-real 120-real";
  const auto why = [](const std::string& built, int major, int minor, int driver = 13000) {
    return WhyNotDevice(built, major, minor, driver, 13000);
  };
  CHECK(why(release, 6, 1) == "device too old: compute capability 6.1 < 7.5");
  CHECK(why(release, 7, 0) == "device too old: compute capability 7.0 < 7.5");
  for (const auto& [major, minor] : std::vector<std::pair<int, int>>{
           {7, 5}, {8, 0}, {8, 7}, {9, 0}, {10, 0}, {10, 3}, {11, 0}, {12, 1}, {13, 0}}) {
    CHECK(why(release, major, minor).empty());
  }
  // PTX that is too new leaves a gap, and 90a runs on 9.0 only.
  const std::string gaps = "75-real 90a-real 100-real 120-real 120-virtual";
  CHECK(why(gaps, 11, 0) == "no kernels for compute capability 11.0: built for " + gaps);
  CHECK(why(gaps, 8, 6) == "no kernels for compute capability 8.6: built for " + gaps);
  CHECK(why("90a", 10, 0) == "no kernels for compute capability 10.0: built for 90a");
  CHECK(why("80", 7, 5) == "device too old: compute capability 7.5 < 8.0");
  // A driver of an older minor version runs machine code, but no newer PTX.
  CHECK(WhyNotDevice(release, 12, 0, 13000, 13020).empty());
  CHECK(WhyNotDevice(release, 11, 0, 13000, 13020) ==
        "driver too old: CUDA 13.0 < 13.2, and it has to compile the kernels for compute "
        "capability 11.0");
}

TEST_CASE("which kernels a GPU runs") {
  const auto runs = [](const std::string& built, int major, int minor) {
    return ArchitectureFor(built, major, minor);
  };
  const std::string release = "75-real 80 86-real 89-real 90a-real 100-real 120-real";
  CHECK(runs(release, 7, 5).number == 75);
  CHECK_FALSE(runs(release, 7, 5).has_tensor_cores());
  CHECK(runs(release, 8, 0).machine_code);
  CHECK(runs(release, 8, 7).number == 86);
  CHECK(runs(release, 9, 0).has_wgmma());
  CHECK(runs(release, 10, 3).number == 100);
  CHECK(runs(release, 11, 0).ptx);
  CHECK(runs(release, 11, 0).number == 80);
  CHECK(runs(release, 11, 0).has_tensor_cores());
  CHECK_FALSE(runs(release, 12, 0).has_wgmma());
  // Machine code precedes PTX, in any order of the list.
  CHECK(runs("86-virtual 80-real", 8, 6).number == 80);
  CHECK(runs("80-real 86-virtual", 8, 6).number == 80);
  CHECK(runs("90-virtual 80-virtual", 9, 0).number == 90);
  // PTX of an older GPU has that GPU's kernels.
  CHECK_FALSE(runs("75-virtual", 8, 6).has_tensor_cores());
  CHECK_FALSE(runs("75-virtual 80-virtual", 9, 0).has_wgmma());
}

TEST_CASE("unusable GPUs do not hide the others") {
  const DeviceInfo old = {"Pascal", "6.1", 1, "13.0", "FMA", "device too old"};
  const DeviceInfo usable = {"Hopper", "9.0", 1, "13.0", "tensor cores", ""};
  CHECK(DevicesOf({old, usable}).reason.empty());
  CHECK(DevicesOf({old, usable}).devices.size() == 2);
  CHECK(DevicesOf({old, old}).reason == "Pascal: device too old");
}

}  // namespace convlstm::cuda
