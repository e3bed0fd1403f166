// oneDNN (2.x) on the CPU by the bench's protocol (protocol.mjs), as a careful programmer would use it:
// one convolution a step over a buffer of [h | x], weights reordered once, then one pass over the
// gates that activates, updates c, and writes h into the next convolutions' input.
//
// Variants: f32-blocked16, f32-blocked8, f32-nhwc, f32-winograd, bf16-blocked16, bf16-nhwc. In bf16
// the convolution's input and weights are bfloat16, the rest float32.
//
// A step from a given state continues from run to run, like a stream: h and c stay in place, and only
// the first output after `load` is comparable.
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "onednn_conv2d.h"
#include "onednn_model.h"

namespace {

using dnnl::memory;

inline float Exp(float x) {
  x = std::min(std::max(x, -87.0f), 87.0f);
  const float n = std::nearbyint(x * 1.44269504f);
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}
inline float Sigmoid(float x) { return 1.0f / (1.0f + Exp(-x)); }
inline float Tanh(float x) { return 1.0f - 2.0f / (1.0f + Exp(2.0f * x)); }

inline void Store(float value, float* to) { *to = value; }
inline void Store(float value, uint16_t* to) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  *to = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Where channel `c`, a multiple of the block, of pixel `p` of image `n` stands.
struct Layout {
  bool nhwc;
  int block;
  size_t At(int n, int channels, int c, int p, int pixels) const {
    if (nhwc) return (static_cast<size_t>(n) * pixels + p) * channels + c;
    const int blocks = (channels + block - 1) / block;
    return ((static_cast<size_t>(n) * blocks + c / block) * pixels + p) * block;
  }
  memory::format_tag tag() const {
    if (nhwc) return memory::format_tag::nhwc;
    return block == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c;
  }
};

struct Layer {
  int input, hidden;
  memory source, weights, bias, gates;
  dnnl::convolution_forward convolution;
  Floats c;
  int channels() const { return hidden + input; }
};

// kBlock: channels per iteration of the pass over the gates.
template <typename Source, int kBlock>
class Network : public Model {
 public:
  Network(const Shape& shape, const std::string& folder, Layout layout, dnnl::algorithm algorithm)
      : shape_(shape), layout_(layout), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const int pixels = shape.pixels();
    x_ = ReadFloats(folder + "/x.f32",
                    static_cast<size_t>(shape.batch) * shape.time * shape.input_dim * pixels);
    given_state_ = std::ifstream(folder + "/h0.f32").good();
    int input = shape.input_dim;
    for (size_t k = 0; k < shape.hidden_dim.size(); ++k) {
      AddLayer(input, shape.hidden_dim[k], algorithm, folder, std::to_string(k));
      input = shape.hidden_dim[k];
    }
    output.resize(static_cast<size_t>(shape.batch) * shape.time * input * pixels);
  }

  void Run() override {
    if (!given_state_) {
      for (Layer& layer : layers_) {
        std::memset(layer.source.get_data_handle(), 0, layer.source.get_desc().get_size());
        std::fill(layer.c.begin(), layer.c.end(), 0.0f);
      }
    }
    for (int t = 0; t < shape_.time; ++t) {
      PutInput(t);
      for (size_t k = 0; k < layers_.size(); ++k) {
        Layer& layer = layers_[k];
        layer.convolution.execute(stream_, {{DNNL_ARG_SRC, layer.source},
                                            {DNNL_ARG_WEIGHTS, layer.weights},
                                            {DNNL_ARG_BIAS, layer.bias},
                                            {DNNL_ARG_DST, layer.gates}});
        stream_.wait();
        if (k + 1 < layers_.size()) {
          PassOverGates<false>(layer, &layers_[k + 1], t);
        } else {
          PassOverGates<true>(layer, nullptr, t);
        }
      }
    }
  }

 private:
  static constexpr memory::data_type kSourceType =
      sizeof(Source) == 2 ? memory::data_type::bf16 : memory::data_type::f32;

