#include "operations/cases.h"

namespace convlstm {

Cases AllCases() {
  Cases cases;
  AddElementwiseCases(cases);
  AddReduceCases(cases);
  AddRearrangeCases(cases);
  AddOptimizerCases(cases);
  AddConv2dCases(cases);
  AddConvLstmCases(cases);
  return cases;
}

}  // namespace convlstm
