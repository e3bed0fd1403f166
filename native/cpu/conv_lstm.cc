#include "cpu/conv_lstm.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/shape.h"
#include "cpu/layout.h"
#include "cpu/parallel_for.h"

namespace convlstm::cpu {
namespace {

// Whether the elements lie as channels-last frames of this geometry.
bool HasFrames(const Storage& storage, const ChannelsLast& wanted) {
  if (!storage.channels_last()) return wanted.channels == 1 || wanted.pixels == 1;
  const ChannelsLast& layout = storage.layout();
  return layout.channels == wanted.channels && layout.pixels == wanted.pixels;
}

// An input whose frames are converted a few at a time. The storage stays as it is: the same one may
// come in as two inputs of different geometry.
class FrameConverter {
 public:
  FrameConverter(const Storage& storage, const ChannelsLast& wanted, ThreadPool& pool)
      : wanted_(wanted), pool_(pool), rows_(storage.data()) {
    if (!storage.channels_last()) return;
    copied_rows_ = Buffer::Allocate(storage.bytes());
    CopyRowMajor(storage, copied_rows_.as<float>(), pool);
    rows_ = copied_rows_.as<float>();
  }

  void Convert(int64_t frame, int64_t count, float* out) const {
    TransposeFrames(count, wanted_.channels, wanted_.pixels,
                    rows_ + frame * wanted_.channels * wanted_.pixels, out, pool_);
  }

