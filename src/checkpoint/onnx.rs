//! The detector as an ONNX file, for whoever runs it without us.

use std::collections::HashMap;

use burn::tensor::Transaction;
use prost::Message;

use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::blocks::{LEAKY_SLOPE, Norm};
use crate::model::{AutoLink, Detection};
use crate::ops::cpu::heatmap::pixel_positions;

/// The operator set that the file speaks.
const OPSET: i64 = 17;
/// The version of the file format that goes with it.
const IR_VERSION: i64 = 8;
/// Where the authors keep the detector's layers.
const LAYERS: &str = "encoder.detector.conv";

/// The bytes of an `.onnx` file of a model; keypoints that nobody named are called `kp0` and so on. See [`Export::to_bytes`].
///
/// # Errors
/// [`Error::Backend`] where the device does not answer, [`Error::Model`] where the model holds something that is no number.
pub async fn export(model: &AutoLink, config: &Config, names: Option<&Table>) -> Result<Vec<u8>> {
    let state = super::state(model).await?;
    super::sound::check(&state)?;
    let weights = model.edges.weights(config.edge_scale);
    let weights = Transaction::default()
        .register(weights)
        .execute_async()
        .await
        .ok()
        .and_then(|mut data| data.pop()?.convert::<f32>().try_into_vec().ok())
        .ok_or_else(|| {
            Error::Backend("The edge weights could not be read from the device.".into())
        })?;
    let names = match names {
        Some(table) => table.names(config.keypoints),
        None => (0..config.keypoints).map(|k| format!("kp{k}")).collect(),
    };
    Export {
        state: &state
            .into_iter()
            .map(|(n, shape, v)| (n, (shape, v)))
            .collect(),
        size: config.size,
        names: &names,
        edge_weights: &weights,
        config: &json(config)?,
    }
    .to_bytes()
}

/// What goes into the file.
pub struct Export<'a> {
    /// Shape and values of each tensor by the authors' names, as `checkpoint::state` gives them. Only the detector's are
    /// read.
    pub state: &'a HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// Side S of the square picture, px; a multiple of 16.
    pub size: usize,
    /// A name for each of the K keypoints.
    pub names: &'a [String],
    /// `[K,K]`, row by row.
    pub edge_weights: &'a [f32],
    /// The settings as JSON.
    pub config: &'a str,
}

impl Export<'_> {
    /// The bytes of an `.onnx` file, operator set 17, batch norm folded into the convolutions.
    ///
    /// | value | shape | meaning |
    /// | --- | --- | --- |
    /// | input `image` | `[N,3,S,S]` | RGB in `[0, 1]`, N is free |
    /// | output `keypoints` | `[N,K,2]` | (x, y) as fractions of the square, 0 and 1 at its borders |
    /// | output `confidence` | `[N,K]` | share of the heatmap within a tenth of the side of the keypoint |
    /// | output `heatmap` | `[N,K,S/4,S/4]` | each sums to 1 |
    ///
    /// The metadata has `edge_weights` (JSON, K rows of K), `keypoint_names` (JSON) and `config` (as given).
    ///
    /// # Errors
    /// [`Error::Setting`] where S is no multiple of 16, [`Error::Model`] where a tensor is missing, has another shape
    /// or holds something that is no number.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (size, count) = (self.size, self.names.len());
        if size == 0 || !size.is_multiple_of(16) {
            return Err(Error::Setting(format!(
                "Picture size is {size} px, but must be a multiple of 16."
            )));
        }
        if count == 0 || self.edge_weights.len() != count * count {
            return Err(misfit(format!(
                "it has {} edge weights, but {count} keypoints have {}",
                self.edge_weights.len(),
                count * count
            )));
        }
        if self.edge_weights.iter().any(|weight| !weight.is_finite()) {
            return Err(misfit("an edge weight is no number".into()));
        }
        let mut graph = Graph {
            state: self.state,
            nodes: Vec::new(),
            constants: Vec::new(),
        };
        graph.detect(size, count)?;

        let edge_weights: Vec<&[f32]> = self.edge_weights.chunks(count).collect();
        let model = proto::Model {
            ir_version: IR_VERSION,
            opset_import: vec![proto::OperatorSet { version: OPSET }],
            producer_name: env!("CARGO_PKG_NAME").into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: describe(size, count),
            graph: Some(proto::Graph {
                node: graph.nodes,
                name: "detector".into(),
                initializer: graph.constants,
                input: vec![value("image", &[3, size, size])],
                output: vec![
                    value("keypoints", &[count, 2]),
                    value("confidence", &[count]),
                    value("heatmap", &[count, size / 4, size / 4]),
                ],
            }),
            metadata_props: vec![
                entry("edge_weights", json(&edge_weights)?),
                entry("keypoint_names", json(&self.names)?),
                entry("config", self.config.into()),
            ],
        };
        Ok(model.encode_to_vec())
    }
}

