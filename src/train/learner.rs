//! [`Learner`]: a compiled network that learns.

use convoke_compiler::graph::Value;
use convoke_compiler::training::{Loss, LossError, Mask, Training};
use convoke_compiler::{Graph, TensorType};

use super::monitor::{self, Site};
use super::origin::{Origin, not_finite};
use super::{Error, Layer, Optimizer, Schedule};
use crate::random::Random;
use crate::{Model, Parameters, Tensor, jit};

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// What is minimised.
    pub loss: Loss,
    /// How parameters move.
    pub optimizer: Optimizer,
    /// How far.
    pub schedule: Schedule,
    /// What dropout draws its masks from.
    pub seed: u64,
    /// How much of running statistics a batch replaces; PyTorch's is 0.1.
    pub momentum: f32,
    /// Whether every step measures what [`Learner::layers`] gives.
    pub monitor: bool,
}

impl Recipe {
    /// Cross-entropy without smoothing, masks from seed 0, momentum of statistics 0.1.
    #[must_use]
    pub const fn new(optimizer: Optimizer, schedule: Schedule) -> Self {
        let loss = Loss::CrossEntropy { smoothing: 0.0 };
        Self { loss, optimizer, schedule, seed: 0, momentum: 0.1, monitor: false }
    }
}

/// A compiled network that learns: every step runs one compiled graph, which gives the loss and all gradients, moves the
/// parameters, and prepares the weights that depend on them anew. Nothing is compiled twice.
///
/// What a step does follows from parameters, optimiser, number of the step and seed, all of which a
/// [checkpoint](Self::save) holds, and from the samples it is given.
#[derive(Debug)]
pub struct Learner {
    pub(super) recipe: Recipe,
    /// The network as it is used.
    network: Graph,
    /// The graph of a step: its inputs are the images, the masks and the targets; its outputs the loss, the gradient of each
    /// trained parameter, of each layer the norm of the gradient by its results, then that of its results, the network's
    /// output, and mean and variance of each batch normalisation.
    step: Graph,
    pub(super) model: Model,
    /// The network as it is used, compiled when it is asked for; and whether it has the parameters of now.
    pub(super) inference: Option<(Model, bool)>,
    pub(super) parameters: Parameters,
    /// The parameters that are trained.
    pub(super) trained: Vec<Trained>,
    layers: Vec<Site>,
    measured: Vec<Layer>,
    /// Masks with their names, and where they are drawn.
    masks: Vec<(Mask, String, Tensor)>,
    statistics: Vec<Running>,
    targets: Tensor,
    /// Steps that have been taken.
    pub(super) steps: u64,
}

/// A parameter that is trained.
#[derive(Debug)]
pub(super) struct Trained {
    pub(super) name: String,
    /// What the optimiser keeps of it.
    pub(super) slots: Vec<Vec<f32>>,
}

/// The running statistics of a batch normalisation.
#[derive(Debug)]
struct Running {
    /// The parameters of mean and variance.
    names: [String; 2],
    /// Elements of a channel.
    count: usize,
}

