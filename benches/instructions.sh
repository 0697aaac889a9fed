#!/usr/bin/env bash
# Counts the instructions of each workload under valgrind's callgrind: figures that hold on noisy machines.
# Usage: benches/instructions.sh [scan|decide|pass ...]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing: install it (Debian: apt-get install valgrind)" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# With symbols, so that callgrind finds the function that it counts.
CARGO_PROFILE_BENCH_STRIP=none cargo bench --bench instructions --no-run --message-format=json 2>/dev/null >"$scratch/build"
program=$(grep -o '"executable":"[^"]*instructions-[^"]*"' "$scratch/build" | tail -n 1 | cut -d '"' -f 4)

for workload in "${@:-scan decide pass}"; do
  for name in $workload; do
    valgrind --tool=callgrind --toggle-collect='*measured*' --callgrind-out-file=/dev/null \
      "$program" "$name" >"$scratch/out" 2>"$scratch/log"
    printf '%-8s %15s instructions\n' "$name" "$(sed -n 's/^.*Collected : //p' "$scratch/log" | cut -d ' ' -f 1)"
  done
done
