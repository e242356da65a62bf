#!/usr/bin/env bash
# Has a generic tester drive a running node by its OpenAPI document: no answer of 500 and above, and none
# that the document does not declare. Takes some minutes; needs Python and fetches the tester from PyPI.
#
#   ops/api-test.sh [EXAMPLES]     examples for each operation; 50 if nothing is said

set -euo pipefail
cd "$(dirname "$0")/.."
examples="${1:-50}"
target="$(realpath -m "${CARGO_TARGET_DIR:-target}")"

if ! [ -x "$target/schemathesis/bin/schemathesis" ]; then
    python3 -m venv "$target/schemathesis"
    "$target/schemathesis/bin/pip" -q install 'schemathesis==4.*'
fi
if [ -z "${BRINK_BINARY:-}" ]; then
    cargo build --locked --bin brink
    BRINK_BINARY="$target/debug/brink"
fi
BRINK_BINARY="$(realpath "$BRINK_BINARY")"

folder="$(mktemp -d)"
cd "$folder" # the tester leaves notes where it is started
mkdir "$folder/sites"
for name in one two; do
    cat > "$folder/sites/$name.toml" <<END
hosts = ["$name.test"]
customer = "acme"
[origin]
servers = ["http://127.0.0.1:18099"]
END
done
sed 's/acme/rival/; s/two/foreign/' "$folder/sites/two.toml" > "$folder/sites/foreign.toml"
cat > "$folder/node.toml" <<END
state_dir = "$folder/state"
[sites]
folder = "sites"
[admin]
address = "127.0.0.1:18911"
[listen]
http = ["127.0.0.1:18080"]
https = []
[upstream]
allow_private = ["127.0.0.0/8"]
END
"$BRINK_BINARY" run -c "$folder/node.toml" > "$folder/log" 2>&1 &
node=$!
trap 'kill $node 2>/dev/null; rm -rf "$folder"' EXIT
until curl -sf http://127.0.0.1:18911/readyz > /dev/null; do sleep 0.1; done

# What is asked of a site that is there goes deeper than what is asked of any.
cat > "$folder/there.toml" <<END
[parameters]
"path.name" = "two"
"query.url" = "http://two.test/"
"query.site" = "two"
END
run() {
    local token="$1" config=()
    shift
    if [ "${1:-}" = --config-file ]; then config=("$1" "$2"); shift 3; fi
    "$target/schemathesis/bin/schemathesis" "${config[@]}" run http://127.0.0.1:18911/v1/openapi.json \
        --header "Authorization: Bearer $token" --max-examples "$examples" --phases examples,coverage,fuzzing \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
        --request-timeout 30 --exclude-path-regex '^/(livez|readyz|metrics|v1/tail)$' --no-color --continue-on-failure "$@"
}
socket=(--socket "$folder/state/admin.sock")
failed=0
echo "as the operator, of a site that is there"
run "$(cat "$folder/state/admin.token")" --config-file "$folder/there.toml" \
    -- --exclude-operation-id delete_sites_name || failed=1
echo "as the operator"
run "$(cat "$folder/state/admin.token")" || failed=1
echo "as a customer who may change its sites"
run "$("$BRINK_BINARY" token create tester --role edit --customer acme "${socket[@]}")" || failed=1
kill -0 $node || { echo "the node is gone"; tail -20 "$folder/log"; failed=1; }
"$BRINK_BINARY" audit --limit 1 --verify "${socket[@]}" || failed=1
exit $failed
