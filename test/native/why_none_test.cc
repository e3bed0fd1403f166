#include "cuda/why_none.h"

#include <doctest/doctest.h>

#include <utility>

#include "cuda/engines.h"

namespace convlstm::cuda {

TEST_CASE("why there is no GPU") {
  CHECK(WhyNone({0, 13000, "", false, ""}) == "no driver");
  CHECK(WhyNone({0, 13000, "", true, ""}) == "no driver");
  CHECK(WhyNone({11040, 13000, "470", true, ""}) == "driver too old: 470 < 580");
  // What the driver is called is not known everywhere, nor what an old one answers.
  CHECK(WhyNone({12080, 13000, "", false, "unknown"}) == "driver too old: CUDA 12.8 < 13.0");
  CHECK(WhyNone({13020, 13000, "590", false, ""}) == "no device");
  CHECK(WhyNone({13020, 13000, "590", false, "not initialized"}) == "not initialized");
}

TEST_CASE("which GPUs there is code for") {
  CHECK(WhyNotDevice(6, 1) == "device too old: compute capability 6.1 < 7.5");
  CHECK(WhyNotDevice(7, 0) == "device too old: compute capability 7.0 < 7.5");
  for (const auto& [major, minor] : {std::pair{7, 5}, {8, 0}, {9, 0}, {12, 0}}) {
    CHECK(WhyNotDevice(major, minor).empty());
  }
}

TEST_CASE("GPUs that cannot be used do not hide the others") {
  const DeviceInfo old = {"Pascal", "6.1", 1, "13.0", "FMA", "device too old"};
  const DeviceInfo usable = {"Hopper", "9.0", 1, "13.0", "tensor cores", ""};
  CHECK(DevicesOf({old, usable}).reason.empty());
  CHECK(DevicesOf({old, usable}).devices.size() == 2);
  CHECK(DevicesOf({old, old}).reason == "Pascal: device too old");
}

}  // namespace convlstm::cuda
