//! From protobuf's messages to a [`Model`] with decoded tensors.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use convoke_runtime::DType;

use super::node::imported;
use super::proto::{self, AttributeType, dimension, type_value};
use super::source::{Attribute, Dim, Function, Graph, Input, Model, Node};
use super::tensor::{self, External};

/// Where something is wrong, and what.
pub(super) type Wrong = (String, String);

/// The model of a message.
pub(super) fn model(name: &str, model: &proto::Model, external: &External) -> Result<Model, Wrong> {
    let graph = model.graph.as_ref().ok_or_else(|| ("model".to_owned(), "has no graph".to_owned()))?;
    let functions = model.functions.iter().map(|function| {
        let key = (domain(&function.domain), function.name.clone());
        Ok((key, self::function(function, external)?))
    });
    Ok(Model {
        name: name.to_owned(),
        graph: self::graph(graph, external)?,
        opsets: opsets(&model.opset_import),
        functions: functions.collect::<Result<_, Wrong>>()?,
    })
}

fn opsets(sets: &[proto::OperatorSetId]) -> HashMap<String, i64> {
    sets.iter().map(|set| (domain(&set.domain), set.version)).collect()
}

/// A domain; that of ONNX's own operators has two names.
fn domain(domain: &str) -> String {
    if domain == "ai.onnx" { String::new() } else { domain.to_owned() }
}

fn graph(graph: &proto::Graph, external: &External) -> Result<Graph, Wrong> {
    if let Some(sparse) = graph.sparse_initializer.first() {
        let name = sparse.values.as_ref().map_or("", |values| &values.name);
        return Err((format!("initializer `{name}`"), "is sparse, which is not supported".to_owned()));
    }
    let mut initializers = Vec::with_capacity(graph.initializer.len());
    for tensor in &graph.initializer {
        let place = || format!("initializer `{}`", tensor.name);
        let mut constant = tensor::decode(tensor, external).map_err(|what| (place(), what))?;
        constant.name = Some(tensor.name.clone());
        initializers.push((tensor.name.clone(), Arc::new(constant)));
    }
    let initialized: HashSet<&str> = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
    let inputs = graph.input.iter().filter(|input| !initialized.contains(&*input.name)).map(input);
    Ok(Graph {
        name: graph.name.clone(),
        nodes: nodes(&graph.node, external)?,
        inputs: inputs.collect::<Result<_, _>>()?,
        outputs: graph.output.iter().map(|output| output.name.clone()).collect(),
        initializers,
    })
}

fn input(value: &proto::ValueInfo) -> Result<Input, Wrong> {
    let wrong = |what: &str| (format!("input `{}`", value.name), what.to_owned());
    let ty = match value.r#type.as_ref().and_then(|ty| ty.value.as_ref()) {
        Some(type_value::Value::Tensor(ty)) => ty,
        // The inputs of a branch need no types: its caller gives them.
        None => return Ok(Input { name: value.name.clone(), dtype: DType::F32, dims: None }),
        Some(_) => return Err(wrong("is no tensor")),
    };
    let dtype = imported(ty.elem_type.into()).ok_or_else(|| wrong("has elements of a type that is not supported"))?;
    let dim = |dim: &proto::Dimension| match &dim.value {
        Some(dimension::Value::Value(size)) => usize::try_from(*size).map_or(Dim::Unknown, Dim::Size),
        Some(dimension::Value::Param(name)) if !name.is_empty() && name != "?" => Dim::Named(name.clone()),
        Some(dimension::Value::Param(_)) | None => Dim::Unknown,
    };
    let dims = ty.shape.as_ref().map(|shape| shape.dim.iter().map(dim).collect());
    Ok(Input { name: value.name.clone(), dtype, dims })
}

fn nodes(nodes: &[proto::Node], external: &External) -> Result<Vec<Node>, Wrong> {
    nodes.iter().map(|each| node(each, external)).collect()
}

fn node(node: &proto::Node, external: &External) -> Result<Node, Wrong> {
    Ok(Node {
        name: node.name.clone(),
        operator: node.op_type.clone(),
        domain: domain(&node.domain),
        inputs: node.input.clone(),
        outputs: node.output.clone(),
        attributes: attributes(&node.attribute, external).map_err(|(place, what)| {
            let name = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name };
            (format!("{} `{name}`, {place}", node.op_type), what)
        })?,
    })
}

fn attributes(list: &[proto::Attribute], external: &External) -> Result<BTreeMap<String, Attribute>, Wrong> {
    let mut attributes = BTreeMap::new();
    for each in list {
        let wrong = |what: String| (format!("attribute `{}`", each.name), what);
        if attributes.insert(each.name.clone(), attribute(each, external)?).is_some() {
            return Err(wrong("is given twice".to_owned()));
        }
    }
    Ok(attributes)
}

fn attribute(from: &proto::Attribute, external: &External) -> Result<Attribute, Wrong> {
    let wrong = |what: &str| (format!("attribute `{}`", from.name), what.to_owned());
    if !from.ref_attr_name.is_empty() {
        return Ok(Attribute::Reference(from.ref_attr_name.clone()));
    }
    let text = |bytes: &prost::bytes::Bytes| {
        String::from_utf8(bytes.to_vec()).map_err(|_| wrong("is a text that is not UTF-8"))
    };
    Ok(match from.r#type() {
        AttributeType::Int => Attribute::Int(from.i),
        AttributeType::Float => Attribute::Float(from.f),
        AttributeType::String => Attribute::Text(text(&from.s)?),
        AttributeType::Ints => Attribute::Ints(from.ints.clone()),
        AttributeType::Floats => Attribute::Floats(from.floats.clone()),
        AttributeType::Strings => Attribute::Texts(from.strings.iter().map(text).collect::<Result<_, _>>()?),
        AttributeType::Tensor => match &from.t {
            Some(tensor) => match tensor::decode(tensor, external) {
                Ok(constant) => Attribute::Tensor(Arc::new(constant)),
                Err(what) => return Err(wrong(&what)),
            },
            None => return Err(wrong("has no tensor")),
        },
        AttributeType::Graph => match &from.g {
            Some(inner) => Attribute::Graph(graph(inner, external)?),
            None => return Err(wrong("has no graph")),
        },
        AttributeType::Undefined => return Err(wrong("has no type")),
        AttributeType::Tensors => Attribute::Other("a list of tensors"),
        AttributeType::Graphs => Attribute::Other("a list of graphs"),
        AttributeType::SparseTensor | AttributeType::SparseTensors => Attribute::Other("a sparse tensor"),
        AttributeType::TypeProto | AttributeType::TypeProtos => Attribute::Other("a type"),
    })
}

fn function(function: &proto::Function, external: &External) -> Result<Function, Wrong> {
    let within = |(place, what)| (format!("function `{}`, {place}", function.name), what);
    Ok(Function {
        inputs: function.input.clone(),
        outputs: function.output.clone(),
        defaults: attributes(&function.attribute_proto, external).map_err(within)?,
        nodes: nodes(&function.node, external).map_err(within)?,
        opsets: opsets(&function.opset_import),
    })
}
