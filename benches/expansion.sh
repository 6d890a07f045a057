#!/usr/bin/env bash
# What a network costs the crate that has it: expansion of `cnn!` and rustc, after the dependencies are built.
#
#     benches/expansion.sh FILE NETWORK...        benches/expansion.sh resnet ResNet18 ResNet152
#
# FILE is one of src/zoo/, without `.rs`; each NETWORK is one of its types, and is measured alone.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
file=$1
shift
crate=$root/target/expansion
mkdir -p "$crate/src"
cat >"$crate/Cargo.toml" <<TOML
[package]
name = "expansion"
edition = "2024"
[dependencies]
convoke = { path = "$root", default-features = false }
[workspace]
TOML
for network in "$@"; do
    # Without the other instances, and without documentation, which may be theirs.
    sed -e 's/crate::cnn!/convoke::cnn!/' -e '/^ *\/\/[\/!]/d' -e "/pub network $network\b/b" -e '/pub network .*;$/d' \
        "$root/src/zoo/$file.rs" >"$crate/src/main.rs"
    echo "fn main() { println!(\"{}\", $network::network().name); }" >>"$crate/src/main.rs"
    cargo build -q --release --manifest-path "$crate/Cargo.toml" --target-dir "$root/target"
    touch "$crate/src/main.rs"
    echo "$network"
    time cargo build -q --release --manifest-path "$crate/Cargo.toml" --target-dir "$root/target"
done
