#include "simt/runtime/machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

namespace convlstm::simulated {
namespace {

bool Ready(const Stream& stream, bool held) {
  if (stream.operations.empty()) return false;
  const Operation& next = stream.operations.front();
  return !(next.kernel && held) && (next.after == nullptr || next.after->passed);
}
// The allocation that contains a range; null if there is none.
const Allocation* Find(Machine& machine, const void* data, size_t bytes) {
  const auto* begin = static_cast<const char*>(data);
  auto found = machine.memory.upper_bound(begin);
  if (found == machine.memory.begin()) return nullptr;
  --found;
  const auto& [base, allocation] = *found;
  return begin + bytes <= base + allocation.bytes ? &allocation : nullptr;
}
// A kernel that ends with an error leaves a fault on the device.
void RunKernel(Device& device, dim3 grid, dim3 block, size_t shared_bytes, const Body& body) {
  try {
    simt::Run(grid, block, shared_bytes, body);
  } catch (const simt::Error& error) {
    std::fprintf(stderr, "simulated GPU: %s\n", error.what());
    device.fault = cudaErrorLaunchFailure;
  }
}

}  // namespace

Machine::Machine() {
  for (int k = 0; k < kDevices; ++k) devices[k].pool.device = k;
  std::thread([this] { Run(); }).detach();
}

std::vector<Stream*> Machine::ReadyStreams() const {
  std::vector<Stream*> ready;
  for (const std::unique_ptr<Stream>& stream : streams) {
    if (Ready(*stream, held)) ready.push_back(stream.get());
  }
  return ready;
}

void Machine::Run() {
  std::unique_lock lock(mutex);
  for (;;) {
    const auto unmet = [](const std::function<bool()>* goal) { return !(*goal)(); };
    std::vector<Stream*> ready;
    work.wait(lock, [&] {
      if (std::none_of(goals.begin(), goals.end(), unmet)) return false;
      ready = ReadyStreams();
      if (ready.empty() && !held) {
        std::fputs("simulated GPU: deadlock, a thread waits for work that nobody queued\n", stderr);
        std::abort();
      }
      return !ready.empty();
    });
    Stream& stream = *ready[random() % ready.size()];
    const Operation operation = std::move(stream.operations.front());
    stream.operations.pop_front();
    operation.run();
    ++ran;
    progress.notify_all();
  }
}

void Machine::WaitFor(std::unique_lock<std::mutex>& lock, const std::function<bool()>& goal) {
  goals.push_back(&goal);
  while (!goal()) {
    work.notify_all();
    progress.wait(lock);
  }
  goals.erase(std::find(goals.begin(), goals.end(), &goal));
}

void Machine::Chance(std::unique_lock<std::mutex>& lock) {
  const size_t enough = ran + (random() % 3 == 0 ? random() % 4 : 0);
  WaitFor(lock, [this, enough] { return ran >= enough || ReadyStreams().empty(); });
}

Machine& TheMachine() {
  static Machine& machine = *std::make_unique<Machine>().release();
  return machine;
}

cudaError_t Leave(cudaError_t error, const char* why) {
  if (error != cudaSuccess) last_error = error;
  if (why != nullptr) std::fprintf(stderr, "simulated GPU: %s\n", why);
  return error;
}

bool Device::Load(const void* kernel) {
  constexpr size_t kBytes = size_t{1} << 20;
  if (!loaded.contains(kernel) && !HasRoom(kBytes)) return false;
  loaded.insert(kernel);
  return true;
}

void Call::PushWork(Stream& stream, Body run, bool kernel) {
  const int k = stream.device;
  Push(stream, {[&device = machine.devices[k], run = std::move(run), kernel] {
                  if (device.fault != cudaSuccess) return;
                  if (kernel && std::exchange(device.fails_next, false)) {
                    device.fault = cudaErrorIllegalAddress;
                    return;
                  }
                  run();
                },
                kernel, nullptr});
}

bool IsPinned(Machine& machine, const void* data, size_t bytes) {
  const auto* begin = static_cast<const char*>(data);
  auto found = machine.pinned.upper_bound(begin);
  if (found == machine.pinned.begin()) return false;
  --found;
  return begin + bytes <= found->first + found->second;
}

bool Usable(Machine& machine, int device, const void* data, size_t bytes) {
  const Allocation* const found = Find(machine, data, bytes);
  const auto allowed = [&] {
    return found->device == device || machine.devices[found->device].pool.readers.contains(device);
  };
  if (found != nullptr && found->ready && allowed()) return true;
  machine.devices[device].fault = cudaErrorIllegalAddress;
  std::fputs("simulated GPU: a copy or memset outside allocated memory\n", stderr);
  return false;
}

const char* WhyNot(Device& device, const void* kernel, dim3 grid, dim3 block, size_t shared_bytes) {
  constexpr size_t kUnasked = size_t{48} << 10, kMost = size_t{227} << 10;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) {
    return "a grid that exceeds the limits of all devices";
  }
  if (block.x * block.y * block.z == 0 || block.x * block.y * block.z > 1024) {
    return "a block that exceeds the limits of all devices";
  }
  const auto allowed = device.shared_bytes.find(kernel);
  const size_t most = allowed == device.shared_bytes.end() ? kUnasked : allowed->second;
  if (shared_bytes > std::max(most, kUnasked) || shared_bytes > kMost) {
    return "more shared memory than the kernel is allowed";
  }
  return nullptr;
}

Body BodyOf(Device& device, const cudaKernelNodeParams& params) {
  return [&device, grid = params.gridDim, block = params.blockDim, bytes = params.sharedMemBytes,
          body = simt::BodyOf(params.func, params.kernelParams)] {
    RunKernel(device, grid, block, bytes, body);
  };
}

cudaError_t Launch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes, Stream* stream,
                   Body body) {
  Call call;
  if (stream == nullptr)
    return Leave(cudaErrorInvalidResourceHandle, "a launch on the default stream");
  if (stream->device != current) {
    return Leave(cudaErrorInvalidResourceHandle, "a launch on a stream of another device");
  }
  Device& device = call.device(current);
  if (call.Fault(current) != cudaSuccess) return call.Fault(current);
  if (!device.Load(kernel)) return Leave(cudaErrorMemoryAllocation);
  if (const char* why = WhyNot(device, kernel, grid, block, shared_bytes)) {
    return Leave(cudaErrorInvalidValue, why);
  }
  call.PushWork(
      *stream,
      [&device, grid, block, shared_bytes, body = std::move(body)] {
        RunKernel(device, grid, block, shared_bytes, body);
      },
      true);
  return cudaSuccess;
}

void SetSeed(uint64_t seed) { Call().machine.random.seed(seed); }
void FailNextKernel(int device) { Call().device(device).fails_next = true; }
void LetPeers(bool can) { Call().machine.peers = can; }
void LetPin(bool can) { Call().machine.pins = can; }
void LeaveDriver(bool gone) { Call().machine.gone = gone; }
void HoldKernels(bool held) {
  Call call;
  call.machine.held = held;
  call.machine.work.notify_all();
}
size_t LargestGraph() { return std::exchange(Call().machine.largest_graph, 0); }
size_t CopiedBytes() { return Call().machine.copied; }
void RunAll() {
  Call call;
  Machine& machine = call.machine;
  machine.WaitFor(call.lock, [&machine] { return machine.ReadyStreams().empty(); });
}

}  // namespace convlstm::simulated
