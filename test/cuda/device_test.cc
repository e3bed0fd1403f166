// Memory, copies and faults of a GPU; and the main function of the CUDA engine's tests.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"
#include "cuda/engines.h"
#include "on_engine.h"
#include "operations.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

TEST_CASE("memory: large copies round trip, the engine survives out of memory") {
  Engine& gpu = EngineOf(0);
  const std::vector<float> large =
      RandomValues((int64_t{20} << 20) / 4 + 7);  // several pieces of a staged copy
  CHECK(Downloaded(gpu, Uploaded(gpu, large)) == large);

  try {
    RunOn(gpu, Fill{int64_t{1} << 40, 0});
    FAIL("4 TiB were allocated");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::kOutOfMemory);
    CHECK(std::strstr(error.what(), "asked for 4398046511104 bytes") != nullptr);
    CHECK(std::strstr(error.what(), "bytes are free") != nullptr);
  }
  CHECK(Downloaded(gpu, Uploaded(gpu, {1, 2, 3})) == std::vector<float>{1, 2, 3});
}

TEST_CASE("memory: statistics of allocated, cached and released memory") {
  Engine& gpu = EngineOf(0);
  constexpr size_t kBytes = size_t{64} << 20;
  const size_t before = gpu.Statistics().live_bytes;
  {
    const StoragePtr large = RunOn(gpu, Fill{kBytes / sizeof(float), 1}).out;
    CHECK(gpu.Statistics().live_bytes >= before + kBytes);
  }
  OnQueue(gpu, [] {});
  CHECK(gpu.Statistics().cached_bytes >= kBytes);
  gpu.EmptyCache();
  OnQueue(gpu, [] {});
  CHECK(gpu.Statistics().live_bytes < before + kBytes);
  CHECK(gpu.Statistics().cached_bytes < kBytes);
}

TEST_CASE("copies between two GPUs, row-major and channels-last") {
  if (ListDevices().devices.size() < 2) {
    MESSAGE("skipped: only one GPU");
    return;
  }
  Engine &first = EngineOf(0), &second = EngineOf(1);
  const StoragePtr probe = Uploaded(first, {1});
  Engine::Arrival straight;
  OnQueue(first, [&] { straight = first.StartPeerCopy(probe, second); });
  if (!straight) {
    MESSAGE("skipped: the GPUs cannot access each other's memory");
    return;
  }
  const std::vector<float> values = RandomValues((1 << 20) + 3);
  StoragePtr x = Uploaded(first, values);
  for (int k = 0; k < 4; ++k) {  // each copy reuses the memory that the previous one freed
    x = Copied(first, second, x);
    x = Copied(second, first, x);
  }
  CHECK(Downloaded(first, x) == values);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 3, 3, 5, 6, 7, 3, 3));
  const Operands operands(first, test);
  const ConvLstmOutputs outputs = RunOn(first, ConvLstm{{test.shape, operands.inputs}}).outputs;
  const StoragePtr there = Copied(first, second, outputs.output);
  CHECK(there->channels_last());
  CHECK(Downloaded(second, there) == Downloaded(first, outputs.output));
}

TEST_CASE("engine: a device that does not exist") {
  CHECK_THROWS_AS(EngineOf(static_cast<int>(ListDevices().devices.size())), Error);
}

// Unmapped memory: a kernel that reads it fails.
class Nowhere final : public Memory {
 public:
  Buffer Allocate(size_t bytes) override {
    return {reinterpret_cast<void*>(uintptr_t{1} << 40), bytes, bytes, *this};
  }

 private:
  void Release(void*, size_t) noexcept override {}
};

// `--fault`: must run in its own process, because the device is lost afterwards.
bool ReportsFaults() {
  Engine& gpu = EngineOf(0);
  static Nowhere nowhere;
  const auto error_of = [](const auto& action) -> std::string {
    try {
      action();
    } catch (const Error& error) {
      std::printf("%s: %s\n", NameOf(error.code()), error.what());
      return error.code() == ErrorCode::kDevice ? error.what() : "";
    }
    return "";
  };
  const StoragePtr x = New(gpu, 1000);
  x->ReplaceByRowMajor(nowhere.Allocate(x->bytes()));
  const std::string fault = error_of([&] {
    Downloaded(gpu, RunOn(gpu, Unary{UnaryOp::kExp, x}).out);
  });
  bool reopen = true;
  for (int k = 0; k < 2; ++k) {
    const std::string later = error_of([&] { Uploaded(gpu, {1, 2, 3}); });
    reopen = reopen && later.find("reopen the device") != std::string::npos;
  }
  gpu.EmptyCache();
  gpu.Statistics();
  return fault.find("UnaryElements") != std::string::npos && reopen;
}

}  // namespace
}  // namespace convlstm::cuda

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // shows the progress if the run is cut off
  const convlstm::cuda::Devices& found = convlstm::cuda::ListDevices();
  if (!found.reason.empty()) {
    std::printf("no GPU: %s\n", found.reason.c_str());
    const char* required = std::getenv("CONVLSTM_REQUIRE_CUDA");
    return required != nullptr && std::strcmp(required, "1") == 0 ? 1 : 77;
  }
  for (const auto& device : found.devices) {
    std::printf("%s, compute capability %s\n", device.name.c_str(),
                device.compute_capability.c_str());
  }
  if (argc == 2 && std::strcmp(argv[1], "--fault") == 0) {
    return convlstm::cuda::ReportsFaults() ? 0 : 1;
  }
  return doctest::Context(argc, argv).run();
}
