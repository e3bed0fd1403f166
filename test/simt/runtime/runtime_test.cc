// Host code of the CUDA engine on simulated GPUs: copies that overlap with kernels, memory
// management, several devices and threads, lost devices.
#include "simt/runtime/runtime.h"

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "cuda/device/tuning.h"
#include "cuda/engines.h"
#include "cuda/on_engine.h"
#include "operations.h"
#include "reference.h"

namespace convlstm::cuda {
namespace {

constexpr size_t kMegabyte = size_t{1} << 20;

// A storage filled with `value`, queued and not awaited.
StoragePtr Filled(Engine& engine, float value, int64_t elements) {
  return RunOn(engine, Fill{elements, value}).out;
}

std::string ErrorOf(ErrorCode code, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == code);
    return error.what();
  }
  return "";
}

TEST_CASE("uploads overlap with kernels, and later work waits for them") {
  Engine& gpu = EngineOf(0);
  for (const size_t bytes : {size_t{3} * 4, 2 * kMegabyte + 4, 20 * kMegabyte + 12}) {
    const std::vector<float> values = RandomValues(static_cast<int64_t>(bytes / 4));
    simulated::RunAll();
    simulated::HoldKernels(true);
    const StoragePtr busy = Filled(gpu, 1, 1000);
    const size_t before = simulated::CopiedBytes();
    const StoragePtr x = Uploaded(gpu, values);
    simulated::RunAll();
    CHECK(simulated::CopiedBytes() == before + bytes);
    simulated::HoldKernels(false);
    std::vector<float> negative = Downloaded(gpu, RunOn(gpu, Unary{UnaryOp::kNeg, x}).out);
    for (float& value : negative) value = -value;
    CHECK(negative == values);
  }
}

TEST_CASE("downloads wait for their source and overlap with later kernels") {
  Engine& gpu = EngineOf(0);
  const std::vector<float> values = RandomValues(static_cast<int64_t>(5 * kMegabyte / 4 + 1));
  const StoragePtr x = Uploaded(gpu, values);
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    simulated::SetSeed(seed);
    const StoragePtr ones = Filled(gpu, 1, static_cast<int64_t>(kMegabyte / 4));
    CHECK(Downloaded(gpu, ones) == std::vector<float>(ones->elements(), 1));
  }
  Engine::Download download;
  OnQueue(gpu, [&] { download = gpu.StartDownload(x); });
  simulated::HoldKernels(true);
  const StoragePtr busy = Filled(gpu, 1, 1000);
  std::vector<float> copied(values.size());
  download(copied.data());
  CHECK(copied == values);
  simulated::HoldKernels(false);
}

TEST_CASE("pinned blocks and device memory have one user at a time") {
  Engine& gpu = EngineOf(0);
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    simulated::SetSeed(seed);
    std::vector<std::vector<float>> values;
    std::vector<StoragePtr> results;
    for (int k = 0; k < 12; ++k) {
      values.push_back(RandomValues(100 + k % 3 * 1000));
      const StoragePtr x = Uploaded(gpu, values.back());
      results.push_back(RunOn(gpu, Unary{UnaryOp::kSquare, x}).out);
      if (k % 5 == 4) gpu.EmptyCache();
    }
    for (size_t k = 0; k < values.size(); ++k) {
      for (float& value : values[k]) value *= value;
      CHECK(Downloaded(gpu, results[k]) == values[k]);
    }
  }
}

TEST_CASE("a sequence whose operands are released while it runs") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 4, 2, 4, 3, 5, 3, 3), {.states = true});
  const ConvLstmReference<double> expected = RunReference<double>(test);
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    simulated::SetSeed(seed);
    std::vector<StoragePtr> outputs;
    for (int call = 0; call < 3; ++call) {
      const Operands operands(gpu, test);
      outputs.push_back(RunOn(gpu, ConvLstm{{test.shape, operands.inputs}}).outputs.output);
    }
    for (const StoragePtr& output : outputs) {
      CHECK(LargestError(Downloaded(gpu, output), expected.output) <= 1e-5);
    }
  }
}

