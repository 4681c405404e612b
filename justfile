# The menu: `just` lists it. CI says the same verbs (.ci/run).

_menu:
    @just --list

# The reservation rush on the demo service
demo *flags:
    cargo run --release -- run --demo scenarios/reservation.yaml {{ flags }}

# Any throng command: `just throng run scenario.yaml -u 5 -d 10s`
throng *arguments:
    cargo run --release -- {{ arguments }}

# The tests that need nothing but a Rust toolchain
test:
    cargo test --workspace

# Formatting, house rules and lints
check:
    cargo fmt --all -- --check
    cargo xtask tidy
    cargo clippy --workspace --all-targets -- -D warnings

# Put formatting right
fmt:
    cargo fmt --all

# Any bytes against scenario files, histograms and intervals, for so many seconds each; CI tries a few thousand inputs
fuzz seconds="60":
    cargo run --release -p throng-fuzz -- --seconds {{ seconds }}

# A simulated fleet with faults, so many seeds of it; `cargo xtask sim --seed 7` shows one, `just sim 24 --ring b` is the second ring
sim seeds="1000" *flags:
    cargo xtask sim --seeds {{ seeds }} {{ flags }}

# When arrivals reach a target: error against the plan, and arrivals per millisecond
arrivals *flags:
    cargo build --release -p throng
    cargo run --release -p throng-bench --bin arrivals -- {{ flags }}

# Tests with processes in network namespaces of their own; needs root
namespaces:
    cargo test -p throng --test namespaces -- --ignored --nocapture

# Outputs against real databases; needs influxd and prometheus (Debian: influxdb, prometheus)
outputs:
    cargo test -p throng --test outputs -- --ignored --nocapture

# The web page in Chromium (needs Debian's chromium and chromium-driver; THRONG_PICTURES=DIR keeps pictures).
browser:
    cargo test -p throng --test browser -- --ignored --nocapture --test-threads=1

# Everything CI does
ci:
    .ci/run

# The binary for images and benchmarks: slower to build, faster to run
dist:
    cargo build --profile dist -p throng

# Licences, advisories and sources of dependencies (needs cargo-deny)
deny:
    cargo deny check
