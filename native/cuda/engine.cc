#include "cuda/engine.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <variant>

#include "core/error.h"
#include "cuda/device/device.h"
#include "cuda/device/graph.h"
#include "cuda/device/staging.h"
#include "cuda/tensor/layout.h"
#include "cuda/tensor/operations.h"

namespace convlstm::cuda {
namespace {

class Gpu final : public Engine {
 public:
  explicit Gpu(int ordinal) : device_(ordinal), staging_(device_) {
    for (cudaStream_t* stream : {&uploading_, &downloading_}) {
      device_.Check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "making a stream");
    }
  }

  const std::string& name() const override { return device_.name(); }
  Memory& memory() override { return device_; }
  Queue& queue() override { return queue_; }
  Queue& downloads() override { return downloads_; }

  std::function<void()> Upload(const float* values, const StoragePtr& out) override {
    const size_t bytes = out->bytes();
    if (bytes == 0) return [out] { out->Allocate(); };
    if (bytes <= Staging::kMaxBytes) {
      auto block = std::make_shared<Staging::Block>(staging_.Take(bytes));
      std::memcpy(block->data.get(), values, bytes);
      return [this, out, block, bytes] {
        device_.Use();
        Arrive(*out, [&](char* to, cudaStream_t stream) {
          CopyIn(block->data.get(), bytes, to, stream);
          staging_.Give(std::move(*block), std::make_unique<Event>(device_, stream));
        });
      };
    }
    auto copy = std::make_shared<Buffer>(Buffer::Allocate(bytes));
    std::memcpy(copy->as<char>(), values, bytes);
    return [this, out, copy, bytes] {
      device_.Use();
      Pieces pieces = TakePieces();
      Arrive(*out, [&](char* to, cudaStream_t stream) {
        CopyPiecesIn(copy->as<char>(), bytes, to, stream, pieces);
      });
      for (Piece& piece : pieces) staging_.Give(std::move(piece.block), std::move(piece.copied));
    };
  }

  Download StartDownload(const StoragePtr& storage) override {
    device_.Use();
    auto rows = std::make_shared<Buffer>();
    const float* from = ToRows(device_, *storage, *rows);
    const size_t bytes = storage->bytes();
    if (bytes == 0) return [](float*) {};
    if (bytes <= kMaxInlineDownload) {
      auto block = std::make_shared<Staging::Block>(staging_.Take(bytes));
      device_.Check(
          cudaMemcpyAsync(block->data.get(), from, bytes, cudaMemcpyDeviceToHost, device_.stream()),
          "copying to the host");
      auto ready = std::make_shared<Event>(device_, device_.stream());
      return [this, block, ready, bytes, rows, memory = storage->buffer()](float* out) {
        device_.Use();
        ready->Wait();
        std::memcpy(out, block->data.get(), bytes);
        staging_.Give(std::move(*block), nullptr);
      };
    }
    auto ready = std::make_shared<Event>(device_, device_.stream());
    return [this, from, ready, bytes, rows, memory = storage->buffer()](float* out) {
      CopyOut(from, *ready, bytes, reinterpret_cast<char*>(out));
    };
  }

  Arrival StartPeerCopy(const StoragePtr& storage, Engine& to) override {
    auto* gpu = dynamic_cast<Gpu*>(&to);
    device_.Use();
    if (gpu == nullptr || !device_.LetRead(gpu->device_)) return nullptr;
    const float* from = storage->data();
    auto ready = std::make_shared<Event>(device_, device_.stream());
    return [this, gpu, from, ready, frames = storage->channels_last(), layout = storage->layout(),
            memory = storage->buffer()](Storage& out) {
      gpu->TakeFrom(device_, from, *ready, frames ? &layout : nullptr, out);
    };
  }

  BufferStatistics Statistics() override { return device_.Statistics(); }
  void EmptyCache() override {
    queue_.Enqueue([this] {
      try {
        staging_.Empty();
        device_.graphs().Clear();
        device_.Trim();
      } catch (const Error&) {
        // A lost device reports its fault to the next operation.
      }
    });
  }

  void Run(Operation operation) override {
    device_.Use();
    std::visit([this](const auto& op) { cuda::Run(device_, op); }, operation);
  }

