#!/usr/bin/env bash
# Installs what building and testing need beside Node, CMake and a C++ compiler, on Debian and Ubuntu:
# Google Highway's headers and doctest. With --checks also what .ci/run's checks use.
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
