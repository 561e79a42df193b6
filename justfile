# `just crate=body check`: most recipes work on one crate, named by its directory in crates/.
crate := "retry"
package := if crate == "buttress" { "buttress" } else { "buttress-" + crate }

# List the recipes.
default:
    @{{ just_executable() }} --list

# What to run before each commit: format, lints and tests of the touched crate.
check:
    cargo fmt --all --check
    cargo clippy -p {{ package }} --all-targets --all-features -- -D warnings
    cargo test -p {{ package }} --all-features

# Everything a change must pass, as CI runs it.
ci:
    bash .ci/run

# Explore the thread interleavings of the crate's shared state.
loom:
    RUSTFLAGS="--cfg buttress_loom" cargo test -p {{ package }} --lib --target-dir target/loom loom

# Build the docs of the workspace and open those of the crate.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
    cargo doc -p {{ package }} --no-deps --all-features --open

# Measure cost per call beside the peers.
bench:
    cargo bench --workspace

# Repeat the crate's tests with other random cases until one fails or the time is over.
stress minutes="5":
    #!/usr/bin/env bash
    set -euo pipefail
    for ((round = 1; SECONDS < {{ minutes }} * 60; round++)); do
        echo "round $round"
        PROPTEST_CASES=2000 cargo test --quiet -p {{ package }} --all-features
    done

# Look for bytes that break a parser; what is found new is kept in fuzz/corpus.
fuzz target="parser" minutes="5":
    mkdir -p fuzz/corpus/{{ target }}
    cd fuzz && cargo run --release --bin {{ target }} -- -max_len=256 \
        -max_total_time=$(({{ minutes }} * 60)) corpus/{{ target }} seeds/{{ target }}

# Start the gateway with an upstream that misbehaves by chance.
gateway *flags:
    cargo run --release --example gateway -- {{ flags }}
