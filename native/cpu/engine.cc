#include "cpu/engine.h"

#include <algorithm>
#include <memory>

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

  void Fill(float value, Storage& out) override { cpu::Fill(value, out, pool()); }
  void FillBernoulli(const Bernoulli& bernoulli, Storage& out) override {
    cpu::FillBernoulli(bernoulli, out, pool());
  }
  void Unary(UnaryOp op, Storage& x, float alpha, Storage& out) override {
    cpu::Unary(op, x, alpha, out, pool());
  }
  void UnaryBackward(UnaryOp op, Storage& saved, Storage& grad, float alpha,
                     Storage& out) override {
    cpu::UnaryBackward(op, saved, grad, alpha, out, pool());
  }
  void Binary(BinaryOp op, const BinaryShapes& shapes, Storage& a, Storage& b,
              Storage& out) override {
    cpu::Binary(op, shapes, a, b, out, pool());
  }
  void Reduce(const Reduction& reduction, Storage& x, Storage& out) override {
    cpu::Reduce(reduction, x, out, pool());
  }
  void Permute(const Permutation& permutation, Storage& x, Storage& out) override {
    cpu::Permute(permutation, x, out, pool());
  }
  void TakeSlice(const Slice& slice, Storage& x, Storage& out) override {
    cpu::TakeSlice(slice, x, out, pool());
  }
  void SliceBackward(const Slice& slice, Storage& grad, Storage& out) override {
    cpu::SliceBackward(slice, grad, out, pool());
  }
  void Concatenate(const Concatenation& concatenation, const std::vector<StoragePtr>& parts,
                   Storage& out) override {
    cpu::Concatenate(concatenation, parts, out, pool());
  }
  void Conv2d(const Conv2dShape& shape, const Conv2dInputs& inputs, Storage& out) override {
    cpu::Conv2d(shape, inputs, out, pool());
  }
  void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
                const ConvLstmOutputs& outputs) override {
    cpu::ConvLstm(shape, inputs, precision, outputs, pool());
  }
  // Half the bytes of what training keeps, for gradients that stay far within what `medium` allows.
  SavedFormat FormatOfSaved(Precision precision) const override {
    return precision == Precision::kMedium ? SavedFormat::k16Bits : SavedFormat::kFloat32;
  }
  void ConvLstmStack(const std::vector<ConvLstmLayer>& layers) override {
    cpu::ConvLstmStack(layers, pool());
  }
  void Conv2dBackward(const Conv2dShape& shape, const Conv2dInputs& inputs, const StoragePtr& grad,
                      const Conv2dGradients& gradients) override {
    cpu::Conv2dBackward(shape, inputs, grad, gradients, pool());
  }
  void ConvLstmBackward(const ConvLstmShape& shape, ConvLstmBackwardInputs inputs,
                        Precision precision, const ConvLstmGradients& gradients) override {
    cpu::ConvLstmBackward(shape, std::move(inputs), precision, gradients, pool());
  }
  void OptimizerStep(const OptimizerOptions& options, Storage& grad, const OptimizerState& before,
                     const OptimizerState& after) override {
    cpu::OptimizerStep(options, grad, before, after, pool());
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
