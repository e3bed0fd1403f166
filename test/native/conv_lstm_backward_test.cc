// Tests the backward pass of ConvLSTM against a float64 reference, and that against differences.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "cpu/conv_lstm/backward.h"
#include "cpu/conv_lstm/sequence.h"
#include "gradient_reference.h"
#include "operations.h"

namespace convlstm::cpu {
namespace {

StoragePtr Upload(const std::vector<float>& values) {
  return values.empty() ? nullptr : RowMajorStorage(values);
}

ConvLstmInputs UploadInputs(const ConvLstmCase& test) {
  return {Upload(test.x),         Upload(test.weight),
          Upload(test.bias),      test.peephole,
          Upload(test.wci),       Upload(test.wcf),
          Upload(test.wco),       Upload(test.h0),
          Upload(test.c0),        Upload(test.recurrent_mask),
          Upload(test.zoneout_h), Upload(test.zoneout_c)};
}

ConvLstmResultGradients RandomGradients(const ConvLstmShape& s) {
  const int64_t state = s.batch * s.hidden_dim * s.pixels();
  return {RandomValues(s.time * state), RandomValues(state), RandomValues(state)};
}

struct Gradients {
  std::vector<float> x, h0, c0, weight, bias, wci, wcf, wco;
  bool operator==(const Gradients&) const = default;
};

// Runs forward and backward; returns the gradients of all operands of the case.
Gradients Run(const ConvLstmCase& test, const ConvLstmResultGradients& given, int64_t save_every,
              ThreadPool& pool, SavedFormat format = SavedFormat::kFloat32, bool rows = true) {
  const ConvLstmShape& s = test.shape;
  const int64_t state = s.batch * s.hidden_dim * s.pixels();
  const auto storage = [](int64_t elements) { return std::make_shared<Storage>(elements); };
  const ConvLstmInputs inputs = UploadInputs(test);
  const ConvLstmOutputs outputs = {storage(state * s.time),
                                   storage(state),
                                   storage(state),
                                   storage(SavedElements(s, save_every, format)),
                                   save_every,
                                   format};
  Run(pool, ConvLstm{{s, inputs, Precision::kHighest, outputs}});
  const auto frames = [&](const std::vector<float>& values, int64_t count) {
    if (values.empty() || rows) return Upload(values);
    return ChannelsLastStorage(values, {count, s.hidden_dim, s.pixels()});
  };
  const ConvLstmBackwardInputs backward = {inputs,
                                           outputs.output,
                                           outputs.saved,
                                           save_every,
                                           frames(given.output, s.batch * s.time),
                                           frames(given.h, s.batch),
                                           frames(given.c, s.batch),
                                           format};
  const auto like = [&](const StoragePtr& operand) {
    return operand == nullptr ? nullptr : storage(operand->elements());
  };
  const ConvLstmGradients gradients = {like(inputs.x),      like(inputs.h0),   like(inputs.c0),
                                       like(inputs.weight), like(inputs.bias), like(inputs.wci),
                                       like(inputs.wcf),    like(inputs.wco)};
  const ConvLstmBackward call = {s, backward, Precision::kHighest, {}, gradients};
  call.Check();
  Run(pool, call);
  const auto values = [&](const StoragePtr& gradient) {
    return gradient == nullptr ? std::vector<float>() : Values(*gradient, pool);
  };
  return {values(gradients.x),      values(gradients.h0),   values(gradients.c0),
          values(gradients.weight), values(gradients.bias), values(gradients.wci),
          values(gradients.wcf),    values(gradients.wco)};
}

double LargestRelativeError(const Gradients& result, const ConvLstmGradientValues& exact) {
  double largest = 0;
  const auto compare = [&](const std::vector<float>& a, const std::vector<double>& b) {
    if (!a.empty()) largest = std::max(largest, RelativeError(a, b));
  };
  compare(result.x, exact.x);
  compare(result.h0, exact.h0);
  compare(result.c0, exact.c0);
  compare(result.weight, exact.weight);
  compare(result.bias, exact.bias);
  compare(result.wci, exact.wci);
  compare(result.wcf, exact.wcf);
  compare(result.wco, exact.wco);
  return largest;
}

//                          batch time major  in  hid   h   w  kh  kw
const ConvLstmShape kShapes[] = {
    {1, 1, false, 1, 1, 1, 1, 1, 1},     // the smallest shape
    {1, 2, false, 3, 17, 1, 1, 11, 11},  // one pixel under a large kernel
    {3, 4, true, 5, 17, 4, 6, 3, 3},     // time first, a tail of one channel
    {3, 3, false, 1, 8, 9, 7, 3, 3},     //
    {1, 3, false, 2, 8, 5, 5, 2, 4},     // even kernels: the extra zero below and to the right
    {1, 2, false, 16, 33, 3, 70, 1, 1},  //
    {2, 3, true, 4, 12, 2, 3, 5, 7},     // the kernel is larger than the image
    {1, 7, false, 7, 5, 20, 1, 3, 1},    // one column
    {2, 2, false, 17, 20, 10, 9, 5, 5},  //
    {1, 8, false, 3, 4, 6, 5, 3, 3},     //
    {2, 2, true, 18, 64, 13, 14, 3, 3},  //
};

std::vector<ConvLstmOptions> AllOptions() {
  std::vector<ConvLstmOptions> all(6);
  all[1].bias = false;
  all[1].states = true;
  all[2].states = true;
  all[2].peephole = Peephole::kChannel;
  all[3].peephole = Peephole::kSpatial;
  all[4].masks = true;
  all[5].states = true;
  all[5].masks = true;
  all[5].peephole = Peephole::kSpatial;
  return all;
}

// Brief tests use only the last of the large cases, which has every operand.
std::vector<ConvLstmOptions> OptionsFor(const ConvLstmShape& s) {
  std::vector<ConvLstmOptions> all = AllOptions();
  if (kBrief && s.hidden_dim * s.pixels() > 1000) all.erase(all.begin(), all.end() - 1);
  return all;
}

std::string Describe(const ConvLstmShape& s) {
  std::string text;
  for (const int64_t dim : {s.batch, s.time, s.input_dim, s.hidden_dim, s.height, s.width,
                            s.kernel_height, s.kernel_width}) {
    text += std::to_string(dim) + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("the gradient reference agrees with central differences") {
  for (const ConvLstmOptions& options : AllOptions()) {
    const ConvLstmCase test = MakeCase("", {2, 3, true, 2, 3, 3, 4, 3, 2}, options);
    const ConvLstmResultGradients given = RandomGradients(test.shape);
    const ConvLstmGradientValues exact = ConvLstmGradientReference(test).Run(given);
    // The sum of the results, weighted by their gradients.
    const auto loss = [&](const ConvLstmCase& at) {
      const ConvLstmReference<double> result = RunReference<double>(at);
      double sum = 0;
      for (size_t k = 0; k < given.output.size(); ++k) sum += given.output[k] * result.output[k];
      for (size_t k = 0; k < given.h.size(); ++k) sum += given.h[k] * result.h[k];
      for (size_t k = 0; k < given.c.size(); ++k) sum += given.c[k] * result.c[k];
      return sum;
    };
    const auto check = [&](std::vector<float> ConvLstmCase::*operand,
                           const std::vector<double>& gradient) {
      ConvLstmCase moved = test;
      for (size_t k = 0; k < (test.*operand).size(); k += 7) {
        constexpr float kStep = 1.0f / 1024;
        const float value = (test.*operand)[k];
        const float up = value + kStep, down = value - kStep;
        (moved.*operand)[k] = up;
        const double above = loss(moved);
        (moved.*operand)[k] = down;
        const double below = loss(moved);
        (moved.*operand)[k] = value;
        CHECK(gradient[k] ==
              doctest::Approx((above - below) / (double{up} - down)).epsilon(1e-4).scale(0.1));
      }
    };
    check(&ConvLstmCase::x, exact.x);
    check(&ConvLstmCase::weight, exact.weight);
    check(&ConvLstmCase::bias, exact.bias);
    check(&ConvLstmCase::wci, exact.wci);
    check(&ConvLstmCase::wcf, exact.wcf);
    check(&ConvLstmCase::wco, exact.wco);
    check(&ConvLstmCase::h0, exact.h0);
    check(&ConvLstmCase::c0, exact.c0);
  }
}

TEST_SUITE("operations") {
  TEST_CASE("forward with masks and zoneout agrees with float64 for every save_every") {
    ThreadPool pool(2);
    for (const ConvLstmShape& s : kShapes) {
      ConvLstmOptions options;
      options.states = options.masks = true;
      const ConvLstmCase test = MakeCase(Describe(s), s, options);
      CAPTURE(test.name);
      const ConvLstmReference<double> exact = RunReference<double>(test);
      std::vector<float> first;
      for (const int64_t save_every : {0, 1, 2, 3, 7}) {
        const int64_t state = s.batch * s.hidden_dim * s.pixels();
        ConvLstmOutputs outputs = {std::make_shared<Storage>(state * s.time),
                                   std::make_shared<Storage>(state),
                                   std::make_shared<Storage>(state)};
        if (save_every > 0) {
          outputs.saved = std::make_shared<Storage>(SavedElements(s, save_every));
          outputs.save_every = save_every;
        }
        Run(pool, ConvLstm{{s, UploadInputs(test), Precision::kHighest, outputs}});
        std::vector<float> all = Values(*outputs.output, pool);
        CHECK(LargestError(all, exact.output) <= 1e-5);
        const std::vector<float> h = Values(*outputs.h, pool), c = Values(*outputs.c, pool);
        CHECK(LargestError(h, exact.h) <= 1e-5);
        CHECK(LargestError(c, exact.c) <= 1e-5);
        all.insert(all.end(), c.begin(), c.end());
        if (save_every == 0) first = all;
        CHECK(all == first);
      }
    }
  }

  TEST_CASE("the gradients agree with float64") {
    ThreadPool pool(2);
    for (const ConvLstmShape& shape : kShapes) {
      for (const ConvLstmOptions& options : OptionsFor(shape)) {
        const ConvLstmCase test = MakeCase(Describe(shape), shape, options);
        CAPTURE(test.name);
        const ConvLstmResultGradients given = RandomGradients(shape);
        const ConvLstmGradientValues exact = ConvLstmGradientReference(test).Run(given);
        for (const SavedFormat format : {SavedFormat::kFloat32, SavedFormat::k16Bits}) {
          CAPTURE(static_cast<int>(format));
          const Gradients saved = Run(test, given, 1, pool, format);
          CHECK(LargestRelativeError(saved, exact) <=
                (format == SavedFormat::kFloat32 ? 1e-5 : 6e-3));
          // Recomputed steps have the same bits.
          for (const int64_t save_every : {2, 3, 7}) {
            CHECK(Run(test, given, save_every, pool, format, false) == saved);
          }
        }
      }
    }
  }

  TEST_CASE(
      "gradients have the same bits on every run, nearly the same values for every thread count") {
    ThreadPool one(1), two(2), five(5);
    ConvLstmOptions options;
    options.states = options.masks = true;
    options.peephole = Peephole::kChannel;
    for (const int64_t taps : {3, 4, 5}) {
      const int64_t hidden = kBrief ? 17 : 40;
      const ConvLstmCase test = MakeCase("", {2, 3, false, 9, hidden, 11, 13, taps, taps}, options);
      const ConvLstmResultGradients given = RandomGradients(test.shape);
      const Gradients first = Run(test, given, 1, one);
      for (ThreadPool* pool : {&two, &five}) {
        const Gradients a = Run(test, given, 1, *pool);
        CHECK(a == Run(test, given, 1, *pool));
        CHECK(a == Run(test, given, 2, *pool));
        const Gradients fixed = Run(test, given, 1, *pool, SavedFormat::k16Bits);
        CHECK(fixed == Run(test, given, 1, *pool, SavedFormat::k16Bits));
        CHECK(fixed == Run(test, given, 2, *pool, SavedFormat::k16Bits));
        CHECK(RelativeError(a.x, first.x) <= 1e-6);
        CHECK(RelativeError(a.weight, first.weight) <= 1e-6);
        CHECK(RelativeError(a.bias, first.bias) <= 1e-6);
        CHECK(RelativeError(a.wcf, first.wcf) <= 1e-6);
      }
    }
  }

  TEST_CASE("gradients that are not wanted are left out and change no other") {
    ThreadPool pool(2);
    ConvLstmOptions options;
    options.states = true;
    options.peephole = Peephole::kChannel;
    const ConvLstmCase test = MakeCase("", {2, 3, true, 3, 10, 6, 5, 3, 3}, options);
    const ConvLstmShape& s = test.shape;
    const ConvLstmResultGradients given = RandomGradients(s);
    const Gradients all = Run(test, given, 1, pool);
    const int64_t state = s.batch * s.hidden_dim * s.pixels();
    const auto run = [&](bool x, bool h0, bool weight) {
      const auto storage = [](int64_t count) { return std::make_shared<Storage>(count); };
      const ConvLstmInputs inputs = UploadInputs(test);
      const ConvLstmOutputs outputs = {storage(state * s.time), storage(state), storage(state),
                                       storage(SavedElements(s, 1)), 1};
      Run(pool, ConvLstm{{s, inputs, Precision::kHighest, outputs}});
      ConvLstmGradients gradients;
      if (x) gradients.x = storage(inputs.x->elements());
      if (h0) gradients.h0 = storage(state);
      if (weight) gradients.weight = storage(inputs.weight->elements());
      Run(pool, ConvLstmBackward{s,
                                 {inputs, outputs.output, outputs.saved, 1, Upload(given.output),
                                  Upload(given.h), Upload(given.c)},
                                 Precision::kHighest,
                                 {},
                                 gradients});
      if (x) CHECK(Values(*gradients.x, pool) == all.x);
      if (h0) CHECK(Values(*gradients.h0, pool) == all.h0);
      if (weight) CHECK(Values(*gradients.weight, pool) == all.weight);
    };
    run(true, false, false);
    run(false, true, false);
    run(false, false, true);
    run(false, false, false);
  }

  TEST_CASE("a NaN in a gate reaches the gradients in every saved format") {
    ThreadPool pool(2);
    ConvLstmCase test = MakeCase("", {1, 2, false, 1, 17, 3, 3, 3, 3}, {});
    test.x[4] = std::numeric_limits<float>::quiet_NaN();
    const ConvLstmResultGradients given = RandomGradients(test.shape);
    for (const SavedFormat format : {SavedFormat::kFloat32, SavedFormat::k16Bits}) {
      const Gradients gradients = Run(test, given, 1, pool, format);
      CHECK(std::ranges::all_of(gradients.weight, [](float v) { return std::isnan(v); }));
      CHECK(std::ranges::all_of(gradients.bias, [](float v) { return std::isnan(v); }));
    }
  }

  TEST_CASE("one storage may be several operands") {
    ThreadPool pool(2);
    ConvLstmOptions options;
    options.states = true;
    ConvLstmCase test = MakeCase("", {1, 3, false, 2, 3, 2, 2, 3, 3}, options);
    test.bias = test.c0 = test.h0;
    const ConvLstmShape& s = test.shape;
    const ConvLstmResultGradients given = RandomGradients(s);
    const Gradients expected = Run(test, given, 2, pool);
    const auto storage = [](int64_t count) { return std::make_shared<Storage>(count); };
    ConvLstmInputs inputs = UploadInputs(test);
    const ConvLstmOutputs outputs = {storage(36), storage(12), storage(12),
                                     storage(SavedElements(s, 2)), 2};
    Run(pool, ConvLstm{{s, inputs, Precision::kHighest, outputs}});
    // Packing converts the bias to rows while the frames of the states are in use.
    inputs.bias = inputs.h0 = inputs.c0 = ChannelsLastStorage(test.h0, {1, 3, 4});
    ConvLstmGradients gradients;
    gradients.h0 = storage(12);
    gradients.weight = storage(inputs.weight->elements());
    Run(pool, ConvLstmBackward{s,
                               {inputs, outputs.output, outputs.saved, 2, Upload(given.output),
                                Upload(given.h), Upload(given.c)},
                               Precision::kHighest,
                               {},
                               gradients});
    CHECK(Values(*gradients.h0, pool) == expected.h0);
    CHECK(Values(*gradients.weight, pool) == expected.weight);
  }

  TEST_CASE("a backward pass refuses wrong sizes and save_every") {
    const auto storage = [](int64_t count) { return std::make_shared<Storage>(count); };
    const ConvLstmShape s = {2, 3, true, 3, 4, 6, 5, 3, 3};
    const int64_t state = 2 * 4 * 30;
    const auto code = [&](const ConvLstmBackwardInputs& inputs) {
      try {
        ConvLstmBackward{s, inputs}.Check();
      } catch (const Error& error) {
        return std::string(NameOf(error.code()));
      }
      return std::string("none");
    };
    ConvLstmInputs forward{};
    forward.x = storage(2 * 3 * 3 * 30);
    forward.weight = storage(16 * 7 * 9);
    const ConvLstmBackwardInputs good = {
        forward, storage(3 * state), storage(SavedElements(s, 2)), 2, nullptr, nullptr, nullptr};
    CHECK(SavedElements(s, 1) == 14 * state);
    CHECK(SavedElements(s, 2) == state);
    CHECK(SavedElements(s, 3) == 0);
    CHECK(SavedElements(s, 1, SavedFormat::k16Bits) == 7 * state);
    CHECK(SavedElements(s, 2, SavedFormat::k16Bits) == state);
    CHECK(code(good) == "none");
    ConvLstmBackwardInputs bad = good;
    bad.save_every = 1;
    CHECK(code(bad) == "ERR_SHAPE");
    bad.saved = storage(SavedElements(s, 1));
    CHECK(code(bad) == "none");
    bad.saved_format = SavedFormat::k16Bits;
    CHECK(code(bad) == "ERR_SHAPE");
    bad.save_every = 0;
    CHECK(code(bad) == "ERR_OPTION");
    bad = good;
    bad.output = storage(state);
    CHECK(code(bad) == "ERR_SHAPE");
    bad = good;
    bad.output_grad = storage(state);
    CHECK(code(bad) == "ERR_SHAPE");
    bad = good;
    bad.forward.zoneout_h = storage(2);
    CHECK(code(bad) == "ERR_SHAPE");
  }

  TEST_CASE("gradients of absent operands and gradients not wanted are null") {
    ThreadPool pool(1);
    const ConvLstmCase test = MakeCase("", {1, 2, false, 2, 3, 4, 4, 3, 3}, {.bias = false});
    const ConvLstmInputs inputs = UploadInputs(test);
    ConvLstm forward = {{test.shape, inputs}};
    forward.outputs.save_every = 1;
    const ConvLstmOutputs outputs = RunOnCpu(forward, pool).outputs;
    const ConvLstmBackward backward = {
        test.shape, {inputs, outputs.output, outputs.saved, 1}, Precision::kHighest, {.x = false}};
    const ConvLstmGradients gradients = RunOnCpu(backward, pool).gradients;
    CHECK(gradients.weight != nullptr);
    for (const StoragePtr& absent : {gradients.x, gradients.bias, gradients.h0, gradients.wci}) {
      CHECK(absent == nullptr);
    }
  }
}

}  // namespace convlstm::cpu
