#!/bin/bash
# make bench: the figures of docs/benchmarks.md, each beside its reference measured in the same run.
#
#   Benchmarks/bench.sh [list] [sync] [stream] [memory]     some of the figures; all of them if none is named
#
# BENCH_ROUNDS=3 rounds each, of which the best and the range are printed; BENCH_LISTEN=127.0.0.1:18081;
# BENCH_PROGRAMS is a folder that holds the two programs, built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}

programs=${BENCH_PROGRAMS:-$PWD/.build/release}
if [ -z "${BENCH_PROGRAMS:-}" ]; then
  timeout -k 10 1500 "$swift" build -c release --product restante
  timeout -k 10 1500 "$swift" build -c release --product backends
fi
folder=$(mktemp -d /var/tmp/restante-bench-XXXXXX)
chmod 755 "$folder"
trap 'stop_stack; rm -rf "$folder"' EXIT
start_stack "$programs" "$folder" "${BENCH_LISTEN:-127.0.0.1:18081}" \
  --messages 10000 --attachment 50000000
export R T SERVICE_PID IMAP_PORT IMAPS_PORT SMTPS_PORT PASSWORD
export SERVICE_FOLDER=$stack_folder/service
python3 Benchmarks/bench.py "$@"
