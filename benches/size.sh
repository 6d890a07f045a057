#!/usr/bin/env bash
# Bytes of a stripped program that runs LeNet-5 from `cnn!`, without its weights: as release builds are, and as small as
# Cargo's settings make it.
#
#     benches/size.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
crate=$root/target/size
mkdir -p "$crate/src"
cat >"$crate/Cargo.toml" <<TOML
[package]
name = "digit"
edition = "2024"
[dependencies]
convoke = { path = "$root", default-features = false }
[profile.release]
strip = true
[profile.small]
inherits = "release"
lto = true
codegen-units = 1
panic = "abort"
[workspace]
TOML
{
    sed -e 's/crate::cnn!/convoke::cnn!/' -e '/^\/\/!/d' "$root/src/zoo/lenet5.rs"
    cat <<'RUST'
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weights = std::env::args().nth(1).ok_or("usage: digit WEIGHTS")?;
    let mut network = LeNet5::load(weights)?;
    println!("{:?}", network.run(&convoke::Tensor::zeros(&[1, 1, 32, 32]))?.argmax());
    Ok(())
}
RUST
} >"$crate/src/main.rs"
for profile in release small; do
    cargo build -q --profile $profile --manifest-path "$crate/Cargo.toml"
    printf '%-8s %7d bytes\n' $profile "$(stat -c %s "$crate/target/$profile/digit")"
done
