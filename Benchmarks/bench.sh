#!/bin/bash
# make bench: the figures of docs/benchmarks.md, each as a ratio to something measured in the same run on
# the same machine. Prints a table; fails if a figure misses its mark.
#
#   MESSAGES=10000 SECONDS_EACH=10 Benchmarks/bench.sh
set -euo pipefail
cd "$(dirname "$0")/.."
. .ci/stack.sh
swift=${SWIFT:-swift}
messages=${MESSAGES:-10000}
seconds=${SECONDS_EACH:-10}
missed=0

timeout -k 10 1500 "$swift" build -c release --product restante
timeout -k 10 1500 "$swift" build -c release --product backends
work=$(mktemp -d /var/tmp/restante-bench-XXXXXX)
chmod 755 "$work"
trap 'stop_stack; rm -rf "$work"' EXIT
start_stack "$PWD/.build/release" "$work" 127.0.0.1:18081 --messages "$messages" --attachment 50000000
H="Authorization: Bearer $T"

# report NAME FIGURE MARK COMPARISON(<= or >=)
report() {
  local verdict=ok
  awk "BEGIN { exit !($2 $4 $3) }" || { verdict=MISSED; missed=1; }
  printf '%-62s %12s   %s %-8s %s\n' "$1" "$2" "$4" "$3" "$verdict"
}
now() { date +%s.%N; }
since() { awk "BEGIN { printf \"%.3f\", $(now) - $1 }"; }
rss() { awk '/VmRSS/ { print $2 }' "/proc/$SERVICE_PID/status"; }
# CPU time of the service alone, in microseconds: its PostgreSQL is another process.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) * 1000000 / hz }' "/proc/$SERVICE_PID/stat"; }

# --- The raw drain: the FETCH of the first sync, its bytes counted and thrown away.
fetch='(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (REFERENCES LIST-ID LIST-UNSUBSCRIBE AUTO-SUBMITTED PRECEDENCE X-PRIORITY IMPORTANCE SENSITIVITY REPLY-TO)])'
drain() { # drain MAILBOX
  local start; start=$(now)
  exec 7<>"/dev/tcp/127.0.0.1/$IMAP_PORT"
  printf 'a LOGIN ada %s\r\nb SELECT %s\r\nc UID FETCH 1:* %s\r\nd LOGOUT\r\n' \
    "$PASSWORD" "$1" "$fetch" >&7
  cat <&7 >"$work/drained"
  exec 7>&-
  since "$start"
}
for mailbox in Archive INBOX INBOX; do drain $mailbox >/dev/null; done
raw=$(for _ in 1 2 3; do drain INBOX; echo; done | sort -n | sed -n 2p)
grep -q '^c OK' "$work/drained"
echo "Raw drain of $messages messages: $raw s, $(stat -c %s "$work/drained") bytes (median of 3)"

# --- First sync.
start=$(now)
account=$(curl -sS "$R/v1/accounts" -H "$H" --json "{ \"email\": \"ada@test.invalid\",
  \"incoming\": { \"protocol\": \"imap\", \"host\": \"127.0.0.1\", \"port\": $IMAP_PORT, \"tls\": \"none\",
    \"auth\": { \"username\": \"ada\", \"password\": \"$PASSWORD\" } } }" | jq -r .id)
A="$R/v1/accounts/$account"
until [ "$(curl -sS "$A/messages?mailbox=inbox&limit=50" -H "$H" | jq '.items | length' 2>/dev/null)" = 50 ]; do
  [ "$(since "$start" | cut -d. -f1)" -lt 60 ] || { echo "no first page in 60 s" >&2; exit 1; }
  sleep 0.01
done
first=$(since "$start")
until [ "$(curl -sS "$A" -H "$H" | jq -r .firstSyncedAt)" != null ]; do
  [ "$(since "$start" | cut -d. -f1)" -lt 120 ] || { echo "no first sync in 120 s" >&2; exit 1; }
  sleep 0.02
done
synced=$(since "$start")
count=$(curl -sS "$A/mailboxes" -H "$H" | jq '.items[] | select(.role == "inbox") | .totalMessages')
[ "$count" = "$messages" ] || { echo "$count of $messages messages after first sync" >&2; exit 1; }

resident_synced=$(rss)

# --- A page of 50, and pgbench on the same statement.
url="$A/messages?mailbox=inbox&limit=50"
wrk_page() { # wrk_page SECONDS FILE
  wrk -t1 -c8 -d"$1s" --latency -H "$H" "$url" >"$2"
  if grep -q 'Non-2xx' "$2"; then cat "$2"; exit 1; fi
}
wrk_page 3 "$work/warm"
before=$(cpu)
wrk_page "$seconds" "$work/page"
after=$(cpu)
requests=$(sed -n 's/ *\([0-9]*\) requests in.*/\1/p' "$work/page")
rate=$(sed -n 's/Requests\/sec: *//p' "$work/page")
micros=$(awk "BEGIN { printf \"%.0f\", ($after - $before) / $requests }")

socket=$(dirname "$(find "$work/service/postgres" /tmp/restante-* -maxdepth 3 -name .s.PGSQL.5432 2>/dev/null | head -1)")
export PGHOST=$socket PGUSER=restante PGDATABASE=restante
psql -qc 'alter system set log_min_duration_statement = 0' -c 'select pg_reload_conf()' >/dev/null
until curl -sS "$url" -H "$H" -o "$work/body" && psql -qc 'select 1' >/dev/null &&
  grep -q 'placement' "$work/service/postgres/server.log"; do sleep 0.1; done
