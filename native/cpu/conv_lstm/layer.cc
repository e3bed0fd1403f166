#include "cpu/conv_lstm/layer.h"

#include <algorithm>
#include <array>
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

#include "cpu/frames/layout.h"
#include "cpu/simd/bfloat16.h"
#include "cpu/threads/parallel_for.h"

namespace convlstm::cpu {
namespace {

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
                                            const ConvLstmInputs& inputs, bool keep,
                                            ThreadPool& pool) {
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
  if (keep) kept = entry;
  return entry;
}

// What a choice depends on, and the line that tells of it.
using ChoiceKey = std::array<int64_t, 8>;
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
      s.batch, s.input_dim,     s.hidden_dim,   s.height,
      s.width, s.kernel_height, s.kernel_width, static_cast<int64_t>(request.precision)};
  // A process that meets endlessly many image sizes keeps the first choices only.
  constexpr size_t kMaxRecords = 256;
  std::lock_guard lock(chosen_mutex);
  if (Chosen().size() >= kMaxRecords || Chosen().contains(key)) return;
  const auto by = [](int64_t a, int64_t b) { return std::to_string(a) + "x" + std::to_string(b); };
  const std::string line = std::to_string(s.input_dim) + "->" + std::to_string(s.hidden_dim) +
                           " kernel " + by(s.kernel_height, s.kernel_width) + " image " +
                           by(s.height, s.width) + " batch " + std::to_string(s.batch) + " " +
                           PrecisionName(request.precision) + " -> " + kernel.name();
  Chosen().emplace(key, line);
  const char* debug = std::getenv("CONVLSTM_DEBUG");
  if (debug != nullptr && std::strcmp(debug, "1") == 0) {
    std::fprintf(stderr, "convlstm: %s\n", line.c_str());
  }
}

