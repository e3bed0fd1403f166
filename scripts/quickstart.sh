#!/usr/bin/env bash
# From a fresh clone to the Moving-MNIST forecast: npm run quickstart
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh
npm ci
npm run demo