impl Learner {
    /// The network of `graph`, which has one input of images, N at a time, and one output, beginning with these parameters;
    /// those are trained for whose names `trained` holds, but for running statistics.
    /// [`Graph::batched`] makes a network one of N images.
    ///
    /// # Errors
    /// [`Error`]: it is no such network, has no gradient, or the parameters are not its own.
    pub fn new(
        graph: &Graph,
        parameters: Parameters,
        recipe: Recipe,
        trained: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let ([_], &[(_, output)]) = (graph.inputs(), graph.outputs()) else {
            let (inputs, outputs) = (graph.inputs().len(), graph.outputs().len());
            return Err(Error::Network { network: graph.name().to_owned(), inputs, outputs });
        };
        recipe.loss.check(graph, output)?;
        let trained = |name: &str| Graph::is_trained(name) && trained(name);
        let Training { graph: mut step, masks, statistics } = graph.training(trained)?;
        let by = trained_parameters(&step, trained)?;
        let output = step.outputs()[0].1;
        let targets = Tensor::zeros(&step.type_of(output).shape);
        let layers = if recipe.monitor { monitor::sites(&step, &by) } else { Vec::new() };
        let loss = recipe.loss.mean(&mut step, output)?;
        let with: Vec<Value> = by.iter().map(|(_, value)| *value).chain(layers.iter().map(|site| site.value)).collect();
        let mut step = step.gradient(&[loss], &with)?;
        for index in 0..layers.len() {
            let place = 1 + by.len() + index;
            let gradient = step.outputs()[place].1;
            let norm = monitor::norm_of(&mut step, gradient)?;
            step.edit().replace_output(place, norm);
        }
        for site in &layers {
            let norm = monitor::norm_of(&mut step, site.value)?;
            step.edit().output(format!("{}.norm", site.name), norm);
        }
        step.edit().output("output", output);
        for each in &statistics {
            for (name, value) in each.running.iter().zip(each.values) {
                step.edit().output(format!("{name}.batch"), value);
            }
        }
        let model = Model::new(jit::compile(&step)?, &parameters)?;
        let zeros = |name: &str| vec![0.0; parameters.get(name).map_or(0, |tensor| tensor.data().len())];
        let slots = recipe.optimizer.slots();
        let trained = by.into_iter().map(|(name, _)| Trained { slots: vec![zeros(&name); slots], name }).collect();
        let masks = masks.into_iter().map(|mask| {
            let tensor = Tensor::zeros(&step.type_of(mask.input).shape);
            let name = step.label(mask.input);
            (mask, name, tensor)
        });
        Ok(Self {
            recipe,
            network: graph.clone(),
            model,
            inference: None,
            trained,
            layers,
            measured: Vec::new(),
            masks: masks.collect(),
            statistics: statistics.into_iter().map(|each| Running { names: each.running, count: each.count }).collect(),
            targets,
            steps: 0,
            parameters,
            step,
        })
    }

    /// The same learner, running on this many threads; see [`Model::threads`].
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.model = self.model.threads(threads);
        self.inference = self.inference.map(|(model, current)| (model.threads(threads), current));
        self
    }

    /// Steps that have been taken.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The shape of the images of a step, N C H W.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.network.type_of(self.network.inputs()[0].into()).shape
    }

    /// Images of a step.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.input_shape().first().copied().unwrap_or(1)
    }

    /// How it is trained.
    #[must_use]
    pub const fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The parameters as they are now, running statistics included.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What the last step saw of each layer, where the recipe asks for it.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.measured
    }

    /// One step on images N C H W and a class for each; the loss before it.
    ///
    /// # Errors
    /// As for [`learn_towards`](Self::learn_towards); or the classes are not one for each image.
    pub fn learn(&mut self, images: &Tensor, classes: &[usize]) -> Result<f32, Error> {
        let &[count, of] = self.targets.shape() else {
            let found = TensorType::f32(self.targets.shape());
            return Err(Error::Loss(LossError { output: "output".to_owned(), found }));
        };
        if classes.len() != count || classes.iter().any(|&class| class >= of) {
            return Err(Error::Classes { images: count, classes: of, found: classes.to_vec() });
        }
        let mut targets = std::mem::replace(&mut self.targets, Tensor::zeros(&[0]));
        targets.data_mut().fill(0.0);
        for (row, &class) in targets.data_mut().chunks_mut(of).zip(classes) {
            row[class] = 1.0;
        }
        let loss = self.learn_towards(images, &targets);
        self.targets = targets;
        loss
    }

    /// One step on images N C H W and what the output should be for them, of the output's shape; the loss before it.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the loss or a gradient is no finite number, with the place where that began: nothing has
    /// changed then. [`Error::Run`] where a tensor has another shape.
    pub fn learn_towards(&mut self, images: &Tensor, targets: &Tensor) -> Result<f32, Error> {
        for (mask, name, tensor) in &mut self.masks {
            let mut random = Random::of(self.recipe.seed, name, self.steps);
            let kept = 1.0 / (1.0 - mask.p);
            tensor.data_mut().fill_with(|| if random.uniform() < mask.p { 0.0 } else { kept });
        }
        let masks = self.masks.iter().map(|(_, _, tensor)| tensor);
        let inputs: Vec<&Tensor> = std::iter::once(images).chain(masks).chain([targets]).collect();
        let outputs = self.model.run(&inputs)?;
        let loss = outputs[0].data()[0];
        let gradients = &outputs[1..=self.trained.len()];
        let bad = self.trained.iter().zip(gradients).find(|(_, gradient)| not_finite(gradient.data()).is_some());
        let what = if loss.is_finite() {
            bad.map(|(trained, _)| format!("the gradient of `{}`", trained.name))
        } else {
            Some("the loss".to_owned())
        };
        if let Some(what) = what {
            let origin = Origin::find(&self.step, &self.parameters, &inputs)?;
            return Err(Error::NotFinite { step: self.steps, what, origin });
        }
        self.measured = measure(&self.layers, &self.step, &self.parameters, &self.trained, outputs);
        let rate = self.recipe.schedule.at(self.steps);
        for (trained, gradient) in self.trained.iter_mut().zip(gradients) {
            let parameter = self.parameters.get_mut(&trained.name).expect("checked when the model was made");
            let optimizer = self.recipe.optimizer;
            optimizer.update(rate, self.steps + 1, parameter, gradient.data(), &mut trained.slots);
        }
        let measured = outputs[outputs.len() - 2 * self.statistics.len()..].chunks_exact(2);
        for (running, values) in self.statistics.iter().zip(measured) {
            // The variance that inference expects is that of the images it has not seen: unbiased.
            let unbiased = running.count as f32 / (running.count.max(2) - 1) as f32;
            for ((name, value), factor) in running.names.iter().zip(values).zip([1.0, unbiased]) {
                let parameter = self.parameters.get_mut(name).expect("checked when the model was made");
                for (x, &batch) in parameter.iter_mut().zip(value.data()) {
                    *x += self.recipe.momentum * (factor * batch - *x);
                }
            }
        }
        self.steps += 1;
        self.prepare()?;
        Ok(loss)
    }

    /// The weights of now, to be used.
    fn prepare(&mut self) -> Result<(), Error> {
        let Self { trained, statistics, .. } = self;
        let changed = |name: &str| {
            let running = || statistics.iter().any(|running| running.names.iter().any(|known| known == name));
            trained.iter().any(|trained| trained.name == name) || running()
        };
        self.model.update(&self.parameters, changed)?;
        if let Some((_, current)) = &mut self.inference {
            *current = false;
        }
        Ok(())
    }

    /// The network's output for these images, N C H W, by the parameters of now, as the network is used: running
    /// statistics, no dropout.
    ///
    /// # Errors
    /// [`Error::Run`]: they have another shape. The first time also what compiling finds.
    pub fn predict(&mut self, images: &Tensor) -> Result<&Tensor, Error> {
        if self.inference.is_none() {
            let model = Model::new(jit::compile(&self.network)?, &self.parameters)?;
            self.inference = Some((model.threads(self.model.thread_count()), true));
        }
        let (model, current) = self.inference.as_mut().expect("it was just made");
        if !*current {
            model.update(&self.parameters, |_| true)?;
            *current = true;
        }
        Ok(&model.run(&[images])?[0])
    }
}