psql -qc 'alter system reset log_min_duration_statement' -c 'select pg_reload_conf()' >/dev/null
# The statement of the page is the longest one that reads placements; its parameters are in the DETAIL.
awk '
  function flush_it() { if (sql ~ /placement/ && sql ~ /limit/ && length(sql) > length(best)) { best = sql; args = detail } sql = ""; detail = "" }
  /(LOG|STATEMENT|ERROR):  / { flush_it() }
  /LOG:  .*execute [^:]*: / { line = $0; sub(/.*execute [^:]*: /, "", line); sql = line; reading = 1; next }
  /DETAIL:  [Pp]arameters: / { line = $0; sub(/.*[Pp]arameters: /, "", line); detail = line; reading = 0; next }
  reading && /^\t/ { sql = sql " " $0 }
  END { flush_it(); print best > "'"$work/statement"'"; print args > "'"$work/arguments"'" }
' "$work/service/postgres/server.log"
[ -s "$work/statement" ] || { echo "no statement in the log" >&2; exit 1; }
defines=()
statement=$(cat "$work/statement")
while IFS=$'\t' read -r number value; do
  if [ "$value" = NULL ]; then
    statement=$(sed "s/\\\$$number\\b/NULL/g" <<<"$statement")
  else
    value=${value#\'}; value=${value%\'}
    statement=$(sed "s/\\\$$number\\b/:p$number/g" <<<"$statement")
    defines+=(-D "p$number=$value")
  fi
done < <(grep -oE "[\$][0-9]+ = (NULL|'[^']*')" "$work/arguments" | sed -E 's/^\$([0-9]+) = /\1\t/' | sort -rn)
printf '%s;\n' "$statement" >"$work/page.sql"
pgbench -n -M prepared -c 8 -j 2 -T "$seconds" -f "$work/page.sql" "${defines[@]}" >"$work/pgbench" 2>&1 || {
  cat "$work/page.sql" "$work/pgbench"; exit 1; }
sql=$(sed -n 's/^tps = \([0-9.]*\).*/\1/p' "$work/pgbench")

# --- Memory: what an idle connection costs, and what 50 MB through one costs.
idle=$(rss)
connections=400
sockets=()
for ((i = 0; i < connections; i++)); do
  exec {fd}<>/dev/tcp/127.0.0.1/18081
  sockets+=("$fd")
  printf 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' >&"$fd"
done
sleep 1
each=$(awk "BEGIN { printf \"%.1f\", ($(rss) - $idle) / $connections }")
for fd in "${sockets[@]}"; do exec {fd}>&-; done

# --- An attachment of 50 MB, read at 20 MB/s, while the list goes on.
large=$(curl -sS "$A/messages?mailbox=archive&sort=-size&limit=1" -H "$H" | jq -r '.items[0].id')
part=$(curl -sS "$A/messages/$large" -H "$H" | jq -r '.attachments[0].partId')
before_large=$(rss)
most=$before_large
curl -sS --limit-rate 20M -H "$H" "$A/messages/$large/parts/$part" -o "$work/large" &
reader=$!
wrk_page 2 "$work/busy" &
prober=$!
while kill -0 "$reader" 2>/dev/null; do
  resident=$(rss)
  [ "$resident" -le "$most" ] || most=$resident
  sleep 0.05
done
wait "$reader"
wait "$prober"
[ "$(stat -c %s "$work/large")" = 50000000 ] || { echo "the attachment came in part" >&2; exit 1; }
p99() { # in milliseconds
  awk '/99%/ { v = $2; if (v ~ /us$/) print v / 1000; else if (v ~ /ms$/) print v + 0; else print v * 1000 }' "$1"
}


echo
printf '%-62s %12s   %s\n' "What" "Figure" "Mark"
report "List of 50: requests/s as a share of pgbench's, same SQL" "$(awk "BEGIN { printf \"%.2f\", $rate / $sql }")" 0.35 '>='
echo "    $rate requests/s; pgbench $sql/s; $(grep -m1 '99%' "$work/page" | awk '{print "p99 " $2}')"
report "List of 50: CPU of the service a request, ms" "$(awk "BEGIN { printf \"%.3f\", $micros / 1000 }")" 0.4 '<='
report "First sync of $messages as a multiple of the raw drain" "$(awk "BEGIN { printf \"%.2f\", $synced / $raw }")" 4 '<='
echo "    $synced s against $raw s"
report "First page after adding the account, s" "$first" 0.3 '<='
report "Resident memory with one account, MB" "$(awk "BEGIN { printf \"%.1f\", $resident_synced / 1024 }")" 40 '<='
echo "    $((idle / 1024)) MB after the load"
report "An idle connection, KB" "$each" 8 '<='
report "50 MB attachment: extra resident memory, MB" "$(awk "BEGIN { printf \"%.1f\", ($most - $before_large) / 1024 }")" 4 '<'
report "List p99 while it is read, as a multiple of p99 alone" "$(awk "BEGIN { printf \"%.2f\", $(p99 "$work/busy") / $(p99 "$work/page") }")" 2 '<='
exit $missed
