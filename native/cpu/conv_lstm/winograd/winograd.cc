// Winograd convolution fused with the gates: the choice of a variant and the packing of weights.
//
// Cost of a step on Zen 4 with everything in L1 and L2, per tile of F(4x4, 3x3) and group of 16
// channels, for 64 + 1 channels: 36 products * 65 * 4 = 9,360 multiply-adds in 9,500 cycles (one a
// cycle is the peak), 320 cycles of output transform, 1,170 of 16 cell updates, and a share of the
// 1,500 of input transform that four groups have in common. A direct convolution does 9 * 16 * 65 *
// 4 = 37,440 multiply-adds there. x, h and c move through memory once; a group's weights, 600 KB,
// come from L3 once per block of tiles.
#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "core/divide_up.h"
#include "cpu/conv_lstm/kernel.h"
#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/conv_lstm/winograd/tile.h"
#include "cpu/convolution/winograd/filter.h"

namespace convlstm::cpu {

WinogradPlan::WinogradPlan(const ConvLstmShape& shape_of_layer, const WinogradVariant& v,
                           size_t gates_of_cell, size_t lanes_of_vector,
                           const CacheSizes& sizes_of_caches)
    : WinogradTiling(v, shape_of_layer.batch, shape_of_layer.height, shape_of_layer.width),
      shape(shape_of_layer),
      lanes(lanes_of_vector),
      hidden(shape.hidden_dim),
      input(shape.input_dim),
      gates(gates_of_cell),
      row(kRowVectors * lanes),
      group_channels(row / gates),
      groups(DivideUp(hidden, group_channels)),
      depth(hidden + input),
      caches(sizes_of_caches) {}

namespace {

// Packs a group's weights, channel by channel.
class GroupPacker {
 public:
  GroupPacker(const WinogradPlan& plan, size_t variant, Isa isa, const float* weight,
              const WinogradWeights& packed)
      : plan_(plan),
        transform_(GetWinogradFilterTransform(isa, variant)),
        weight_(weight),
        packed_(packed),
        filter_(Taps() * plan.row),
        products_(plan.variant.products() * plan.row) {}

  void Pack(size_t group) {
    for (const WinogradSource source : {kFromHidden, kFromInput}) {
      for (size_t channel = 0; channel < plan_.channels(source); ++channel) {
        Gather(group, source == kFromHidden ? plan_.input + channel : channel);
        StoreDirect(group, source, channel);
        transform_(filter_.data(), plan_.row, products_.data());
        StoreTransformed(group, (source == kFromHidden ? 0 : plan_.hidden) + channel);
      }
    }
  }

 private:
  size_t Taps() const { return plan_.variant.taps * plan_.variant.taps; }

  // Fills filter_[tap][gate][channel of the group] for one channel of cat(x, h).
  void Gather(size_t group, size_t channel) {
    const size_t taps = Taps();
    for (size_t q = 0; q < plan_.gates; ++q) {
      for (size_t k = 0; k < plan_.group_channels; ++k) {
        const size_t output = group * plan_.group_channels + k;
        double* to = filter_.data() + q * plan_.group_channels + k;
        if (output >= plan_.hidden) {
          for (size_t tap = 0; tap < taps; ++tap) to[tap * plan_.row] = 0;
          continue;
        }
        const float* from =
            weight_ + ((q * plan_.hidden + output) * (plan_.input + plan_.hidden) + channel) * taps;
        for (size_t tap = 0; tap < taps; ++tap) to[tap * plan_.row] = from[tap];
      }
    }
  }

  void StoreDirect(size_t group, WinogradSource source, size_t channel) {
    const size_t channels = plan_.channels(source);
    for (size_t tap = 0; tap < Taps(); ++tap) {
      float* to = packed_.direct[source].as<float>() +
                  ((group * Taps() + tap) * channels + channel) * plan_.row;
      std::copy_n(filter_.data() + tap * plan_.row, plan_.row, to);
    }
  }

  void StoreTransformed(size_t group, size_t k) {
    const size_t products = plan_.variant.products();
    for (size_t product = 0; product < products; ++product) {
      const double* from = products_.data() + product * plan_.row;
      const size_t panel = (group * products + product) * plan_.depth * plan_.row;
      std::copy_n(from, plan_.row, packed_.transformed.as<float>() + panel + k * plan_.row);
    }
  }

  const WinogradPlan& plan_;
  const WinogradFilterTransform transform_;
  const float* const weight_;
  const WinogradWeights& packed_;
  std::vector<double> filter_;
  std::vector<double> products_;
};

void PackBias(const WinogradPlan& plan, const float* bias, float* packed) {
  std::fill_n(packed, plan.groups * plan.row, 0.0f);
  if (bias == nullptr) return;
  const size_t of_group = plan.group_channels;
  for (size_t q = 0; q < plan.gates; ++q) {
    for (size_t channel = 0; channel < plan.hidden; ++channel) {
      packed[channel / of_group * plan.row + q * of_group + channel % of_group] =
          bias[q * plan.hidden + channel];
    }
  }
}

template <class Cell>
class WinogradKernel final : public ConvLstmKernel {
 public:
  WinogradKernel(size_t variant, Isa isa)
      : variant_(variant),
        isa_(isa),
        lanes_(WinogradLanes(isa)),
        part_(GetWinogradPart<Cell>(isa, variant)) {}

