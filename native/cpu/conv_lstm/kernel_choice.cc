#include "cpu/conv_lstm/kernel_choice.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace convlstm::cpu {
namespace {

// What a choice depends on, and its line.
using ChoiceKey = std::array<int64_t, 8>;
std::mutex chosen_mutex;
std::map<ChoiceKey, std::string>& Chosen() {
  using Choices = std::map<ChoiceKey, std::string>;
  static Choices& chosen = *std::make_unique<Choices>().release();
  return chosen;
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
                           NameOf(request.precision) + " -> " + kernel.name();
  Chosen().emplace(key, line);
  const char* debug = std::getenv("CONVLSTM_DEBUG");
  if (debug != nullptr && std::strcmp(debug, "1") == 0) {
    std::fprintf(stderr, "convlstm: %s\n", line.c_str());
  }
}

std::vector<std::string> ChosenKernels() {
  std::lock_guard lock(chosen_mutex);
  std::vector<std::string> lines;
  for (const auto& [key, line] : Chosen()) lines.push_back(line);
  return lines;
}

}  // namespace convlstm::cpu
