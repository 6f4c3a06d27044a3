#!/usr/bin/env bash
# A living city on this machine: the station, the simulator beside it. Called by `make run`; Ctrl-C stops both.
#   FENGHUO_MQTT, FENGHUO_HTTP   addresses, default 127.0.0.1:1883 and 127.0.0.1:8080
#   FENGHUO_DATA_DIR             default data/
#   FENGHUO_SIMULATE             further options of `simulator run`, e.g. "--speed 60 --fires-per-hour 10"
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=${CARGO_TARGET_DIR:-target}/release
data=${FENGHUO_DATA_DIR:-data}
mqtt=${FENGHUO_MQTT:-127.0.0.1:1883}
http=${FENGHUO_HTTP:-127.0.0.1:8080}
mkdir -p "$data"

if [ ! -f "$data/roster/credentials.csv" ]; then
    echo "making the city (once): $data/roster"
    "$bin/simulator" city --random-secrets --out "$data/roster.making"
    mv "$data/roster.making" "$data/roster"
fi

station='' simulator=''
stop() {
    trap - INT TERM EXIT
    echo
    echo "stopping: the simulator, then the station"
    for pid in $simulator $station; do
        kill -TERM "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    echo "stopped; the data stay in $data (make clean-data forgets them)"
    exit 0
}
trap stop INT TERM
trap stop EXIT

"$bin/fenghuo" serve --config deploy/fenghuo.toml --data "$data/store" --roster "$data/roster" --mqtt "$mqtt" --http "$http" >"$data/station.log" 2>&1 &
station=$!
echo "starting the station, log in $data/station.log"
until curl -fsS -o /dev/null "http://$http/readyz" 2>/dev/null || python3 -c "import urllib.request as u; u.urlopen('http://$http/readyz')" 2>/dev/null; do
    if ! kill -0 "$station" 2>/dev/null; then
        station=''
        tail -n 20 "$data/station.log"
        echo "the station did not start: see above. Are $mqtt and $http free? FENGHUO_MQTT and FENGHUO_HTTP take others"
        trap - EXIT
        exit 1
    fi
    sleep 0.1
done
"$bin/simulator" run --roster "$data/roster" --mqtt "$mqtt" --http "http://$http" ${FENGHUO_SIMULATE:-} >"$data/simulator.log" 2>&1 &
simulator=$!

python3 - "$data/roster" "$mqtt" "$http" "$bin" <<'PY'
import csv, sys
roster, mqtt, http, bin = sys.argv[1:]
rows = lambda name: csv.DictReader(open(f"{roster}/{name}", encoding="utf-8-sig"))
secrets = {row["name"]: row["secret"] for row in rows("secrets.csv")}
credentials = list(rows("credentials.csv"))
token = next(c["name"] for c in credentials if c["kind"] == "token" and c["role"] == "admin")
accounts = {c["subject"]: c["name"] for c in credentials if c["kind"] == "vendor" and c["name"] in secrets}
device = next(d for d in rows("devices.csv") if d["class"] == "smoke" and d["vendor"] in accounts)
account = accounts[device["vendor"]]
host, port = mqtt.rsplit(":", 1)
print(f"""
烽火 Fenghuo is running.

  screen     http://{http}/#token={token}.{secrets[token]}

  raise an alarm in unit {device["unit"]}
             mosquitto_pub -V mqttv5 -h {host} -p {port} -u {account} -P {secrets[account]} -q 1 -t 'fire/v1/{device["vendor"]}/{device["device"]}/alarm' -m '{{"id":"try-'$(date +%s)'","kind":"smoke","value":0.18,"unit":"dB/m"}}'
  or         {bin}/simulator alarm --roster {roster} --mqtt {mqtt} --unit {device["unit"]}

  the feed   curl -N -H 'Authorization: Bearer {token}.{secrets[token]}' http://{http}/api/v1/feed
  metrics    http://{http}/metrics

  stop       Ctrl-C
""", flush=True)
PY

# ends with whichever ends first, and says which
while kill -0 "$station" 2>/dev/null && kill -0 "$simulator" 2>/dev/null; do
    wait -n "$station" "$simulator" 2>/dev/null || true
done
kill -0 "$station" 2>/dev/null || { echo "the station ended:"; tail -n 20 "$data/station.log"; }
kill -0 "$simulator" 2>/dev/null || { echo "the simulator ended:"; tail -n 20 "$data/simulator.log"; }
exit 1
