//! Saves models and runs.

use std::collections::HashMap;

use burn::module::Module;
use half::f16;
use safetensors::{Dtype, tensor::TensorView};

use super::header::{FORMAT, Header, KEY, RunHeader};
use super::tensors::{Found, State, collect, read, state};
use super::{FIRST, LOSSES, SECOND, SNAPSHOTS, finite};
use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::{Snapshots, TrainState};

/// Type of the numbers in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// float32: exact.
    Float32,
    /// float16: half the size, three significant digits.
    Float16,
}

/// Returns a model and its settings as the bytes of a `.safetensors` file. See `cli/tests/lost.rs`.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer, [`Error::Model`] if a number is not finite or too large for the precision.
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

/// Returns a run with its losses and its training history as the bytes of a `.safetensors` file. See `tests/session.rs`.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer, [`Error::Model`] if a number is not finite.
pub async fn save_run(
    run: &TrainState,
    losses: &[f32],
    snapshots: &Snapshots,
    names: Option<&Table>,
    run_id: &str,
) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    // `valid` so that the running statistics are those of the last step.
    for Found {
        id,
        name,
        shape,
        tensor,
    } in collect(&run.model.valid())
    {
        if let Some([first, second]) = run.optimizer.moments.get(&id) {
            tensors.push((format!("{FIRST}{name}"), shape.clone(), first.clone()));
            tensors.push((format!("{SECOND}{name}"), shape.clone(), second.clone()));
        }
        tensors.push((name, shape, tensor));
    }
    let mut state = read(tensors).await?;
    state.push((LOSSES.into(), vec![losses.len()], losses.to_vec()));
    let mut images = Vec::new();
    for snapshot in snapshots.all() {
        let name = |kind: &str| format!("{SNAPSHOTS}{}/{kind}", snapshot.step);
        let (previews, keypoints) = (snapshot.keypoints.len(), run.config.keypoints);
        let points = snapshot.keypoints.concat().concat();
        let edges = snapshot.edge_weights.concat();
        state.push((name("keypoints"), vec![previews, keypoints, 2], points));
        state.push((name("edge_weights"), vec![keypoints, keypoints], edges));
        images.push((
            name("reconstruction"),
            Dtype::U8,
            vec![previews, run.config.size, run.config.size, 3],
            snapshot.reconstruction.clone(),
        ));
    }
    let header = Header {
        format: FORMAT,
        config: run.config.clone(),
        step: run.step,
        run: Some(RunHeader {
            steps: run.optimizer.steps,
            streams: run.rng_state.clone(),
        }),
        names: names.cloned(),
        run_id: Some(run_id.into()),
    };
    let mut tensors = in_precision(state, Precision::Float32)?;
    tensors.extend(images);
    write(&header, tensors)
}

/// A tensor in a file: name, type, shape, bytes.
type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

fn in_precision(state: State, precision: Precision) -> Result<Vec<Stored>> {
    finite::check(&state)?;
    if precision == Precision::Float16 {
        finite::check_float16(&state)?;
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
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?))
        })
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(unwritable)?;
    let header = serde_json::to_string(header).map_err(unwritable)?;
    let metadata = HashMap::from([(KEY.to_string(), header)]);
    safetensors::serialize(views, Some(metadata)).map_err(unwritable)
}

/// Returns the error for a model that a library could not write.
pub(super) fn unwritable(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Model("The model could not be written.".into()).with_source(source)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::checkpoint::{load, small};

    #[test]
    fn save_float16_keeps_three_digits() {
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
