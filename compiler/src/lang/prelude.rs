//! Blocks that every description may use, written in the language itself.

use std::sync::LazyLock;

use super::Module;

/// The text of the prelude.
pub(crate) const TEXT: &str = include_str!("prelude.cnn");

/// The prelude. Its names are found after those of a description.
pub(crate) fn prelude() -> &'static Module {
    static PRELUDE: LazyLock<Module> = LazyLock::new(|| match Module::items_of(TEXT) {
        Ok(module) => module,
        Err(errors) => panic!("the prelude is part of the compiler and tested:\n{errors}"),
    });
    &PRELUDE
}
