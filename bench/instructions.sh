#!/usr/bin/env bash
# Instructions, first-level instruction-cache misses and mispredicted branches of one round trip
# over one connection, by cachegrind's model (Debian package valgrind): the difference of two runs.
# Unlike times, these hardly move from run to run. About a minute.
#
#   bench/instructions.sh [TRIPS]      after `npm run build`
set -euo pipefail
cd "$(dirname "$0")/.."

TRIPS=${1:-10000}
# Functions are optimised by then: --interrupt-budget makes V8 do it early.
WARM=40000
if ! command -v valgrind >/dev/null; then
  echo "instructions: expected valgrind, got none (apt-get install valgrind)" >&2
  exit 1
fi

# One thread, and the optimising compilers from the start.
simulate() {
  valgrind --tool=cachegrind --cache-sim=yes --branch-sim=yes --smc-check=all-non-file \
    --cachegrind-out-file=/dev/null node --single-threaded --predictable \
    --interrupt-budget=20000 --no-liftoff --no-wasm-tier-up dist/bench/trips.js "$1" 2>&1 |
    tr -d ','
}

figure() { sed -nE "s/.*$1: +([0-9]+).*/\\1/p" <<<"$2"; }

few=$(simulate $((WARM + TRIPS)))
many=$(simulate $((WARM + 2 * TRIPS)))
for name in "I +refs" "I1 +misses" "Mispredicts"; do
  difference=$(($(figure "$name" "$many") - $(figure "$name" "$few")))
  echo "${name/ +/ }: $((difference / TRIPS)) a round trip"
done