  void AddLayer(int input, int hidden, dnnl::algorithm algorithm, const std::string& folder,
                const std::string& suffix) {
    Layer layer;
    layer.input = input;
    layer.hidden = hidden;
    const int channels = layer.channels(), kernel = shape_.kernel, pad = kernel / 2;
    const auto f32 = memory::data_type::f32;
    const memory::desc source({shape_.batch, channels, shape_.height, shape_.width}, kSourceType,
                              layout_.tag());
    const memory::desc weights({4 * hidden, channels, kernel, kernel}, kSourceType,
                               memory::format_tag::any);
    const memory::desc bias({4 * hidden}, f32, memory::format_tag::x);
    const memory::desc gates({shape_.batch, 4 * hidden, shape_.height, shape_.width}, f32,
                             layout_.tag());
    const dnnl::convolution_forward::desc description(dnnl::prop_kind::forward_inference, algorithm,
                                                      source, weights, bias, gates, {1, 1},
                                                      {pad, pad}, {pad, pad});
    const dnnl::convolution_forward::primitive_desc primitive(description, engine_);
    if (implementation.empty()) implementation = primitive.impl_info_str();
    layer.convolution = dnnl::convolution_forward(primitive);
    layer.source = memory(primitive.src_desc(), engine_);
    layer.weights = memory(primitive.weights_desc(), engine_);
    layer.bias = memory(primitive.bias_desc(), engine_);
    layer.gates = memory(primitive.dst_desc(), engine_);
    std::memset(layer.source.get_data_handle(), 0, layer.source.get_desc().get_size());

    const size_t taps = static_cast<size_t>(kernel) * kernel;
    const Floats given = ReadFloats(folder + "/w" + suffix + ".f32", 4 * hidden * channels * taps);
    Floats h_first(given.size());
    for (int o = 0; o < 4 * hidden; ++o) {
      const float* from = &given[o * channels * taps];
      float* to = &h_first[o * channels * taps];
      std::copy_n(from + input * taps, hidden * taps, to);
      std::copy_n(from, input * taps, to + hidden * taps);
    }
    memory plain({{4 * hidden, channels, kernel, kernel}, f32, memory::format_tag::oihw}, engine_,
                 h_first.data());
    dnnl::reorder(plain, layer.weights).execute(stream_, plain, layer.weights);
    stream_.wait();
    const Floats given_bias = ReadFloats(folder + "/b" + suffix + ".f32", 4 * hidden);
    std::copy(given_bias.begin(), given_bias.end(),
              static_cast<float*>(layer.bias.get_data_handle()));
    const size_t state = static_cast<size_t>(shape_.batch) * hidden * shape_.pixels();
    layer.c.resize(state);
    if (given_state_) {
      const Floats h = ReadFloats(folder + "/h" + suffix + ".f32", state);
      const Floats c = ReadFloats(folder + "/c" + suffix + ".f32", state);
      PutChannels(layer, 0, hidden, h.data(), static_cast<size_t>(hidden) * shape_.pixels());
      for (int n = 0; n < shape_.batch; ++n) {
        for (int q = 0; q < hidden; ++q) {
          for (int p = 0; p < shape_.pixels(); ++p) {
            layer.c[StateAt(layer, n, q / kBlock, p) + q % kBlock] =
                c[(static_cast<size_t>(n) * hidden + q) * shape_.pixels() + p];
          }
        }
      }
    }
    layers_.push_back(std::move(layer));
  }

  // Copies planes of `count` channels into channels first.. of the convolution's input. `stride`:
  // elements from one image of the batch to the next.
  void PutChannels(Layer& layer, int first, int count, const float* planes, size_t stride) {
    Source* source = static_cast<Source*>(layer.source.get_data_handle());
    const int pixels = shape_.pixels(), width = shape_.width;
#pragma omp parallel for collapse(2) schedule(static)
    for (int n = 0; n < shape_.batch; ++n) {
      for (int y = 0; y < shape_.height; ++y) {
        for (int q = 0; q < count; ++q) {
          const int channel = first + q, within = channel % kBlock;
          const float* from = planes + n * stride + static_cast<size_t>(q) * pixels + y * width;
          Source* to = source +
                       layout_.At(n, layer.channels(), channel - within, y * width, pixels) +
                       within;
          const int step = layout_.nhwc ? layer.channels() : kBlock;
          for (int p = 0; p < width; ++p) Store(from[p], to + p * step);
        }
      }
    }
  }

  void PutInput(int t) {
    Layer& layer = layers_.front();
    const size_t frame = static_cast<size_t>(layer.input) * shape_.pixels();
    PutChannels(layer, layer.hidden, layer.input, x_.data() + t * frame, shape_.time * frame);
  }

  size_t StateAt(const Layer& layer, int n, int block, int p) const {
    return ((static_cast<size_t>(n) * (layer.hidden / kBlock) + block) * shape_.pixels() + p) *
           kBlock;
  }

