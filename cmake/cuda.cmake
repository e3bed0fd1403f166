# Sets CONVLSTM_WITH_CUDA, and enables the language if CUDA is wanted and nvcc is found.
set(CONVLSTM_WITH_CUDA OFF)
if(NOT CONVLSTM_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(CONVLSTM_WITH_CUDA ON)
  elseif(CONVLSTM_CUDA STREQUAL "ON")
    message(FATAL_ERROR "CONVLSTM_CUDA=ON needs nvcc, and none was found")
  endif()
endif()

if(CONVLSTM_WITH_CUDA)
  # Defaults of -DCMAKE_CUDA_ARCHITECTURES. A release has machine code for desktop and server GPUs, and
  # PTX, which the driver compiles, for all others from compute capability 8.0 on (8.7, 11.0, future
  # ones). Other builds have both kinds of kernels as PTX. 90a is 90 with wgmma; every GPU of compute
  # capability 9.0 has it.
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    if(CONVLSTM_RELEASE)
      set(CMAKE_CUDA_ARCHITECTURES
        75-real 80 86-real 89-real 90a-real 100-real 120-real)
    else()
      set(CMAKE_CUDA_ARCHITECTURES 75-virtual 80-virtual)
    endif()
  endif()
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
  set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
  enable_language(CUDA)
  string(APPEND CMAKE_CUDA_FLAGS " --threads=2")
  if(CONVLSTM_RELEASE)  # a kernel that spills registers or has a stack frame is an error
    string(APPEND CMAKE_CUDA_FLAGS " -Xptxas=-warn-spills,-warn-lmem-usage,-Werror")
  endif()
  set(CMAKE_CUDA_STANDARD 20)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc has it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    string(APPEND CMAKE_CUDA_FLAGS " --compress-mode=size")
  endif()
endif()
