//! Networks that are known: parameters and multiplications as their libraries count them.

use std::collections::BTreeMap;
use std::path::Path;

use super::graph;
use crate::lang::Module;
use crate::ops::Attribute;

const ZOO: &str = include_str!("zoo.cnn");

#[test]
fn lenet() {
    insta::assert_snapshot!(graph(ZOO, "LeNet5"));
}

/// Parameter counts include BatchNorm's running statistics.
#[test]
fn families() {
    let module = Module::parse(ZOO).unwrap_or_else(|errors| panic!("{errors}"));
    let table = module
        .networks()
        .into_iter()
        .filter(|network| network.needs.is_empty())
        .map(|network| {
            let graph = module.graph(network.name).unwrap_or_else(|errors| panic!("{errors}"));
            let (macs, parameters) = (graph.macs(), graph.parameter_count());
            format!("{:<16} {macs:>14} MACs {parameters:>12} parameters\n", network.name)
        })
        .collect::<String>();
    insta::assert_snapshot!(table);
}

/// Names, shapes and counts of the reference files, where they are there.
#[test]
fn parameters_of_the_libraries() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/goldens");
    let module = Module::parse(ZOO).unwrap_or_else(|errors| panic!("{errors}"));
    for (model, network) in [
        ("lenet5", "LeNet5"),
        ("resnet18", "ResNet18"),
        ("resnet50", "ResNet50"),
        ("resnet152", "ResNet152"),
        ("seresnet50", "SeResNet50"),
        ("senet154", "SENet154"),
        ("densenet121", "DenseNet121"),
        ("densenet169", "DenseNet169"),
        ("mobilenet_v1", "MobileNetV1"),
        ("mobilenet_v2", "MobileNetV2"),
        ("efficientnet_b0", "EfficientNetB0"),
        ("efficientnet_b1", "EfficientNetB1"),
        ("efficientnet_b3", "EfficientNetB3"),
        ("efficientnet_b4", "EfficientNetB4"),
        ("efficientnet_b7", "EfficientNetB7"),
    ] {
        let path = folder.join(model).with_extension("json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("no reference at {}: {network} not compared", path.display());
            continue;
        };
        let reference: serde_json::Value = serde_json::from_str(&text).expect("a reference is JSON");
        let expected: BTreeMap<String, Vec<usize>> =
            serde_json::from_value(reference["tensors"].clone()).expect("tensors are shapes by name");
        let graph = module.graph(network).unwrap_or_else(|errors| panic!("{errors}"));
        let found: BTreeMap<_, _> = graph.parameters().into_iter().map(|(name, ty)| (name, ty.shape)).collect();
        assert_eq!(found, expected, "{network}");
        assert_eq!(Some(graph.macs()), reference["macs"].as_u64(), "{network}");
        assert_eq!(Some(graph.trainable_count()), reference["parameters"].as_u64(), "{network}");
    }
}

#[test]
fn constants_given_at_run_time() {
    let module = Module::parse(ZOO).unwrap_or_else(|errors| panic!("{errors}"));
    let half = module.graph_with("MobileNetV2", &[("width", Attribute::Float(0.5)), ("classes", Attribute::Int(10))]);
    let half = half.unwrap_or_else(|errors| panic!("{errors}"));
    // torchvision: mobilenet_v2(width_mult=0.5, num_classes=10), 700,490 without running statistics
    assert_eq!(half.trainable_count(), 700_490);
    let errors = module.graph_with("MobileNetV2", &[("widht", Attribute::Float(0.5))]).expect_err("misspelt");
    assert!(errors.to_string().contains("did you mean `width`?"), "{errors}");
    let errors = module.graph("ResNet").expect_err("a template");
    assert!(errors.to_string().contains("network `ResNet` needs `block`, `repeats`"), "{errors}");
    let errors = module.graph("ResNet51").expect_err("unknown");
    assert!(errors.to_string().contains("did you mean `ResNet"), "{errors}");
}
