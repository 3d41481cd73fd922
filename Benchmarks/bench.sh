#!/bin/bash
# make bench: the figures of docs/benchmarks.md, each beside its reference measured in the same run.
#
#   Benchmarks/bench.sh [GROUP…]     the groups named, or all of them
#
# GROUP is a file of Benchmarks/figures: memory sync list stream allocations events unchanged sync100k
# accounts delivery pop3 archive search pages sieve rules.
#
# BENCH_ROUNDS=3 rounds each, of which the best and the range are printed; BENCH_LISTEN=127.0.0.1:18081;
# BENCH_PROGRAMS is a folder that holds the programs, built already.
set -euo pipefail
cd "$(dirname "$0")/.."
swift=${SWIFT:-swift}

programs=${BENCH_PROGRAMS:-$PWD/.build/release}
if [ -z "${BENCH_PROGRAMS:-}" ]; then
  for product in restante backends sieveruns AllocationCounter; do
    timeout -k 10 1500 "$swift" build -c release --static-swift-stdlib --product $product
  done
fi
# Where the user that the service's own PostgreSQL runs as can get, too.
folder=$(mktemp -d /var/tmp/restante-bench-XXXXXX)
chmod 755 "$folder"
python3 -u Benchmarks/bench.py "$programs" "$folder" "${BENCH_LISTEN:-127.0.0.1:18081}" "$@" &
bench=$!
# It ends what it started before the folder goes.
trap 'kill -TERM "$bench" 2>/dev/null && wait "$bench" || :; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
wait "$bench"
