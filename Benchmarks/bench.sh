#!/bin/bash
# make bench: the figures of docs/benchmarks.md, each beside its reference measured in the same run.
#
#   Benchmarks/bench.sh [list] [sync] [stream] [memory]   some of the figures; all of them if none is named
#
# BENCH_ROUNDS=3 rounds each, of which the best and the range are printed; BENCH_LISTEN=127.0.0.1:18081;
# BENCH_PROGRAMS is a folder that holds the two programs, built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}

programs=${BENCH_PROGRAMS:-$PWD/.build/release}
if [ -z "${BENCH_PROGRAMS:-}" ]; then
  for product in restante backends AllocationCounter; do
    timeout -k 10 1500 "$swift" build -c release --static-swift-stdlib --product $product
  done
fi
folder=$(mktemp -d /var/tmp/restante-bench-XXXXXX)
chmod 755 "$folder"
trap 'stop_stack; rm -rf "$folder"' EXIT
start_stack "$programs" "$folder" "${BENCH_LISTEN:-127.0.0.1:18081}" \
  --messages 10000 --attachment 50000000
export R T SERVICE_PID IMAP_PORT IMAPS_PORT SMTPS_PORT PASSWORD
export SERVICE_FOLDER=$stack_folder/service
status=0
python3 Benchmarks/bench.py "$@" || status=$?
if [[ $# = 0 || " $* " == *" list "* ]]; then
  # A counter in the way of each allocation would show in the figures above: so the service is started
  # once more for this one.
  restart_service env LD_PRELOAD="$programs/libAllocationCounter.so" \
    RESTANTE_ALLOCATIONS="$folder/allocations"
  python3 Benchmarks/allocations.py "$folder/allocations"
fi
exit "$status"
