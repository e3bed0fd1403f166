#include "cpu/conv_lstm/sequence_gradients.h"

#include <algorithm>

#include "cpu/conv_lstm/lstm_cell.h"
#include "cpu/frames/layout.h"
#include "cpu/simd/bfloat16.h"

namespace convlstm::cpu {
namespace {

constexpr int64_t kGates = LstmCell::kGates;

// Steps of a chunk, about 8192 pixels: the sums of the weights' gradients are read and written once
// a chunk, so that it takes many pixels to hide that. 2048 with 16-bit deltas, which are widened
// into a buffer of a chunk's size.
int64_t ChunkSteps(const ConvLstmShape& shape, const ConvLstmBackwardInputs& inputs) {
  const int64_t pixels = inputs.saved_format == SavedFormat::kFloat32 ? 8192 : 2048;
  const int64_t most = inputs.save_every > 1 ? std::min(inputs.save_every, shape.time) : shape.time;
  return std::clamp<int64_t>(pixels / (shape.batch * shape.pixels()), 1, most);
}

}  // namespace

SequenceGradients::SequenceGradients(const ConvLstmShape& shape,
                                     const ConvLstmBackwardInputs& inputs,
                                     const ConvLstmGradients& gradients, const float* h0,
                                     const float* mask, ThreadPool& pool)
    : shape_(shape),
      inputs_(inputs),
      gradients_(gradients),
      pool_(pool),
      h0_(h0),
      mask_(mask),
      frame_(shape.hidden_dim * shape.pixels()),
      taps_(shape.kernel_height * shape.kernel_width),
      chunk_steps_(ChunkSteps(shape, inputs)) {
  if (gradients.weight == nullptr) return;
  x_.emplace(shape, *inputs.forward.x, shape.input_dim, chunk_steps_, pool);
  h_.emplace(shape, *inputs.output, shape.hidden_dim, chunk_steps_, pool);
}

void SequenceGradients::Add(int64_t begin, int64_t end, const GatePointer& deltas) {
  if (gradients_.weight != nullptr) {
    for (const bool of_h : {false, true}) AddToWeights(of_h, begin, end, deltas);
  }
  if (gradients_.x != nullptr) AddToX(begin, end, deltas);
}

bool SequenceGradients::HSeen(int64_t t, const float** frames) const {
  if (t == 0 && h0_ == nullptr) return false;
  if (t > 0) {
    h_->Get(t - 1, frames);
  } else {
    for (int64_t b = 0; b < shape_.batch; ++b) frames[b] = h0_ + b * frame_;
  }
  if (mask_ == nullptr) return true;
  float* to = masked_h_.as<float>() + t % chunk_steps_ * shape_.batch * frame_;
  for (int64_t b = 0; b < shape_.batch; ++b, to += frame_) {
    MultiplyElements(frames[b], mask_ + b * frame_, to, frame_, pool_);
    frames[b] = to;
  }
  return true;
}

// Calls body(begin, end, deltas) with float32 deltas. From the last step to the first, so that sums
// have the same bits whatever is saved.
template <typename Body>
void SequenceGradients::ForChunks(int64_t begin, int64_t end, const GatePointer& deltas,
                                  const Body& body) const {
  const int64_t step = kGates * shape_.batch * frame_;
  const bool widens = deltas.format() != SavedFormat::kFloat32;
  const Buffer wide = widens ? Buffer::AllocateArray<float>(chunk_steps_ * step) : Buffer();
  while (end > begin) {
    const int64_t first = std::max(begin, end - chunk_steps_);
    const GatePointer kept = deltas + (first - begin) * step;
    if (widens) {
      FromBfloat16(kept.as<uint16_t>(), wide.as<float>(), (end - first) * step, pool_);
    }
    const float* const of_first = widens ? wide.as<float>() : kept.as<float>();
    Frames chunk;
    for (int64_t t = end; t-- > first;) {
      for (int64_t b = 0; b < shape_.batch; ++b) {
        chunk.push_back(of_first + (t - first) * step + kGates * b * frame_);
      }
    }
    body(first, end, chunk);
    end = first;
  }
}

void SequenceGradients::AddToX(int64_t begin, int64_t end, const GatePointer& deltas) {
  if (x_gradient_ == nullptr) {
    x_gradient_ = std::make_unique<DataGradient>(
        ConvolutionOf(shape_, shape_.input_dim, kGates), RowMajor(*inputs_.forward.weight, pool_),
        (shape_.input_dim + shape_.hidden_dim) * taps_, CurrentIsa(), pool_);
    gradients_.x->AllocateChannelsLast(
        {shape_.batch * shape_.time, shape_.input_dim, shape_.pixels()});
  }
  float* const x_grad = gradients_.x->mutable_data();
  ForChunks(begin, end, deltas, [&](int64_t first, int64_t last, const Frames& chunk) {
    std::vector<float*> frames;
    for (int64_t t = last; t-- > first;) {
      for (int64_t b = 0; b < shape_.batch; ++b) {
        frames.push_back(x_grad + shape_.frame(b, t) * shape_.input_dim * shape_.pixels());
      }
    }
    x_gradient_->Run(static_cast<int64_t>(frames.size()), chunk.data(), frames.data(), pool_);
  });
  if (begin == 0) x_gradient_ = nullptr;
}

void SequenceGradients::AddToWeights(bool of_h, int64_t begin, int64_t end,
                                     const GatePointer& deltas) {
  std::unique_ptr<WeightGradient>& sums = of_h ? h_weights_ : x_weights_;
  if (sums == nullptr) {
    const int64_t channels = of_h ? shape_.hidden_dim : shape_.input_dim;
    sums = MakeWeightGradient(ConvolutionOf(shape_, channels, kGates), CurrentIsa(), pool_);
  }
  if (of_h && mask_ != nullptr) {
    masked_h_ = Buffer::AllocateArray<float>(chunk_steps_ * shape_.batch * frame_);
  }
  Frames step(shape_.batch);
  ForChunks(begin, end, deltas, [&](int64_t first, int64_t last, const Frames& chunk) {
    Frames frames;
    for (int64_t t = last; t-- > first;) {
      if (of_h && !HSeen(t, step.data())) break;  // t is 0
      if (!of_h) x_->Get(t, step.data());
      frames.insert(frames.end(), step.begin(), step.end());
    }
    sums->Add(static_cast<int64_t>(frames.size()), frames.data(), chunk.data(), pool_);
  });
  masked_h_ = Buffer();
  if (begin > 0) return;
  float* const weight = of_h ? gradients_.weight->mutable_data() : gradients_.weight->Allocate();
  sums->Finish(weight + (of_h ? shape_.input_dim * taps_ : 0),
               (shape_.input_dim + shape_.hidden_dim) * taps_, pool_);
  sums = nullptr;
}

}  // namespace convlstm::cpu
