//! Writing a step: the views, loops and calls from which algorithms build a function.

use convoke_runtime::kernels::{self, Map, Params};
use convoke_runtime::weights::WeightOp;
use convoke_runtime::{Activation, Isa};

use super::buffers::Buffers;
use super::{LowerError, Storage};
use crate::graph::WeightExpr;
use crate::lir::{Address, Affine, Arg, Function, FunctionBuilder, ParamId, Step};

/// Builds the function of one step.
pub struct Emitter<'a> {
    /// The function: registers and arithmetic.
    pub code: FunctionBuilder,
    buffers: &'a mut Buffers,
    isa: Isa,
    name: String,
    reads: Vec<Option<(Arg, Storage)>>,
    writes: Vec<(Arg, Storage)>,
    weights: Vec<Option<&'a WeightExpr>>,
    args: Vec<Arg>,
    /// Functions that have ended, with their buffers.
    ended: Vec<(Function, Vec<Arg>)>,
    /// The first call for which the table has no kernel.
    missing: Option<LowerError>,
}

/// A tensor that the step reads or writes.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// The function's parameter.
    pub param: ParamId,
    /// How it lies.
    pub storage: Storage,
}

impl View {
    /// The address of a pixel's block: image `n`, block of channels `c`, row `y`, column `x`. Rows and columns may be
    /// negative where there is a halo.
    #[must_use]
    pub fn at(
        &self,
        n: impl Into<Affine>,
        c: impl Into<Affine>,
        y: impl Into<Affine>,
        x: impl Into<Affine>,
    ) -> Address {
        let s = &self.storage;
        let index =
            n.into() * s.image() + c.into() * s.plane() + y.into() * s.pitch() + x.into() * s.block + s.origin();
        self.param.at(index)
    }

    /// The address of the first pixel of a plane, planes counted through all images.
    #[must_use]
    pub fn plane(&self, plane: &Affine) -> Address {
        self.param.at(plane * self.storage.plane() + self.storage.origin())
    }

