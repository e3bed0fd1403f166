#!/usr/bin/env bash
# Installs the build and test dependencies on Debian and Ubuntu: Google Highway's headers, doctest and,
# if missing, CMake, Make and a C++ compiler. With --checks also the tools of .ci/run.
set -euo pipefail

packages=(libhwy-dev doctest-dev)
command -v cmake >/dev/null || packages+=(cmake)
command -v c++ >/dev/null || packages+=(g++)
command -v make >/dev/null || packages+=(make)
if [[ "${1:-}" == --checks ]]; then
  packages+=(clang-format clang-tidy binutils ccache)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]} == 0)); then exit 0; fi

as_root=()
if ((EUID != 0)); then as_root=(sudo); fi
echo "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -q
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -q -y --no-install-recommends "${missing[@]}"
