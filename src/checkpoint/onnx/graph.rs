//! Builds a graph of ONNX's operators.

use std::collections::HashMap;

use super::proto;
use crate::checkpoint::tensors::misfit;
use crate::error::Result;

/// An unfinished graph. Each layer adds nodes and returns the name of its result.
pub(super) struct Graph<'a> {
    pub(super) state: &'a HashMap<String, (Vec<usize>, Vec<f32>)>,
    pub(super) nodes: Vec<proto::Node>,
    pub(super) constants: Vec<proto::Tensor>,
}

impl<'a> Graph<'a> {
    /// Returns the values of a tensor of the model.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if it is missing, has another shape or contains a number that is not finite.
    pub(super) fn tensor(&self, name: &str, expected: &[usize]) -> Result<&'a [f32]> {
        let Some((shape, values)) = self.state.get(name) else {
            return Err(misfit(format!("it has no {name}")));
        };
        if shape != expected || values.len() != expected.iter().product::<usize>() {
            return Err(misfit(format!(
                "{name} has the shape {shape:?} instead of {expected:?}"
            )));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(misfit(format!(
                "{name} contains values that are not finite numbers"
            )));
        }
        Ok(values)
    }

    /// Adds an operation and returns the name of its result.
    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<proto::Attribute>,
    ) -> String {
        let name = format!("{op}_{}", self.nodes.len());
        self.output(&name, op, inputs, attributes);
        name
    }

    /// Adds an operation whose result has the given name.
    pub(super) fn output(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        attribute: Vec<proto::Attribute>,
    ) {
        self.nodes.push(proto::Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
        });
    }

    /// Adds a float32 constant and returns its name.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, proto::FLOAT, shape, bytes.collect())
    }

    /// Adds an int64 constant, a list, and returns its name.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, proto::INT64, &[values.len()], bytes.collect())
    }

    /// Adds a constant, unless there is one of this name, and returns its name.
    fn constant(
        &mut self,
        name: &str,
        data_type: i32,
        shape: &[usize],
        raw_data: Vec<u8>,
    ) -> String {
        if self.constants.iter().all(|constant| constant.name != name) {
            self.constants.push(proto::Tensor {
                dims: shape.iter().map(|&n| n as i64).collect(),
                data_type,
                name: name.into(),
                raw_data,
            });
        }
        name.into()
    }
}

pub(super) fn float(name: &str, value: f32) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_FLOAT,
        f: Some(value),
        ..Default::default()
    }
}

pub(super) fn int(name: &str, value: i64) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_INT,
        i: Some(value),
        ..Default::default()
    }
}

pub(super) fn text(name: &str, value: &str) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_STRING,
        s: Some(value.into()),
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_INTS,
        ints: values.to_vec(),
        ..Default::default()
    }
}

pub(super) fn entry(key: &str, value: String) -> proto::Entry {
    proto::Entry {
        key: key.into(),
        value,
    }
}

/// Describes a float32 input or output `[N, shape...]`; N is free.
pub(super) fn value(name: &str, shape: &[usize]) -> proto::Value {
    let batch = proto::Dimension {
        dim_value: None,
        dim_param: Some("N".into()),
    };
    let fixed = shape.iter().map(|&n| proto::Dimension {
        dim_value: Some(n as i64),
        dim_param: None,
    });
    proto::Value {
        name: name.into(),
        r#type: Some(proto::Type {
            tensor_type: Some(proto::TensorType {
                elem_type: proto::FLOAT,
                shape: Some(proto::Shape {
                    dim: std::iter::once(batch).chain(fixed).collect(),
                }),
            }),
        }),
    }
}
