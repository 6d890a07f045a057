//! Graphs to ONNX. What a node becomes is said by its operator's file.

use std::collections::HashMap;

use convoke_runtime::Parameters;
use prost::Message;

use super::proto::{self, AttributeType, DataType};
use crate::graph::evaluate::{EvaluateError, Weights};
use crate::graph::{NodeKind, Value};
use crate::ops::Attribute;
use crate::ops::export::{self, Constant, Elements, Exporter, Names, OPSET};
use crate::{DType, Graph, TensorType};

/// The version of the file format, that of ONNX 1.13.
const IR_VERSION: i64 = 8;

/// What a protobuf message may have, in bytes.
const LIMIT: u64 = (1 << 31) - 1;

/// Why a graph cannot be written as ONNX.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExportError {
    /// Nodes that ONNX has no form for; all of them.
    #[error("ONNX, operator set {OPSET}, cannot say {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsupported(Vec<Unsupported>),
    /// The parameters are not those of the graph.
    #[error(transparent)]
    Weights(#[from] EvaluateError),
    /// The file would exceed what protobuf messages may have.
    #[error("the ONNX file would have {bytes} bytes, {LIMIT} at most")]
    Size {
        /// Its bytes.
        bytes: u64,
    },
}

/// A node that ONNX has no form for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operator} `{node}`: {reason}")]
pub struct Unsupported {
    /// Its operator.
    pub operator: &'static str,
    /// Its name.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// A graph and its parameters as the bytes of an ONNX file: one opset, weights inline, parameters under their names.
/// Weights that are expressions are evaluated. Parameters that the graph does not read are left out.
///
/// # Errors
/// [`ExportError`]: all nodes that have no form in ONNX, all parameters that do not fit.
pub fn export(graph: &Graph, parameters: &Parameters) -> Result<Vec<u8>, ExportError> {
    let weights = Weights::new(graph, parameters)?;
    let mut writer = Writer { graph, names: Names::default(), values: HashMap::new(), proto: proto::Graph::default() };
    writer.proto.name = graph.name().to_owned();
    writer.interface();
    let mut unsupported = Vec::new();
    for id in graph.order() {
        let node = graph.node(id);
        match &node.kind {
            NodeKind::Input => {}
            NodeKind::Weight(expression) => {
                let value = weights.evaluate(expression);
                let value = value.map_err(|error| EvaluateError::Weight { node: node.name.clone(), error })?;
                let name = writer.names.unique(&node.name);
                writer.values.insert(id.into(), name.clone());
                writer.proto.initializer.push(tensor(&name, value.shape(), DataType::Float, le_bytes(value.data())));
            }
            NodeKind::Op(op) => {
                if let Err(reason) = writer.operator(id, op) {
                    unsupported.push(Unsupported { operator: op.name(), node: node.name.clone(), reason });
                }
            }
        }
    }
    if !unsupported.is_empty() {
        return Err(ExportError::Unsupported(unsupported));
    }
    writer.outputs();
    let model = proto::Model {
        ir_version: IR_VERSION,
        opset_import: vec![proto::OperatorSetId { domain: String::new(), version: OPSET }],
        producer_name: "convoke".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(writer.proto),
        ..proto::Model::default()
    };
    match model.encoded_len() as u64 {
        bytes if bytes > LIMIT => Err(ExportError::Size { bytes }),
        _ => Ok(model.encode_to_vec()),
    }
}

struct Writer<'a> {
    graph: &'a Graph,
    names: Names,
    /// The names of values; those of outputs are known before the values are written.
    values: HashMap<Value, String>,
    proto: proto::Graph,
}

impl Writer<'_> {
    /// Inputs and outputs, which take their names before all else.
    fn interface(&mut self) {
        let graph = self.graph;
        for &id in graph.inputs() {
            let name = self.names.unique(&graph.node(id).name);
            self.proto.input.push(value_info(&name, graph.type_of(id.into())));
            self.values.insert(id.into(), name);
        }
        for (name, value) in graph.outputs() {
            let name = self.names.unique(name);
            self.proto.output.push(value_info(&name, graph.type_of(*value)));
            if matches!(graph.node(value.node).kind, NodeKind::Op(_)) {
                self.values.entry(*value).or_insert(name);
            }
        }
    }

    fn operator(&mut self, id: crate::graph::NodeId, op: &crate::ops::Op) -> Result<(), String> {
        let node = self.graph.node(id);
        let values = self.graph.operands(id);
        let name = |value| self.values.get(value).cloned().unwrap_or_default();
        let operands = values.iter().map(|value| (name(value), self.graph.type_of(*value))).collect();
        let mut results = Vec::with_capacity(node.types.len());
        for output in 0..node.types.len() {
            let value = Value { node: id, output: u16::try_from(output).map_err(|_| "too many results")? };
            let (names, label) = (&mut self.names, self.graph.label(value));
            results.push(self.values.entry(value).or_insert_with(|| names.unique(&label)).clone());
        }
        let mut exporter = Exporter::new(&node.name, operands, &node.types, &mut self.names);
        let made = op.export(&mut exporter)?;
        let (nodes, constants) = exporter.finish(&made, &results);
        self.proto.initializer.extend(constants.into_iter().map(constant));
        self.proto.node.extend(nodes.into_iter().map(proto_node));
        Ok(())
    }

    /// Outputs whose value has another name: inputs, weights, and values that are outputs twice.
    fn outputs(&mut self) {
        for ((_, value), output) in self.graph.outputs().iter().zip(&self.proto.output) {
            let value = &self.values[value];
            if *value != output.name {
                let (input, output) = (vec![value.clone()], vec![output.name.clone()]);
                self.proto.node.push(proto::Node {
                    op_type: "Identity".to_owned(),
                    input,
                    output,
                    ..Default::default()
                });
            }
        }
    }
}