/// What the file says about itself.
fn describe(size: usize, count: usize) -> String {
    format!(
        "AutoLink's detector of {count} keypoints.\n\
        Input `image`: float32 [N,3,{size},{size}], RGB in [0,1], that is bytes / 255. `fit` in the metadata's `config` \
        says how a picture becomes square: stretch (each side scaled on its own), crop (the largest centred square) or \
        pad (all of it, centred, with bars in the mean colour of its border). Resize with a cubic filter that does not \
        alias (Pillow's BICUBIC).\n\
        Outputs: `keypoints` [N,{count},2] are (x, y) as fractions of the square, 0 and 1 at its borders; `confidence` [N,{count}] is the share of a heatmap within a tenth of the side of its \
        keypoint; `heatmap` [N,{count},{side},{side}] sums to 1 over each keypoint's pixels.\n\
        Metadata: `edge_weights` ({count} rows of {count}, symmetric), `keypoint_names`, `config`; all JSON.",
        side = size / 4,
    )
}

/// The graph while it is built: every layer adds nodes and gives the name of its result.
struct Graph<'a> {
    state: &'a HashMap<String, (Vec<usize>, Vec<f32>)>,
    nodes: Vec<proto::Node>,
    constants: Vec<proto::Tensor>,
}

impl<'a> Graph<'a> {
    /// `image` -> `keypoints`, `confidence`, `heatmap`; the same as `model::Detector::forward` and
    /// `model::Detection::confidence`.
    fn detect(&mut self, size: usize, count: usize) -> Result<()> {
        let width = self.width()?;
        let [one, two] = [("one", 1.0), ("two", 2.0)].map(|(name, v)| self.floats(name, &[], &[v]));
        let doubled = self.node("Mul", &["image", &two], vec![]);
        let mut x = self.node("Sub", &[&doubled, &one], vec![]); // [N,3,S,S] in [-1, 1]
        for (i, io) in [3, width, 2 * width, 4 * width, 8 * width]
            .windows(2)
            .enumerate()
        {
            x = self.residual_block(&x, &format!("{LAYERS}.{i}"), [io[0], io[1]])?;
        }
        for (i, io) in [(4, [8 * width, 4 * width]), (5, [4 * width, 2 * width])] {
            x = self.up_block(&x, &format!("{LAYERS}.{i}"), io)?;
        }
        let logits = self.conv(&x, &format!("{LAYERS}.6"), None, [2 * width, count])?;

        // heatmap = softmax over pixels
        let side = size / 4;
        let [k, h] = [count as i64, side as i64];
        let flat = self.integers("flat", &[0, k, h * h]);
        let square = self.integers("square", &[0, k, h, h]);
        let logits = self.node("Reshape", &[&logits, &flat], vec![]);
        let heatmap = self.node("Softmax", &[&logits], vec![int("axis", 2)]); // [N,K,hw]
        self.output("heatmap", "Reshape", &[&heatmap, &square], vec![]);

        // keypoint = sum over pixels p of heatmap(p) p
        let pixels = self.floats("pixels", &[side * side, 2], &pixel_positions(side, side));
        let keypoint = self.node("MatMul", &[&heatmap, &pixels], vec![]); // [N,K,2] (row, col) in [-1, 1]

        self.confidence(&heatmap, &keypoint, &pixels);

        // (row, col) in [-1, 1] between the centres of the corner pixels -> (x, y) in [0, 1] between the borders:
        // x = ((col + 1) / 2 (S - 1) + 1/2) / S = col (S - 1) / (2 S) + 1/2
        let half = self.floats("half", &[], &[0.5]);
        let scale = (0.5 * (size - 1) as f64 / size as f64) as f32;
        let swap = self.floats("swap", &[2, 2], &[0.0, scale, scale, 0.0]);
        let xy = self.node("MatMul", &[&keypoint, &swap], vec![]);
        self.output("keypoints", "Add", &[&xy, &half], vec![]);
        Ok(())
    }

