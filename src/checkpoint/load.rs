//! Loads models and runs.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;
use safetensors::{Dtype, SafeTensors};

use super::header::{FORMAT, Format, Header, KEY, RunHeader, id_of, is_run_id};
use super::tensors::{Found, collect, with_state};
use super::{FIRST, LOSSES, SECOND, SNAPSHOTS};
use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::{AdamW, RngState, Snapshot, Snapshots, TrainState};

/// The model or run in a file.
pub struct Loaded {
    /// Model, which records gradients on an autodiff device.
    pub model: AutoLink,
    /// Settings of the model.
    pub config: Config,
    /// Number of training steps.
    pub step: usize,
    /// The parts of a run besides its model: optimiser and random streams.
    pub(super) run: Option<(AdamW, Option<RngState>)>,
    /// Losses of a run's steps.
    pub losses: Vec<f32>,
    /// Training history of a run.
    pub snapshots: Snapshots,
    /// Names that a person gave the keypoints.
    pub names: Option<Table>,
    /// Id of the run; if the file has none, a hash of the model's tensors.
    pub run_id: String,
}

impl Loaded {
    /// Returns whether the file is a run, which continues exactly where it was saved. See `tests/session.rs`.
    pub fn is_run(&self) -> bool {
        self.run.is_some()
    }

    /// Returns the state to train on from: a run's own, or a model with a new optimiser. Load it on an autodiff device first.
    /// See `tests/session.rs`.
    pub fn into_train_state(self) -> TrainState {
        let (optimizer, streams) = match self.run {
            Some(run) => run,
            None => (AdamW::new(self.config.weight_decay), None),
        };
        TrainState {
            model: self.model,
            config: self.config,
            step: self.step,
            optimizer,
            rng_state: streams,
        }
    }
}

/// Loads what [`save`](super::save) or [`save_run`](super::save_run) wrote. See `tests/session.rs`.
///
/// # Errors
/// [`Error::Model`] if the file is not safetensors, is truncated, is not a model of AutoLink, or has tensors of another shape
/// or with numbers that are not finite; [`Error::Setting`] if a setting is out of range.
pub fn load(bytes: &[u8], device: &Device) -> Result<Loaded> {
    let wrong = |what: String| Error::Model(format!("This is not an AutoLink model: {what}."));
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        wrong("it is not a safetensors file, or it is incomplete".into()).with_source(error)
    })?;
    let (_, metadata) = SafeTensors::read_metadata(bytes)
        .map_err(|error| wrong("its metadata cannot be read".into()).with_source(error))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| wrong("its metadata has no settings".into()))?;
    let format = serde_json::from_str::<Format>(header)
        .map_err(|error| wrong("its metadata cannot be read".into()).with_source(error))?
        .format;
    if format != FORMAT {
        return Err(wrong(format!(
            "its format is {format}, but this version reads format {FORMAT}"
        )));
    }
    let Header {
        config,
        step,
        run,
        names,
        run_id,
        ..
    } = serde_json::from_str(header)
        .map_err(|error| wrong("its settings cannot be read".into()).with_source(error))?;
    config.validate()?;
    if names
        .as_ref()
        .is_some_and(|names| !names.fits(config.keypoints))
    {
        return Err(wrong("its names do not match its keypoints".into()));
    }
    let mut state = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let values: Vec<f32> = match view.dtype() {
                Dtype::F32 => (view.data().chunks_exact(4))
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect(),
                Dtype::F16 => (view.data().chunks_exact(2))
                    .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                    .collect(),
                Dtype::U8 if name.starts_with(SNAPSHOTS) => return Ok(None), // see `snapshots`
                other => {
                    return Err(wrong(format!(
                        "{name} has the type {other:?}, which is not a float"
                    )));
                }
            };
            Ok(Some((name, (view.shape().to_vec(), values))))
        })
        .filter_map(Result::transpose)
        .collect::<Result<HashMap<_, _>>>()?;
    let snapshots = snapshots(&file, &mut state, &config)
        .ok_or_else(|| wrong("its snapshots do not match its settings".into()))?;
    let (_, losses) = state.remove(LOSSES).unwrap_or_default();
    if losses.iter().any(|loss| !loss.is_finite()) {
        return Err(wrong("its losses are not finite numbers".into()));
    }
    let model = AutoLink::init(&config, device);
    let run = match run {
        None => None,
        Some(RunHeader { steps, streams }) => {
            let mut optimizer = AdamW::new(config.weight_decay);
            optimizer.steps = steps;
            for Found {
                id, name, shape, ..
            } in collect(&model)
            {
                let moments =
                    [FIRST, SECOND].map(|prefix| state.remove(&format!("{prefix}{name}")));
                let [Some(first), Some(second)] = moments else {
                    continue; // a running statistic
                };
                if first.0 != shape || second.0 != shape {
                    return Err(wrong(format!(
                        "the optimiser's moments of {name} have another shape"
                    )));
                }
                let tensor = |(_, values): (_, Vec<f32>)| {
                    let count = values.len();
                    Tensor::from_data(TensorData::new(values, [count]), &device.clone().inner())
                };
                let moments = [first, second];
                if moments.iter().flat_map(|(_, v)| v).any(|v| !v.is_finite()) {
                    return Err(wrong(format!(
                        "the optimiser's moments of {name} are not finite numbers"
                    )));
                }
                optimizer.moments.insert(id, moments.map(tensor));
            }
            Some((optimizer, streams))
        }
    };
    let run_id = run_id.filter(|id| is_run_id(id));
    let run_id = run_id.unwrap_or_else(|| id_of(&state));
    Ok(Loaded {
        model: with_state(model, state)?.at_step(&config, step),
        config,
        step,
        run,
        losses,
        snapshots,
        names,
        run_id,
    })
}

