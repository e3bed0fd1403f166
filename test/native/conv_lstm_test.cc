// Tests the ConvLSTM operation with the direct kernel against float64, on every instruction set of
// this machine.
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cpu/conv_lstm/kernel_choice.h"
#include "cpu/conv_lstm/sequence.h"
#include "cpu/frames/layout.h"
#include "operations.h"
#include "reference.h"

namespace convlstm::cpu {
namespace {

StoragePtr Upload(const std::vector<float>& values) {
  if (values.empty()) return nullptr;
  auto storage = std::make_shared<Storage>(static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), storage->Allocate());
  return storage;
}

std::vector<float> Download(const Storage& storage, ThreadPool& pool) {
  std::vector<float> values(storage.elements());
  CopyRowMajor(storage, values.data(), pool);
  return values;
}

ConvLstmInputs UploadInputs(const ConvLstmCase& test) {
  return {Upload(test.x),   Upload(test.weight), Upload(test.bias),
          test.peephole,    Upload(test.wci),    Upload(test.wcf),
          Upload(test.wco), Upload(test.h0),     Upload(test.c0)};
}

ConvLstmReference<float> Run(const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                             ThreadPool& pool, Precision precision = Precision::kHighest) {
  const ConvLstmOutputs outputs = RunOnCpu(ConvLstm{{shape, inputs, precision}}, pool).outputs;
  return {Download(*outputs.output, pool), Download(*outputs.h, pool), Download(*outputs.c, pool)};
}

// Runs one kernel on channels-last frames, as the operation does.
ConvLstmReference<float> RunKernel(const ConvLstmKernel& kernel, const ConvLstmCase& test,
                                   ThreadPool& pool) {
  const ConvLstmShape& s = test.shape;
  const auto data = [](const std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  const ConvLstmWeights weights = {test.weight.data(),
                                   data(test.bias),
                                   test.peephole,
                                   {data(test.wci), data(test.wcf), data(test.wco)}};
  const std::unique_ptr<PackedWeights> packed = kernel.Pack(s, weights, pool);
  const auto channels_last = [&](const std::vector<float>& rows, int64_t channels) {
    Buffer buffer = Buffer::AllocateArray<float>(rows.size());
    const int64_t frames = static_cast<int64_t>(rows.size()) / (channels * s.pixels());
    TransposeFrames(frames, channels, s.pixels(), rows.data(), buffer.as<float>(), pool);
    return buffer;
  };
  const auto row_major = [&](const float* frames, int64_t count) {
    std::vector<float> rows(count * s.hidden_dim * s.pixels());
    TransposeFrames(count, s.pixels(), s.hidden_dim, frames, rows.data(), pool);
    return rows;
  };
  const int64_t frame = s.hidden_dim * s.pixels();
  const Buffer x = channels_last(test.x, s.input_dim);
  const std::vector<float> zeros(s.batch * frame);
  const Buffer c = channels_last(test.c0.empty() ? zeros : test.c0, s.hidden_dim);
  const Buffer h0 = channels_last(test.h0.empty() ? zeros : test.h0, s.hidden_dim);
  const Buffer output = Buffer::AllocateArray<float>(s.batch * s.time * frame);
  std::vector<const float*> x_frames(s.batch), h_frames(s.batch);
  std::vector<float*> out_frames(s.batch), c_frames(s.batch);
  std::vector<float> h(s.batch * frame);
  for (int64_t t = 0; t < s.time; ++t) {
    for (int64_t b = 0; b < s.batch; ++b) {
      x_frames[b] = x.as<float>() + s.frame(b, t) * s.input_dim * s.pixels();
      h_frames[b] = t == 0 ? h0.as<float>() + b * frame : out_frames[b];
      c_frames[b] = c.as<float>() + b * frame;
    }
    for (int64_t b = 0; b < s.batch; ++b) {
      out_frames[b] = output.as<float>() + s.frame(b, t) * frame;
    }
    const bool h_is_zero = t == 0 && test.h0.empty();
    kernel.Step(s, *packed,
                {x_frames.data(), h_is_zero ? nullptr : h_frames.data(), out_frames.data(),
                 c_frames.data()},
                pool);
  }
  for (int64_t b = 0; b < s.batch; ++b) {
    std::copy_n(out_frames[b], frame, h.begin() + b * frame);
  }
  return {row_major(output.as<float>(), s.batch * s.time), row_major(h.data(), s.batch),
          row_major(c.as<float>(), s.batch)};
}

//                          batch time major  in  hid   h   w  kh  kw
const ConvLstmShape kShapes[] = {
    {1, 1, false, 1, 1, 1, 1, 1, 1},      // the smallest shape
    {1, 2, false, 3, 17, 1, 1, 11, 11},   // one pixel under a large kernel
    {2, 3, false, 1, 16, 9, 7, 3, 3},     //
    {3, 2, true, 5, 17, 4, 6, 3, 3},      // time first, a tail of one channel
    {1, 3, false, 2, 8, 5, 5, 2, 4},      // even kernels: the extra zero below and to the right
    {1, 2, false, 16, 33, 3, 70, 1, 1},   // no halo
    {2, 2, true, 4, 12, 2, 3, 5, 7},      // the kernel is larger than the image
    {1, 2, false, 7, 5, 40, 1, 3, 1},     // one column
    {1, 2, false, 2, 3, 1, 130, 1, 11},   // one row, several blocks of columns
    {1, 2, false, 3, 20, 9, 200, 3, 3},   // blocks inside the image are read in place
    {1, 1, false, 1, 4, 12, 13, 11, 11},  //
    {1, 2, false, 40, 64, 8, 8, 3, 3},
};

std::string Describe(const ConvLstmShape& s) {
  std::string text;
  for (const int64_t dim : {s.batch, s.time, s.input_dim, s.hidden_dim, s.height, s.width,
                            s.kernel_height, s.kernel_width}) {
    text += std::to_string(dim) + " ";
  }
  return text;
}

const std::vector<ConvLstmOptions>& AllOptions() {
  static const std::vector<ConvLstmOptions> options = [] {
    std::vector<ConvLstmOptions> all(6);
    all[1].bias = false;
    all[2].states = true;
    all[2].peephole = Peephole::kChannel;
    all[3].peephole = Peephole::kSpatial;
    all[4].hard_weights = true;
    all[4].states = true;
    all[5].hard_weights = true;
    all[5].spiky_x = true;
    return all;
  }();
  return options;
}

TEST_CASE("the direct kernel agrees with float64 on every instruction set") {
  ThreadPool pool(2);
  for (const ConvLstmShape& shape : kShapes) {
    for (const ConvLstmOptions& options : AllOptions()) {
      const ConvLstmCase test = MakeCase(Describe(shape), shape, options);
      CAPTURE(test.name);
      const ConvLstmReference<double> exact = RunReference<double>(test);
      const ConvLstmReference<float> plain = RunReference<float>(test);
      // The few values of a tiny case may be exact by chance.
      const double allowed = std::max(1e-6, 2 * std::max(LargestError(plain.output, exact.output),
                                                         LargestError(plain.c, exact.c)));
      for (const Isa isa : AvailableIsas()) {
        CAPTURE(std::string(IsaName(isa)));
        const ConvLstmRequest request = {shape, test.peephole, Precision::kHighest, isa};
        const ConvLstmReference<float> result = RunKernel(*FindDirectKernel(request), test, pool);
        CHECK(LargestError(result.output, exact.output) <= std::min(1e-5, allowed));
        CHECK(LargestError(result.h, exact.h) <= std::min(1e-5, allowed));
        CHECK(LargestError(result.c, exact.c) <= allowed);
      }
    }
  }
}

TEST_CASE("the operation agrees with float64") {
  ThreadPool pool(2);
  for (const ConvLstmShape& shape : kShapes) {
    for (const ConvLstmOptions& options : AllOptions()) {
      const ConvLstmCase test = MakeCase(Describe(shape), shape, options);
      CAPTURE(test.name);
      const ConvLstmReference<double> exact = RunReference<double>(test);
      for (const Precision precision : {Precision::kHighest, Precision::kHigh}) {
        const ConvLstmReference<float> result = Run(shape, UploadInputs(test), pool, precision);
        const double bound = precision == Precision::kHighest ? 1e-5 : 1e-4;
        CHECK(LargestError(result.output, exact.output) <= bound);
        CHECK(LargestError(result.h, exact.h) <= bound);
        CHECK(LargestError(result.c, exact.c) <= 4 * bound);
      }
    }
  }
}

TEST_CASE("a thread count has the same bits on every run, and all thread counts agree") {
  const ConvLstmCase test = MakeCase("", {2, 3, false, 5, 40, 11, 13, 3, 3});
  const ConvLstmInputs inputs = UploadInputs(test);
  ThreadPool one(1), two(2), five(5);
  const ConvLstmReference<float> first = Run(test.shape, inputs, one);
  for (ThreadPool* pool : {&two, &five}) {
    const ConvLstmReference<float> a = Run(test.shape, inputs, *pool);
    CHECK(a.output == Run(test.shape, inputs, *pool).output);
    CHECK(LargestError(a.output, first.output) <= 1e-6);
    CHECK(LargestError(a.c, first.c) <= 1e-6);
  }
}

TEST_CASE("a layer reads the previous layer's channels-last output in place") {
  ThreadPool pool(2);
  const ConvLstmCase below = MakeCase("", {2, 2, true, 3, 6, 5, 4, 3, 3});
  const ConvLstmOutputs between =
      RunOnCpu(ConvLstm{{below.shape, UploadInputs(below)}}, pool).outputs;
  CHECK(between.output->channels_last());

  ConvLstmCase above = MakeCase("", {2, 2, true, 6, 7, 5, 4, 3, 3});
  above.x = Download(*between.output, pool);
  ConvLstmInputs inputs = UploadInputs(above);
  inputs.x = between.output;
  const float* before = between.output->data();
  const ConvLstmReference<float> result = Run(above.shape, inputs, pool);
  CHECK(between.output->data() == before);
  CHECK(LargestError(result.output, RunReference<double>(above).output) <= 1e-6);

  // The same elements as frames of another geometry: [2, 2, 6, 5, 4] as [2, 2, 12, 2, 5].
  ConvLstmCase other = MakeCase("", {2, 2, true, 12, 24, 2, 5, 3, 3});
  other.x = above.x;
  other.h0 = above.x;
  inputs = UploadInputs(other);
  inputs.x = inputs.h0 = between.output;
  CHECK(LargestError(Run(other.shape, inputs, pool).output, RunReference<double>(other).output) <=
        1e-6);
}

TEST_CASE("row-major states are converted in place") {
  ThreadPool pool(2);
  ConvLstmCase test = MakeCase("", {1, 2, false, 3, 6, 5, 4, 3, 3},
                               {.states = true, .peephole = Peephole::kSpatial});
  ConvLstmInputs inputs = UploadInputs(test);
  CHECK(LargestError(Run(test.shape, inputs, pool).output, RunReference<double>(test).output) <=
        1e-6);
  for (const auto& [storage, values] : {std::pair(inputs.h0, test.h0), {inputs.c0, test.c0}}) {
    CHECK(storage->channels_last());
    CHECK(storage->layout() == ChannelsLast{1, 6, 20});
    CHECK(Download(*storage, pool) == values);
  }
  // Packing converts wci, the same storage, back to rows while its frames are in use.
  test.wci = test.c0 = test.h0;
  inputs.wci = inputs.c0 = inputs.h0;
  CHECK(LargestError(Run(test.shape, inputs, pool).output, RunReference<double>(test).output) <=
        1e-6);
}

TEST_CASE("row-major x of one step is converted in place, longer x step by step") {
  ThreadPool pool(2);
  for (const int64_t time : {1, 2}) {
    const ConvLstmCase test = MakeCase("", {2, time, false, 6, 6, 5, 4, 3, 3}, {.states = true});
    const ConvLstmInputs inputs = UploadInputs(test);
    CHECK(LargestError(Run(test.shape, inputs, pool).output, RunReference<double>(test).output) <=
          1e-6);
    CHECK(inputs.x->channels_last() == (time == 1));
    CHECK(Download(*inputs.x, pool) == test.x);
  }
  // The same storage as rows and as frames.
  ConvLstmCase test = MakeCase("", {1, 1, false, 6, 6, 5, 4, 3, 3},
                               {.states = true, .peephole = Peephole::kSpatial});
  test.x = test.wcf = test.h0;
  ConvLstmInputs inputs = UploadInputs(test);
  inputs.x = inputs.wcf = inputs.h0;
  CHECK(LargestError(Run(test.shape, inputs, pool).output, RunReference<double>(test).output) <=
        1e-6);
}

TEST_CASE("a sequence continues from its states") {
  ThreadPool pool(2);
  const ConvLstmCase whole = MakeCase("", {2, 5, true, 3, 9, 6, 5, 3, 3});
  const ConvLstmInputs inputs = UploadInputs(whole);
  const ConvLstmReference<float> at_once = Run(whole.shape, inputs, pool);
  StoragePtr h, c;
  const int64_t x_step = whole.x.size() / 5, step = at_once.output.size() / 5;
  for (int64_t t = 0; t < 5; ++t) {
    ConvLstmShape shape = whole.shape;
    shape.time = 1;
    ConvLstmInputs frame = inputs;
    frame.x = Upload({whole.x.begin() + t * x_step, whole.x.begin() + (t + 1) * x_step});
    frame.h0 = h;
    frame.c0 = c;
    const ConvLstmOutputs outputs = RunOnCpu(ConvLstm{{shape, frame}}, pool).outputs;
    const std::vector<float> expected(at_once.output.begin() + t * step,
                                      at_once.output.begin() + (t + 1) * step);
    CHECK(LargestError(Download(*outputs.output, pool), expected) <= 1e-6);
    CHECK(outputs.h->data() == outputs.output->data());
    h = outputs.h;
    c = outputs.c;
  }
  CHECK(LargestError(Download(*c, pool), at_once.c) <= 1e-6);
}

TEST_CASE("weights are packed once, and again when bias or peepholes change") {
  ThreadPool pool(1);
  ConvLstmOptions options;
  options.peephole = Peephole::kChannel;
  ConvLstmCase test = MakeCase("", {1, 1, false, 2, 5, 4, 4, 3, 3}, options);
  ConvLstmInputs inputs = UploadInputs(test);
  const auto packed_forms = [&] {
    std::vector<const void*> forms;
    for (const auto& [name, form] : inputs.weight->derived()) {
      if (name.starts_with("conv_lstm ")) forms.push_back(form.get());
    }
    return forms;
  };
  const auto check = [&] {
    CHECK(LargestError(Run(test.shape, inputs, pool).c, RunReference<double>(test).c) <= 1e-6);
  };
  check();
  const std::vector<const void*> first = packed_forms();
  REQUIRE(first.size() == 1);
  check();
  CHECK(packed_forms() == first);

  test.bias.assign(test.bias.size(), 0.75f);
  inputs.bias = Upload(test.bias);
  check();
  test.bias.clear();
  inputs.bias = nullptr;
  check();
  test.wcf.assign(test.wcf.size(), -0.5f);
  inputs.wcf = Upload(test.wcf);
  check();
  // Written in place, as by an optimizer.
  test.wci.assign(test.wci.size(), 1.5f);
  std::copy(test.wci.begin(), test.wci.end(), inputs.wci->Allocate());
  inputs.wci->derived().clear();
  check();
  CHECK(packed_forms().size() == 1);
  // Another layer with weights of the same size: 2 + 5 instead of 5 + 2 channels.
  test = MakeCase("", {1, 1, false, 2, 5, 3, 6, 3, 3}, options);
  inputs = UploadInputs(test);
  check();
}

TEST_CASE("a failed input fails the operation with its own error") {
  ThreadPool pool(1);
  const ConvLstmCase test = MakeCase("", {1, 1, false, 2, 5, 4, 4, 3, 3});
  const ConvLstmInputs inputs = UploadInputs(test);
  inputs.weight->Fail(std::make_exception_ptr(Error(ErrorCode::kOutOfMemory, "no weights")));
  CHECK_THROWS_WITH_AS(RunOnCpu(ConvLstm{{test.shape, inputs}}, pool), "no weights", Error);
}

TEST_CASE("ChosenKernels lists the kernel of a layer") {
  ThreadPool pool(1);
  const ConvLstmCase test = MakeCase("", {1, 1, false, 2, 6, 10, 12, 7, 1});
  Run(test.shape, UploadInputs(test), pool);
  bool found = false;
  for (const std::string& line : ChosenKernels()) {
    if (line.starts_with("2->6 kernel 7x1 image 10x12 batch 1 highest -> direct")) found = true;
  }
  CHECK(found);
}

}  // namespace
}  // namespace convlstm::cpu
