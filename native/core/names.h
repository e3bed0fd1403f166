// Names of an enumeration's values, as JavaScript has them. Each enumeration has its table beside
// it:
//
//   template <>
//   inline constexpr auto kNames<ReduceOp> =
//       NamesInOrder<ReduceOp>({{ReduceOp::kSum, "sum"}, {ReduceOp::kMean, "mean"}});
#ifndef CONVLSTM_CORE_NAMES_H_
#define CONVLSTM_CORE_NAMES_H_

#include <array>
#include <cstddef>

namespace convlstm {

template <typename Enum>
struct Named {
  Enum value;
  const char* name;
};

template <typename Enum>
inline constexpr auto kNames = nullptr;  // no table

// Does not compile unless row k names the value k.
template <typename Enum, size_t N>
consteval std::array<Named<Enum>, N> NamesInOrder(const Named<Enum> (&rows)[N]) {
  for (size_t k = 0; k < N; ++k) {
    if (static_cast<size_t>(rows[k].value) != k) throw "a row is out of order";
  }
  return std::to_array(rows);
}

template <typename Enum>
constexpr const char* NameOf(Enum value) {
  return kNames<Enum>[static_cast<size_t>(value)].name;
}

}  // namespace convlstm

#endif  // CONVLSTM_CORE_NAMES_H_
