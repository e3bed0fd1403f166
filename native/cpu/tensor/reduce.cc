#include "cpu/tensor/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/divide_up.h"
#include "cpu/frames/layout.h"
#include "cpu/threads/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/tensor/reduce.cc"
// clang-format off
#include "cpu/simd/simd.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace convlstm::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<double>;

struct Add {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::Add(a, b);
  }
  double operator()(double a, double b) const { return a + b; }
};

// Propagates NaN: nothing is greater than a NaN a, and a NaN b is selected.
struct Max {
  template <class V>
  HWY_INLINE V operator()(V a, V b) const {
    return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
  }
  double operator()(double a, double b) const { return b > a || std::isnan(b) ? b : a; }
};

// Combines `start` and x[0..count). Four accumulators hide the latency of an addition.
template <typename Combine>
HWY_INLINE double CombineRun(const Combine& combine, const float* x, int64_t count, double start,
                             double identity) {
  const Tag d;
  const hn::Rebind<float, Tag> df;
  const int64_t lanes = hn::Lanes(d);
  const auto load = [&](int64_t i) { return hn::PromoteTo(d, hn::LoadU(df, x + i)); };
  auto a0 = hn::Set(d, identity), a1 = a0, a2 = a0, a3 = a0;
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    a0 = combine(a0, load(i));
    a1 = combine(a1, load(i + lanes));
    a2 = combine(a2, load(i + 2 * lanes));
    a3 = combine(a3, load(i + 3 * lanes));
  }
  HWY_ALIGN double totals[hn::MaxLanes(d)];
  hn::Store(combine(combine(a0, a1), combine(a2, a3)), d, totals);
  double total = start;
  for (int64_t lane = 0; lane < lanes; ++lane) total = combine(total, totals[lane]);
  for (; i < count; ++i) total = combine(total, double{x[i]});
  return total;
}

template <typename Combine>
HWY_INLINE void CombineColumns(const Combine& combine, const float* x, int64_t count,
                               double* totals) {
  const Tag d;
  const hn::Rebind<float, Tag> df;
  const int64_t lanes = hn::Lanes(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto v = hn::PromoteTo(d, hn::LoadU(df, x + i));
    hn::StoreU(combine(hn::LoadU(d, totals + i), v), d, totals + i);
  }
  for (; i < count; ++i) totals[i] = combine(totals[i], double{x[i]});
}

// Combines x[0..count) into *total.
void ReduceRun(ReduceOp op, const float* x, int64_t count, double* total) {
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  *total = op == ReduceOp::kMax ? CombineRun(Max(), x, count, *total, kLowest)
                                : CombineRun(Add(), x, count, *total, 0.0);
}
// Combines x[i] into totals[i] for i < count.
void ReduceColumns(ReduceOp op, const float* x, int64_t count, double* totals) {
  if (op == ReduceOp::kMax) {
    CombineColumns(Max(), x, count, totals);
  } else {
    CombineColumns(Add(), x, count, totals);
  }
}

}  // namespace
}  // namespace convlstm::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace convlstm::cpu {
namespace {

struct Axis {
  int64_t size;
  int64_t stride;
};

// The axes of x, kept and reduced ones apart, outermost first, neighbours of one kind merged. The
// innermost axis of x is the last of its kind.
struct Axes {
  std::vector<Axis> kept;
  std::vector<Axis> reduced;
  bool inner_is_reduced = false;
};

Axes SplitAxes(const Reduce& reduction) {
  Axes axes;
  int64_t stride = 1;
  bool first = true, previous = false;
  for (size_t axis = reduction.shape.size(); axis-- > 0;) {
    const int64_t size = reduction.shape[axis];
    if (size == 1) continue;
    const bool reduces = reduction.reduces(axis);
    std::vector<Axis>& kind = reduces ? axes.reduced : axes.kept;
    if (!first && reduces == previous) {
      kind.back().size *= size;
    } else {
      kind.push_back({size, stride});
    }
    if (first) axes.inner_is_reduced = reduces;
    first = false;
    previous = reduces;
    stride *= size;
  }
  std::reverse(axes.kept.begin(), axes.kept.end());
  std::reverse(axes.reduced.begin(), axes.reduced.end());
  return axes;
}

int64_t Product(const std::vector<Axis>& axes) {
  int64_t product = 1;
  for (const Axis& axis : axes) product *= axis.size;
  return product;
}

int64_t OffsetOf(const std::vector<Axis>& axes, int64_t index) {
  int64_t offset = 0;
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis) {
    offset += index % axis->size * axis->stride;
    index /= axis->size;
  }
  return offset;
}

