// The scratch frames that A tiles are loaded from, per Highway target: a block of x or h with its
// border, split into bfloat16 planes, small enough for L2.

#if defined(CONVLSTM_CPU_CONV_LSTM_AMX_OPERAND_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_AMX_OPERAND_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_AMX_OPERAND_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_AMX_OPERAND_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/buffer.h"
#include "cpu/conv_lstm/amx/amx.h"
#include "cpu/conv_lstm/amx/tiles-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Writes the bfloat16 nearest to each lane (ties to even) and returns the remainder of the lane.
template <class Tiles, class D>
HWY_INLINE hn::Vec<D> StoreBf16(D d, hn::Vec<D> v, uint16_t* to) {
#if CONVLSTM_HAVE_HARDWARE_TILES && HWY_TARGET == HWY_AVX3
  if constexpr (Tiles::kHardware) {
    __m256i rounded;
    asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v.raw));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), rounded);
    const __m512i wide = _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16);
    return hn::Sub(v, hn::Vec<D>{_mm512_castsi512_ps(wide)});
  }
#endif
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint16_t, D> du16;
  const auto bits = hn::BitCast(du, v);
  const auto lowest_kept = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(lowest_kept, hn::Set(du, 0x7fff)));
  // The addition could turn a NaN into an infinity or a number.
  const auto quiet = hn::Or(bits, hn::Set(du, 0x400000));
  const auto kept = hn::IfThenElse(hn::RebindMask(du, hn::Eq(v, v)), rounded, quiet);
  const auto high = hn::ShiftRight<16>(kept);
  hn::StoreU(hn::DemoteTo(du16, hn::BitCast(di, high)), du16, to);
  return hn::Sub(v, hn::BitCast(d, hn::ShiftLeft<16>(high)));
}

// Splits from[0, count) into kPlanes planes, `plane` elements apart.
template <class Tiles, int kPlanes>
void SplitBf16(const float* from, int64_t count, uint16_t* to, int64_t plane) {
  const hn::CappedTag<float, kAmxChannels> d;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto rest = hn::LoadU(d, from + i);
    for (int p = 0; p < kPlanes; ++p) rest = StoreBf16<Tiles>(d, rest, to + p * plane + i);
  }
  if (i == count) return;
  float tail[kAmxChannels] = {};
  uint16_t rounded[kAmxChannels];
  std::copy_n(from + i, count - i, tail);
  auto rest = hn::LoadU(d, tail);
  for (int p = 0; p < kPlanes; ++p) {
    rest = StoreBf16<Tiles>(d, rest, rounded);
    std::copy_n(rounded, count - i, to + p * plane + i);
  }
}

// Output pixels [y0, y1) x [x0, x1) of one image. A tile holds 16 consecutive positions of the
// scratch frame, which has rows of `columns`.
struct AmxBlock {
  int64_t batch;
  int64_t y0, y1, x0, x1;
  int64_t columns;  // of the scratch frame: those that tiles cover, and the border

  int64_t rows() const { return y1 - y0; }
  int64_t width() const { return x1 - x0; }
};

template <class Tiles, int kPlanes>
class AmxOperand {
 public:
  // Allocates for blocks of up to max_rows x max_columns.
  AmxOperand(const ConvLstmShape& shape, const AmxSource& source, int64_t max_rows,
             int64_t max_columns)
      : shape_(shape), source_(source) {
    const int64_t rows = max_rows + source.segments - 1;
    plane_ = RoundUp(rows * max_columns * source.columns + Slack());
    scratch_ = Buffer::AllocateArray<uint16_t>(kPlanes * plane_);
    if (source.folded) {
      staging_plane_ = RoundUp(max_columns * source.channels);
      staging_ = Buffer::AllocateArray<uint16_t>(kPlanes * staging_plane_);
    }
  }

  const uint16_t* data() const { return scratch_.as<uint16_t>(); }
  int64_t plane() const { return plane_; }  // elements from plane to plane
  const AmxSource& source() const { return source_; }

  // Fills the scratch from channels-last `frame`. `above`: the block filled before, where this one
  // continues it downwards and shares its last rows; else null.
  void Fill(const float* frame, const AmxBlock& block, const AmxBlock* above) {
    const int64_t row_elements = block.columns * source_.columns;
    const int64_t rows = block.rows() + source_.segments - 1;
    if (source_.folded) {
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t ky = 0; ky < shape_.kernel_height; ++ky) {
          FillRow(frame, block.y0 + r + ky - shape_.pad_top(), block, staging_.as<uint16_t>(),
                  staging_plane_);
          Fold(block.columns, to(r * row_elements + ky * source_.channels));
        }
      }
    } else {
      const int64_t kept = above ? source_.segments - 1 : 0;
      for (int p = 0; p < kPlanes && kept > 0; ++p) {
        std::memmove(to(p * plane_), to(p * plane_ + above->rows() * row_elements),
                     kept * row_elements * sizeof(uint16_t));
      }
      for (int64_t r = kept; r < rows; ++r) {
        FillRow(frame, block.y0 + r - shape_.pad_top(), block, to(r * row_elements), plane_);
      }
    }
    // The last rows of the last tile and the end of the last k-step reach past the last row. What
    // they read there meets weights of zero or fills unread sums, but must be finite.
    for (int p = 0; p < kPlanes; ++p) {
      std::fill_n(to(p * plane_ + rows * row_elements), Slack(), uint16_t{0});
    }
  }

 private:
  static int64_t RoundUp(int64_t elements) { return (elements + 31) / 32 * 32; }
  int64_t Slack() const { return (kAmxTilePixels - 1) * source_.columns + kAmxDepth; }
  uint16_t* to(int64_t offset) { return scratch_.as<uint16_t>() + offset; }

  // Splits row y of the frame, columns from block.x0 - pad_left on, with zeros outside the image.
  void FillRow(const float* frame, int64_t y, const AmxBlock& block, uint16_t* row,
               int64_t plane) const {
    const int64_t channels = source_.channels;
    const int64_t begin = block.x0 - shape_.pad_left();
    int64_t first = std::clamp<int64_t>(-begin, 0, block.columns);
    const int64_t last = std::clamp<int64_t>(shape_.width - begin, first, block.columns);
    if (y < 0 || y >= shape_.height) first = last;
    for (int p = 0; p < kPlanes; ++p) {
      uint16_t* zeros = row + p * plane;
      std::fill_n(zeros, first * channels, uint16_t{0});
      std::fill_n(zeros + last * channels, (block.columns - last) * channels, uint16_t{0});
    }
    if (first == last) return;
    SplitBf16<Tiles, kPlanes>(frame + (y * shape_.width + begin + first) * channels,
                              (last - first) * channels, row + first * channels, plane);
  }

  // Scatters a row from the staging planes into columns of [kernel_height][channels].
  void Fold(int64_t columns, uint16_t* row) const {
    for (int p = 0; p < kPlanes; ++p) {
      const uint16_t* from = staging_.as<uint16_t>() + p * staging_plane_;
      uint16_t* to = row + p * plane_;
      for (int64_t c = 0; c < source_.channels; ++c) {
        for (int64_t x = 0; x < columns; ++x) {
          to[x * source_.columns + c] = from[x * source_.channels + c];
        }
      }
    }
  }

  const ConvLstmShape& shape_;
  const AmxSource& source_;
  int64_t plane_ = 0;
  int64_t staging_plane_ = 0;
  Buffer scratch_;
  Buffer staging_;
};

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_AMX_OPERAND_INL_H_