 private:
  // Larger downloads use their own stream and overlap with kernels. Up to this size the copy takes
  // some 10 us on PCIe, as long as the events that would order the streams.
  static constexpr size_t kMaxInlineDownload = size_t{256} << 10;
  // Large copies are double-buffered: one piece is in flight while the processor copies the other,
  // which takes most of the time.
  static constexpr size_t kPiece = size_t{1} << 20;
  struct Piece {
    Staging::Block block;
    std::unique_ptr<Event> copied;
    size_t begin = 0, bytes = 0;
  };
  using Pieces = std::array<Piece, 2>;
  Pieces TakePieces() {
    Pieces pieces;
    for (Piece& piece : pieces) piece.block = staging_.Take(kPiece);
    return pieces;
  }

  // Allocates `out` and fills it by copy(to, stream), on its own stream if kernels are running.
  // Later work on the device's stream waits for the copy.
  template <typename Copy>
  void Arrive(Storage& out, const Copy& copy) {
    const bool beside = !device_.Idle();
    const cudaStream_t stream = beside ? uploading_ : device_.stream();
    Buffer memory = device_.AllocateOn(stream, out.bytes());
    char* const to = memory.as<char>();
    out.ReplaceByRowMajor(std::move(memory));
    copy(to, stream);
    if (beside) {
      const Event copied(device_, stream);
      device_.Check(cudaStreamWaitEvent(device_.stream(), copied.get(), 0), "ordering streams");
    }
  }
  void CopyIn(const char* from, size_t bytes, char* to, cudaStream_t stream) {
    device_.Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream),
                  "copying from the host");
  }
  void CopyPiecesIn(const char* from, size_t bytes, char* to, cudaStream_t stream, Pieces& pieces) {
    int k = 0;
    for (size_t begin = 0; begin < bytes; begin += kPiece, k ^= 1) {
      Piece& piece = pieces[k];
      if (piece.copied) piece.copied->Wait();
      const size_t length = std::min(kPiece, bytes - begin);
      std::memcpy(piece.block.data.get(), from + begin, length);
      CopyIn(piece.block.data.get(), length, to + begin, stream);
      piece.copied = std::make_unique<Event>(device_, stream);
    }
  }

  // Copies `from`, valid once `ready` has passed, to `out`. `frames` is the layout; null:
  // row-major.
  void TakeFrom(Device& source, const float* from, const Event& ready, const ChannelsLast* frames,
                Storage& out) {
    device_.Use();
    float* to = frames == nullptr ? out.Allocate() : out.AllocateChannelsLast(*frames);
    if (out.bytes() == 0) return;
    device_.Check(cudaStreamWaitEvent(device_.stream(), ready.get(), 0), "ordering streams");
    // Not cudaMemcpyPeerAsync: driver 590.48 loses such copies if peers have access to the pool.
    device_.Check(
        cudaMemcpyAsync(to, from, out.bytes(), cudaMemcpyDeviceToDevice, device_.stream()),
        "copying from another device");
    // The source's memory is freed in the order of its own stream, which so waits for the copy.
    const Event copied(device_, device_.stream());
    source.Check(cudaStreamWaitEvent(source.stream(), copied.get(), 0), "ordering streams");
  }

  // Serialised, because dataSync() may call it on the queue's thread.
  void CopyOut(const float* from, const Event& ready, size_t bytes, char* out) {
    std::lock_guard lock(copying_);
    device_.Use();
    device_.Check(cudaStreamWaitEvent(downloading_, ready.get(), 0), "ordering streams");
    Pieces pieces = TakePieces();
    size_t begun = 0;
    const auto begin = [&](Piece& piece) {
      piece.begin = begun;
      piece.bytes = std::min(kPiece, bytes - begun);
      begun += piece.bytes;
      if (piece.bytes == 0) return;
      device_.Check(
          cudaMemcpyAsync(piece.block.data.get(), reinterpret_cast<const char*>(from) + piece.begin,
                          piece.bytes, cudaMemcpyDeviceToHost, downloading_),
          "copying to the host");
      piece.copied = std::make_unique<Event>(device_, downloading_);
    };
    begin(pieces[0]);
    begin(pieces[1]);
    for (int k = 0; pieces[k].bytes > 0; k ^= 1) {
      Piece& piece = pieces[k];
      piece.copied->Wait();
      std::memcpy(out + piece.begin, piece.block.data.get(), piece.bytes);
      begin(piece);
    }
    for (Piece& piece : pieces) staging_.Give(std::move(piece.block), nullptr);
  }

  Device device_;
  Staging staging_;
  cudaStream_t uploading_ = nullptr, downloading_ = nullptr;
  std::mutex copying_;
  Queue queue_, downloads_;
};

}  // namespace

Engine& OpenEngine(int device) { return *std::make_unique<Gpu>(device).release(); }

}  // namespace convlstm::cuda
