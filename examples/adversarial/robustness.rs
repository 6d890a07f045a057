//! How many digits LeNet-5 still reads under attack.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use convoke::adversarial::{DeepFool, Goal, Steps, Victim};
use convoke::{Parameters, Tensor, zoo};

use crate::digits::Digits;

/// Where weights and digits lie.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
/// The largest changes of a pixel, and the Euclidean norms, that attacks may use.
const LARGEST: [f32; 4] = [0.05, 0.1, 0.2, 0.3];
const NORMS: [f32; 4] = [0.5, 1.0, 2.0, 3.0];
/// Steps of an iterated attack, each a quarter of ε long.
const COUNT: usize = 10;
/// What random starts follow from.
const SEED: u64 = 1;

type Attacked = Result<Tensor, Box<dyn Error>>;
type Attack = fn(&mut Victim, &Tensor, Goal<'_>, f32) -> Attacked;

const fn steps(epsilon: f32) -> Steps {
    Steps { epsilon, alpha: epsilon / 4.0, count: COUNT }
}

const ATTACKS: [(&str, &[f32], Attack); 4] = [
    ("FGSM", &LARGEST, |victim, image, goal, epsilon| Ok(victim.fgsm(image, goal, epsilon)?)),
    ("BIM", &LARGEST, |victim, image, goal, epsilon| Ok(victim.bim(image, goal, steps(epsilon))?)),
    ("PGD", &LARGEST, |victim, image, goal, epsilon| Ok(victim.pgd(image, goal, steps(epsilon), Some(SEED))?)),
    ("PGD, L2", &NORMS, |victim, image, goal, epsilon| Ok(victim.pgd_l2(image, goal, steps(epsilon), Some(SEED))?)),
];

/// Writes the table.
pub(crate) fn table(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(DATA);
    let graph = zoo::find("lenet5")?.graph()?;
    let parameters = Parameters::load(folder.join("lenet5.safetensors"))?;
    let mut victim = Victim::new(&graph, &parameters)?;
    let digits = Digits::load(folder, "t10k")?;
    let clean = correct(&digits, &mut victim, |_, image, _| Ok(image.clone()))?;
    writeln!(out, "\nLeNet-5 reads {clean} of {} digits; of 100 under attack:", digits.len())?;
    for (name, radii, attack) in ATTACKS {
        write!(out, "{name:<10}")?;
        for &epsilon in radii {
            let right = correct(&digits, &mut victim, |victim, image, goal| attack(victim, image, goal, epsilon))?;
            write!(out, "  ε {epsilon:<4} {:5.1}", 100.0 * right as f64 / digits.len() as f64)?;
            out.flush()?;
        }
        writeln!(out)?;
    }
    let (mut deepfool, mut norms) = (DeepFool::new(&graph, &parameters)?, Vec::new());
    let right = correct(&digits, &mut victim, |_, image, goal| {
        let (Goal::Away(classes) | Goal::Towards(classes)) = goal;
        let moved = deepfool.attack(image, classes[0])?;
        let squares = moved.data().iter().zip(image.data()).map(|(a, b)| (a - b).powi(2));
        norms.push(squares.sum::<f32>().sqrt());
        Ok(moved)
    })?;
    norms.retain(|&norm| norm > 0.0);
    norms.sort_by(f32::total_cmp);
    let median = norms.get(norms.len() / 2).copied().unwrap_or_default();
    let percent = 100.0 * right as f64 / digits.len() as f64;
    writeln!(out, "DeepFool    {percent:.1}, by changes of a median norm of {median:.2}")?;
    Ok(())
}

/// How many digits are read right after `attack`.
fn correct(
    digits: &Digits,
    victim: &mut Victim,
    mut attack: impl FnMut(&mut Victim, &Tensor, Goal<'_>) -> Attacked,
) -> Result<usize, Box<dyn Error>> {
    let mut right = 0;
    for index in 0..digits.len() {
        let label = digits.label(index);
        let moved = attack(victim, &digits.tensor(index), Goal::Away(&[label]))?;
        right += usize::from(victim.logits(&moved)?.argmax() == Some(label));
    }
    Ok(right)
}