// How the work is cut. `items` pieces of at most `length` neighbours in x are combined into one
// output, or into `length` outputs where the innermost axis is kept. Chunks of pieces have a fixed
// size and their totals are combined in order: the result does not depend on the threads.
struct Plan {
  static constexpr int64_t kRunLength = 16 * 1024;
  static constexpr int64_t kColumns = 512;              // 4 KiB of float64 totals, in L1
  static constexpr int64_t kChunkElements = 64 * 1024;  // 256 KiB of x: twice what wakes the pool

  std::vector<Axis> kept, reduced;  // without the innermost axis of x
  bool runs;                        // the innermost axis of x is reduced
  int64_t inner;                    // size of the innermost axis of x
  int64_t pieces;                   // pieces of the innermost axis
  int64_t length;
  int64_t items;
  int64_t items_per_chunk;
  int64_t chunks;
  int64_t groups;  // groups of outputs: one output each, or `length`

  explicit Plan(Axes axes) : runs(axes.inner_is_reduced) {
    std::vector<Axis>& with_inner = runs ? axes.reduced : axes.kept;
    inner = with_inner.empty() ? 1 : with_inner.back().size;
    if (!with_inner.empty()) with_inner.pop_back();
    kept = std::move(axes.kept);
    reduced = std::move(axes.reduced);
    length = std::min(inner, runs ? kRunLength : kColumns);
    pieces = DivideUp(inner, length);
    items = Product(reduced) * (runs ? pieces : 1);
    items_per_chunk = std::max<int64_t>(1, kChunkElements / length);
    chunks = DivideUp(items, items_per_chunk);
    groups = Product(kept) * (runs ? 1 : pieces);
  }

  int64_t width() const { return runs ? 1 : length; }  // outputs per group
};

}  // namespace

void Run(ThreadPool& pool, const Reduce& op) {
  Storage &x = *op.x, &out = *op.out;
  const float* from = out.elements() == 1 ? x.data() : RowMajor(x, pool);
  float* to = out.Allocate();
  const bool is_max = op.op == ReduceOp::kMax;
  const double identity = is_max ? -std::numeric_limits<double>::infinity() : 0.0;
  const double count = static_cast<double>(x.elements()) / static_cast<double>(out.elements());
  const auto finish = [&](double total) {
    return static_cast<float>(op.op == ReduceOp::kMean ? total / count : total);
  };
  if (x.elements() == 0) {
    std::fill_n(to, out.elements(), finish(identity));
    return;
  }

  const Plan plan(SplitAxes(op));
  const auto reduce_run = CONVLSTM_SIMD(CurrentIsa(), ReduceRun);
  const auto reduce_columns = CONVLSTM_SIMD(CurrentIsa(), ReduceColumns);
  const Buffer totals_buffer =
      Buffer::AllocateArray<double>(plan.groups * plan.chunks * plan.width());
  double* totals = totals_buffer.as<double>();
  const int64_t chunk_elements = std::min(plan.items, plan.items_per_chunk) * plan.length;
  ParallelFor(pool, plan.groups * plan.chunks, chunk_elements, [&](Range range) {
    for (int64_t k = range.begin; k < range.end; ++k) {
      double* total = totals + k * plan.width();
      std::fill_n(total, plan.width(), identity);
      const int64_t group = k / plan.chunks, first = k % plan.chunks * plan.items_per_chunk;
      const int64_t end = std::min(plan.items, first + plan.items_per_chunk);
      for (int64_t item = first; item < end; ++item) {
        const int64_t kept = plan.runs ? group : group / plan.pieces;
        const int64_t reduced = plan.runs ? item / plan.pieces : item;
        const int64_t piece = (plan.runs ? item : group) % plan.pieces * plan.length;
        const float* in =
            from + OffsetOf(plan.kept, kept) + OffsetOf(plan.reduced, reduced) + piece;
        const int64_t length = std::min(plan.length, plan.inner - piece);
        (plan.runs ? reduce_run : reduce_columns)(op.op, in, length, total);
      }
    }
  });
  ParallelFor(pool, plan.groups, plan.width() * plan.chunks, [&](Range range) {
    for (int64_t group = range.begin; group < range.end; ++group) {
      const int64_t kept = plan.runs ? group : group / plan.pieces;
      const int64_t piece = plan.runs ? 0 : group % plan.pieces * plan.length;
      const int64_t width = plan.runs ? 1 : std::min(plan.length, plan.inner - piece);
      const double* first = totals + group * plan.chunks * plan.width();
      for (int64_t i = 0; i < width; ++i) {
        double total = first[i];
        for (int64_t chunk = 1; chunk < plan.chunks; ++chunk) {
          const double next = first[chunk * plan.width() + i];
          total = !is_max ? total + next : next > total || std::isnan(next) ? next : total;
        }
        to[kept * (plan.runs ? 1 : plan.inner) + piece + i] = finish(total);
      }
    }
  });
}

}  // namespace convlstm::cpu
#endif
