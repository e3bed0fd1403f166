// What computes on one device.
//
// All but the constructor's work runs on the thread of queue(), unless it says otherwise. Storages
// are in memory(), outputs have the right number of elements and are not allocated yet. What goes
// wrong is thrown as Error.
#ifndef CONVLSTM_RUNTIME_ENGINE_H_
#define CONVLSTM_RUNTIME_ENGINE_H_

#include <functional>
#include <string>

#include "core/buffer.h"
#include "core/storage.h"
#include "runtime/operations.h"
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

  // Fills the operation's results, which Prepare (runtime/prepare.h) has made. Operands go as soon
  // as they are of no more use.
  virtual void Run(Operation operation) = 0;

  // How a call of `precision` leaves the gates to its backward pass.
  virtual SavedFormat FormatOfSaved(Precision) const { return SavedFormat::kFloat32; }

 protected:
  ~Engine() = default;
};

}  // namespace convlstm

#endif  // CONVLSTM_RUNTIME_ENGINE_H_
