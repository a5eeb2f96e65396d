//! Models and runs as bytes.

use std::collections::HashMap;

use burn::module::Module;
use half::f16;
use safetensors::{Dtype, tensor::TensorView};

use super::header::{FORMAT, Header, KEY, RunHeader};
use super::tensors::{Found, State, collect, read, state};
use super::{FIRST, LOSSES, SECOND, SNAPSHOTS, sound};
use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::{Snapshots, TrainState};

/// How a file keeps numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Exactly.
    Float32,
    /// In half the space, to three digits.
    Float16,
}

/// A model and its settings as the bytes of a `.safetensors` file.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer, [`Error::Model`] where a number is none, or too large for the precision.
pub async fn save(
    model: &AutoLink,
    config: &Config,
    step: usize,
    names: Option<&Table>,
    run_id: &str,
    precision: Precision,
) -> Result<Vec<u8>> {
    let header = Header {
        format: FORMAT,
        config: config.clone(),
        step,
        run: None,
        names: names.cloned(),
        run_id: Some(run_id.into()),
    };
    write(&header, in_precision(state(model).await?, precision)?)
}

/// A run with the losses of its steps so far and what it looked like, as the bytes of a `.safetensors` file.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer, [`Error::Model`] where a number is none.
pub async fn save_run(
    run: &TrainState,
    losses: &[f32],
    snapshots: &Snapshots,
    names: Option<&Table>,
    run_id: &str,
) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    for Found {
        id,
        name,
        shape,
        tensor,
    } in collect(&run.model.valid())
    // so that the running statistics are those of the last step
    {
        if let Some([first, second]) = run.optimizer.moments.get(&id) {
            tensors.push((format!("{FIRST}{name}"), shape.clone(), first.clone()));
            tensors.push((format!("{SECOND}{name}"), shape.clone(), second.clone()));
        }
        tensors.push((name, shape, tensor));
    }
    let mut state = read(tensors).await?;
    state.push((LOSSES.into(), vec![losses.len()], losses.to_vec()));
    let mut pictures = Vec::new();
    for snapshot in snapshots.all() {
        let name = |kind: &str| format!("{SNAPSHOTS}{}/{kind}", snapshot.step);
        let (probes, keypoints) = (snapshot.keypoints.len(), run.config.keypoints);
        let points = snapshot.keypoints.concat().concat();
        let edges = snapshot.edge_weights.concat();
        state.push((name("keypoints"), vec![probes, keypoints, 2], points));
        state.push((name("edge_weights"), vec![keypoints, keypoints], edges));
        pictures.push((
            name("reconstruction"),
            Dtype::U8,
            vec![probes, run.config.size, run.config.size, 3],
            snapshot.reconstruction.clone(),
        ));
    }
    let header = Header {
        format: FORMAT,
        config: run.config.clone(),
        step: run.step,
        run: Some(RunHeader {
            steps: run.optimizer.steps,
            streams: run.streams.clone(),
        }),
        names: names.cloned(),
        run_id: Some(run_id.into()),
    };
    let mut tensors = in_precision(state, Precision::Float32)?;
    tensors.extend(pictures);
    write(&header, tensors)
}

/// A tensor as a file has it: name, type, shape, bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn in_precision(state: State, precision: Precision) -> Result<Vec<Stored>> {
    sound::check(&state)?;
    if precision == Precision::Float16 {
        sound::check_float16(&state)?;
    }
    let stored = |(name, shape, values): (String, _, Vec<f32>)| match precision {
        Precision::Float32 => {
            let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name, Dtype::F32, shape, bytes)
        }
        Precision::Float16 => {
            let halves = values.iter().map(|v| f16::from_f32(*v));
            let bytes = halves.flat_map(f16::to_le_bytes).collect();
            (name, Dtype::F16, shape, bytes)
        }
    };
    Ok(state.into_iter().map(stored).collect())
}

fn write(header: &Header, tensors: Vec<Stored>) -> Result<Vec<u8>> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::Model(format!("The model could not be written ({error})."))
    };
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| broken(&error))?;
    let header = serde_json::to_string(header).map_err(|error| broken(&error))?;
    let metadata = HashMap::from([(KEY.to_string(), header)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| broken(&error))
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::checkpoint::{load, small};

    #[test]
    fn half_the_bytes_keep_three_digits() {
        let (device, config) = (Device::flex(), small());
        let model = AutoLink::init(&config, &device);
        let save = |precision| {
            pollster::block_on(save(&model, &config, 1, None, "run-1", precision)).expect("saves")
        };
        let (exact, short) = (save(Precision::Float32), save(Precision::Float16));
        assert!(short.len() < exact.len() * 6 / 10);
        let loaded = load(&short, &device).expect("loads").model;
        let [a, b] = [&model, &loaded].map(|m| pollster::block_on(state(m)).expect("reads"));
        for ((name, _, a), (_, _, b)) in a.iter().zip(&b) {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() <= 1e-3 * a.abs() + 1e-7, "{name}: {a} {b}");
            }
        }
    }
}
