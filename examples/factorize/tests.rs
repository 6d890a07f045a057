use std::path::Path;

use convoke::Tensor;
use convoke::compiler::Graph;
use convoke::compiler::factorize::TimeModel;

use super::*;
use crate::subject::mirrored;

/// Multiply-accumulates instead of time: the same on every machine.
struct Macs;

impl TimeModel for Macs {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        Ok(graphs.iter().map(|graph| graph.macs() as f64).collect())
    }
}

#[test]
fn digits_are_read_within_a_bound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits");
    let subject = Subject::digits(&folder, None).unwrap();
    let text = Row::original(&subject).unwrap().to_string();
    assert!(text.starts_with("| LeNet-5 | original | | | 61706 | 0.83 |"), "{text}");
    assert!(text.ends_with("| 1935 of 2000 correct |"), "{text}");
    let (row, trained) = Row::factorized(&subject, 0.3, &mut Macs).unwrap();
    let text = row.to_string();
    assert!(text.starts_with("| LeNet-5 | 0.3 | weights | "), "{text}");
    assert!(trained.graph.macs() < subject.graph.macs());
    assert_eq!(trained.layers.len(), 5);
    let correct: usize =
        text.split(" of 2000").next().and_then(|text| text.rsplit(' ').next()).unwrap().parse().unwrap();
    assert!(correct > 1800, "{text}");
}

#[test]
fn mirrors_have_left_and_right_exchanged() {
    let image = Tensor::from_vec(&[1, 1, 2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    assert_eq!(mirrored(&image).data(), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
}
