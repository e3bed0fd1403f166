// ConvLSTM layers over a whole sequence (Shi et al. 2015).
//
//   i = sigmoid(W_i * [x_t, h_{t-1}] + b_i (+ Wci . c_{t-1}))
//   f = sigmoid(W_f * [x_t, h_{t-1}] + b_f (+ Wcf . c_{t-1}))
//   g = tanh   (W_g * [x_t, h_{t-1}] + b_g)
//   c_t = f . c_{t-1} + i . g
//   o = sigmoid(W_o * [x_t, h_{t-1}] + b_o (+ Wco . c_t))
//   h_t = o . tanh(c_t)
//
// The convolution keeps the image's size: (k - 1) / 2 zeros before and the rest of k - 1 after, so
// an even kernel has its extra zero below and to the right (PyTorch's and Keras' `same`).
//
// With a recurrent mask m the convolution reads m . h_{t-1}. With zoneout z the state is mixed with
// the previous one: c_t = z . c_{t-1} + (1 - z) . c', h_t = z . h_{t-1} + (1 - z) . o . tanh(c'),
// where c' = f . c_{t-1} + i . g; o and tanh read c'.
#ifndef CONVLSTM_OPS_CONV_LSTM_H_
#define CONVLSTM_OPS_CONV_LSTM_H_

#include <cstdint>
#include <vector>

#include "core/names.h"
#include "core/precision.h"
#include "ops/visit.h"

namespace convlstm {

enum class Peephole { kNone, kChannel, kSpatial };
template <>
inline constexpr auto kNames<Peephole> = NamesInOrder<Peephole>({{Peephole::kNone, "none"},
                                                                 {Peephole::kChannel, "channel"},
                                                                 {Peephole::kSpatial, "spatial"}});

struct ConvLstmShape {
  int64_t batch;
  int64_t time;
  bool time_major;  // frames of x and output are [time][batch]; false: [batch][time]
  int64_t input_dim;
  int64_t hidden_dim;
  int64_t height;
  int64_t width;
  int64_t kernel_height;
  int64_t kernel_width;

  int64_t pixels() const { return height * width; }
  int64_t pad_top() const { return (kernel_height - 1) / 2; }
  int64_t pad_left() const { return (kernel_width - 1) / 2; }
  // Index of the frame of x and of output at step `t` of sequence `b`.
  int64_t frame(int64_t b, int64_t t) const { return time_major ? t * batch + b : b * time + t; }
  // With time_major the output is [time, batch, ...].
  Shape output() const { return {batch, time, hidden_dim, height, width}; }
  Shape state() const { return {batch, hidden_dim, height, width}; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("batch", batch);
    visit("time", time);
    visit("timeMajor", time_major);
    visit("inputDim", input_dim);
    visit("hiddenDim", hidden_dim);
    visit("height", height);
    visit("width", width);
    visit("kernelHeight", kernel_height);
    visit("kernelWidth", kernel_width);
  }
};

struct ConvLstmInputs {
  StoragePtr x{};       // [batch, time, input_dim, height, width] or time first
  StoragePtr weight{};  // [4 * hidden, input + hidden, kernel_height, kernel_width], gates i f o g
  StoragePtr bias{};    // [4 * hidden] or null
  Peephole peephole = Peephole::kNone;
  StoragePtr wci{}, wcf{}, wco{};  // [hidden] or [hidden, height, width]; null without peephole
  StoragePtr h0{}, c0{};           // [batch, hidden, height, width] or null for zeros
  StoragePtr recurrent_mask{};     // [batch, hidden, height, width] or null
  // As output, or [1], or null.
  StoragePtr zoneout_h{}, zoneout_c{};

  // All but x: a layer above another takes that layer's output.
  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("weight", weight);
    visit("bias", bias, kNullable);
    visit("peephole", peephole);
    visit("wci", wci, kNullable);
    visit("wcf", wcf, kNullable);
    visit("wco", wco, kNullable);
    visit("h0", h0, kNullable);
    visit("c0", c0, kNullable);
    visit("recurrentMask", recurrent_mask, kNullable);
    visit("zoneoutH", zoneout_h, kNullable);
    visit("zoneoutC", zoneout_c, kNullable);
  }
};

