//! What a network costs: numbers that follow from its graph, and times measured on this machine.
//!
//! ```text
//! layers    parameters, MACs and bytes of each node            from the graph alone
//! forms     each convolution in all the forms that it could have
//! extract   some nodes of a graph as a graph of their own
//! machine   the roofs of one core: FLOP/s and bytes/s          measured
//! measure   the time of a graph, or of each step of its run    measured, as machine code (feature `jit`)
//! ```
//!
//! A MAC is one multiply-accumulate of a convolution or linear layer, and counts as two FLOP. No other arithmetic is
//! counted: biases, activations, pooling and normalisation are a few FLOP an element, and their cost is their traffic.

#[cfg(feature = "factorize")]
mod approximation;
mod extract;
mod forms;
mod layers;
mod machine;
#[cfg(feature = "jit")]
mod measure;

pub use extract::extract;
pub use forms::{Comparison, Form, comparisons};
pub use layers::{Cost, Layer, layers};
pub use machine::Machine;
#[cfg(feature = "jit")]
pub use measure::{Effort, MeasureError, Profile, Stopwatch, Subject, Time};
