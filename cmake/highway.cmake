# Sets HIGHWAY_INCLUDE_DIR: the installed copy if it is version 1 (Ubuntu 22.04's is older), else a
# download of the release that the kernels are tested with. Only headers are used.
find_path(HIGHWAY_INCLUDE_DIR hwy/highway.h)
set(HIGHWAY_OLD "")
if(HIGHWAY_INCLUDE_DIR)
  file(STRINGS ${HIGHWAY_INCLUDE_DIR}/hwy/highway.h HIGHWAY_OLD REGEX "define HWY_MAJOR 0")
endif()
if(NOT HIGHWAY_INCLUDE_DIR OR HIGHWAY_OLD)
  message(STATUS "Google Highway 1 is not installed (Debian: libhwy-dev); fetching its headers")
  include(FetchContent)
  FetchContent_Declare(highway
    URL https://github.com/google/highway/archive/refs/tags/1.0.3.tar.gz
    URL_HASH SHA256=566fc77315878473d9a6bd815f7de78c73734acdcb745c3dde8579560ac5440e
    SOURCE_SUBDIR headers-only)  # no such folder: its own build is not run
  FetchContent_MakeAvailable(highway)
  set(HIGHWAY_INCLUDE_DIR ${highway_SOURCE_DIR})
endif()
