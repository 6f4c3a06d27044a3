#!/usr/bin/env bash
# Everything that must hold before a change lands. Called by `make test`, and by CI through it.
set -euo pipefail
cd "$(dirname "$0")/../.."

step() { printf '\n== %s\n' "$*"; }

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --release --workspace --all-targets --quiet -- -D warnings

step "tests"
# no documentation tests: there is none, and each crate would be compiled once more to find that out
cargo test --release --workspace --tests --quiet

step "screen: types, logic, bundle fresh, browser"
(
    cd crates/command-centre/screen
    npm run --silent check
    npm test --silent
    npm run --silent build
    if [ -n "$(git status --porcelain -- dist)" ]; then
        git status --short -- dist
        echo "the committed bundle in crates/command-centre/screen/dist is stale: run 'make screen' and commit it"
        exit 1
    fi
    if command -v chromium >/dev/null; then npm run --silent test:browser; else echo "SKIPPED: no chromium, the browser test did not run"; fi
)
echo
echo "all passed"
