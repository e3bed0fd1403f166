#include "cpu/engine.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <variant>

#include "cpu/conv_lstm/backward.h"
#include "cpu/conv_lstm/sequence.h"
#include "cpu/convolution/conv2d.h"
#include "cpu/convolution/conv2d_backward.h"
#include "cpu/frames/layout.h"
#include "cpu/tensor/bernoulli.h"
#include "cpu/tensor/elementwise.h"
#include "cpu/tensor/optimizers.h"
#include "cpu/tensor/rearrange.h"
#include "cpu/tensor/reduce.h"
#include "cpu/threads/thread_pool.h"

namespace convlstm::cpu {
namespace {

class TheCpu final : public Engine {
 public:
  const std::string& name() const override { return name_; }
  Memory& memory() override { return HostMemory(); }
  Queue& queue() override {
    pool();  // throws here, in the caller's line, when CONVLSTM_THREADS is no number
    return CpuQueue();
  }
  Queue& downloads() override { return CpuQueue(); }

  std::function<void()> Upload(const float* values, const StoragePtr& out) override {
    std::copy_n(values, out->elements(), out->Allocate());
    return nullptr;
  }
  Download StartDownload(const StoragePtr& storage) override {
    return [storage](float* out) { CopyRowMajor(*storage, out, pool()); };
  }

  BufferStatistics Statistics() override { return GetBufferStatistics(); }
  void EmptyCache() override { EmptyBufferCache(); }

  void Run(Operation operation) override {
    std::visit([](auto& op) { cpu::Run(pool(), std::move(op)); }, operation);
  }
  // Half the bytes of what training keeps, for gradients that stay far within what `medium` allows.
  SavedFormat FormatOfSaved(Precision precision) const override {
    return precision == Precision::kMedium ? SavedFormat::k16Bits : SavedFormat::kFloat32;
  }

 private:
  static ThreadPool& pool() { return GlobalThreadPool(); }

  const std::string name_ = "cpu";
};

}  // namespace

Engine& CpuEngine() {
  static Engine& engine = *std::make_unique<TheCpu>().release();
  return engine;
}

}  // namespace convlstm::cpu
