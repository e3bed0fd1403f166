// What kernels call with the sums of a cell's gates, per Highway target: loads the state, runs the
// cell's update and stores its results.

#if defined(CONVLSTM_CPU_CONV_LSTM_CELL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CONVLSTM_CPU_CONV_LSTM_CELL_INL_H_
#undef CONVLSTM_CPU_CONV_LSTM_CELL_INL_H_
#else
#define CONVLSTM_CPU_CONV_LSTM_CELL_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include "cpu/conv_lstm/cell.h"
#include "cpu/simd/lanes-inl.h"
#include "cpu/simd/simd.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// One vector of channels of one pixel, or the gradients of those.
template <class D>
struct CellState {
  hn::Vec<D> c, h;
};

// The arithmetic of a cell, which specializes it (lstm_cell-inl.h). Arrays have a vector for each
// of Cell::kGates gates or Cell::kPeepholes peepholes, the latter unspecified unless kPeephole.
//
//   CellState<D> Update<kPeephole, kSaves>(d, sums, c, peepholes, gates)
//     The state after a step, from c before it and the gates' sums of bias and convolutions. With
//     kSaves fills gates[], all that Gradient needs of the step; the state has the same bits.
//   hn::Vec<D> Gradient<kPeephole>(d, gates, c_in, peepholes, grad, deltas, seen)
//     The gradient of c before the step, from that of the state after it. Fills deltas[], the
//     gradients of the sums, and with kPeephole seen[], what peephole k multiplies in sum k.
template <class Cell>
struct CellMath;

// Room for a vector of each peephole, for cells without any too.
template <class Cell>
constexpr int64_t kPeepholeVectors = std::max<int64_t>(1, Cell::kPeepholes);

// Gate is the type of a saved gate, void to save none.
template <class Cell, bool kPeephole, class Gate, class D, class Lanes>
HWY_INLINE void UpdateCellWith(D d, const hn::Vec<D>* sums, const CellPointers& at,
                               const Lanes& lanes) {
  constexpr bool kSaves = !std::is_void_v<Gate>;
  hn::Vec<D> peepholes[kPeepholeVectors<Cell>], gates[Cell::kGates];
  if constexpr (kPeephole) {
    CONVLSTM_UNROLL
    for (int64_t k = 0; k < Cell::kPeepholes; ++k) {
      peepholes[k] = lanes.Load(at.peepholes + k * at.peephole_stride);
    }
  }
  const CellState<D> next = CellMath<Cell>::template Update<kPeephole, kSaves>(
      d, sums, lanes.Load(at.c_in), peepholes, gates);
  lanes.Store(next.c, at.c);
  lanes.Store(next.h, at.h);
  if constexpr (kSaves) {
    Gate* const to = at.gates.template as<Gate>();
    CONVLSTM_UNROLL
    for (int64_t q = 0; q < Cell::kGates; ++q) lanes.Store(gates[q], to + q * at.gate_stride);
  }
}

template <class Cell, class Gate, class D, class Lanes>
HWY_INLINE void UpdateCellSaving(D d, const hn::Vec<D>* sums, const CellPointers& at,
                                 const Lanes& lanes) {
  if (Cell::kPeepholes == 0 || at.peepholes == nullptr) {
    UpdateCellWith<Cell, false, Gate>(d, sums, at, lanes);
  } else {
    UpdateCellWith<Cell, true, Gate>(d, sums, at, lanes);
  }
}

template <class Cell, class D, class Lanes>
HWY_INLINE void UpdateLanes(D d, const hn::Vec<D>* sums, const CellPointers& at,
                            const Lanes& lanes) {
  if (HWY_LIKELY(!at.gates)) return UpdateCellSaving<Cell, void>(d, sums, at, lanes);
  return at.gates.format() == SavedFormat::k16Bits
             ? UpdateCellSaving<Cell, int16_t>(d, sums, at, lanes)
             : UpdateCellSaving<Cell, float>(d, sums, at, lanes);
}

// One step of the first `channels` lanes, all where there are that many: from sums[Cell::kGates] to
// c, h and the saved gates. Nothing beside those lanes is read or written.
template <class Cell, class D>
HWY_INLINE void UpdateCell(D d, const hn::Vec<D>* sums, const CellPointers& at, size_t channels) {
  if (channels >= hn::Lanes(d)) {
    UpdateLanes<Cell>(d, sums, at, AllLanes<D>{});
  } else {
    UpdateLanes<Cell>(d, sums, at, FirstLanes<D>{channels});
  }
}

}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // CONVLSTM_CPU_CONV_LSTM_CELL_INL_H_