  std::string name() const override {
    const WinogradVariant& v = kWinogradVariants[variant_];
    const auto by = [](size_t a, size_t b) { return std::to_string(a) + "x" + std::to_string(b); };
    return "winograd-f" + by(v.rows, v.columns) + "-" + by(v.taps, v.taps) + " f32 " +
           IsaName(isa_);
  }

  std::unique_ptr<PackedWeights> Pack(const ConvLstmShape& shape, const ConvLstmWeights& weights,
                                      ThreadPool& pool) const override {
    const WinogradPlan plan(shape, kWinogradVariants[variant_], Cell::kGates, lanes_);
    auto packed = std::make_unique<WinogradWeights>(PackedPeepholes(shape, weights, pool));
    packed->transformed =
        Buffer::AllocateArray<float>(plan.groups * plan.variant.products() * plan.depth * plan.row);
    for (const WinogradSource source : {kFromHidden, kFromInput}) {
      packed->direct[source] = Buffer::AllocateArray<float>(
          plan.groups * plan.variant.taps * plan.variant.taps * plan.channels(source) * plan.row);
    }
    packed->bias = Buffer::AllocateArray<float>(plan.groups * plan.row);
    PackBias(plan, weights.bias, packed->bias.as<float>());
    pool.Run([&](int part) {
      const Range groups = SplitRange(plan.groups, part, pool.threads());
      if (groups.begin == groups.end) return;
      GroupPacker packer(plan, variant_, isa_, weights.weight, *packed);
      for (int64_t group = groups.begin; group < groups.end; ++group) packer.Pack(group);
    });
    return packed;
  }

  void Step(const ConvLstmShape& shape, const PackedWeights& packed, const ConvLstmStep& step,
            ThreadPool& pool) const override {
    const WinogradPlan plan(shape, kWinogradVariants[variant_], Cell::kGates, lanes_);
    const auto& weights = static_cast<const WinogradWeights&>(packed);
    WinogradItems items(plan, pool.threads());
    pool.Run([&](int part) { part_(plan, weights, step, items, part); });
  }

 private:
  const size_t variant_;
  const Isa isa_;
  const size_t lanes_;
  const WinogradPart part_;
};

// Whether a variant fits the kernel's size and the precision's limit
// (test/native/winograd_test.cc).
bool Serves(const WinogradVariant& variant, const ConvLstmRequest& request) {
  const ConvLstmShape& shape = request.shape;
  const int64_t taps = variant.taps;
  if (shape.kernel_height != taps || shape.kernel_width != taps) return false;
  if (request.precision != Precision::kHighest) return true;
  // `highest` allows twice a plain float32 convolution's error. F(4x4, 3x3), 36 products, makes 1.3
  // times that; F(4x2, 5x5), 48, makes 1.7, without fused multiply-adds 1.9, too close; F(4x4, 5x5)
  // and F(6x6, 3x3), 64, make 3.4 and 8.3.
  return variant.products() <= (SimdIsa(request.isa) == Isa::kPortable ? 36 : 48);
}

// Multiply-adds per channel of input and vector of gates. Reading a row of weights takes as long as
// the products of four positions (items.cc), so fewer cost no less.
double Cost(double products, int64_t positions) {
  return products * static_cast<double>(std::max<int64_t>(positions, 4));
}

// The factor of weights that come from memory. The third layer of W3 has 14 MiB of them for
// F(4x4, 3x3) and 24 for F(6x6, 3x3), which needs 0.84 times the multiply-adds: with 32 MiB of L3,
// on a quiet machine both take 122 ms, beside other programs 135 and 195, 1.44 times as long. 1.3
// is between 1 / 0.84, where both would cost the same, and 1.44.
double CostOfMemory(const WinogradPlan& plan) { return plan.weights_stay_in_l3() ? 1.0 : 1.3; }

}  // namespace

const ConvLstmKernel* WinogradKernelOf(size_t variant, Isa isa) {
  isa = SimdIsa(isa);
  using Kernels = std::map<std::pair<size_t, Isa>, WinogradKernel<LstmCell>>;
  static std::mutex mutex;
  static Kernels& kernels = *std::make_unique<Kernels>().release();
  std::lock_guard lock(mutex);
  return &kernels.try_emplace({variant, isa}, variant, isa).first->second;
}

const ConvLstmKernel* FindWinogradKernel(const ConvLstmRequest& request) {
  const ConvLstmShape& shape = request.shape;
  // The transforms make a Winograd product dearer than a direct one, most with few channels: 16 + 1
  // have 2,450 cycles of products a tile and group by the numbers above, and 710 of transforms. The
  // products are 0.78 of the whole.
  double least = 0.8 * Cost(shape.kernel_height * shape.kernel_width, shape.batch * shape.pixels());
  const ConvLstmKernel* best = nullptr;
  for (size_t variant = 0; variant < kWinogradVariants.size(); ++variant) {
    const WinogradVariant& v = kWinogradVariants[variant];
    if (!Serves(v, request)) continue;
    const WinogradPlan plan(shape, v, LstmCell::kGates, WinogradLanes(SimdIsa(request.isa)),
                            request.caches);
    const double cost = Cost(v.products(), plan.tiles) * CostOfMemory(plan);
    if (cost < least) {
      least = cost;
      best = WinogradKernelOf(variant, request.isa);
    }
  }
  return best;
}

}  // namespace convlstm::cpu
