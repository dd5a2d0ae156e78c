#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs every fuzz test of the module, one after the other: go test takes one at a
# time.
#
# usage: fuzz.sh TIME      as 60s
set -euo pipefail
cd "$(dirname "$0")/.."

readonly time=${1:?usage: fuzz.sh TIME}

while read -r package; do
  while read -r name; do
    echo "== $package $name"
    # Else it spends up to a minute on making one input smaller.
    go test -run '^$' -fuzz "^$name\$" -fuzztime "$time" -fuzzminimizetime 1s "$package"
  done < <(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
done < <(go list ./...)