// The output of a layer with its last h or, if `backward`, the gradient of its weights.
std::vector<std::vector<float>> Trained(Engine& gpu, const ConvLstmCase& test, bool backward) {
  const ConvLstmShape& s = test.shape;
  const Operands operands(gpu, test);
  ConvLstm forward = {{s, operands.inputs}};
  forward.outputs.save_every = backward ? 1 : 0;
  const ConvLstmOutputs results = RunOn(gpu, forward).outputs;
  if (!backward) return {Downloaded(gpu, results.output), Downloaded(gpu, results.h)};
  const ConvLstmBackward call = {
      s,
      {operands.inputs, results.output, results.saved, 1, results.output},
      Precision::kHighest,
      {.x = false, .bias = false}};
  return {Downloaded(gpu, results.output), Downloaded(gpu, RunOn(gpu, call).gradients.weight)};
}

TEST_CASE("sequences of thousands of kernels are several graphs, with the same results") {
  Engine& gpu = EngineOf(0);
  constexpr size_t kMost = 1025;  // with the node that writes the operand table
  for (const bool backward : {false, true}) {
    const ConvLstmCase test = MakeCase("", ShapeOf(1, backward ? 520 : 1030, 1, 1, 1, 1, 1, 1));
    simulated::LargestGraph();
    tuning.graph = false;
    const auto expected = Trained(gpu, test, backward);
    tuning = {};
    CHECK(simulated::LargestGraph() == 0);
    for (int call = 0; call < 2; ++call) {
      CHECK(Trained(gpu, test, backward) == expected);
      CHECK(simulated::LargestGraph() == (call == 0 ? kMost : 0));
    }
  }
}

TEST_CASE("weights are packed once per packed form") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 3, 2, 4, 3, 5, 3, 3));
  const ConvLstmShape& s = test.shape;
  const Operands operands(gpu, test);
  const StoragePtr& weight = operands.inputs.weight;
  std::map<std::string, std::shared_ptr<const void>> first;
  for (int step = 0; step < 3; ++step) {
    ConvLstm forward = {{s, operands.inputs}};
    forward.outputs.save_every = 1;
    const ConvLstmOutputs results = RunOn(gpu, forward).outputs;
    RunOn(gpu,
          ConvLstmBackward{s, {operands.inputs, results.output, results.saved, 1, results.output}});
    if (step == 0) first = weight->derived();
    CHECK(first.size() == 3);  // forward, gradient of x, gradient of h
    CHECK(weight->derived() == first);
  }
}

TEST_CASE("200 streamed steps hold no more memory than one") {
  Engine& gpu = EngineOf(0);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 1, 2, 4, 3, 5, 3, 3), {.states = true});
  Operands operands(gpu, test);
  size_t held = 0;
  for (int step = 0; step < 200; ++step) {
    operands.inputs.x = Uploaded(gpu, test.x);
    const ConvLstmOutputs results = RunOn(gpu, ConvLstm{{test.shape, operands.inputs}}).outputs;
    operands.inputs.h0 = results.h;
    operands.inputs.c0 = results.c;
    Downloaded(gpu, results.output);
    if (step == 1) held = gpu.Statistics().live_bytes;
    if (step > 1) CHECK(gpu.Statistics().live_bytes == held);
  }
}

TEST_CASE("out of pinned memory") {
  Engine& gpu = EngineOf(0);
  gpu.EmptyCache();
  OnQueue(gpu, [] {});
  simulated::LetPin(false);
  const std::string error =
      ErrorOf(ErrorCode::kOutOfMemory, [&] { Uploaded(gpu, RandomValues(5000)); });
  CHECK(error.find("asked for 32768 bytes of pinned host memory") != std::string::npos);
  const std::vector<float> large = RandomValues(static_cast<int64_t>(5 * kMegabyte));
  ErrorOf(ErrorCode::kOutOfMemory, [&] { Uploaded(gpu, large); });
  simulated::LetPin(true);
  CHECK(Downloaded(gpu, Uploaded(gpu, large)) == large);
}

TEST_CASE("out of memory: the pool is trimmed, and the error says how much is free") {
  Engine& gpu = EngineOf(0);
  const int64_t most = static_cast<int64_t>(simulated::kMemoryBytes / 4);
  const StoragePtr x = New(gpu, most / 2), y = New(gpu, most / 2 + 1), z = New(gpu, most / 4);
  x->Allocate();
  const std::string error = ErrorOf(ErrorCode::kOutOfMemory, [&] { y->Allocate(); });
  CHECK(error.find("cuda:0: out of memory when asked for 536870916 bytes") != std::string::npos);
  CHECK(error.find("of 1073741824 bytes are free") != std::string::npos);
  z->Allocate();
}