// out = zoneout . old + (1 - zoneout) . out, old null for zeros.
void KeepPart(const float* zoneout, bool one_for_all, const float* old, float* out, int64_t count,
              ThreadPool& pool) {
  ParallelFor(pool, count, 1, [=](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      const float z = zoneout[one_for_all ? 0 : k];
      const float kept = old == nullptr ? 0.0f : z * old[k];
      out[k] = kept + (1.0f - z) * out[k];
    }
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

ZoneoutFrames::ZoneoutFrames(const ConvLstmShape& shape, Storage& storage, ThreadPool& pool)
    : held_(storage.buffer()), pointers_(shape.batch, storage.data()) {
  if (storage.elements() > 1) frames_.emplace(shape, storage, shape.hidden_dim, 1, pool);
}

ConvLstmSteps::ConvLstmSteps(const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                             Precision precision, bool keep_packed, ThreadPool& pool)
    : shape_(shape),
      pool_(pool),
      frame_elements_(shape.hidden_dim * shape.pixels()),
      x_frames_(shape.batch),
      h_frames_(shape.batch),
      c_frames_(shape.batch) {
  if (inputs.x != nullptr) x_.emplace(shape, *inputs.x, shape.input_dim, 1, pool);
  const ConvLstmRequest request = {shape, inputs.peephole, precision, CurrentIsa()};
  kernel_ = &ChooseConvLstmKernel(request);
  RecordChoice(request, *kernel_);
  const std::shared_ptr<const PackedEntry> entry =
      PackOnce(*kernel_, shape, inputs, keep_packed, pool);
  packed_ = {entry, entry->packed.get()};
  mask_ = ToFrames(inputs.recurrent_mask, {shape.batch, shape.hidden_dim, shape.pixels()}, pool);
  if (mask_.data() != nullptr) {
    masked_h_ = Buffer::AllocateArray<float>(shape.batch * frame_elements_);
  }
  if (inputs.zoneout_h != nullptr) zoneout_h_.emplace(shape, *inputs.zoneout_h, pool);
  if (inputs.zoneout_c != nullptr) {
    zoneout_c_.emplace(shape, *inputs.zoneout_c, pool);
    old_c_ = Buffer::AllocateArray<float>(shape.batch * frame_elements_);
  }
}

void ConvLstmSteps::Run(int64_t t, const ConvLstmStepFrames& frames) {
  const float* const* x = frames.x;
  if (x == nullptr) {
    x_->Get(t, x_frames_.data());
    x = x_frames_.data();
  }
  const float* const* h_in = frames.h_in;
  const float* const* c_in = frames.c_in;
  const float* const mask = h_in == nullptr ? nullptr : mask_.data();
  for (int64_t b = 0; b < shape_.batch; ++b) {
    if (mask != nullptr) {
      float* masked = masked_h_.as<float>() + b * frame_elements_;
      MultiplyElements(h_in[b], mask + b * frame_elements_, masked, frame_elements_, pool_);
      h_frames_[b] = masked;
    }
    if (zoneout_c_) {
      float* copy = old_c_.as<float>() + b * frame_elements_;
      CopyElements(c_in[b], copy, frame_elements_, pool_);
      c_frames_[b] = copy;
    }
  }
  if (mask != nullptr) h_in = h_frames_.data();
  if (zoneout_c_) c_in = c_frames_.data();
  kernel_->Step(shape_, *packed_, {x, h_in, frames.h, frames.c, c_in, frames.gates}, pool_);
  if (zoneout_h_) {
    zoneout_h_->Step(t);
    for (int64_t b = 0; b < shape_.batch; ++b) {
      const float* old = frames.h_in == nullptr ? nullptr : frames.h_in[b];
      KeepPart(zoneout_h_->frame(b), zoneout_h_->one_for_all(), old, frames.h[b], frame_elements_,
               pool_);
    }
  }
  if (zoneout_c_) {
    zoneout_c_->Step(t);
    for (int64_t b = 0; b < shape_.batch; ++b) {
      KeepPart(zoneout_c_->frame(b), zoneout_c_->one_for_all(), c_in[b], frames.c[b],
               frame_elements_, pool_);
    }
  }
}

void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs, Precision precision,
              const ConvLstmOutputs& outputs, ThreadPool& pool) {
  const int64_t batch = shape.batch, hidden = shape.hidden_dim, pixels = shape.pixels();
  const ChannelsLast state_layout = {batch, hidden, pixels};
  const int64_t frame_elements = hidden * pixels;
  // Before other inputs are looked at, which may be the same storage.
  const HeldFrames h0 = ConvertToFrames(inputs.h0, state_layout, pool);
  const HeldFrames c0 = ConvertToFrames(inputs.c0, state_layout, pool);
  // Training changes the weights before they are used again: what they are packed to would only
  // take up the memory of what is saved.
  const bool keep_packed = outputs.saved == nullptr;
  ConvLstmSteps steps(shape, inputs, precision, keep_packed, pool);

  float* output = outputs.output->AllocateChannelsLast({batch * shape.time, hidden, pixels});
  float* c = outputs.c->AllocateChannelsLast(state_layout);
  if (c0.data() == nullptr) FillZeros(c, batch * frame_elements, pool);
  const SavedFrames saved(shape, outputs.save_every,
                          outputs.saved == nullptr ? nullptr : outputs.saved->Allocate(),
                          outputs.saved_format);

  std::vector<const float*> h_in(batch), c_in(batch);
  std::vector<float*> h_out(batch), c_out(batch);
  std::vector<GatePointer> gates(batch);
  for (int64_t b = 0; b < batch; ++b) {
    if (h0.data() != nullptr) h_in[b] = h0.data() + b * frame_elements;
    c_in[b] = (c0.data() == nullptr ? c : c0.data()) + b * frame_elements;
  }
  for (int64_t t = 0; t < shape.time; ++t) {
    float* const c_kept = saved.c(t);
    for (int64_t b = 0; b < batch; ++b) {
      h_out[b] = output + shape.frame(b, t) * frame_elements;
      c_out[b] = (c_kept == nullptr ? c : c_kept) + b * frame_elements;
      if (saved.has_gates()) {
        gates[b] = GatePointer(saved.gates(t), outputs.saved_format) + 4 * b * frame_elements;
      }
    }
    const bool h_is_zero = t == 0 && h0.data() == nullptr;
    steps.Run(t, {h_is_zero ? nullptr : h_in.data(), c_in.data(), h_out.data(), c_out.data(),
                  saved.has_gates() ? gates.data() : nullptr});
    if (uint16_t* const kept = saved.c_bfloat16(t)) {
      ToBfloat16(c, kept, batch * frame_elements, pool);
    }
    std::copy(h_out.begin(), h_out.end(), h_in.begin());
    std::copy(c_out.begin(), c_out.end(), c_in.begin());
  }

  if (shape.time == 1) {
    outputs.h->ShareElements(*outputs.output);
    return;
  }
  float* h = outputs.h->AllocateChannelsLast(state_layout);
  for (int64_t b = 0; b < batch; ++b) {
    CopyElements(h_in[b], h + b * frame_elements, frame_elements, pool);
  }
}

}  // namespace convlstm::cpu
