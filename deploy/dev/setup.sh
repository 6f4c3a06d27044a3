#!/usr/bin/env bash
# Installs what building ("build") or building and testing ("test") needs and this machine lacks. Writes
# target/tools/env, which the Makefile reads. Touches nothing outside target/ unless it runs as root on Debian.
set -euo pipefail
cd "$(dirname "$0")/../.."
want=${1:-build}
tools=$PWD/target/tools
mkdir -p "$tools"
env_file=$tools/env

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
is_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_updated=no
apt_install() {
    if [ $apt_updated = no ]; then
        apt-get update -qq >"$tools/apt.log" 2>&1 || say "apt-get update failed (see target/tools/apt.log), going on with the known lists"
        apt_updated=yes
    fi
    say "installing $* with apt-get"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$tools/apt.log" 2>&1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is missing: install $2 and run this again"
}

need cargo "Rust (rust-toolchain.toml names the version)"
need gcc "gcc and g++"
need g++ "g++"
need python3 "Python 3"

# --- libclang, which reads RocksDB's C header at build time --------------------------------------------------------
find_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then echo "$LIBCLANG_PATH"; return; fi
    local found
    found=$(ls -d /usr/lib/llvm-*/lib /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib /opt/homebrew/opt/llvm/lib 2>/dev/null \
        | while read -r dir; do ls "$dir"/libclang.so "$dir"/libclang-*.so* "$dir"/libclang.so.* "$dir"/libclang.dylib 2>/dev/null; done | head -n 1)
    if [ -n "$found" ]; then dirname "$found"; return; fi
    found=$(find "$tools/libclang" -name 'libclang.*' 2>/dev/null | head -n 1)
    if [ -n "$found" ]; then dirname "$found"; fi
}

libclang=$(find_libclang)
if [ -z "$libclang" ] && is_root; then
    apt_install libclang-dev || say "apt-get could not install libclang-dev, trying the Python registry"
    libclang=$(find_libclang)
fi
if [ -z "$libclang" ]; then
    say "fetching libclang from the Python registry into target/tools (your Python environment stays as it is)"
    python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install libclang (Debian: libclang-dev) or python3-pip and run this again"
    mkdir -p "$tools/libclang"
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$tools/libclang" libclang ||
        fail "could not fetch libclang: install it (Debian: libclang-dev) or set LIBCLANG_PATH"
    (cd "$tools/libclang" && for wheel in *.whl; do python3 -m zipfile -e "$wheel" .; done)
    libclang=$(find_libclang)
    [ -n "$libclang" ] || fail "the fetched package holds no libclang: install it (Debian: libclang-dev) or set LIBCLANG_PATH"
fi
{
    echo "export LIBCLANG_PATH='$libclang'"
    # libclang alone has no stddef.h of its own; gcc's serves
    echo "export BINDGEN_EXTRA_CLANG_ARGS='-I$(gcc -print-file-name=include)'"
} >"$env_file"

[ "$want" = test ] || exit 0

# --- what the tests drive: Debian's MQTT clients and broker, a browser, the screen's packages -------------------------
# Debian starts a broker that it installs, on the port that `make run` wants: not this one.
install_without_starting() {
    local policy=/usr/sbin/policy-rc.d
    [ -e $policy ] && { apt_install "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
    apt_install "$@"
    local installed=$?
    rm -f $policy
    return $installed
}
need node "Node.js 20 or newer"
need npm "npm"
missing=()
command -v mosquitto_pub >/dev/null || missing+=(mosquitto-clients)
[ -x /usr/sbin/mosquitto ] || command -v mosquitto >/dev/null || missing+=(mosquitto)
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    if is_root; then
        install_without_starting "${missing[@]}" || fail "apt-get could not install ${missing[*]} (see target/tools/apt.log)"
    else
        say "NOT INSTALLED (no root): ${missing[*]}. Tests that need them will say that they were skipped"
    fi
fi
lock=crates/command-centre/screen/package-lock.json
stamp=crates/command-centre/screen/node_modules/.installed
if [ -f $lock ] && ! cmp -s $lock $stamp; then
    (cd crates/command-centre/screen && npm ci --no-audit --no-fund --loglevel=error)
    cp $lock $stamp
fi
