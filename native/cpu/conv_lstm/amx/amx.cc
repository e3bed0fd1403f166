// The AMX family's kernels: the step on the processor's tiles and on emulated ones.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_lstm/amx/amx.cc"
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include <memory>
#include <string>

#include "cpu/conv_lstm/amx/amx.h"
#include "cpu/conv_lstm/amx/step-inl.h"
#include "cpu/conv_lstm/amx/tiles-inl.h"
#include "cpu/conv_lstm/lstm_cell-inl.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

template <class Cell, class Tiles, int kPlanes>
void RunStep(const ConvLstmShape& shape, const AmxWeights& weights, const ConvLstmStep& step,
             ThreadPool& pool) {
  const AmxPlan plan(shape);
  pool.Run([&](int part) {
    const AmxPart share = plan.Part(shape, weights.groups, part, pool.threads());
    if (share.rows.begin == share.rows.end || share.groups.begin == share.groups.end) return;
    AmxStepPart<Cell, Tiles, kPlanes>(shape, weights, step, plan, share).Run();
  });
}

template <class Cell>
AmxStepFunction EmulatedStep(int planes) {
  return planes == 1   ? RunStep<Cell, EmulatedTiles, 1>
         : planes == 2 ? RunStep<Cell, EmulatedTiles, 2>
                       : RunStep<Cell, EmulatedTiles, 3>;
}

#if CONVLSTM_HAVE_HARDWARE_TILES && HWY_TARGET == HWY_AVX3
template <class Cell>
AmxStepFunction HardwareStep(int planes) {
  return planes == 1   ? RunStep<Cell, HardwareTiles, 1>
         : planes == 2 ? RunStep<Cell, HardwareTiles, 2>
                       : RunStep<Cell, HardwareTiles, 3>;
}
#endif

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

class AmxKernel final : public ConvLstmKernel {
 public:
  AmxKernel(const char* name, int64_t gates, int planes, AmxStepFunction step)
      : name_(name), gates_(gates), planes_(planes), step_(step) {}

  std::string name() const override { return name_; }
  std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                      ThreadPool& pool) const override {
    return PackAmxWeights(shape, weights, gates_, planes_, pool);
  }
  void Step(const ConvLstmShape& shape, const PackedWeights& packed, const ConvLstmStep& step,
            ThreadPool& pool) const override {
    step_(shape, static_cast<const AmxWeights&>(packed), step, pool);
  }

 private:
  const char* name_;
  int64_t gates_;
  int planes_;
  AmxStepFunction step_;
};

}  // namespace

// At `highest` tiles serve only kernel sizes that Winograd does not: by the prototypes' times on
// two cores with AMX (docs/benchmarks.md) a channel costs 0.30 to 0.42 by float32 Winograd and 0.55
// to 0.62 by six products, relative to direct float32.
const ConvLstmKernel* FindAmxKernel(const ConvLstmRequest& request) {
  if (request.isa == Isa::kAmx && request.precision == Precision::kHighest &&
      FindWinogradKernel(request) != nullptr) {
    return nullptr;
  }
  const int planes = request.precision == Precision::kMedium ? 1
                     : request.precision == Precision::kHigh ? 2
                                                             : 3;
  if (request.isa == Isa::kEmulatedAmx) {
    static const AmxKernel kernels[] = {
        {"direct-tiles bf16 emulated-amx", LstmCell::kGates, 1,
         CONVLSTM_SIMD(Isa::kEmulatedAmx, EmulatedStep<LstmCell>)(1)},
        {"direct-tiles 2xbf16 emulated-amx", LstmCell::kGates, 2,
         CONVLSTM_SIMD(Isa::kEmulatedAmx, EmulatedStep<LstmCell>)(2)},
        {"direct-tiles 3xbf16 emulated-amx", LstmCell::kGates, 3,
         CONVLSTM_SIMD(Isa::kEmulatedAmx, EmulatedStep<LstmCell>)(3)}};
    return &kernels[planes - 1];
  }
#if CONVLSTM_HAVE_HARDWARE_TILES
  if (request.isa == Isa::kAmx) {
    static const AmxKernel kernels[] = {
        {"direct-tiles bf16 amx", LstmCell::kGates, 1, N_AVX3::HardwareStep<LstmCell>(1)},
        {"direct-tiles 2xbf16 amx", LstmCell::kGates, 2, N_AVX3::HardwareStep<LstmCell>(2)},
        {"direct-tiles 3xbf16 amx", LstmCell::kGates, 3, N_AVX3::HardwareStep<LstmCell>(3)}};
    return &kernels[planes - 1];
  }
#endif
  return nullptr;
}

}  // namespace convlstm::cpu
#endif  // HWY_ONCE