fn proto_node(node: export::Node) -> proto::Node {
    proto::Node {
        name: node.name,
        op_type: node.op.to_owned(),
        input: node.operands,
        output: node.results,
        attribute: node.attributes.into_iter().map(|(name, value)| attribute(name, &value)).collect(),
        ..Default::default()
    }
}

fn attribute(name: &str, value: &Attribute) -> proto::Attribute {
    let mut proto = proto::Attribute { name: name.to_owned(), ..Default::default() };
    let ty = match value {
        Attribute::Int(value) => {
            proto.i = *value;
            AttributeType::Int
        }
        Attribute::Bool(value) => {
            proto.i = i64::from(*value);
            AttributeType::Int
        }
        Attribute::Float(value) => {
            proto.f = *value as f32;
            AttributeType::Float
        }
        Attribute::Text(value) => {
            proto.s = value.clone().into();
            AttributeType::String
        }
        Attribute::List(items) => {
            for item in items {
                match item {
                    Attribute::Int(item) => proto.ints.push(*item),
                    Attribute::Float(item) => proto.floats.push(*item as f32),
                    Attribute::Text(item) => proto.strings.push(item.clone().into()),
                    Attribute::Bool(_) | Attribute::List(_) => unreachable!("ONNX has no such lists"),
                }
            }
            match items.first() {
                Some(Attribute::Float(_)) => AttributeType::Floats,
                Some(Attribute::Text(_)) => AttributeType::Strings,
                _ => AttributeType::Ints,
            }
        }
    };
    proto.set_type(ty);
    proto
}

fn constant(Constant { name, shape, elements }: Constant) -> proto::Tensor {
    match elements {
        Elements::F32(values) => tensor(&name, &shape, DataType::Float, le_bytes(&values)),
        Elements::I64(values) => {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensor(&name, &shape, DataType::Int64, bytes)
        }
    }
}

fn tensor(name: &str, shape: &[usize], ty: DataType, bytes: Vec<u8>) -> proto::Tensor {
    let (name, raw_data) = (name.to_owned(), bytes.into());
    proto::Tensor { dims: dims(shape), data_type: ty.into(), name, raw_data, ..Default::default() }
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn dims(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&dim| i64::try_from(dim).unwrap_or(i64::MAX)).collect()
}

fn value_info(name: &str, ty: &TensorType) -> proto::ValueInfo {
    let elem_type = match ty.dtype {
        DType::F32 => DataType::Float,
        DType::I64 => DataType::Int64,
        DType::Bool => DataType::Bool,
    };
    let dim = |value| proto::Dimension { value: Some(proto::dimension::Value::Value(value)) };
    let shape = proto::TensorShape { dim: dims(&ty.shape).into_iter().map(dim).collect() };
    let tensor = proto::TypeTensor { elem_type: elem_type.into(), shape: Some(shape) };
    let ty = proto::Type { value: Some(proto::type_value::Value::Tensor(tensor)) };
    proto::ValueInfo { name: name.to_owned(), r#type: Some(ty), ..Default::default() }
}

#[cfg(test)]
mod tests {
    use convoke_runtime::Tensor;

    use super::*;

    /// The nodes of the model of a graph as lines, then its initializers.
    fn lines(text: &str, parameters: &[(&str, &[usize])]) -> Result<Vec<String>, String> {
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let tensors = parameters.iter().map(|(name, shape)| ((*name).to_owned(), Tensor::zeros(shape)));
        let bytes = export(&graph, &Parameters::from_tensors(tensors)).map_err(|error| error.to_string())?;
        let model = proto::Model::decode(&*bytes).expect("what was encoded decodes").graph.expect("there is a graph");
        let node =
            |node: proto::Node| format!("{} = {}({})", node.output.join(", "), node.op_type, node.input.join(", "));
        let tensor = |tensor: proto::Tensor| format!("{} {:?}", tensor.name, tensor.dims);
        Ok(model.node.into_iter().map(node).chain(model.initializer.into_iter().map(tensor)).collect())
    }

    #[test]
    fn names_stay_and_epilogues_follow() {
        let text = "graph g\n%x = input : f32[1, 4, 5, 5]\n%w = parameter : f32[4, 4, 1, 1]\n%b = parameter : f32[4]\n\
            %y = conv(%x, %w, %b, %x) {stride = [1, 1], padding = [0, 0, 0, 0], residual = true, activation = silu}\n\
            %z = flatten(%y)\noutput z = %z\noutput y = %z\noutput again = %x";
        let expected = [
            "y/Conv = Conv(x, w, b)",
            "y/Add = Add(y/Conv, x)",
            "y/Sigmoid = Sigmoid(y/Add)",
            "y_2 = Mul(y/Add, y/Sigmoid)",
            "z = Flatten(y_2)",
            "y = Identity(z)",
            "again = Identity(x)",
            "w [4, 4, 1, 1]",
            "b [4]",
        ];
        assert_eq!(lines(text, &[("w", &[4, 4, 1, 1]), ("b", &[4])]).as_deref(), Ok(&expected.map(str::to_owned)[..]));
    }

    #[test]
    fn weights_are_evaluated() {
        let text = "graph g\n%x = input : f32[2, 2]\n%w = weight mul(param(\"v\": f32[2]), literal([], 2.0))\n\
            %y = mul(%x, %w)\noutput y = %y";
        let expected = ["y = Mul(x, w)".to_owned(), "w [2]".to_owned()];
        assert_eq!(lines(text, &[("v", &[2])]).as_deref(), Ok(&expected[..]));
        assert_eq!(
            lines(text, &[("v", &[3])]),
            Err("parameters do not fit: `v` expects the shape [2], gets [3]".to_owned())
        );
    }
}
