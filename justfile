# `just check` is what CI runs before its lane with real parts (`just real`). `just` alone lists the recipes.

default:
    @just --list

# Everything that needs only Rust, a C compiler, make and perl.
check:
    .ci/run checks

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

test:
    cargo test --workspace

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, bans, sources, advisories; see deny.toml.
deny:
    ci/tools deny
    ci/deny

# The compose file parses and holds no unknown key.
compose:
    ci/compose config -q

# Write the published JSON schemas and the reference of profiles again.
schemas:
    cargo run -- schema --write docs/schema
    cargo run -- schema --reference > docs/profile.md

# Train the fraud model anew, judge it, and write model and card; the same bytes on every machine.
train:
    cargo run -p floodmark-detector --example train

# The lane with the real Kafka, the real registry, the Java clients and the containers.
real:
    ci/real-parts

# Every decoder of bytes from outside under libFuzzer, so many seconds each.
fuzz seconds="60":
    ci/fuzz {{seconds}}

# Run the conformance suites against real parts and write docs/conformance.md.
conformance:
    ci/conformance

# Is the verdict on a load right? With real processes; run it on a quiet machine.
load:
    ci/load

# Does `floodmark search` find a limit that is known, three times of three? Some five minutes; best on a quiet machine.
search:
    ci/search

# Draw the pictures of docs/anomalies.md again, from events that are generated for it: half a gigabyte of them in a temporary folder.
anomaly-plots:
    ci/anomaly-plots

# Make the example report and the README's picture again: a minute of the quickstart on an Apache Kafka.
example-report:
    ci/example-report
