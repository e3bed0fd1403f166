// A convolution by oneDNN. Variants as in onednn.cc.
#ifndef CONVLSTM_BENCH_PEERS_ONEDNN_CONV2D_H_
#define CONVLSTM_BENCH_PEERS_ONEDNN_CONV2D_H_

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <sstream>
#include <string>

#include "onednn_model.h"

// A convolution from and to row-major images, reordered to the layout and back.
class Conv2d : public Model {
 public:
  Conv2d(const Shape& shape, const std::string& folder, dnnl::memory::data_type type,
         dnnl::memory::format_tag tag, dnnl::algorithm algorithm)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const int outputs = shape.hidden_dim[0], kernel = shape.kernel, pad = kernel / 2;
    const auto f32 = dnnl::memory::data_type::f32;
    const dnnl::memory::dims source = {shape.batch, shape.input_dim, shape.height, shape.width};
    const dnnl::memory::dims weights = {outputs, shape.input_dim, kernel, kernel};
    const dnnl::memory::dims destination = {shape.batch, outputs, shape.height, shape.width};
    const dnnl::memory::desc bias({outputs}, f32, dnnl::memory::format_tag::x);
    const dnnl::convolution_forward::desc description(
        dnnl::prop_kind::forward_inference, algorithm, dnnl::memory::desc(source, type, tag),
        dnnl::memory::desc(weights, type, dnnl::memory::format_tag::any), bias,
        dnnl::memory::desc(destination, f32, tag), {1, 1}, {pad, pad}, {pad, pad});
    const dnnl::convolution_forward::primitive_desc primitive(description, engine_);
    implementation = primitive.impl_info_str();
    convolution_ = dnnl::convolution_forward(primitive);
    source_ = dnnl::memory(primitive.src_desc(), engine_);
    weights_ = dnnl::memory(primitive.weights_desc(), engine_);
    destination_ = dnnl::memory(primitive.dst_desc(), engine_);
    const auto product = [](const dnnl::memory::dims& dims) {
      size_t elements = 1;
      for (const auto dim : dims) elements *= static_cast<size_t>(dim);
      return elements;
    };
    x_ = ReadFloats(folder + "/x.f32", product(source));
    bias_values_ = ReadFloats(folder + "/b0.f32", outputs);
    Floats given = ReadFloats(folder + "/w0.f32", product(weights));
    output.resize(product(destination));
    bias_ = dnnl::memory(bias, engine_, bias_values_.data());
    rows_in_ = dnnl::memory({source, f32, dnnl::memory::format_tag::nchw}, engine_, x_.data());
    rows_out_ = dnnl::memory({destination, f32, dnnl::memory::format_tag::nchw}, engine_, output.data());
    dnnl::memory plain({weights, f32, dnnl::memory::format_tag::oihw}, engine_, given.data());
    dnnl::reorder(plain, weights_).execute(stream_, plain, weights_);
    stream_.wait();
    to_layout_ = dnnl::reorder(rows_in_, source_);
    to_rows_ = dnnl::reorder(destination_, rows_out_);
  }

  void Run() override {
    to_layout_.execute(stream_, rows_in_, source_);
    convolution_.execute(stream_, {{DNNL_ARG_SRC, source_},
                                   {DNNL_ARG_WEIGHTS, weights_},
                                   {DNNL_ARG_BIAS, bias_},
                                   {DNNL_ARG_DST, destination_}});
    to_rows_.execute(stream_, destination_, rows_out_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  Floats x_, bias_values_;
  dnnl::memory rows_in_, source_, weights_, bias_, destination_, rows_out_;
  dnnl::reorder to_layout_, to_rows_;
  dnnl::convolution_forward convolution_;
};

inline std::unique_ptr<Model> LoadConv2d(std::istringstream& words) {
  std::string folder, variant;
  words >> folder >> variant;
  const Shape shape = ReadShape(words);
  const auto type = variant.starts_with("bf16") ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  const auto tag = variant.ends_with("nhwc")       ? dnnl::memory::format_tag::nhwc
                   : variant.ends_with("blocked8") ? dnnl::memory::format_tag::nChw8c
                                                   : dnnl::memory::format_tag::nChw16c;
  const auto algorithm = variant.ends_with("winograd") ? dnnl::algorithm::convolution_winograd
                                                       : dnnl::algorithm::convolution_direct;
  return std::make_unique<Conv2d>(shape, folder, type, tag, algorithm);
}

#endif  // CONVLSTM_BENCH_PEERS_ONEDNN_CONV2D_H_