/// Removes the snapshots of a run from its tensors. Returns `None` if one does not match the settings.
fn snapshots(
    file: &SafeTensors,
    state: &mut HashMap<String, (Vec<usize>, Vec<f32>)>,
    config: &Config,
) -> Option<Snapshots> {
    let (mut found, count) = (Vec::new(), config.keypoints);
    for name in file.names() {
        let Some(prefix) = name.strip_suffix("/reconstruction") else {
            continue;
        };
        let step = prefix.strip_prefix(SNAPSHOTS)?.parse().ok()?;
        let image = file.tensor(name).ok()?;
        let (points_shape, points) = state.remove(&format!("{prefix}/keypoints"))?;
        let (edges_shape, edges) = state.remove(&format!("{prefix}/edge_weights"))?;
        let previews = *points_shape.first()?;
        let fits = image.dtype() == Dtype::U8
            && image.shape() == [previews, config.size, config.size, 3]
            && points_shape == [previews, count, 2]
            && edges_shape == [count, count]
            && points.iter().chain(&edges).all(|value| value.is_finite());
        let point = |xy: &[f32]| [xy[0], xy[1]];
        let points_of = |points: &[f32]| points.chunks_exact(2).map(point).collect();
        found.push(fits.then(|| Snapshot {
            step,
            keypoints: points.chunks(2 * count).map(points_of).collect(),
            edge_weights: edges.chunks(count).map(<[f32]>::to_vec).collect(),
            reconstruction: image.data().to_vec(),
        })?);
    }
    Some(Snapshots::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Precision, save, small, state};

    #[test]
    fn load_returns_what_save_wrote() {
        let (device, config) = (Device::flex(), small());
        let model = AutoLink::init(
            &Config {
                seed: 7,
                ..config.clone()
            },
            &device,
        );
        let bytes =
            pollster::block_on(save(&model, &config, 40, None, "run-1", Precision::Float32))
                .expect("saves");
        let loaded = load(&bytes, &device).expect("loads");
        assert_eq!((loaded.step, &loaded.config), (40, &config));
        assert_eq!(loaded.run_id, "run-1");
        let (before, after) = (
            pollster::block_on(state(&model)),
            pollster::block_on(state(&loaded.model)),
        );
        assert_eq!(before.expect("reads"), after.expect("reads"));
    }

    #[test]
    fn load_rejects_corrupt_files() {
        let (device, config) = (Device::flex(), small());
        let model = AutoLink::init(&config, &device);
        let good = pollster::block_on(save(&model, &config, 1, None, "run-1", Precision::Float32))
            .expect("saves");
        let again = pollster::block_on(save(&model, &config, 1, None, "run-1", Precision::Float32))
            .expect("saves");
        assert_eq!(good, again, "the same model makes the same bytes");
        let other = Config {
            keypoints: 5,
            ..config.clone()
        };
        let misfit = pollster::block_on(save(&model, &other, 1, None, "run-1", Precision::Float32))
            .expect("saves");
        let cases: [(&[u8], &str); 4] = [
            (b"no model", "safetensors"),
            (&good[..good.len() - 9], "incomplete"),
            (&misfit, "instead of"),
            (&[], "safetensors"),
        ];
        for (bytes, expected) in cases {
            let message = load(bytes, &device).err().expect(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