    /// Two convolutions and a shortcut, to half the size: `[N,I,H,W]` -> `[N,O,H/2,W/2]`.
    ///
    /// The norm comes after the halving; a mean of pixels passes through it unchanged, so it folds all the same.
    fn residual_block(
        &mut self,
        x: &str,
        path: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<String> {
        let layer = |name: &str| format!("{path}.{name}");
        let shortcut = self.conv(
            x,
            &layer("conv_res.0"),
            Some(&layer("conv_res.2")),
            [inputs, outputs],
        )?;
        let shortcut = self.halve(&shortcut);
        let x = self.conv(x, &layer("net.0"), Some(&layer("net.2")), [inputs, outputs])?;
        let x = self.halve(&x);
        let x = self.leaky_relu(&x);
        let x = self.conv(
            &x,
            &layer("net.4"),
            Some(&layer("net.5")),
            [outputs, outputs],
        )?;
        let sum = self.node("Add", &[&x, &shortcut], vec![]);
        Ok(self.leaky_relu(&sum))
    }

    /// Twice the size, then a convolution: `[N,I,H,W]` -> `[N,O,2H,2W]`.
    fn up_block(&mut self, x: &str, path: &str, channels: [usize; 2]) -> Result<String> {
        let x = self.double(x);
        let (conv, norm) = (format!("{path}.net.1"), format!("{path}.net.2"));
        let x = self.conv(&x, &conv, Some(&norm), channels)?;
        Ok(self.leaky_relu(&x))
    }

    /// A 3x3 convolution with padding 1 and the norm after it as one convolution: `[N,I,H,W]` -> `[N,O,H,W]`.
    ///
    /// `gamma (w * x + b - mean) / sqrt(var + epsilon) + beta = (s w) * x + s (b - mean) + beta`
    fn conv(
        &mut self,
        x: &str,
        path: &str,
        norm: Option<&str>,
        [inputs, outputs]: [usize; 2],
    ) -> Result<String> {
        const EPSILON: f64 = Norm::EPSILON;
        let of = |path: &str, name: &str| format!("{path}.{name}");
        let shape = [outputs, inputs, 3, 3];
        let mut weight = self.tensor(&of(path, "weight"), &shape)?.to_vec();
        let mut bias = self.tensor(&of(path, "bias"), &[outputs])?.to_vec();
        if let Some(norm) = norm {
            let [gamma, beta, mean, var] = ["weight", "bias", "running_mean", "running_var"]
                .map(|name| self.tensor(&of(norm, name), &[outputs]));
            let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
            for (o, filter) in weight.chunks_mut(inputs * 9).enumerate() {
                let scale = f64::from(gamma[o]) / (f64::from(var[o]) + EPSILON).sqrt();
                for w in filter {
                    *w = (scale * f64::from(*w)) as f32;
                }
                let centred = f64::from(bias[o]) - f64::from(mean[o]);
                bias[o] = (scale * centred + f64::from(beta[o])) as f32;
            }
        }
        let weight = self.floats(&of(path, "weight"), &shape, &weight);
        let bias = self.floats(&of(path, "bias"), &[outputs], &bias);
        let window = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
        Ok(self.node("Conv", &[x, &weight, &bias], window))
    }

    fn leaky_relu(&mut self, x: &str) -> String {
        self.node("LeakyRelu", &[x], vec![float("alpha", LEAKY_SLOPE as f32)])
    }

    /// Bilinear, which at half the size is the mean of 2x2 pixels: `[N,C,H,W]` -> `[N,C,H/2,W/2]`.
    fn halve(&mut self, x: &str) -> String {
        let window = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        self.node("AveragePool", &[x], window)
    }

    /// Bilinear with half-pixel centres, borders repeated: `[N,C,H,W]` -> `[N,C,2H,2W]`.
    fn double(&mut self, x: &str) -> String {
        let scales = self.floats("double", &[4], &[1.0, 1.0, 2.0, 2.0]);
        let how = vec![
            text("mode", "linear"),
            text("coordinate_transformation_mode", "half_pixel"),
        ];
        self.node("Resize", &[x, "", &scales], how)
    }

    /// The share of each heatmap within a tenth of the side of its keypoint: `[N,K,hw]`, `[N,K,2]`, `[hw,2]` ->
    /// `[N,K]`.
    fn confidence(&mut self, heatmap: &str, keypoint: &str, pixels: &str) {
        const RADIUS: f64 = Detection::CONFIDENCE_RADIUS;
        let axis_2 = self.integers("axis_2", &[2]);
        let limit = self.floats("radius_squared", &[], &[(RADIUS * RADIUS) as f32]);
        let zero = self.floats("zero", &[], &[0.0]);
        let keypoint = self.node("Unsqueeze", &[keypoint, &axis_2], vec![]); // [N,K,1,2]
        let offset = self.node("Sub", &[pixels, &keypoint], vec![]); // [N,K,hw,2]
        let over_axis_3 = vec![ints("axes", &[3]), int("keepdims", 0)];
        let squared = self.node("ReduceSumSquare", &[&offset], over_axis_3); // [N,K,hw]
        let near = self.node("LessOrEqual", &[&squared, &limit], vec![]);
        let mass = self.node("Where", &[&near, heatmap, &zero], vec![]);
        let over_pixels = [mass.as_str(), &axis_2];
        self.output(
            "confidence",
            "ReduceSum",
            &over_pixels,
            vec![int("keepdims", 0)],
        );
    }

    /// Channels of the first layer.
    fn width(&self) -> Result<usize> {
        let name = format!("{LAYERS}.0.net.0.bias");
        match self.state.get(&name) {
            Some((shape, _)) if shape.len() == 1 && shape[0] > 0 => Ok(shape[0]),
            Some((shape, _)) => Err(misfit(format!("{name} is {shape:?}"))),
            None => Err(misfit(format!("it has no {name}"))),
        }
    }

    /// A tensor of the model, once it is what it should be.
    fn tensor(&self, name: &str, expected: &[usize]) -> Result<&'a [f32]> {
        let Some((shape, values)) = self.state.get(name) else {
            return Err(misfit(format!("it has no {name}")));
        };
        if shape != expected || values.len() != expected.iter().product::<usize>() {
            return Err(misfit(format!(
                "{name} is {shape:?}, but should be {expected:?}"
            )));
        }
        if values.iter().any(|value| !value.is_finite()) {
            return Err(misfit(format!("{name} holds values that are no numbers")));
        }
        Ok(values)
    }

