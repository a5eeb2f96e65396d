//! The detector as an ONNX file, for whoever runs it without us.

mod detector;
mod graph;
mod proto;

use std::collections::HashMap;

use burn::tensor::Transaction;
use prost::Message;

use graph::{Graph, entry, value};

use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;

/// The operator set that the file speaks.
const OPSET: i64 = 17;
/// The version of the file format that goes with it.
const IR_VERSION: i64 = 8;

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

fn misfit(what: String) -> Error {
    Error::Model(format!("This model does not fit: {what}."))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::Model(format!("The model could not be written ({error}).")))
}

#[cfg(test)]
mod tests {
    use super::detector::LAYERS;
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
