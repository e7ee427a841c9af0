# shellcheck shell=bash
# Shared by the scripts of this folder: `source "$(dirname "$0")/lib.sh"`.
# Nothing here has side effects when sourced, apart from the variables below.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that is fetched or built for the tests lies below one folder, which CI may cache.
# shellcheck disable=SC2034 # for those who source this
PARTS=${FLOODMARK_PARTS:-$ROOT/target/parts}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

need() { # need COMMAND HOW_TO_GET_IT
    command -v "$1" >/dev/null 2>&1 || die "\`$1\` is not installed; $2"
}

# A port of the loopback interface that nothing listens on. Taken from below the ephemeral range, so that
# no outgoing connection of a test running beside us grabs it between this answer and the bind.
free_port() {
    local port _
    for _ in $(seq 200); do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            printf '%s\n' "$port"
            return 0
        fi
    done
    die "no free port between 10000 and 30000 on 127.0.0.1"
}

# wait_until SECONDS PID LOG COMMAND...: polls COMMAND until it succeeds. Fails at once, with the end of LOG,
# when PID has ended, and after SECONDS otherwise.
wait_until() {
    local limit=$1 pid=$2 log=$3 deadline
    shift 3
    deadline=$((SECONDS + limit))
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$pid" 2>/dev/null; then
            tail -n 20 "$log" >&2
            die "process $pid ended before it answered; its log: $log"
        fi
        if ((SECONDS >= deadline)); then
            tail -n 20 "$log" >&2
            die "process $pid did not answer within ${limit} s; its log: $log"
        fi
        sleep 0.1
    done
}

# stop_pid PID: asks, waits up to 15 s, then insists.
stop_pid() {
    local pid=$1 _
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 150); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
}

# field NAME LINE: the value of NAME= in a line that a start script printed.
field() {
    sed -E "s/.*\b$1=([^ ]+).*/\1/" <<<"$2"
}

TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
# shellcheck disable=SC2034
FLOODMARK=$TARGET/debug/floodmark

# Builds what `cargo test --workspace` builds, the program among it. Always the whole workspace: `-p` would choose
# other features of shared dependencies, and half of them would be compiled once more.
build_tests() {
    (cd "$ROOT" && cargo test -q --workspace --no-run)
}

# test_program CRATE NAME: the executable of a crate's integration tests, for running one suite by itself.
test_program() {
    local program
    program=$(cd "$ROOT" && cargo test -q --workspace --test "$2" --no-run --message-format=json |
        jq -r --arg source "/$1/tests/$2/main.rs" \
            'select(.reason == "compiler-artifact") | select(.target.src_path | endswith($source)) | .executable')
    [[ -x $program ]] || die "crate \`$1\` has no integration tests \`$2\`"
    printf '%s\n' "$program"
}

# ran CODE: whether a bench with this exit code went through: 98 says that the machine was too busy for its
# measurements, which is no matter where only the events and alerts are looked at.
ran() {
    [[ $1 == 0 || $1 == 98 ]]
}