    /// Adds an operation; the name of its result.
    fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<proto::Attribute>) -> String {
        let name = format!("{op}_{}", self.nodes.len());
        self.output(&name, op, inputs, attributes);
        name
    }

    /// Adds an operation whose result has this name.
    fn output(&mut self, name: &str, op: &str, inputs: &[&str], attribute: Vec<proto::Attribute>) {
        self.nodes.push(proto::Node {
            input: inputs.iter().map(|&input| input.into()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: op.into(),
            attribute,
        });
    }

    /// Adds a constant of float32; its name.
    fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, proto::FLOAT, shape, bytes.collect())
    }

    /// Adds a constant list of int64; its name.
    fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(name, proto::INT64, &[values.len()], bytes.collect())
    }

    /// Adds a constant unless it is there already.
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

fn misfit(what: String) -> Error {
    Error::Model(format!("This model does not fit: {what}."))
}

fn float(name: &str, value: f32) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_FLOAT,
        f: Some(value),
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_INT,
        i: Some(value),
        ..Default::default()
    }
}

fn text(name: &str, value: &str) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_STRING,
        s: Some(value.into()),
        ..Default::default()
    }
}

fn ints(name: &str, values: &[i64]) -> proto::Attribute {
    proto::Attribute {
        name: name.into(),
        r#type: proto::ATTRIBUTE_INTS,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Model(format!("The model could not be written ({error}).")))
}

fn entry(key: &str, value: String) -> proto::Entry {
    proto::Entry {
        key: key.into(),
        value,
    }
}

/// An input or output of float32 `[N, shape...]`, N free.
fn value(name: &str, shape: &[usize]) -> proto::Value {
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

/// The part of ONNX's `onnx.proto` that is used here, under its field numbers.
///
/// What may be 0 and still has to be in the file is an `Option`. A `oneof` of which one member is used is that member.
mod proto {
    /// `TensorProto.DataType.FLOAT`
    pub const FLOAT: i32 = 1;
    /// `TensorProto.DataType.INT64`
    pub const INT64: i32 = 7;
    /// `AttributeProto.AttributeType.FLOAT`
    pub const ATTRIBUTE_FLOAT: i32 = 1;
    /// `AttributeProto.AttributeType.INT`
    pub const ATTRIBUTE_INT: i32 = 2;
    /// `AttributeProto.AttributeType.STRING`
    pub const ATTRIBUTE_STRING: i32 = 3;
    /// `AttributeProto.AttributeType.INTS`
    pub const ATTRIBUTE_INTS: i32 = 7;

    /// `ModelProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Model {
        #[prost(int64, tag = "1")]
        pub ir_version: i64,
        #[prost(string, tag = "2")]
        pub producer_name: String,
        #[prost(string, tag = "3")]
        pub producer_version: String,
        #[prost(string, tag = "6")]
        pub doc_string: String,
        #[prost(message, optional, tag = "7")]
        pub graph: Option<Graph>,
        #[prost(message, repeated, tag = "8")]
        pub opset_import: Vec<OperatorSet>,
        #[prost(message, repeated, tag = "14")]
        pub metadata_props: Vec<Entry>,
    }

    /// `OperatorSetIdProto`, of the default domain
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct OperatorSet {
        #[prost(int64, tag = "2")]
        pub version: i64,
    }

    /// `StringStringEntryProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Entry {
        #[prost(string, tag = "1")]
        pub key: String,
        #[prost(string, tag = "2")]
        pub value: String,
    }

    /// `GraphProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Graph {
        #[prost(message, repeated, tag = "1")]
        pub node: Vec<Node>,
        #[prost(string, tag = "2")]
        pub name: String,
        #[prost(message, repeated, tag = "5")]
        pub initializer: Vec<Tensor>,
        #[prost(message, repeated, tag = "11")]
        pub input: Vec<Value>,
        #[prost(message, repeated, tag = "12")]
        pub output: Vec<Value>,
    }

    /// `NodeProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Node {
        #[prost(string, repeated, tag = "1")]
        pub input: Vec<String>,
        #[prost(string, repeated, tag = "2")]
        pub output: Vec<String>,
        #[prost(string, tag = "3")]
        pub name: String,
        #[prost(string, tag = "4")]
        pub op_type: String,
        #[prost(message, repeated, tag = "5")]
        pub attribute: Vec<Attribute>,
    }

    /// `AttributeProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Attribute {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(float, optional, tag = "2")]
        pub f: Option<f32>,
        #[prost(int64, optional, tag = "3")]
        pub i: Option<i64>,
        #[prost(bytes = "vec", optional, tag = "4")]
        pub s: Option<Vec<u8>>,
        #[prost(int64, repeated, packed = "false", tag = "8")]
        pub ints: Vec<i64>,
        #[prost(int32, tag = "20")]
        pub r#type: i32,
    }

    /// `TensorProto`; values as little-endian bytes
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Tensor {
        #[prost(int64, repeated, packed = "false", tag = "1")]
        pub dims: Vec<i64>,
        #[prost(int32, tag = "2")]
        pub data_type: i32,
        #[prost(string, tag = "8")]
        pub name: String,
        #[prost(bytes = "vec", tag = "9")]
        pub raw_data: Vec<u8>,
    }

    /// `ValueInfoProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Value {
        #[prost(string, tag = "1")]
        pub name: String,
        #[prost(message, optional, tag = "2")]
        pub r#type: Option<Type>,
    }

    /// `TypeProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Type {
        #[prost(message, optional, tag = "1")]
        pub tensor_type: Option<TensorType>,
    }

    /// `TypeProto.Tensor`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct TensorType {
        #[prost(int32, tag = "1")]
        pub elem_type: i32,
        #[prost(message, optional, tag = "2")]
        pub shape: Option<Shape>,
    }

    /// `TensorShapeProto`
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Shape {
        #[prost(message, repeated, tag = "1")]
        pub dim: Vec<Dimension>,
    }

    /// `TensorShapeProto.Dimension`: a number or a name
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct Dimension {
        #[prost(int64, optional, tag = "1")]
        pub dim_value: Option<i64>,
        #[prost(string, optional, tag = "2")]
        pub dim_param: Option<String>,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

    /// A detector of `count` keypoints whose convolutions are all 0.5 with bias 0.25 and whose norms are
    /// 3 (x - 1) / sqrt(4 + epsilon) + 2.
    fn state(count: usize, width: usize) -> Tensors {
        let mut state = Tensors::new();
        let mut put = |name: String, shape: &[usize], value: f32| {
            let values = vec![value; shape.iter().product()];
            state.insert(name, (shape.to_vec(), values));
        };
        let mut layer = |conv: String, norm: Option<String>, inputs: usize, outputs: usize| {
            put(
                format!("{LAYERS}.{conv}.weight"),
                &[outputs, inputs, 3, 3],
                0.5,
            );
            put(format!("{LAYERS}.{conv}.bias"), &[outputs], 0.25);
            for (tensor, value) in [
                ("weight", 3.0),
                ("bias", 2.0),
                ("running_mean", 1.0),
                ("running_var", 4.0),
            ] {
                if let Some(norm) = &norm {
                    put(format!("{LAYERS}.{norm}.{tensor}"), &[outputs], value);
                }
            }
        };
        for (i, io) in [3, width, 2 * width, 4 * width, 8 * width]
            .windows(2)
            .enumerate()
        {
            layer(
                format!("{i}.net.0"),
                Some(format!("{i}.net.2")),
                io[0],
                io[1],
            );
            layer(
                format!("{i}.net.4"),
                Some(format!("{i}.net.5")),
                io[1],
                io[1],
            );
            layer(
                format!("{i}.conv_res.0"),
                Some(format!("{i}.conv_res.2")),
                io[0],
                io[1],
            );
        }
        layer(
            "4.net.1".into(),
            Some("4.net.2".into()),
            8 * width,
            4 * width,
        );
        layer(
            "5.net.1".into(),
            Some("5.net.2".into()),
            4 * width,
            2 * width,
        );
        layer("6".into(), None, 2 * width, count);
        state
    }

    fn export(state: &Tensors, size: usize, count: usize) -> Result<Vec<u8>> {
        let names: Vec<String> = (0..count).map(|k| format!("point {k}")).collect();
        Export {
            state,
            size,
            names: &names,
            edge_weights: &vec![0.1; count * count],
            config: "{}",
        }
        .to_bytes()
    }

    #[test]
    fn the_file_says_what_it_is() {
        let bytes = export(&state(3, 2), 32, 3).expect("exports");
        assert_eq!(
            bytes,
            export(&state(3, 2), 32, 3).expect("exports"),
            "the same model makes the same bytes"
        );
        let model = proto::Model::decode(bytes.as_slice()).expect("decodes");
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
        let metadata: Vec<_> = model
            .metadata_props
            .iter()
            .map(|e| (e.key.as_str(), e.value.as_str()))
            .collect();
        assert_eq!(
            metadata,
            [
                (
                    "edge_weights",
                    "[[0.1,0.1,0.1],[0.1,0.1,0.1],[0.1,0.1,0.1]]"
                ),
                ("keypoint_names", r#"["point 0","point 1","point 2"]"#),
                ("config", "{}"),
            ]
        );
        let graph = model.graph.expect("has a graph");
        let shape = |value: &proto::Value| -> Vec<i64> {
            let tensor = value
                .r#type
                .clone()
                .and_then(|t| t.tensor_type)
                .expect("a tensor");
            tensor
                .shape
                .expect("a shape")
                .dim
                .iter()
                .map(|d| d.dim_value.unwrap_or(-1))
                .collect()
        };
        assert_eq!(shape(&graph.input[0]), [-1, 3, 32, 32]);
        assert_eq!(
            graph.output.iter().map(shape).collect::<Vec<_>>(),
            [vec![-1, 3, 2], vec![-1, 3], vec![-1, 3, 8, 8]]
        );
    }

    #[test]
    fn norms_are_folded() {
        let bytes = export(&state(3, 2), 32, 3).expect("exports");
        let graph = proto::Model::decode(bytes.as_slice())
            .expect("decodes")
            .graph
            .expect("has a graph");
        let first = |name: &str| {
            let tensor = graph
                .initializer
                .iter()
                .find(|t| t.name == name)
                .expect(name);
            f32::from_le_bytes(tensor.raw_data[..4].try_into().expect("a number"))
        };
        let scale = 3.0 / (4.0_f32 + 1e-5).sqrt();
        assert!((first("encoder.detector.conv.0.net.0.weight") - 0.5 * scale).abs() < 1e-6);
        assert!((first("encoder.detector.conv.0.net.0.bias") - (2.0 - 0.75 * scale)).abs() < 1e-6);
        assert_eq!(first("encoder.detector.conv.6.weight"), 0.5);
        assert!(
            graph
                .node
                .iter()
                .all(|node| node.op_type != "BatchNormalization")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let good = state(3, 2);
        let without = |name: &str| {
            let mut state = good.clone();
            state.remove(name);
            state
        };
        let mut no_number = good.clone();
        no_number
            .get_mut("encoder.detector.conv.5.net.2.bias")
            .expect("is there")
            .1[0] = f32::NAN;
        let cases = [
            (export(&good, 40, 3), "multiple of 16"),
            (
                export(&good, 32, 4),
                "[3, 4, 3, 3], but should be [4, 4, 3, 3]",
            ),
            (export(&good, 32, 0), "0 keypoints"),
            (export(&Tensors::new(), 32, 3), "it has no"),
            (
                export(
                    &without("encoder.detector.conv.3.conv_res.2.running_var"),
                    32,
                    3,
                ),
                "conv_res.2.running_var",
            ),
            (export(&no_number, 32, 3), "no numbers"),
        ];
        for (result, expected) in cases {
            let message = result.expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