// Format of the gates and of c saved for the backward pass.
enum class SavedFormat {
  kFloat32,
  // Gates as int16_t: 32767 times the gate, -32768 for NaN. Gates are in [-1, 1]; just below 1,
  // where open gates lie and gradients depend on 1 - gate, this is 128 times finer than bfloat16.
  // c, which is unbounded, is bfloat16.
  k16Bits,
};

struct ConvLstmOutputs {
  StoragePtr output{};  // [batch, time, hidden, height, width] or time first
  StoragePtr h{}, c{};  // [batch, hidden, height, width]
  // SavedElements(shape, save_every, saved_format) elements for the backward pass; null with
  // save_every 0.
  StoragePtr saved{};
  int64_t save_every = 0;
  SavedFormat saved_format = SavedFormat::kFloat32;
};

// One layer of a stack. Within a stack x is null except in the first layer, and output except in
// the last: each layer reads the frames of the one below.
struct ConvLstmLayer {
  ConvLstmShape shape{};
  ConvLstmInputs inputs{};
  Precision precision = Precision::kHighest;
  ConvLstmOutputs outputs{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    shape.VisitArguments(visit);
    inputs.VisitArguments(visit);
    visit("precision", precision);
  }

  // Throws Error(kShape) unless every dimension is at least 1 and every storage present has the
  // elements of `shape`, Error(kOption) if weight, a peephole or, with needs_x, x is missing.
  void Check(bool needs_x) const;
};

// Number of 4-byte elements of ConvLstmOutputs::saved, 0 with save_every 0. Contents,
// channels-last: with save_every 1 the gates [time][batch][pixel][4 * hidden], i f o g; with any k
// = save_every, c after steps k - 1, 2k - 1, ... except the last step, whose c is a result:
// [(time - 1) / k][batch][pixel][hidden]. With k > 1 c is float32: steps are recomputed from it.
int64_t SavedElements(const ConvLstmShape& shape, int64_t save_every,
                      SavedFormat format = SavedFormat::kFloat32);

// Addresses within ConvLstmOutputs::saved; each is that of the first sequence's frame.
class SavedFrames {
 public:
  // `data` is null with save_every 0.
  SavedFrames(const ConvLstmShape& shape, int64_t save_every, float* data,
              SavedFormat format = SavedFormat::kFloat32)
      : every_(save_every),
        time_(shape.time),
        step_(shape.batch * shape.hidden_dim * shape.pixels()),
        in_16_bits_(has_gates() && format == SavedFormat::k16Bits),
        data_(data) {}

  bool has_gates() const { return every_ == 1; }
  bool has_c(int64_t t) const { return every_ > 0 && (t + 1) % every_ == 0 && t + 1 < time_; }
  // Offsets in elements.
  int64_t gates_at(int64_t t) const { return (in_16_bits_ ? 2 : 4) * t * step_; }
  int64_t c_at(int64_t t) const {
    const int64_t step_of_c = in_16_bits_ ? (step_ + 1) / 2 : step_;
    return (has_gates() ? gates_at(time_) : 0) + ((t + 1) / every_ - 1) * step_of_c;
  }

  // In the saved format.
  float* gates(int64_t t) const { return data_ + gates_at(t); }
  // c after step t; null if not saved in this format.
  float* c(int64_t t) const { return has_c(t) && !in_16_bits_ ? data_ + c_at(t) : nullptr; }
  uint16_t* c_bfloat16(int64_t t) const {
    return has_c(t) && in_16_bits_ ? reinterpret_cast<uint16_t*>(data_ + c_at(t)) : nullptr;
  }

 private:
  const int64_t every_, time_, step_;
  const bool in_16_bits_;
  float* const data_;
};

struct ConvLstm : ConvLstmLayer {
  static constexpr auto kName = "convLstm";
  static constexpr auto kCalling = Calling::kByName;

