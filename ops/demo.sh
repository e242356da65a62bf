#!/usr/bin/env bash
# Installs what is missing, builds, and runs `brink demo` with the arguments given: a node on
# loopback before an origin of its own, with something to try for each thing that brink does.

set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: see https://rustup.rs" >&2
    exit 2
fi
# aws-lc, the cryptography under TLS, is C; JPEG is twice as fast with what nasm assembles.
if ! command -v cc >/dev/null || ! command -v nasm >/dev/null; then
    root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends build-essential nasm
fi

cargo build --release --locked --bin brink
exec "${CARGO_TARGET_DIR:-target}/release/brink" demo "$@"
