#include "core/derived.h"

#include <algorithm>

namespace convlstm {
namespace {

using Mark = std::shared_ptr<const void>;

// Lives with the elements: a write clears derived(), and with it the mark.
Mark MarkOf(const StoragePtr& storage) {
  static const Mark& absent = *std::make_unique<Mark>(std::make_shared<char>()).release();
  if (storage == nullptr) return absent;
  Mark& mark = storage->derived()["identity"];
  if (mark == nullptr) mark = std::make_shared<char>();
  return mark;
}

}  // namespace

Identities::Identities(std::initializer_list<StoragePtr> storages) {
  for (const StoragePtr& storage : storages) marks_.emplace_back(MarkOf(storage));
}

bool Identities::operator==(const Identities& other) const {
  return std::equal(marks_.begin(), marks_.end(), other.marks_.begin(), other.marks_.end(),
                    [](const auto& a, const auto& b) {
                      const Mark mark = a.lock();
                      return mark != nullptr && mark == b.lock();
                    });
}

}  // namespace convlstm
