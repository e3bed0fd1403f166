// What computes on one device: the operations of binding.d.ts that every device has.
//
// All but the constructor's work runs on the thread of queue(), unless it says otherwise. Storages
// are in memory(), outputs have the right number of elements and are not allocated yet. What goes
// wrong is thrown as Error.
#ifndef CONVLSTM_RUNTIME_ENGINE_H_
#define CONVLSTM_RUNTIME_ENGINE_H_

#include <functional>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/precision.h"
#include "core/storage.h"
#include "ops/bernoulli.h"
#include "ops/conv2d.h"
#include "ops/conv_lstm.h"
#include "ops/elementwise.h"
#include "ops/optimizers.h"
#include "ops/rearrange.h"
#include "ops/reduce.h"
#include "runtime/queue.h"

namespace convlstm {

// Never destroyed, as queues are not.
class Engine {
 public:
  virtual const std::string& name() const = 0;  // "cpu", "cuda:0"
  virtual Memory& memory() = 0;
  virtual Queue& queue() = 0;

  // On any thread. Copies `values` before it returns; what is left to do, if anything, is a task
  // for the queue.
  virtual std::function<void()> Upload(const float* values, const StoragePtr& out) = 0;

  // Starts to bring the elements to the host, in row-major order. The function that it returns
  // waits for them and writes them to where it is told; it belongs on the thread of downloads(),
  // where it does not hold up the operations behind it.
  using Download = std::function<void(float* out)>;
  virtual Download StartDownload(const StoragePtr& storage) = 0;
  virtual Queue& downloads() = 0;

  // Starts to send the elements straight to `to`. The function that it returns fills a storage of
  // `to` with them; it belongs on the thread of to.queue(). Null where they have to go by the host.
  using Arrival = std::function<void(Storage& out)>;
  virtual Arrival StartPeerCopy(const StoragePtr&, Engine&) { return nullptr; }

  // On any thread: what memory() holds, and giving back what it keeps for reuse, a GPU when it has
  // done what is queued.
  virtual BufferStatistics Statistics() = 0;
  virtual void EmptyCache() = 0;

  virtual void Fill(float value, Storage& out) = 0;
  virtual void FillBernoulli(const Bernoulli& bernoulli, Storage& out) = 0;
  virtual void Unary(UnaryOp op, Storage& x, float alpha, Storage& out) = 0;
  virtual void UnaryBackward(UnaryOp op, Storage& saved, Storage& grad, float alpha,
                             Storage& out) = 0;
  virtual void Binary(BinaryOp op, const BinaryShapes& shapes, Storage& a, Storage& b,
                      Storage& out) = 0;
  virtual void Reduce(const Reduction& reduction, Storage& x, Storage& out) = 0;
  virtual void Permute(const Permutation& permutation, Storage& x, Storage& out) = 0;
  virtual void TakeSlice(const Slice& slice, Storage& x, Storage& out) = 0;
  virtual void SliceBackward(const Slice& slice, Storage& grad, Storage& out) = 0;
  virtual void Concatenate(const Concatenation& concatenation, const std::vector<StoragePtr>& parts,
                           Storage& out) = 0;
  virtual void Conv2d(const Conv2dShape& shape, const Conv2dInputs& inputs, Storage& out) = 0;
  virtual void ConvLstm(const ConvLstmShape& shape, const ConvLstmInputs& inputs,
                        Precision precision, const ConvLstmOutputs& outputs) = 0;
  // The saved_format of what is saved: that of outputs and of the backward pass's inputs.
  virtual SavedFormat FormatOfSaved(Precision) const { return SavedFormat::kFloat32; }
  virtual void ConvLstmStack(const std::vector<ConvLstmLayer>& layers) = 0;
  virtual void Conv2dBackward(const Conv2dShape& shape, const Conv2dInputs& inputs,
                              const StoragePtr& grad, const Conv2dGradients& gradients) = 0;
  // `inputs` go as soon as they are of no more use.
  virtual void ConvLstmBackward(const ConvLstmShape& shape, ConvLstmBackwardInputs inputs,
                                Precision precision, const ConvLstmGradients& gradients) = 0;
  virtual void OptimizerStep(const OptimizerOptions& options, Storage& grad,
                             const OptimizerState& before, const OptimizerState& after) = 0;

 protected:
  ~Engine() = default;
};

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_ENGINE_H_