    /// The address of an element, counted from the first of the storage, halo included.
    #[must_use]
    pub fn element(&self, index: impl Into<Affine>) -> Address {
        self.param.at(index)
    }
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        buffers: &'a mut Buffers,
        isa: Isa,
        name: String,
        reads: Vec<Option<(Arg, Storage)>>,
        writes: Vec<(Arg, Storage)>,
        weights: Vec<Option<&'a WeightExpr>>,
    ) -> Self {
        let code = FunctionBuilder::new("");
        Self { code, buffers, isa, name, reads, writes, weights, args: Vec::new(), ended: Vec::new(), missing: None }
    }

    /// Operand `index`, which the algorithm asked for as a tensor.
    ///
    /// # Panics
    /// If it is a weight: a bug of the algorithm.
    pub fn operand(&mut self, index: usize) -> View {
        let (place, storage) = self.reads[index].expect("the operand was asked for as a tensor");
        View { param: self.read(&format!("x{index}"), place, storage.len()), storage }
    }

    /// Result `index`; after the results, the scratch memory of the schedule.
    pub fn result(&mut self, index: usize) -> View {
        let (place, storage) = self.writes[index];
        self.args.push(place);
        View { param: self.code.written(format!("y{index}"), storage.len()), storage }
    }

    /// Weight operand `index`, packed by `pack` to `len` elements.
    ///
    /// # Panics
    /// If it is no weight: a bug of the algorithm.
    pub fn weight(&mut self, index: usize, name: &str, pack: WeightOp, len: usize) -> View {
        let mut expression = self.postfix(index);
        expression.push(pack);
        self.prepared(name, expression, len)
    }

    /// Weight operand `index`, which has one element for each channel of `of`, in blocks of channels.
    pub fn channels(&mut self, index: usize, of: &Storage) -> View {
        let mut expression = self.postfix(index);
        expression.push(WeightOp::Reshape(vec![of.c].into()));
        expression.push(WeightOp::PackVector { block: of.block as u32 });
        self.prepared(&format!("x{index}"), expression, of.blocks() * of.block)
    }

    /// Operand `index` row-major, `len` elements: a weight, or a tensor that the algorithm asked for in one piece.
    pub fn plain(&mut self, index: usize, name: &str, len: usize) -> View {
        if self.reads[index].is_some() {
            return self.operand(index);
        }
        let expression = self.postfix(index);
        self.prepared(name, expression, len)
    }

    /// The instructions that evaluate weight operand `index`.
    ///
    /// # Panics
    /// If it is no weight: a bug of the algorithm.
    #[must_use]
    pub fn postfix(&self, index: usize) -> Vec<WeightOp> {
        self.buffers.postfix(self.weights[index].as_ref().expect("the operand was asked for as a weight"))
    }

    /// `len` elements that the runtime prepares once by `expression`.
    pub fn prepared(&mut self, name: &str, expression: Vec<WeightOp>, len: usize) -> View {
        let buffer = self.buffers.weights(&format!("{}.{name}", self.name), len, expression);
        View { param: self.read(name, Arg { buffer, offset: 0 }, len), storage: Storage::row(len) }
    }

    /// `len` prepared elements of a constant value.
    pub fn constant(&mut self, name: &str, value: f32, len: usize) -> View {
        let literal = WeightOp::Literal { shape: vec![len].into(), values: vec![value].into() };
        self.prepared(name, vec![literal], len)
    }

    /// The numbers 0, 1, … below `len`, prepared.
    pub fn counted(&mut self, name: &str, len: usize) -> View {
        let values: Vec<f32> = (0..len).map(|number| number as f32).collect();
        let literal = WeightOp::Literal { shape: vec![len].into(), values: values.into() };
        self.prepared(name, vec![literal], len)
    }

    fn read(&mut self, name: &str, place: Arg, len: usize) -> ParamId {
        self.args.push(place);
        self.code.read(name, len)
    }

    /// A loop that the threads divide.
    pub fn parallel(&mut self, extent: usize, body: impl FnOnce(&mut Self, &Affine)) {
        self.divide(extent, true, body);
    }

    /// A loop that every thread runs whole; what it writes is written in parallel loops around or inside it.
    pub fn serial(&mut self, extent: usize, body: impl FnOnce(&mut Self, &Affine)) {
        self.divide(extent, false, body);
    }

    /// Statements for one thread only.
    pub fn once(&mut self, body: impl FnOnce(&mut Self)) {
        self.divide(1, true, |e, _| body(e));
    }

    /// A loop that the threads divide if `parallel`; no loop for one iteration that they need not divide, nothing
    /// for none.
    ///
    /// # Panics
    /// If `extent` is beyond 2^32: storages address fewer elements.
    pub fn divide(&mut self, extent: usize, parallel: bool, body: impl FnOnce(&mut Self, &Affine)) {
        match extent {
            0 => {}
            1 if !parallel => body(self, &Affine::default()),
            _ => {
                let var = self.code.begin();
                body(self, &var.into());
                let extent = u32::try_from(extent).expect("storages address fewer than 2^32 elements");
                self.code.end(var, extent, parallel);
            }
        }
    }

    /// What follows begins when every thread has ended what stands before. Views do not reach across: each side makes its
    /// own.
    pub fn barrier(&mut self) {
        let code = std::mem::replace(&mut self.code, FunctionBuilder::new(""));
        self.ended.push((code.finish(), std::mem::take(&mut self.args)));
    }

    /// Calls the kernel of the target for these parameters.
    pub fn call(&mut self, params: Params, args: Vec<Address>) {
        match kernels::select(params.family(), self.isa, params.tile()) {
            Some(kernel) => self.code.call(kernel, params, args),
            None => {
                let what = format!("{} with {:?}", params.family().name(), params.tile());
                self.missing.get_or_insert(LowerError::NoKernel { what, isa: self.isa.name() });
            }
        }
    }

    /// Applies an activation to `len` elements in place, through its kernel.
    pub fn activate(&mut self, at: Address, len: usize, activation: Activation) {
        if activation != Activation::Identity {
            let len = len as u32;
            let map = Map { rows: 1, len, dst_pitch: len, src_pitch: len, activation: activation.into() };
            self.call(Params::Map(map), vec![at.clone(), at]);
        }
    }

    /// The finished functions and their steps, in order; the caller names the functions and sets their indices.
    pub(super) fn finish(mut self, threads: u32) -> Result<Vec<(Function, Step)>, LowerError> {
        if let Some(error) = self.missing.take() {
            return Err(error);
        }
        self.barrier();
        let Self { name, ended, .. } = self;
        let step = |args| Step { name: name.clone(), function: 0, args, threads };
        Ok(ended.into_iter().map(|(function, args)| (function, step(args))).collect())
    }
}
