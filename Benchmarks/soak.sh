#!/bin/bash
# make soak: the demo's servers under mixed use for MINUTES (60), by Benchmarks/soak.py, which says what
# fails it. Then, with SOAK_TESTS=1, the tests that kill and mutate, with more rounds than `make test`.
#
#   Benchmarks/soak.sh [MINUTES]
#
# SOAK_PAUSE=0.02 is the longest pause of a worker between two steps, in seconds; SOAK_LISTEN=127.0.0.1:18082; BENCH_PROGRAMS is a folder that holds the two programs, built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}
minutes=${1:-60}

programs=${BENCH_PROGRAMS:-$PWD/.build/release}
if [ -z "${BENCH_PROGRAMS:-}" ]; then
  for product in restante backends; do
    timeout -k 10 1500 "$swift" build -c release --static-swift-stdlib --product $product
  done
fi
folder=$(mktemp -d /var/tmp/restante-soak-XXXXXX)
chmod 755 "$folder"
trap 'stop_stack; rm -rf "$folder"' EXIT
start_stack "$programs" "$folder" "${SOAK_LISTEN:-127.0.0.1:18082}" --messages 2000
export R T SERVICE_PID IMAPS_PORT SMTPS_PORT PASSWORD
status=0
python3 -u Benchmarks/soak.py "$minutes" || status=$?
if [ "$status" != 0 ]; then tail -20 "$stack_folder/restante.log" >&2; fi
kill -0 "$SERVICE_PID" || { echo "the service has ended" >&2; status=1; }
if [ "${SOAK_TESTS:-}" = 1 ]; then
  RESTANTE_FUZZ_SECONDS=60 TEST_LIMIT=3600 .ci/test --filter 'Mutation|[Kk]ill' || status=$?
fi
exit "$status"
