#!/usr/bin/env bash
# The one command: everything that must hold before a change goes in. CI runs the same.
#
#   ops/check.sh                 all steps
#   ops/check.sh fmt tidy        only these
#   ops/check.sh avif            not among them: tests of AVIF, which build a large library first
#
# On Debian with Rust it installs what is missing (a C compiler, nasm, cmake, a font, node and npm; the
# conformance suite from npm under target/). Each step's output is kept in target/check/STEP.log and shown if the step
# fails. The last line counts everything: one for each step without tests of its own, and every test.

set -uo pipefail
cd "$(dirname "$0")/.."

STEPS=(fmt tidy clippy doc deny unit rules doctest scenarios conformance)
TARGET="${CARGO_TARGET_DIR:-$PWD/target}"
LOGS="$TARGET/check"
mkdir -p "$LOGS"
export CARGO_TERM_COLOR=never
# A thousand clients and a node need more descriptors than some shells give.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

passed=0
failed=0
summary=()

# Installs Debian packages, each given as COMMAND:PACKAGE or FILE:PACKAGE, whose command or file is
# missing.
need() {
    local missing=() pair
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null || [ -e "${pair%%:*}" ] || missing+=("${pair##*:}")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "installing ${missing[*]}"
    local root=()
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
            install -y --no-install-recommends "${missing[@]}"
}

# Adds up the result lines of one step's log: `test result: … N passed; M failed` of cargo and
# `conformance: N passed, M failed`.
count() {
    sed -nE 's/^(test result: [a-zA-Z]+\.|conformance:) ([0-9]+) passed[;,] ([0-9]+) failed.*/\2 \3/p' "$1" |
        awk '{ good += $1; bad += $2 } END { printf "%d %d", good, bad }'
}

# Runs one step with a time limit, keeps its output, and counts.
run() {
    local name="$1" limit="$2" start good bad code words
    shift 2
    start=$SECONDS
    echo "== $name: $*"
    timeout --kill-after=10 "$limit" "$@" >"$LOGS/$name.log" 2>&1
    code=$?
    read -r good bad <<<"$(count "$LOGS/$name.log")"
    if [ "$code" -eq 0 ]; then
        [ "$good" -gt 0 ] || good=1
    else
        [ "$bad" -gt 0 ] || bad=1
        tail -n 200 "$LOGS/$name.log"
        [ "$code" -ne 124 ] || echo "$name took longer than $limit"
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    words="$good passed, $bad failed"
    summary+=("$(printf '%-12s %-26s %4d s' "$name" "$words" $((SECONDS - start)))")
}

skip() {
    summary+=("$(printf '%-12s skipped: %s' "$1" "$2")")
}

fmt() { run fmt 2m cargo fmt --all --check; }
tidy() { run tidy 20m cargo test --locked --test tidy; }
clippy() { run clippy 20m cargo clippy --locked --workspace --all-targets -- -D warnings; }
doc() { RUSTDOCFLAGS="-D warnings" run doc 10m cargo doc --locked --workspace --no-deps; }
unit() { run unit 20m cargo test --locked --workspace --lib --bins --examples; }
avif() { run avif 20m cargo test --locked --lib --features avif avif; }
rules() { run rules 10m cargo test --locked -p edge-rules --test "*"; }
doctest() { run doctest 10m cargo test --locked --workspace --doc; }
scenarios() { run scenarios 20m cargo test --locked --test all; }

deny() {
    if command -v cargo-deny >/dev/null; then
        run deny 5m cargo deny --all-features check bans licenses sources
    else
        skip deny "cargo-deny is not installed"
    fi
}

# The suite is installed once, outside the tree; then all its tests run against the built node.
suite() {
    need node:nodejs npm:npm || return
    local wanted="tests/conformance/package.json" have="$TARGET/conformance/package.json"
    mkdir -p "$TARGET/conformance"
    if ! cmp -s "$wanted" "$have" || [ ! -d "$TARGET/conformance/node_modules/http-cache-tests" ]; then
        npm install --prefix "$TARGET/conformance" --no-save --no-package-lock --no-audit --no-fund \
            --ignore-scripts --loglevel=error $(packages "$wanted") && cp "$wanted" "$have"
    fi
}

# `name@version` of each dependency.
packages() {
    node -p 'Object.entries(require("./'"$1"'").dependencies).map(it => it.join("@")).join(" ")'
}

conformance() {
    if suite >"$LOGS/suite.log" 2>&1 && cargo build --locked --bin brink >>"$LOGS/suite.log" 2>&1; then
        run conformance 10m node --no-warnings tests/conformance/run.mjs
    else
        run conformance 1m sh -c "cat '$LOGS/suite.log'; false"
    fi
}

main() {
    local step
    need cc:build-essential nasm:nasm cmake:cmake \
        /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core || echo "going on without"
    for step in "$@"; do
        if ! declare -F "$step" >/dev/null; then
            echo "no step is called $step; there are: ${STEPS[*]}"
            exit 2
        fi
        "$step"
    done
    echo
    printf '%s\n' "${summary[@]}"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

main "${@:-${STEPS[@]}}"
