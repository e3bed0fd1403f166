// ConvLstm and ConvLstmStack, small: test/native and test/cuda look closely at their kernels.
#include "operations/cases.h"
#include "reference.h"

namespace convlstm {
namespace {

// The promise of each precision on outputs; c is not bounded by 1.
double Error(Precision precision) {
  switch (precision) {
    case Precision::kHighest:
      return 1e-5;
    case Precision::kHigh:
      return 1e-4;
    case Precision::kMedium:
      return 2e-2;
  }
  return 0;
}

Expected Within(double error, const std::vector<double>& values) {
  return {values, std::vector<double>(values.size(), error)};
}

ConvLstmLayer Layer(const ConvLstmCase& test, Precision precision) {
  const auto optional = [](const std::vector<float>& values) {
    return values.empty() ? nullptr : Operand(values);
  };
  ConvLstmLayer layer;
  layer.shape = test.shape;
  layer.precision = precision;
  layer.inputs = {optional(test.x),      optional(test.weight),         optional(test.bias),
                  test.peephole,         optional(test.wci),            optional(test.wcf),
                  optional(test.wco),    optional(test.h0),             optional(test.c0),
                  optional(test.recurrent_mask), optional(test.zoneout_h), optional(test.zoneout_c)};
  return layer;
}

void AddLayer(const std::string& name, const ConvLstmCase& test, Precision precision,
              Cases& cases) {
  const ConvLstmReference<double> reference = RunReference<double>(test);
  const double error = Error(precision);
  cases.push_back({"convLstm, " + name, ConvLstm{Layer(test, precision)},
                   {Within(error, reference.output), Within(error, reference.h),
                    Within(error, reference.c), Expected()}});
}

}  // namespace

void AddConvLstmCases(Cases& cases) {
  const ConvLstmShape shape = {2, 3, false, 3, 6, 7, 9, 3, 3};
  for (const auto& [precision, name] : kNames<Precision>) {
    AddLayer(name, MakeCase(name, shape), precision, cases);
  }
  for (const auto& [peephole, name] : kNames<Peephole>) {
    ConvLstmOptions options;
    options.peephole = peephole;
    options.states = options.masks = true;
    const std::string peepholes = std::string("peepholes: ") + name;
    AddLayer(peepholes, MakeCase(peepholes, shape, options), Precision::kHighest, cases);
  }
  ConvLstmShape time_major = shape;
  time_major.time_major = true;
  AddLayer("time first", MakeCase("", time_major), Precision::kHighest, cases);

  ConvLstmShape above = shape;
  above.input_dim = shape.hidden_dim;
  above.hidden_dim = 5;
  const ConvLstmCase first = MakeCase("", shape);
  ConvLstmCase second = MakeCase("", above);
  const ConvLstmReference<double> below = RunReference<double>(first);
  second.x.assign(below.output.begin(), below.output.end());
  const ConvLstmReference<double> top = RunReference<double>(second);
  ConvLstmStack stack{{Layer(first, Precision::kHighest), Layer(second, Precision::kHighest)}};
  stack.layers[1].inputs.x = nullptr;
  const double error = Error(Precision::kHighest);
  cases.push_back({"convLstmStack", std::move(stack),
                   {Within(error, top.output), Within(error, below.h), Within(error, below.c),
                    Within(error, top.h), Within(error, top.c)}});
}

}  // namespace convlstm
