//! Exports the detector as an ONNX file, for use in other programs.

mod detector;
mod graph;
mod proto;

use std::collections::HashMap;

use prost::Message;

use super::save::unwritable;
use super::tensors::misfit;
use graph::{Graph, entry, value};

use crate::annotate::edit::Table;
use crate::config::Config;
use crate::device;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::render::skeleton;

/// Version of ONNX's operator set.
const OPSET: i64 = 17;
/// Version of the file format that belongs to it.
const IR_VERSION: i64 = 8;

/// Returns the bytes of an `.onnx` file of a model's detector, as [`Export::to_bytes`] describes it. Keypoints without names are
/// called `kp0` and so on. See `tests/onnx.rs`.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer, [`Error::Model`] if a number of the model is not finite.
pub async fn export(model: &AutoLink, config: &Config, names: Option<&Table>) -> Result<Vec<u8>> {
    let state = super::state(model).await?;
    super::finite::check(&state)?;
    let weights = model.edges.weights(config.edge_scale); // [K,K]
    let weights = device::read(vec![weights.flatten(0, 1)]).await?.concat();
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
        spread: model.detector.spread,
        names: &names,
        edge_weights: &weights,
        config: &json(config)?,
    }
    .to_bytes()
}

/// The content of an ONNX file.
pub struct Export<'a> {
    /// Shape and values of each tensor by the authors' names, as `checkpoint::state` returns them. Only the detector's are
    /// used.
    pub state: &'a HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// Side S of the square image, px; a multiple of 16.
    pub size: usize,
    /// Strength of the detector's spatial prior, 0 once the start of a run is over.
    pub spread: f64,
    /// Names of the K keypoints.
    pub names: &'a [String],
    /// Edge weights `[K,K]`, row-major.
    pub edge_weights: &'a [f32],
    /// Settings as JSON.
    pub config: &'a str,
}

impl Export<'_> {
    /// Returns the bytes of an `.onnx` file: operator set 17, batch norm folded into the convolutions. See `tests/onnx.rs`.
    ///
    /// | value | shape | meaning |
    /// | --- | --- | --- |
    /// | input `image` | `[N,3,S,S]` | RGB in `[0, 1]`, N is free |
    /// | output `keypoints` | `[N,K,2]` | (x, y) as fractions of the square, 0 and 1 at its borders |
    /// | output `confidence` | `[N,K]` | share of the heatmap within a tenth of the side of the keypoint |
    /// | output `heatmap` | `[N,K,S/4,S/4]` | each sums to 1 |
    ///
    /// The metadata has `edge_weights` (JSON, K rows of K), `skeleton` (JSON, pairs of keypoints from 0), `keypoint_names` (JSON) and
    /// `config` (as given).
    ///
    /// # Errors
    /// [`Error::Setting`] if S is not a multiple of 16, [`Error::Model`] if a tensor is missing, has another shape or contains
    /// a number that is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let (size, count) = (self.size, self.names.len());
        if size == 0 || !size.is_multiple_of(16) {
            return Err(Error::Setting(format!(
                "Image size is {size} px, but must be a multiple of 16."
            )));
        }
        if count == 0 || self.edge_weights.len() != count * count {
            return Err(misfit(format!(
                "it has {} edge weights, but {count} keypoints need {}",
                self.edge_weights.len(),
                count * count
            )));
        }
        if self.edge_weights.iter().any(|weight| !weight.is_finite()) {
            return Err(misfit("an edge weight is not a finite number".into()));
        }
        let mut graph = Graph {
            state: self.state,
            nodes: Vec::new(),
            constants: Vec::new(),
        };
        graph.detect(size, count, self.spread)?;

        let edge_weights: Vec<Vec<f32>> = self
            .edge_weights
            .chunks(count)
            .map(<[f32]>::to_vec)
            .collect();
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
                entry("skeleton", json(&skeleton(&edge_weights))?),
                entry("keypoint_names", json(&self.names)?),
                entry("config", self.config.into()),
            ],
        };
        Ok(model.encode_to_vec())
    }
}

/// Returns the description in the file.
fn describe(size: usize, count: usize) -> String {
    format!(
        "AutoLink's detector of {count} keypoints.\n\
        Input `image`: float32 [N,3,{size},{size}], RGB in [0,1], that is bytes / 255. `fit` in the metadata's `config` \
        says how an image becomes square: stretch (each side scaled on its own), crop (the largest centred square) or \
        pad (all of it, centred, with bars in the mean colour of its border). Resize with a cubic filter that does not \
        alias (Pillow's BICUBIC).\n\
        Outputs: `keypoints` [N,{count},2] are (x, y) as fractions of the square, 0 and 1 at its borders; `confidence` [N,{count}] is the share of a heatmap within a tenth of the side of its \
        keypoint; `heatmap` [N,{count},{side},{side}] sums to 1 over each keypoint's pixels.\n\
        Metadata: `edge_weights` ({count} rows of {count}, symmetric), `skeleton` (pairs of keypoints, from 0), `keypoint_names`, `config`; all JSON.",
        side = size / 4,
    )
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::detector::LAYERS;
    use super::*;

    type Tensors = HashMap<String, (Vec<usize>, Vec<f32>)>;

    /// Makes a detector of `count` keypoints whose convolutions are all 0.5 with bias 0.25 and whose norms are
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
        // Keypoints 0 and 1 are linked.
        let weight = |(i, j): (usize, usize)| match (i, j) {
            (i, j) if i == j => 0.0,
            (0, 1) | (1, 0) => 0.5,
            _ => 0.1,
        };
        let pairs = (0..count * count).map(|at| (at / count, at % count));
        let edge_weights: Vec<f32> = pairs.map(weight).collect();
        Export {
            state,
            size,
            spread: 0.0,
            names: &names,
            edge_weights: &edge_weights,
            config: "{}",
        }
        .to_bytes()
    }

    #[test]
    fn to_bytes_writes_metadata_and_shapes() {
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
                    "[[0.0,0.5,0.1],[0.5,0.0,0.1],[0.1,0.1,0.0]]"
                ),
                ("skeleton", "[[0,1]]"),
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
    fn to_bytes_folds_norms() {
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
    fn to_bytes_rejects_misfits() {
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
            (export(&good, 32, 4), "[3, 4, 3, 3] instead of [4, 4, 3, 3]"),
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
            (export(&no_number, 32, 3), "not finite numbers"),
        ];
        for (result, expected) in cases {
            let message = result.expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
