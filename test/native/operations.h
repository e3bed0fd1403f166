// Random values, storages and shapes for the tests of operations.
#ifndef CONVLSTM_TEST_OPERATIONS_H_
#define CONVLSTM_TEST_OPERATIONS_H_

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "core/shape.h"
#include "core/storage.h"
#include "cpu/engine.h"
#include "cpu/frames/layout.h"
#include "cpu/threads/thread_pool.h"
#include "runtime/prepare.h"

namespace convlstm {

// Long tests are brief under sanitizers and emulators: they run every code path, but skip sizes and
// combinations that differ in numbers only. compute-sanitizer, which needs no special build, sets
// the environment variable CONVLSTM_BRIEF_TESTS.
#ifdef CONVLSTM_BRIEF_TESTS
inline const bool kBrief = true;
#else
inline const bool kBrief = std::getenv("CONVLSTM_BRIEF_TESTS") != nullptr;
#endif

// Normally distributed values.
inline std::vector<float> RandomValues(std::mt19937& random, int64_t count, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

#ifndef DOCTEST_CONFIG_DISABLE  // benchmarks do
// The same, from a generator that is seeded anew for each test case, so that a case has the same
// numbers when it runs alone.
inline std::vector<float> RandomValues(int64_t count, float scale = 1.0f) {
  static std::mt19937 random;
  static const void* seeded_for = nullptr;
  const void* test_case = doctest::getContextOptions()->currentTest;
  if (test_case != seeded_for) random.seed(1);
  seeded_for = test_case;
  return RandomValues(random, count, scale);
}
#endif

inline StoragePtr RowMajorStorage(const std::vector<float>& values) {
  auto storage = std::make_shared<Storage>(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), storage->Allocate());
  return storage;
}

// The same elements in the layout of a ConvLSTM's output.
inline StoragePtr ChannelsLastStorage(const std::vector<float>& values,
                                      const ChannelsLast& layout) {
  auto storage = std::make_shared<Storage>(static_cast<int64_t>(values.size()));
  float* out = storage->AllocateChannelsLast(layout);
  for (int64_t k = 0; k < storage->elements(); ++k) {
    const int64_t pixel = k % layout.pixels, channel = k / layout.pixels % layout.channels;
    const int64_t frame = k / (layout.pixels * layout.channels);
    out[(frame * layout.pixels + pixel) * layout.channels + channel] = values[k];
  }
  return storage;
}

inline std::vector<float> Values(const Storage& storage, cpu::ThreadPool& pool) {
  std::vector<float> values(storage.elements());
  cpu::CopyRowMajor(storage, values.data(), pool);
  return values;
}

// Runs the operation; its results are in the returned copy.
template <typename Op>
Op RunOnCpu(Op op, cpu::ThreadPool& pool) {
  Prepare(cpu::CpuEngine(), op);
  Run(pool, op);
  return op;
}

}  // namespace convlstm

#endif  // CONVLSTM_TEST_OPERATIONS_H_
