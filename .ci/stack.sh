# Sourced by demo.sh, bench.sh and soak.sh: starts the mail servers and Restante before them, and stops
# what it started, by pid, when the script ends.
#
#   start_stack BUILD_FOLDER DATA_FOLDER LISTEN [arguments of backends]
#
# sets the ports (IMAPS_PORT …), CA_FILE, R (Restante's address), T (the token), SERVICE_PID.

stack_pids=()
stop_stack() {
  trap - EXIT INT TERM
  local i pid
  for ((i = ${#stack_pids[@]} - 1; i >= 0; i--)); do
    pid=${stack_pids[i]}
    kill -TERM "$pid" 2>/dev/null || continue
    # A server that does not end in 15 s is killed; `backends` takes its own with it.
    for ((n = 0; n < 150; n++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || :
  done
}
trap stop_stack EXIT
trap 'exit 130' INT TERM

# run_in_background NAME COMMAND...: its session is its own, so that Ctrl-C reaches this script alone.
run_in_background() {
  local log=$stack_folder/$1.log; shift
  setsid setpriv --pdeathsig TERM -- "$@" >"$log" 2>&1 </dev/null &
  stack_pids+=($!)
}

# wait_until PID LOG COMMAND...: until COMMAND succeeds; fails if PID ends before, or after 60 s.
wait_until() {
  local pid=$1 log=$2 n; shift 2
  for ((n = 0; n < 600; n++)); do
    if "$@" 2>/dev/null; then return 0; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  echo "It did not come up. The end of $log:" >&2
  tail -20 "$log" >&2
  return 1
}

start_stack() {
  local build=$1 data=$2 listen=$3; shift 3
  mkdir -p "$data"
  # As root the service's own PostgreSQL runs as another user, who must be able to get there.
  if [ "$(id -u)" = 0 ] && ! setpriv --reuid=65534 --clear-groups -- test -x "$data"; then
    data=/var/tmp/restante-$(echo "$data" | sha256sum | head -c 12)
    mkdir -p "$data"
  fi
  stack_folder=$data
  rm -f "$data/ports"
  run_in_background backends "$build/backends" "$data/ports" "$@"
  wait_until "${stack_pids[-1]}" "$data/backends.log" test -s "$data/ports"
  . "$data/ports"
  R=http://$listen
  # The mail servers' certificates are signed by an authority made for this run.
  service=("$build/restante" serve --ca-file "$CA_FILE" --data "$data/service" --listen "$listen"
    --allow-network 127.0.0.0/8)
  start_service
  T=$(cat "$data/service/admin.token")
}

# start_service [COMMAND...]: starts Restante, by COMMAND if there is one, and waits until it answers.
start_service() {
  run_in_background restante "$@" "${service[@]}"
  SERVICE_PID=${stack_pids[-1]}
  wait_until "$SERVICE_PID" "$stack_folder/restante.log" curl -sfo "$stack_folder/ready" "$R/readyz"
}

# restart_service [COMMAND...]: stops Restante, and starts it again on the same data.
restart_service() {
  kill -TERM "$SERVICE_PID"
  while kill -0 "$SERVICE_PID" 2>/dev/null; do sleep 0.1; done
  start_service "$@"
}
