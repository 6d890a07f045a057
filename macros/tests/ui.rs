//! Mistakes in `cnn!` and what the compiler says: each error stands at the tokens to blame and tells both shapes.
//!
//! `TRYBUILD=overwrite cargo test -p convoke-macros` writes the messages anew.

#[test]
fn mistakes() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