/// The parameters that are trained, each a node of its own.
fn trained_parameters(graph: &Graph, trained: impl Fn(&str) -> bool) -> Result<Vec<(String, Value)>, Error> {
    let all = graph.parameters();
    let mut found = Vec::new();
    for (name, _) in all.iter().filter(|(name, _)| trained(name)) {
        let mut places = graph.order().into_iter().filter(|&id| {
            let mut reads = false;
            if let Some(expression) = graph.node(id).weight() {
                expression.visit_parameters(&mut |read, _| reads |= read == name);
            }
            reads
        });
        match (places.next(), places.next()) {
            (Some(id), None) if graph.parameter_name(id.into()).is_some() => found.push((name.clone(), id.into())),
            _ => return Err(Error::Expression { parameter: name.clone() }),
        }
    }
    match found.is_empty() {
        true => Err(Error::Nothing { network: graph.name().to_owned(), parameters: all.len() }),
        false => Ok(found),
    }
}

/// Norms of the layers, from the outputs of a step.
fn measure(
    layers: &[Site],
    step: &Graph,
    parameters: &Parameters,
    trained: &[Trained],
    outputs: &[Tensor],
) -> Vec<Layer> {
    let norms = &outputs[1 + trained.len()..];
    let root = |site: &Site| (step.type_of(site.value).elements() as f32).sqrt();
    let layer = |(index, site): (usize, &Site)| Layer {
        name: site.name.clone(),
        activation: norms[layers.len() + index].data()[0] / root(site),
        gradient: norms[index].data()[0],
        weight: parameters.get(&trained[site.weight].name).map_or(0.0, |weight| monitor::rms(weight.data())),
        weight_gradient: monitor::rms(outputs[1 + site.weight].data()),
    };
    layers.iter().enumerate().map(layer).collect()
}
