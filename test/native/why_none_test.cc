#include "cuda/why_none.h"

#include <doctest/doctest.h>

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

}  // namespace convlstm::cuda
