// Computes on one device.
//
// Methods run on the thread of queue() unless their comment says otherwise. Storages are in
// memory(); results have their number of elements and are not allocated yet. Failures are thrown as
// Error.
#ifndef CONVLSTM_RUNTIME_ENGINE_H_
#define CONVLSTM_RUNTIME_ENGINE_H_

#include <functional>
#include <string>

#include "core/buffer.h"
#include "core/storage.h"
#include "runtime/operations.h"
#include "runtime/queue.h"

namespace convlstm {

// Never destroyed, as its queues are not.
class Engine {
 public:
  virtual const std::string& name() const = 0;  // "cpu", "cuda:0"
  virtual Memory& memory() = 0;
  virtual Queue& queue() = 0;

  // On any thread. Copies `values` before it returns. Returns the rest of the upload as a task for
  // queue(), or an empty function if it is done.
  virtual std::function<void()> Upload(const float* values, const StoragePtr& out) = 0;

  // Starts a copy of the elements to the host, in row-major order. The returned function waits for
  // the copy and writes it to `out`; call it on the thread of downloads(), where it does not delay
  // later operations.
  using Download = std::function<void(float* out)>;
  virtual Download StartDownload(const StoragePtr& storage) = 0;
  virtual Queue& downloads() = 0;

  // Starts a direct copy to the device `to`. The returned function fills a storage of `to`; call it
  // on the thread of to.queue(). Empty if the elements have to go through the host.
  using Arrival = std::function<void(Storage& out)>;
  virtual Arrival StartPeerCopy(const StoragePtr&, Engine&) { return nullptr; }

  // On any thread. EmptyCache frees memory kept for reuse, on a GPU after the queued operations.
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