TEST_CASE("kernels and graphs get memory that the pool holds unused") {
  Engine& gpu = EngineOf(1);
  {
    const StoragePtr all = New(gpu, static_cast<int64_t>(simulated::kMemoryBytes / 4));
    all->Allocate();
  }
  CHECK(gpu.Statistics().cached_bytes == simulated::kMemoryBytes);
  const ConvLstmCase test = MakeCase("", ShapeOf(1, 3, 2, 4, 3, 5, 3, 3));
  const ConvLstmReference<double> expected = RunReference<double>(test);
  CHECK(LargestError(Trained(gpu, test, false)[0], expected.output) <= 1e-5);
}

TEST_CASE("copies between GPUs are direct if one can access the other's memory") {
  const std::vector<float> values = RandomValues(10'000);
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    simulated::SetSeed(seed);
    StoragePtr x = Uploaded(EngineOf(0), values);
    for (int k = 0; k < 3; ++k)
      x = Copied(EngineOf(1), EngineOf(0), Copied(EngineOf(0), EngineOf(1), x));
    CHECK(Downloaded(EngineOf(0), x) == values);
  }
  simulated::LetPeers(false);
  const StoragePtr x = Uploaded(EngineOf(0), values);
  OnQueue(EngineOf(0), [&] { CHECK(!EngineOf(0).StartPeerCopy(x, EngineOf(3))); });
  simulated::LetPeers(true);
}

TEST_CASE("several threads on one device") {
  Engine& gpu = EngineOf(0);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int k = 0; k < 4; ++k) {
    threads.emplace_back([&gpu, &wrong, k] {
      for (int round = 0; round < 20; ++round) {
        const std::vector<float> values(500 + 100 * k, static_cast<float>(round + k));
        const StoragePtr x = Uploaded(gpu, values);
        for (const float value : Downloaded(gpu, RunOn(gpu, Unary{UnaryOp::kNeg, x}).out)) {
          if (value != -values[0]) ++wrong[k];
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE(
    "a lost device names its last kernels, fails every later call, and does not affect others") {
  Engine &lost = EngineOf(2), &other = EngineOf(1);
  const StoragePtr x = Uploaded(lost, {1, 2, 3});
  simulated::RunAll();
  simulated::FailNextKernel(2);
  const std::string first = ErrorOf(ErrorCode::kDevice, [&] {
    Downloaded(lost, RunOn(lost, Unary{UnaryOp::kExp, x}).out);
  });
  CHECK(first.find("cudaErrorIllegalAddress") != std::string::npos);
  CHECK(first.find("launched last: UnaryElements") != std::string::npos);
  for (int k = 0; k < 2; ++k) {
    for (const std::function<void()>& action : std::vector<std::function<void()>>{
             [&] { Uploaded(lost, {1}); }, [&] { Downloaded(lost, x); },
             [&] { Filled(lost, 1, 5); }}) {
      const std::string later = ErrorOf(ErrorCode::kDevice, action);
      CHECK(later.find("UnaryElements") != std::string::npos);
      CHECK(later.find("reopen the device in a new process") != std::string::npos);
    }
  }
  lost.EmptyCache();
  OnQueue(lost, [] {});
  lost.Statistics();
  CHECK(Downloaded(other, Uploaded(other, {4, 5})) == std::vector<float>{4, 5});
}

TEST_CASE("process exit: the driver is unloaded before the last tensors") {
  Engine& gpu = EngineOf(3);
  StoragePtr x = Uploaded(gpu, {1, 2, 3});
  Engine::Download download;
  OnQueue(gpu, [&] { download = gpu.StartDownload(x); });
  simulated::LeaveDriver(true);
  std::vector<float> values(3);
  for (const std::function<void()>& action : std::vector<std::function<void()>>{
           [&] { download(values.data()); }, [&] { Uploaded(gpu, {1}); },
           [&] { Downloaded(gpu, x); }, [&] { Filled(gpu, 1, 5); }}) {
    CHECK(ErrorOf(ErrorCode::kDevice, action).find("cudaErrorCudartUnloading") !=
          std::string::npos);
  }
  gpu.EmptyCache();
  OnQueue(gpu, [] {});
  CHECK(gpu.Statistics().live_bytes == 0);
  download = nullptr;
  x = nullptr;
  simulated::LeaveDriver(false);
}

}  // namespace
}  // namespace convlstm::cuda