 private:
  ChannelsLast wanted_;
  ThreadPool& pool_;
  const float* rows_;
  Buffer copied_rows_;
};

bool AllWithinOne(const float* values, int64_t count) {
  constexpr uint32_t kMagnitude = 0x7fffffff, kOne = std::bit_cast<uint32_t>(1.0f);
  uint32_t largest = 0;  // of the bit patterns, which are ordered as the magnitudes; NaN is above
  for (int64_t k = 0; k < count; ++k) {
    largest = std::max(largest, std::bit_cast<uint32_t>(values[k]) & kMagnitude);
  }
  return largest <= kOne;
}

// Looks at the elements unless it is known by construction; what is seen is kept.
bool BoundedByOne(Storage& storage, ThreadPool& pool) {
  if (storage.bounded_by_one()) return true;
  const float* values = storage.data();
  constexpr int64_t kBlock = 4096;
  std::atomic<bool> bounded = true;
  ParallelFor(pool, storage.elements(), 1, [&](Range range) {
    for (int64_t k = range.begin; k < range.end && bounded.load(std::memory_order_relaxed);
         k += kBlock) {
      if (!AllWithinOne(values + k, std::min(kBlock, range.end - k))) bounded = false;
    }
  });
  if (bounded) storage.set_bounded_by_one();
  return bounded;
}

// Stands for the elements that a storage has now: made anew whenever they change, for then
// derived() is cleared.
using IdentityPtr = std::shared_ptr<const void>;
IdentityPtr Identity(const StoragePtr& storage) {
  static const IdentityPtr& absent =
      *std::make_unique<IdentityPtr>(std::make_shared<char>()).release();
  if (storage == nullptr) return absent;
  IdentityPtr& identity = storage->derived()["identity"];
  if (identity == nullptr) identity = std::make_shared<char>();
  return identity;
}

// Packed weights with all that they were made from; a storage of weights keeps one per kernel.
struct PackedEntry {
  ConvLstmShape shape;
  Peephole peephole;
  std::array<std::weak_ptr<const void>, 4> companions;  // identities of bias, wci, wcf, wco
  std::unique_ptr<PackedWeights> packed;
};

bool SameOperands(const PackedEntry& entry, const ConvLstmShape& shape, Peephole peephole,
                  const std::array<IdentityPtr, 4>& companions) {
  const ConvLstmShape& s = entry.shape;
  const bool same_weight = s.input_dim == shape.input_dim && s.hidden_dim == shape.hidden_dim &&
                           s.kernel_height == shape.kernel_height &&
                           s.kernel_width == shape.kernel_width && entry.peephole == peephole;
  const bool same_image = s.height == shape.height && s.width == shape.width;
  return same_weight && (peephole != Peephole::kSpatial || same_image) &&
         std::equal(companions.begin(), companions.end(), entry.companions.begin(),
                    [](const IdentityPtr& now, const auto& then) { return now == then.lock(); });
}

std::shared_ptr<const PackedEntry> PackOnce(const ConvLstmKernel& kernel,
                                            const ConvLstmShape& shape,
                                            const ConvLstmInputs& inputs, ThreadPool& pool) {
  const std::array<IdentityPtr, 4> companions = {Identity(inputs.bias), Identity(inputs.wci),
                                                 Identity(inputs.wcf), Identity(inputs.wco)};
  std::shared_ptr<const void>& kept = inputs.weight->derived()["conv_lstm " + kernel.name()];
  if (kept != nullptr) {
    auto entry = std::static_pointer_cast<const PackedEntry>(kept);
    if (SameOperands(*entry, shape, inputs.peephole, companions)) return entry;
    kept.reset();
  }
  const auto rows = [&](const StoragePtr& storage) {
    return storage == nullptr ? nullptr : RowMajor(*storage, pool);
  };
  const ConvLstmWeights weights = {rows(inputs.weight), rows(inputs.bias), inputs.peephole,
                                   rows(inputs.wci),    rows(inputs.wcf),  rows(inputs.wco)};
  auto entry = std::make_shared<PackedEntry>();
  entry->shape = shape;
  entry->peephole = inputs.peephole;
  std::copy(companions.begin(), companions.end(), entry->companions.begin());
  entry->packed = kernel.Pack(shape, weights, pool);
  kept = entry;
  return entry;
}

// What a choice depends on, and the line that tells of it.
using ChoiceKey = std::array<int64_t, 9>;
std::mutex chosen_mutex;
std::map<ChoiceKey, std::string>& Chosen() {
  using Choices = std::map<ChoiceKey, std::string>;
  static Choices& chosen = *std::make_unique<Choices>().release();
  return chosen;
}

const char* PrecisionName(Precision precision) {
  switch (precision) {
    case Precision::kHighest:
      return "highest";
    case Precision::kHigh:
      return "high";
    case Precision::kMedium:
      return "medium";
  }
  return "highest";
}

void RecordChoice(const ConvLstmRequest& request, const ConvLstmKernel& kernel) {
  const ConvLstmShape& s = request.shape;
  const ChoiceKey key = {
      s.batch,          s.input_dim,     s.hidden_dim,   s.height,
      s.width,          s.kernel_height, s.kernel_width, static_cast<int64_t>(request.precision),
      request.x_bounded};
  // A process that meets endlessly many image sizes keeps the first choices only.
  constexpr size_t kMaxRecords = 256;
  std::lock_guard lock(chosen_mutex);
  if (Chosen().size() >= kMaxRecords || Chosen().contains(key)) return;
  const auto by = [](int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  const std::string line = std::to_string(s.input_dim) + "->" + std::to_string(s.hidden_dim) +
                           " kernel " + by(s.kernel_height, s.kernel_width) + " image " +
                           by(s.height, s.width) + " batch " + std::to_string(s.batch) + " " +
                           PrecisionName(request.precision) +
                           (request.x_bounded ? " bounded x" : "") + " -> " + kernel.name();
  Chosen().emplace(key, line);
  const char* debug = std::getenv("CONVLSTM_DEBUG");
  if (debug != nullptr && std::strcmp(debug, "1") == 0) {
    std::fprintf(stderr, "convlstm: %s\n", line.c_str());
  }
}

void CopyFrames(const float* from, float* to, int64_t elements, ThreadPool& pool) {
  ParallelFor(pool, elements, 1, [from, to](Range range) {
    std::copy(from + range.begin, from + range.end, to + range.begin);
  });
}

}  // namespace

// With AMX, `high` by two bfloat16 planes and by float32 Winograd are level (docs/benchmarks.md):
// 11 against 13 ms on W1, 88 against 82 on W3, 5.4 against 4.7 on W4c. Winograd has the lead where
// its transforms serve many channels.
const ConvLstmKernel& ChooseConvLstmKernel(const ConvLstmRequest& request) {
  constexpr int64_t kManyChannels = 128;
  const ConvLstmKernel* tiles = FindAmxKernel(request);
  const ConvLstmKernel* winograd = FindWinogradKernel(request);
  const ConvLstmShape& s = request.shape;
  const bool winograd_leads = request.isa == Isa::kAmx && request.precision == Precision::kHigh &&
                              s.kernel_height == 3 && s.kernel_width == 3 &&
                              s.input_dim + s.hidden_dim >= kManyChannels;
  if (tiles != nullptr && !(winograd_leads && winograd != nullptr)) return *tiles;
  if (winograd != nullptr) return *winograd;
  return *FindDirectKernel(request);
}

std::vector<std::string> ChosenKernels() {
  std::lock_guard lock(chosen_mutex);
  std::vector<std::string> lines;
  for (const auto& [key, line] : Chosen()) lines.push_back(line);
  return lines;
}

void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
              const ConvLstmOutputs& outputs, ThreadPool& pool) {
  const int64_t batch = shape.batch, hidden = shape.hidden_dim, pixels = shape.pixels();
  const ChannelsLast state_layout = {batch, hidden, pixels};
  const int64_t frame_elements = hidden * pixels;

  const ConvLstmRequest request = {shape, inputs.peephole, precision, BoundedByOne(*inputs.x, pool),
                                   CurrentIsa()};
  const ConvLstmKernel& kernel = ChooseConvLstmKernel(request);
  RecordChoice(request, kernel);
  const std::shared_ptr<const PackedEntry> entry = PackOnce(kernel, shape, inputs, pool);

  float* output = outputs.output->AllocateChannelsLast({batch * shape.time, hidden, pixels});
  outputs.output->set_bounded_by_one();
  float* c = outputs.c->AllocateChannelsLast(state_layout);
  if (inputs.c0 == nullptr) {
    ParallelFor(pool, batch * frame_elements, 1,
                [c](Range range) { std::fill(c + range.begin, c + range.end, 0.0f); });
  } else if (HasFrames(*inputs.c0, state_layout)) {
    CopyFrames(inputs.c0->data(), c, batch * frame_elements, pool);
  } else {
    FrameConverter(*inputs.c0, state_layout, pool).Convert(0, batch, c);
  }
  const float* h0 = nullptr;
  if (inputs.h0 != nullptr && HasFrames(*inputs.h0, state_layout)) {
    h0 = inputs.h0->data();
  } else if (inputs.h0 != nullptr) {
    // The last h needs its memory after the first step only.
    float* converted = outputs.h->AllocateChannelsLast(state_layout);
    FrameConverter(*inputs.h0, state_layout, pool).Convert(0, batch, converted);
    h0 = converted;
  }

  // Row-major x is converted step by step, so that memory for the frames of one step is enough.
  const ChannelsLast x_layout = {batch * shape.time, shape.input_dim, pixels};
  const int64_t x_elements = shape.input_dim * pixels;
  std::optional<FrameConverter> x_converter;
  Buffer x_converted;
  if (!HasFrames(*inputs.x, x_layout)) {
    x_converter.emplace(*inputs.x, x_layout, pool);
    x_converted = Buffer::AllocateArray<float>(static_cast<size_t>(batch * x_elements));
  }

  std::vector<const float*> x_frames(batch), h_frames(batch);
  std::vector<float*> out_frames(batch), c_frames(batch);
  for (int64_t b = 0; b < batch; ++b) {
    c_frames[b] = c + b * frame_elements;
    h_frames[b] = h0 == nullptr ? nullptr : h0 + b * frame_elements;
  }
  for (int64_t t = 0; t < shape.time; ++t) {
    for (int64_t b = 0; b < batch; ++b) {
      const int64_t frame = shape.frame(b, t);
      if (x_converter) {
        float* converted = x_converted.as<float>() + b * x_elements;
        x_converter->Convert(frame, 1, converted);
        x_frames[b] = converted;
      } else {
        x_frames[b] = inputs.x->data() + frame * x_elements;
      }
      out_frames[b] = output + frame * frame_elements;
    }
    const bool h_is_zero = t == 0 && h0 == nullptr;
    kernel.Step(shape, *entry->packed,
                {x_frames.data(), h_is_zero ? nullptr : h_frames.data(), out_frames.data(),
                 c_frames.data()},
                pool);
    std::copy(out_frames.begin(), out_frames.end(), h_frames.begin());
  }

  outputs.h->set_bounded_by_one();
  if (shape.time == 1) {
    outputs.h->ShareElements(*outputs.output);
    return;
  }
  float* h = outputs.h->AllocateChannelsLast(state_layout);
  for (int64_t b = 0; b < batch; ++b) {
    CopyFrames(h_frames[b], h + b * frame_elements, frame_elements, pool);
  }
}

}  // namespace convlstm::cpu
