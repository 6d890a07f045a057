//! Checkpoints: all that a learner's next steps follow from, in one file.
//!
//! ```text
//! parameters/NAME      as the network has them
//! optimizer.K/NAME     what the optimiser keeps of each: K counts its slots
//! state/step, /seed    numbers of 64 bits, as four of 16
//! ```

use std::path::Path;

use super::origin::{Origin, not_finite};
use super::{Error, Learner};
use crate::runtime::network::ValueInfo;
use crate::{Parameters, Tensor};

impl Learner {
    /// Writes parameters, optimiser, number of the step and seed, as safetensors, in the place of the file that was there,
    /// once all is on disk: whenever the machine stops, the one file or the other is there.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::NotFinite`] where a parameter is no finite number. The file that was there is still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        for (name, tensor) in self.parameters.iter() {
            if let Some(value) = not_finite(tensor.data()) {
                let origin = Origin::Parameter { name: name.to_owned(), value };
                return Err(Error::NotFinite { step: self.steps, what: "a parameter".to_owned(), origin });
            }
        }
        let parameters =
            self.parameters.iter().map(|(name, tensor)| (format!("parameters/{name}"), tensor.to_tensor()));
        let slots = self.slots().map(|(key, shape, slot)| {
            (key, Tensor::from_slice(&shape, slot).expect("a slot has as many elements as its parameter"))
        });
        let counters = [("step", self.steps), ("seed", self.recipe.seed)];
        let counters = counters.map(|(name, value)| (format!("state/{name}"), quarters(value)));
        Ok(Parameters::from_tensors(parameters.chain(slots).chain(counters)).save(path)?)
    }

    /// Goes on where [`save`](Self::save) was called, by a learner of the same network and recipe: to the bits that it
    /// would have reached.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Checkpoint`]: nothing has changed then.
    pub fn restore(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let file = Parameters::load(path)?;
        let parameters =
            self.parameters.iter().map(|(name, tensor)| (format!("parameters/{name}"), tensor.shape().to_vec()));
        let counters = ["state/step", "state/seed"].map(|name| (name.to_owned(), vec![4]));
        let slots = self.slots().map(|(key, shape, _)| (key, shape));
        let expected: Vec<ValueInfo> =
            parameters.chain(slots).chain(counters).map(|(name, shape)| ValueInfo::f32(name, shape)).collect();
        file.check(&expected).map_err(|errors| Error::Checkpoint { path: path.to_owned(), errors })?;
        let data = |name: &str| file.get(name).expect("it was checked").data();
        let names: Vec<String> = self.parameters.names().map(str::to_owned).collect();
        for name in names {
            let parameter = self.parameters.get_mut(&name).expect("it is there");
            parameter.copy_from_slice(data(&format!("parameters/{name}")));
        }
        for trained in &mut self.trained {
            for (index, slot) in trained.slots.iter_mut().enumerate() {
                slot.copy_from_slice(data(&slot_key(index, &trained.name)));
            }
        }
        (self.steps, self.recipe.seed) = (whole(data("state/step")), whole(data("state/seed")));
        self.model.update(&self.parameters, |_| true)?;
        self.inference = self.inference.take().map(|(model, _)| (model, false));
        Ok(())
    }

    /// Name, shape and content of what the optimiser keeps.
    fn slots(&self) -> impl Iterator<Item = (String, Vec<usize>, &[f32])> {
        self.trained.iter().flat_map(|trained| {
            let shape = self.parameters.get(&trained.name).expect("checked when the model was made").shape();
            let slots = trained.slots.iter().enumerate();
            slots.map(move |(index, slot)| (slot_key(index, &trained.name), shape.to_vec(), slot.as_slice()))
        })
    }
}

fn slot_key(index: usize, parameter: &str) -> String {
    format!("optimizer.{index}/{parameter}")
}

/// A number of 64 bits as four of 16, lowest first, each of which a float32 holds.
fn quarters(value: u64) -> Tensor {
    let parts = [0, 16, 32, 48].map(|shift| (value >> shift & 0xffff) as f32);
    Tensor::from_slice(&[4], &parts).expect("four")
}

/// The number that [`quarters`] has written.
fn whole(parts: &[f32]) -> u64 {
    parts.iter().rev().fold(0, |value, &part| value << 16 | u64::from(part as u16))
}