  template <bool kLast>
  void PassOverGates(Layer& layer, Layer* next, int t) {
    const int pixels = shape_.pixels(), width = shape_.width, hidden = layer.hidden;
    const float* gates = static_cast<const float*>(layer.gates.get_data_handle());
    Source* own = static_cast<Source*>(layer.source.get_data_handle());
    Source* following = kLast ? nullptr : static_cast<Source*>(next->source.get_data_handle());
    const size_t gate = layout_.At(0, 4 * hidden, hidden, 0, pixels);
#pragma omp parallel for collapse(3) schedule(static)
    for (int n = 0; n < shape_.batch; ++n) {
      for (int y = 0; y < shape_.height; ++y) {
        for (int block = 0; block < hidden / kBlock; ++block) {
          for (int x0 = 0; x0 < width; x0 += kBlock) {
            float planes[kBlock][kBlock];
            const int count = std::min(kBlock, width - x0);
            for (int k = 0; k < count; ++k) {
              const int channel = block * kBlock, p = y * width + x0 + k;
              const float* z = gates + layout_.At(n, 4 * hidden, channel, p, pixels);
              float* c = &layer.c[StateAt(layer, n, block, p)];
              Source* to = own + layout_.At(n, layer.channels(), channel, p, pixels);
              float h[kBlock];
#pragma omp simd
              for (int q = 0; q < kBlock; ++q) {
                c[q] = Sigmoid(z[gate + q]) * c[q] + Sigmoid(z[q]) * Tanh(z[3 * gate + q]);
                h[q] = Sigmoid(z[2 * gate + q]) * Tanh(c[q]);
                Store(h[q], to + q);
              }
              if constexpr (kLast) {
                for (int q = 0; q < kBlock; ++q) planes[q][k] = h[q];
              } else {
                Source* onward =
                    following + layout_.At(n, next->channels(), next->hidden + channel, p, pixels);
#pragma omp simd
                for (int q = 0; q < kBlock; ++q) Store(h[q], onward + q);
              }
            }
            if constexpr (kLast) {
              float* to =
                  &output[((static_cast<size_t>(n) * shape_.time + t) * hidden + block * kBlock) *
                              pixels +
                          y * width + x0];
              for (int q = 0; q < kBlock; ++q) {
                std::copy_n(planes[q], count, to + static_cast<size_t>(q) * pixels);
              }
            }
          }
        }
      }
    }
  }

  Shape shape_;
  Layout layout_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Layer> layers_;
  Floats x_;
  bool given_state_;
};

std::unique_ptr<Model> Load(std::istringstream& words) {
  std::string folder, variant;
  words >> folder >> variant;
  const Shape shape = ReadShape(words);
  const auto direct = dnnl::algorithm::convolution_direct;
  const auto winograd = dnnl::algorithm::convolution_winograd;
  const Layout blocked16{false, 16}, blocked8{false, 8}, nhwc{true, 16};
  if (variant == "f32-blocked16")
    return std::make_unique<Network<float, 16>>(shape, folder, blocked16, direct);
  if (variant == "f32-blocked8")
    return std::make_unique<Network<float, 8>>(shape, folder, blocked8, direct);
  if (variant == "f32-nhwc")
    return std::make_unique<Network<float, 16>>(shape, folder, nhwc, direct);
  if (variant == "f32-winograd")
    return std::make_unique<Network<float, 16>>(shape, folder, blocked16, winograd);
  if (variant == "bf16-blocked16")
    return std::make_unique<Network<uint16_t, 16>>(shape, folder, blocked16, direct);
  if (variant == "bf16-nhwc")
    return std::make_unique<Network<uint16_t, 16>>(shape, folder, nhwc, direct);
  throw std::runtime_error("no variant " + variant);
}

std::string RunTimed(Model& model, int count) {
  std::ostringstream samples;
  for (int k = 0; k < count; ++k) {
    const auto start = std::chrono::steady_clock::now();
    model.Run();
    const std::chrono::duration<double, std::milli> elapsed =
        std::chrono::steady_clock::now() - start;
    samples << elapsed.count() << ' ';
  }
  return samples.str();
}

}  // namespace

int main() {
  omp_set_num_threads(std::atoi(std::getenv("BENCH_THREADS")));
  std::unique_ptr<Model> model;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    try {
      if (command == "version") {
        const dnnl_version_t* version = dnnl_version();
        std::cout << "ok oneDNN " << version->major << '.' << version->minor << '.'
                  << version->patch << std::endl;
      } else if (command == "load" || command == "conv2d") {
        model.reset();
        model = command == "load" ? Load(words) : LoadConv2d(words);
        model->Run();
        std::cout << "ok " << model->implementation << std::endl;
      } else if (command == "output") {
        std::string path;
        words >> path;
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(model->output.data()),
                   static_cast<std::streamsize>(model->output.size() * sizeof(float)));
        std::cout << "ok" << std::endl;
      } else {
        int count;
        words >> count;
        std::cout << "ok " << RunTimed(*model, count) << std::endl;
      }
    } catch (const std::exception& error) {
      std::cout << "error " << error.what() << std::endl;
    }
  }
}
