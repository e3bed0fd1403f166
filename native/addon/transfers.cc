#include "addon/transfers.h"

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "addon/engines.h"
#include "addon/environment.h"
#include "core/buffer.h"
#include "core/error.h"
#include "core/storage.h"
#include "runtime/engine.h"
#include "runtime/prepare.h"

namespace convlstm::addon {
namespace {

// Fills the result, on the thread of its engine's queue.
using Finish = std::function<void(const StoragePtr& out)>;
using Promise = std::shared_ptr<std::promise<Finish>>;

// On the thread of from.downloads().
void BringToHost(Engine& to, size_t bytes, const Engine::Download& download,
                 const Promise& promise) {
  try {
    const auto values = std::make_shared<Buffer>(Buffer::Allocate(bytes));
    download(values->as<float>());
    promise->set_value([&to, values](const StoragePtr& out) {
      if (const auto rest = to.Upload(values->as<float>(), out)) rest();
    });
  } catch (...) {
    promise->set_exception(std::current_exception());
  }
}

// On the thread of from.queue().
void Start(Engine& from, Engine& to, const StoragePtr& x, const Promise& promise) {
  try {
    if (auto arrival = from.StartPeerCopy(x, to)) {
      promise->set_value([arrival = std::move(arrival)](const StoragePtr& out) { arrival(*out); });
      return;
    }
    auto bring = [&to, bytes = x->bytes(), download = from.StartDownload(x), promise] {
      BringToHost(to, bytes, download, promise);
    };
    if (&from.downloads() == &from.queue()) {
      bring();
    } else {
      from.downloads().Enqueue(std::move(bring));
    }
  } catch (...) {
    promise->set_exception(std::current_exception());
  }
}

}  // namespace

Napi::Value Upload(const Napi::CallbackInfo& info) {
  const Napi::Value value = info[0];
  if (!value.IsTypedArray()) {
    throw Error(ErrorCode::kOption, "upload: expected a Float32Array");
  }
  if (value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Error(ErrorCode::kDtype, "upload: expected a Float32Array, got another typed array");
  }
  const auto values = value.As<Napi::Float32Array>();
  Engine& engine = EngineOf(info);
  Environment& environment = Environment::Of(info.Env());
  const auto out =
      std::make_shared<Storage>(static_cast<int64_t>(values.ElementLength()), engine.memory());
  if (std::function<void()> copy = engine.Upload(values.Data(), out)) {
    environment.Enqueue(engine.queue(), TaskOf(std::move(copy), {{"out", out}}));
  }
  return environment.Wrap(out);
}

// Each queue gets its part at once and so runs it in its order; the second waits for the promise of
// the first.
Napi::Value Copy(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr x = environment.Unwrap(info[0], "x");
  Engine &from = EngineOf(*x), &to = EngineOf(info);
  const auto out = std::make_shared<Storage>(x->elements(), to.memory());
  const auto promise = std::make_shared<std::promise<Finish>>();
  environment.Enqueue(from.queue(), [&from, &to, x, promise] { Start(from, to, x, promise); });
  auto finish = [out, future = promise->get_future().share()] { future.get()(out); };
  environment.Enqueue(to.queue(), TaskOf(std::move(finish), {{"out", out}}));
  return environment.Wrap(out);
}

}  // namespace convlstm::addon
