//! The networks of the zoo.

use convoke::runtime::{LoadError, Tensor};
use convoke::{Model, Parameters, zoo};

#[test]
fn types_and_texts_are_the_same_networks() {
    for entry in zoo::NETWORKS {
        assert_eq!(zoo::find(entry.name).unwrap().network_name, entry.network_name);
        let graph = entry.graph().unwrap();
        let network = (entry.network)();
        assert_eq!((graph.name(), &*network.name), (entry.network_name, entry.network_name));
        assert_eq!((graph.macs(), graph.trainable_count()), (entry.macs, entry.parameters));
        let types: Vec<_> =
            network.parameters.iter().map(|info| (info.name.to_string(), info.shape.to_vec())).collect();
        let texts: Vec<_> = graph.parameters().into_iter().map(|(name, ty)| (name, ty.shape)).collect();
        assert_eq!(types, texts, "{}", entry.name);
    }
}

/// Counts as the libraries give them for networks that are not in the zoo under a name.
#[test]
fn constants_are_given_at_run_time() {
    let count = |name: &str, constants: &[(&str, _)]| {
        let graph = zoo::find(name).unwrap().graph_with(constants).unwrap_or_else(|errors| panic!("{errors}"));
        (graph.trainable_count(), graph.macs())
    };
    // torchvision: mobilenet_v2(width_mult=0.5, num_classes=10)
    assert_eq!(count("mobilenet_v2", &[("width", 0.5.into()), ("classes", 10_i64.into())]).0, 700_490);
    // Howard et al. 2017, tables 6 and 7: 0.5 MobileNet-224, and 1.0 MobileNet-160 with 290 million multiply-adds.
    let half = zoo::find("mobilenet_v1_050").unwrap();
    assert_eq!(count("mobilenet_v1", &[("width", 0.5.into())]), (half.parameters, half.macs));
    assert_eq!(count("mobilenet_v1", &[("size", 160_i64.into())]).1 / 10_000_000, 29);
    let errors = zoo::find("mobilenet_v2").unwrap().graph_with(&[("widht", 0.5.into())]).unwrap_err();
    assert!(errors.to_string().contains("did you mean `width`?"), "{errors}");
}

#[test]
fn unknown_names_list_the_nearest() {
    let table: [(&str, &[&str]); 6] = [
        ("ResNet-50", &["resnet50"]),
        ("resnet51", &["resnet50", "resnet18", "resnet34"]),
        ("mobilenetv2", &["mobilenet_v2", "mobilenet_v1"]),
        ("vgg19", &["vgg16"]),
        ("efficientnet-b9", &["efficientnet_b0", "efficientnet_b1"]),
        ("se_resnet50", &["seresnet50", "resnet50"]),
    ];
    for (name, nearest) in table {
        let unknown = zoo::find(name).unwrap_err();
        assert!(unknown.near && unknown.names.starts_with(nearest), "{unknown}");
    }
    let unknown = zoo::find("transformer").unwrap_err();
    assert_eq!((unknown.near, unknown.names.len()), (false, zoo::NETWORKS.len()));
    assert!(zoo::find(&"x".repeat(100_000)).is_err());
}

/// A checkpoint of ResNet-50 for ResNet-18.
#[test]
fn a_checkpoint_of_another_variant_is_told_apart() {
    let parameters = zoo::ResNet50::PARAMETERS.iter().map(|(name, shape)| ((*name).to_owned(), Tensor::zeros(shape)));
    let parameters = Parameters::from_tensors(parameters);
    let error = Model::new(zoo::ResNet18::network().clone(), &parameters).unwrap_err();
    let text = error.to_string();
    let LoadError::Parameters { errors, .. } = error else { panic!("{error}") };
    // All that ResNet-18 has is there under the same names, much of it in another shape.
    assert!(errors.missing.is_empty());
    assert!(!errors.misshapen.is_empty() && !errors.superfluous.is_empty());
    for part in [
        "network `ResNet18`: the parameters are not those of this network",
        &format!("\n  {} superfluous:\n", errors.superfluous.len()),
        "`layer1.0.conv3.weight` [256, 64, 1, 1]",
        &format!("\n  {} of another shape:\n", errors.misshapen.len()),
        "`fc.weight` expected [1000, 512], found [1000, 2048]",
    ] {
        assert!(text.contains(part), "{text}\nlacks {part}");
    }
}
