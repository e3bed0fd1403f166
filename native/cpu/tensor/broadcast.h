// Broadcasting of two row-major operands: runs along the innermost dimension.
#ifndef CONVLSTM_CPU_TENSOR_BROADCAST_H_
#define CONVLSTM_CPU_TENSOR_BROADCAST_H_

#include <cstdint>
#include <vector>

#include "cpu/threads/thread_pool.h"
#include "ops/elementwise.h"

namespace convlstm::cpu {

struct BinaryRun {
  const float* a;
  const float* b;
  float* out;
  bool a_step;  // false: broadcast, one value for the whole run
  bool b_step;
  int64_t count;
};

class BroadcastPlan {
 public:
  // Merges neighbouring dimensions that each operand broadcasts alike.
  explicit BroadcastPlan(const Binary& op);

  int64_t runs() const { return runs_; }
  int64_t run_length() const { return dims_.back().size; }

  // Calls visit(run) for the runs in `range`, in order.
  template <typename Visitor>
  void ForRuns(Range range, const float* a, const float* b, float* out,
               const Visitor& visit) const {
    const Dim& inner = dims_.back();
    for (int64_t index = range.begin; index < range.end; ++index) {
      int64_t a_offset = 0, b_offset = 0, rest = index;
      for (size_t k = dims_.size() - 1; k-- > 0;) {
        const int64_t at = rest % dims_[k].size;
        rest /= dims_[k].size;
        a_offset += at * dims_[k].a_stride;
        b_offset += at * dims_[k].b_stride;
      }
      visit(BinaryRun{a + a_offset, b + b_offset, out + index * inner.size, inner.a_stride != 0,
                      inner.b_stride != 0, inner.size});
    }
  }

 private:
  struct Dim {
    int64_t size;
    int64_t a_stride;  // 0: broadcast
    int64_t b_stride;
  };

  std::vector<Dim> dims_;  // outermost first, never empty
  int64_t runs_ = 1;
};

}  // namespace convlstm::cpu

#endif  // CONVLSTM_CPU_TENSOR_BROADCAST_H_
