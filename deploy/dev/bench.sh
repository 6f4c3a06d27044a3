#!/usr/bin/env bash
# The whole system under open-loop load (bench/report.md), then the parts with criterion. Called by `make bench`.
#   FENGHUO_BENCH   options of `load`, e.g. "--seconds 60 --phases latency"
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --workspace
# shellcheck disable=SC2086  # several words on purpose
"${CARGO_TARGET_DIR:-target}/release/load" ${FENGHUO_BENCH:-}
cargo bench --workspace
