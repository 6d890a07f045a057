//! Networks of `docs/language.md`: the whole graph of one, and constants that are given from outside.

use super::document::description;
use super::graph;
use crate::lang::Module;

#[test]
fn lenet() {
    insta::assert_snapshot!(graph(&description("LeNet5"), "LeNet5"));
}

#[test]
fn constants_given_at_run_time() {
    let module = Module::parse(&description("Pyramid")).unwrap_or_else(|errors| panic!("{errors}"));
    let flowers = module.graph("Pyramid16Flowers").unwrap_or_else(|errors| panic!("{errors}"));
    let given = module.graph_with("Pyramid16", &[("classes", 102_i64.into())]);
    let given = given.unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((given.macs(), given.parameters()), (flowers.macs(), flowers.parameters()));
    // What is given from outside counts before what the instance gives.
    let narrow = module.graph_with("Pyramid16", &[("width", 16_i64.into()), ("repeats", [2_usize; 4][..].into())]);
    let eight = module.graph("Pyramid8").unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(narrow.map(|graph| graph.parameters()).ok(), Some(eight.parameters()));
    let errors = module.graph_with("Pyramid8", &[("widht", 8_i64.into())]).expect_err("misspelt");
    assert!(errors.to_string().contains("did you mean `width`?"), "{errors}");
    let errors = module.graph("Pyramid").expect_err("a template");
    assert!(errors.to_string().contains("network `Pyramid` needs `repeats`"), "{errors}");
    let errors = module.graph("Pyramid17").expect_err("unknown");
    assert!(errors.to_string().contains("did you mean `Pyramid"), "{errors}");
}