  SavedFormat& saved_format() { return outputs.saved_format; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", inputs.x);
    ConvLstmLayer::VisitArguments(visit);
    visit("saveEvery", outputs.save_every);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("output", outputs.output, shape.output());
    visit("h", outputs.h, shape.state());
    visit("c", outputs.c, shape.state());
    visit("saved", outputs.saved,
          ShapeIf(outputs.save_every > 0,
                  {SavedElements(shape, outputs.save_every, outputs.saved_format)}));
  }

  // As ConvLstmLayer::Check; throws Error(kOption) unless save_every is 0 to 2^31.
  void Check() const;
};

// Stacked layers, first to last, without storing the sequences between them.
struct ConvLstmStack {
  static constexpr auto kName = "convLstmStack";
  static constexpr auto kCalling = Calling::kByPosition;

  std::vector<ConvLstmLayer> layers{};

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("layers", layers);
    if (!layers.empty()) visit("x", layers.front().inputs.x);
  }
  // The output, then h and c of each layer.
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    visit("output", layers.back().outputs.output, layers.back().shape.output());
    for (ConvLstmLayer& layer : layers) {
      visit("h", layer.outputs.h, layer.shape.state());
      visit("c", layer.outputs.c, layer.shape.state());
    }
  }

  // As ConvLstm::Check for every layer; each layer's input must match the output of the one below.
  void Check() const;
};

// Inputs and results of a forward call, and the gradients of its results, null for zeros.
struct ConvLstmBackwardInputs {
  ConvLstmInputs forward{};
  StoragePtr output{};
  StoragePtr saved{};  // overwritten
  int64_t save_every = 0;
  StoragePtr output_grad{}, h_grad{}, c_grad{};
  SavedFormat saved_format = SavedFormat::kFloat32;
};

// Shaped like their operands; null if absent or not requested.
struct ConvLstmGradients {
  StoragePtr x{}, h0{}, c0{}, weight{}, bias{}, wci{}, wcf{}, wco{};
};

struct ConvLstmWants {
  bool x = true, h0 = true, c0 = true, weight = true, bias = true, peephole = true;

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", x);
    visit("h0", h0);
    visit("c0", c0);
    visit("weight", weight);
    visit("bias", bias);
    visit("peephole", peephole);
  }
};

struct ConvLstmBackward {
  static constexpr auto kName = "convLstmBackward";
  static constexpr auto kCalling = Calling::kByName;

  ConvLstmShape shape{};
  ConvLstmBackwardInputs inputs{};
  Precision precision = Precision::kHighest;  // the forward call's
  ConvLstmWants wants{};
  ConvLstmGradients gradients{};

  SavedFormat& saved_format() { return inputs.saved_format; }

  template <typename Visitor>
  void VisitArguments(Visitor&& visit) {
    visit("x", inputs.forward.x);
    shape.VisitArguments(visit);
    inputs.forward.VisitArguments(visit);
    visit("precision", precision);
    visit("saveEvery", inputs.save_every);
    visit("output", inputs.output);
    visit("saved", inputs.saved);
    visit("outputGrad", inputs.output_grad, kNullable);
    visit("hGrad", inputs.h_grad, kNullable);
    visit("cGrad", inputs.c_grad, kNullable);
    visit("wants", wants);
  }
  template <typename Visitor>
  void VisitResults(Visitor&& visit) {
    const auto like = [&](const char* name, StoragePtr& gradient, const StoragePtr& operand,
                          bool wanted) {
      const bool present = operand != nullptr && wanted;
      visit(name, gradient, ShapeIf(present, {present ? operand->elements() : 0}));
    };
    const ConvLstmInputs& in = inputs.forward;
    like("x", gradients.x, in.x, wants.x);
    like("h0", gradients.h0, in.h0, wants.h0);
    like("c0", gradients.c0, in.c0, wants.c0);
    like("weight", gradients.weight, in.weight, wants.weight);
    like("bias", gradients.bias, in.bias, wants.bias);
    like("wci", gradients.wci, in.wci, wants.peephole);
    like("wcf", gradients.wcf, in.wcf, wants.peephole);
    like("wco", gradients.wco, in.wco, wants.peephole);
  }

  // As ConvLstm::Check, also for the results and their gradients.
  void Check() const;
};

}  // namespace convlstm

#endif  // CONVLSTM_OPS_CONV_LSTM_H_
