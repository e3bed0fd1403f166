#include "simt/simt.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>

#include "simt/fiber.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#ifdef __SANITIZE_THREAD__
extern "C" {
void AnnotateIgnoreReadsBegin(const char*, int);
void AnnotateIgnoreReadsEnd(const char*, int);
void AnnotateIgnoreWritesBegin(const char*, int);
void AnnotateIgnoreWritesEnd(const char*, int);
}
#endif

namespace convlstm::simt {
namespace {

constexpr int kWarp = 32;

enum class State { kReady, kAtBarrier, kInWarp, kReturned };

struct Thread : Lane {
  Fiber* fiber = nullptr;
  State state = State::kReady;
  Location location;
  const char* what = "";
};

struct Warp {
  unsigned char in[kWarp][kSlot], out[kWarp][kSlot];
  int arrived = 0;
  const char* what = "";
  Location location;
  char fence;
};

struct RunningBlock : Block {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  int barriers = 0;
  char fences[2];
  std::unique_ptr<unsigned char, decltype(&std::free)> memory{nullptr, &std::free};
};

uint64_t SeedOfEnvironment() {
  const char* seed = std::getenv("SIMT_SEED");
  return seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10);
}

uint64_t seed = SeedOfEnvironment();
Fiber scheduler;
std::vector<std::unique_ptr<Fiber>> fibers;
RunningBlock* block = nullptr;
Thread* thread = nullptr;
const std::function<void()>* body = nullptr;
std::string error;
char launch_fence, return_fence;

// Returns when the scheduler resumes this thread.
void Yield() { SwitchTo(*thread->fiber, scheduler); }

std::string Name(const Location& location) {
  const std::string file = location.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(location.line());
}

bool SamePlace(const Location& a, const Location& b) {
  return a.line() == b.line() && a.column() == b.column() &&
         std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string Describe() {
  std::map<std::string, std::vector<int>> positions;
  for (const Thread& t : block->threads) {
    const std::string position = t.state == State::kReturned ? "returned"
                                 : t.state == State::kReady
                                     ? "ready"
                                     : std::string("in ") + t.what + " at " + Name(t.location);
    positions[position].push_back(t.index);
  }
  std::string text = "block (" + std::to_string(block->index.x) + ", " +
                     std::to_string(block->index.y) + ", " + std::to_string(block->index.z) + ")";
  for (const auto& [position, threads] : positions) {
    text += "\n  " + std::to_string(threads.size()) + " threads " + position + " [" +
            std::to_string(threads.front()) + " to " + std::to_string(threads.back()) + "]";
  }
  return text;
}

// Runs threads of successive blocks.
void FiberMain() {
  FinishFirstSwitch(scheduler);
  for (;;) {
    Acquire(&launch_fence);
    try {
      (*body)();
      const TsanIgnoreScope unwatched;
      if (!thread->copies.empty() || !thread->products.empty()) {
        Fail("a thread returned without waiting for its copies or products", Location::current());
      }
    } catch (const Error& failure) {
      const TsanIgnoreScope unwatched;
      error = failure.what();
    }
    Release(&return_fence);
    const TsanIgnoreScope unwatched;
    thread->state = State::kReturned;
    Yield();
  }
}

void NeedFibers(size_t count) {
  while (fibers.size() < count) {
    auto fiber = std::make_unique<Fiber>();
    MakeStack(*fiber, FiberMain);
    fibers.push_back(std::move(fiber));
  }
}

std::unique_ptr<RunningBlock> MakeBlock(dim3 grid, dim3 size, dim3 index, size_t shared_bytes) {
  auto made = std::make_unique<RunningBlock>();
  made->index = index;
  made->size = size;
  made->grid = grid;
  const size_t rounded = std::max<size_t>(1, (shared_bytes + 127) / 128) * 128;
  made->memory.reset(static_cast<unsigned char*>(std::aligned_alloc(128, rounded)));
  made->shared = made->memory.get();
  made->shared_bytes = shared_bytes;
  std::memset(made->shared, 0xff, rounded);  // NaN
#ifdef __SANITIZE_ADDRESS__
  __asan_poison_memory_region(made->shared + shared_bytes, rounded - shared_bytes);
#endif
  const int threads = static_cast<int>(size.x * size.y * size.z);
  made->threads.resize(threads);
  made->warps.resize((threads + kWarp - 1) / kWarp);
  for (int k = 0; k < threads; ++k) {
    made->threads[k].index = k;
    made->threads[k].thread = {k % size.x, k / size.x % size.y, k / size.x / size.y};
  }
  return made;
}

// Why a block is stuck; empty if all threads wait at one barrier.
std::string WhyStuck() {
  const Thread* first = nullptr;
  for (const Thread& t : block->threads) {
    if (t.state == State::kInWarp) return "threads of a warp wait at different instructions";
    if (t.state == State::kReturned) return "some threads returned, others wait at a barrier";
    if (first == nullptr) first = &t;
    if (!SamePlace(t.location, first->location)) return "threads wait at different barriers";
  }
  return "";
}

void RunBlock(size_t rotation, std::mt19937_64& random) {
  const int threads = static_cast<int>(block->threads.size());
  // Threads get different fibers in every block, so that ThreadSanitizer does not take a thread of
  // two blocks for the same one.
  for (int k = 0; k < threads; ++k) {
    block->threads[k].fiber = fibers[(k + rotation) % threads].get();
  }
  std::vector<int> warps(block->warps.size()), lanes(kWarp);
  std::iota(warps.begin(), warps.end(), 0);
  std::iota(lanes.begin(), lanes.end(), 0);
  const auto shuffle = [&](std::vector<int>& order) {
    if (seed != 0) std::shuffle(order.begin(), order.end(), random);
  };
  shuffle(warps);
  for (;;) {
    bool ran = false;
    for (size_t w = 0; w < warps.size() && !ran; ++w) {
      shuffle(lanes);
      for (const int lane : lanes) {
        const int index = warps[w] * kWarp + lane;
        if (index >= threads || block->threads[index].state != State::kReady) continue;
        ran = true;
        thread = &block->threads[index];
        SwitchTo(scheduler, *thread->fiber);
        if (!error.empty()) return;
      }
    }
    if (ran) {
      if (seed != 0 && random() % 256 == 0) shuffle(warps);
      continue;
    }
    const auto returned = [](const Thread& t) { return t.state == State::kReturned; };
    if (std::all_of(block->threads.begin(), block->threads.end(), returned)) {
      if (!block->bulk_copies.empty()) error = "a block returned with bulk copies in flight";
      return;
    }
    if (const std::string why = WhyStuck(); !why.empty()) {
      error = why + "\n" + Describe();
      return;
    }
    for (Thread& t : block->threads) {
      t.state = State::kReady;
      t.fenced = false;
    }
    if (block->fenced_threads == block->threads.size()) block->seen.swap(block->fenced);
    block->fenced_threads = 0;
    ++block->barriers;
    shuffle(warps);
  }
}

}  // namespace

namespace {
std::mutex binders_mutex;
std::map<const void*, Binder> binders;
}  // namespace

void RegisterKernel(const void* kernel, Binder binder) {
  std::lock_guard lock(binders_mutex);
  binders[kernel] = binder;
}
std::function<void()> BodyOf(const void* kernel, void** arguments) {
  std::lock_guard lock(binders_mutex);
  return binders.at(kernel)(kernel, arguments);
}

void SetSeed(uint64_t value) { seed = value; }
Lane& CurrentLane() { return *thread; }
Block& CurrentBlock() { return *block; }

void Fail(const std::string& what, const Location& location) {
  const TsanIgnoreScope unwatched;
  throw Error(what + " at " + Name(location) + "\n" + Describe());
}

#ifdef __SANITIZE_THREAD__
TsanIgnoreScope::TsanIgnoreScope() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
TsanIgnoreScope::~TsanIgnoreScope() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
#else
TsanIgnoreScope::TsanIgnoreScope() {
}  // NOLINT(modernize-use-equals-default): avoids unused-variable warnings
TsanIgnoreScope::~TsanIgnoreScope() {}  // NOLINT(modernize-use-equals-default)
#endif

void BlockBarrier(const Location& location) {
  char* fence;
  {
    const TsanIgnoreScope unwatched;
    fence = &block->fences[block->barriers % 2];
  }
  Release(fence);
  {
    const TsanIgnoreScope unwatched;
    thread->what = "__syncthreads";
    thread->location = location;
    thread->state = State::kAtBarrier;
    Yield();
  }
  Acquire(fence);
}

void WarpExchange(const char* what, const void* in, size_t bytes_in, void* out, size_t bytes_out,
                  Exchange exchange, const Location& location, bool fence) {
  Warp* warp;
  {
    const TsanIgnoreScope unwatched;
    warp = &block->warps[thread->index / kWarp];
  }
  if (fence) Release(&warp->fence);
  {
    const TsanIgnoreScope unwatched;
    Thread& self = *thread;
    const int first = self.index / kWarp * kWarp;
    self.what = what;
    self.location = location;
    if (first + kWarp > static_cast<int>(block->threads.size())) {
      Fail("a warp instruction in a partial warp", location);
    }
    if (warp->arrived == 0) {
      warp->what = what;
      warp->location = location;
    } else if (!SamePlace(warp->location, location)) {
      self.state = State::kInWarp;
      Fail(std::string("threads of a warp are in ") + warp->what + " at " + Name(warp->location) +
               " and in " + what,
           location);
    }
    if (bytes_in > 0) std::memcpy(warp->in[self.index - first], in, bytes_in);
    if (++warp->arrived < kWarp) {
      self.state = State::kInWarp;
      Yield();
    } else {
      warp->arrived = 0;
      exchange(warp->in, warp->out);
      for (int k = first; k < first + kWarp; ++k) block->threads[k].state = State::kReady;
    }
    if (bytes_out > 0) std::memcpy(out, warp->out[self.index - first], bytes_out);
  }
  if (fence) Acquire(&warp->fence);
}

void Run(dim3 grid, dim3 size, size_t shared_bytes, const std::function<void()>& kernel) {
  const size_t blocks = size_t{grid.x} * grid.y * grid.z;
  const size_t threads = size_t{size.x} * size.y * size.z;
  constexpr size_t kMaxThreads = 1024, kMaxShared = size_t{227} << 10;
  if (blocks == 0 || threads == 0 || threads > kMaxThreads || shared_bytes > kMaxShared ||
      grid.y > 65535 || grid.z > 65535) {
    throw Error("a launch that exceeds the limits of all devices");
  }
  std::mt19937_64 random(seed + 1);
  std::vector<std::unique_ptr<RunningBlock>> all;
  {
    const TsanIgnoreScope unwatched;
    body = &kernel;
    error.clear();
    NeedFibers(threads);
    Adopt(scheduler);
    for (unsigned z = 0; z < grid.z; ++z) {
      for (unsigned y = 0; y < grid.y; ++y) {
        for (unsigned x = 0; x < grid.x; ++x) {
          all.push_back(MakeBlock(grid, size, {x, y, z}, shared_bytes));
        }
      }
    }
    if (seed != 0) std::shuffle(all.begin(), all.end(), random);
  }
  Release(&launch_fence);
  for (size_t k = 0; k < blocks && error.empty(); ++k) {
    const TsanIgnoreScope unwatched;
    block = all[k].get();
    RunBlock(k, random);
  }
  if (!error.empty()) {
    const TsanIgnoreScope unwatched;
    for (const std::unique_ptr<Fiber>& fiber : fibers) {
      OrderBefore(*fiber, scheduler);
      Prepare(*fiber, FiberMain);
    }
    throw Error(error);
  }
  Acquire(&return_fence);
}

}  // namespace convlstm::simt
