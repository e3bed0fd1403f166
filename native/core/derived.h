// Forms derived from the elements of several storages (packed weights), made once.
#ifndef CONVLSTM_CORE_DERIVED_H_
#define CONVLSTM_CORE_DERIVED_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/storage.h"

namespace convlstm {

// The elements that some storages hold now, without keeping them alive. Equal to a later one of the
// same storages until one of them is written to. Null storages are equal to each other.
class Identities {
 public:
  Identities(std::initializer_list<StoragePtr> storages);
  bool operator==(const Identities& other) const;

 private:
  std::vector<std::weak_ptr<const void>> marks_;
};

// Returns make(), a std::shared_ptr, kept in owner.derived()[name] for the next call with equal
// `parameters` and `others`; another call replaces it. keep = false: an entry is used, none is
// kept.
template <class Make>
auto DeriveOnce(Storage& owner, const std::string& name, const std::vector<int64_t>& parameters,
                const Identities& others, bool keep, const Make& make) {
  struct Entry {
    std::vector<int64_t> parameters;
    Identities others;
    decltype(make()) value;
  };
  std::shared_ptr<const void>& kept = owner.derived()[name];
  if (kept != nullptr) {
    const Entry& entry = *static_cast<const Entry*>(kept.get());
    if (entry.parameters == parameters && entry.others == others) return entry.value;
    kept.reset();
  }
  auto value = make();
  // `make` may have changed the map.
  if (keep) owner.derived()[name] = std::make_shared<const Entry>(Entry{parameters, others, value});
  return value;
}

}  // namespace convlstm

#endif  // CONVLSTM_CORE_DERIVED_H_
