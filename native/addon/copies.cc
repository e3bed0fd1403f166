#include "addon/copies.h"

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "addon/engines.h"
#include "addon/environment.h"
#include "addon/submit.h"
#include "core/buffer.h"
#include "core/storage.h"
#include "runtime/engine.h"

namespace convlstm::addon {
namespace {

// Puts the elements into the result, on the thread of its engine's queue.
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

// Both queues get their part at once, so that each does it in its order; the second waits for what
// the first promises.
Napi::Value Copy(const Napi::CallbackInfo& info) {
  Environment& environment = Environment::Of(info.Env());
  const StoragePtr x = environment.Unwrap(info[0], "x");
  Engine &from = EngineOf(*x), &to = EngineOf(info);
  const StoragePtr out = NewStorage({x->elements()}, to);
  const auto promise = std::make_shared<std::promise<Finish>>();
  environment.Enqueue(from.queue(), [&from, &to, x, promise] { Start(from, to, x, promise); });
  environment.Enqueue(to.queue(), [out, finish = promise->get_future().share()] {
    try {
      finish.get()(out);
    } catch (...) {
      out->Fail(std::current_exception());
    }
  });
  return environment.Wrap(out);
}

}  // namespace convlstm::addon
