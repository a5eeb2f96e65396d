//! Models and runs from bytes.

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

/// What a file holds.
pub struct Loaded {
    /// The model; recording gradients on an autodiff device.
    pub model: AutoLink,
    /// Its settings.
    pub config: Config,
    /// Steps it was trained.
    pub step: usize,
    /// What a run has beside its model.
    pub(super) run: Option<(AdamW, Option<RngState>)>,
    /// The losses of a run's steps.
    pub losses: Vec<f32>,
    /// What a run looked like on its way.
    pub snapshots: Snapshots,
    /// What a person called the keypoints.
    pub names: Option<Table>,
    /// What the run is known by; where the file does not say, a hash of the model's tensors.
    pub run_id: String,
}

impl Loaded {
    /// Whether the file holds a run, which goes on exactly where it was saved.
    pub fn is_run(&self) -> bool {
        self.run.is_some()
    }

    /// To go on with: a run where it was, a model with a fresh optimiser. Load it on an autodiff device.
    pub fn paused(self) -> TrainState {
        let (optimizer, streams) = match self.run {
            Some(run) => run,
            None => (AdamW::new(self.config.weight_decay), None),
        };
        TrainState {
            model: self.model,
            config: self.config,
            step: self.step,
            optimizer,
            streams,
        }
    }
}

/// Reads what [`save`] or [`save_run`] wrote.
///
/// # Errors
/// [`Error::Model`] with what is wrong: not safetensors, truncated, not ours, another shape, not numbers.
pub fn load(bytes: &[u8], device: &Device) -> Result<Loaded> {
    let wrong = |what: String| Error::Model(format!("This is not a model of AutoLink: {what}."));
    let file = SafeTensors::deserialize(bytes).map_err(|error| {
        wrong(format!(
            "it is no safetensors file, or only part of one ({error})"
        ))
    })?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|error| wrong(error.to_string()))?;
    let header = metadata
        .metadata()
        .as_ref()
        .and_then(|metadata| metadata.get(KEY))
        .ok_or_else(|| wrong("its metadata does not say so".into()))?;
    let format = serde_json::from_str::<Format>(header)
        .map_err(|error| wrong(format!("its metadata cannot be read ({error})")))?
        .format;
    if format != FORMAT {
        return Err(wrong(format!(
            "its format is {format}, this program reads {FORMAT}"
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
        .map_err(|error| wrong(format!("its settings cannot be read ({error})")))?;
    config.validate()?;
    if names
        .as_ref()
        .is_some_and(|names| !names.fits(config.keypoints))
    {
        return Err(wrong("its names are of other keypoints".into()));
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
                other => return Err(wrong(format!("{name} is {other:?}, not a float"))),
            };
            Ok(Some((name, (view.shape().to_vec(), values))))
        })
        .filter_map(Result::transpose)
        .collect::<Result<HashMap<_, _>>>()?;
    let snapshots = snapshots(&file, &mut state, &config)
        .ok_or_else(|| wrong("its snapshots do not fit".into()))?;
    let (_, losses) = state.remove(LOSSES).unwrap_or_default();
    if losses.iter().any(|loss| !loss.is_finite()) {
        return Err(wrong("its losses are no numbers".into()));
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
                let moments = [FIRST, SECOND].map(|of| state.remove(&format!("{of}{name}")));
                let [Some(first), Some(second)] = moments else {
                    continue; // a running statistic
                };
                if first.0 != shape || second.0 != shape {
                    return Err(wrong(format!("the moments of {name} have another shape")));
                }
                let tensor = |(_, values): (_, Vec<f32>)| {
                    let count = values.len();
                    Tensor::from_data(TensorData::new(values, [count]), &device.clone().inner())
                };
                let moments = [first, second];
                if moments.iter().flat_map(|(_, v)| v).any(|v| !v.is_finite()) {
                    return Err(wrong(format!("the moments of {name} are no numbers")));
                }
                optimizer.moments.insert(id, moments.map(tensor));
            }
            Some((optimizer, streams))
        }
    };
    let run_id = run_id.filter(|id| is_run_id(id));
    let run_id = run_id.unwrap_or_else(|| id_of(&state));
    Ok(Loaded {
        model: with_state(model, state)?,
        config,
        step,
        run,
        losses,
        snapshots,
        names,
        run_id,
    })
}

/// Takes the snapshots of a run out of its tensors; nothing where one is not as it should be.
fn snapshots(
    file: &SafeTensors,
    state: &mut HashMap<String, (Vec<usize>, Vec<f32>)>,
    config: &Config,
) -> Option<Snapshots> {
    let (mut found, count) = (Vec::new(), config.keypoints);
    for name in file.names() {
        let Some(of) = name.strip_suffix("/reconstruction") else {
            continue;
        };
        let step = of.strip_prefix(SNAPSHOTS)?.parse().ok()?;
        let picture = file.tensor(name).ok()?;
        let (points_shape, points) = state.remove(&format!("{of}/keypoints"))?;
        let (edges_shape, edges) = state.remove(&format!("{of}/edge_weights"))?;
        let probes = *points_shape.first()?;
        let fits = picture.dtype() == Dtype::U8
            && picture.shape() == [probes, config.size, config.size, 3]
            && points_shape == [probes, count, 2]
            && edges_shape == [count, count]
            && points.iter().chain(&edges).all(|value| value.is_finite());
        let point = |xy: &[f32]| [xy[0], xy[1]];
        let points_of = |points: &[f32]| points.chunks_exact(2).map(point).collect();
        found.push(fits.then(|| Snapshot {
            step,
            keypoints: points.chunks(2 * count).map(points_of).collect(),
            edge_weights: edges.chunks(count).map(<[f32]>::to_vec).collect(),
            reconstruction: picture.data().to_vec(),
        })?);
    }
    Some(Snapshots::new(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Precision, save, small, state};

    #[test]
    fn what_is_saved_is_loaded() {
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
    fn what_is_wrong_is_said() {
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
            (&good[..good.len() - 9], "part of one"),
            (&misfit, "should be"),
            (&[], "safetensors"),
        ];
        for (bytes, expected) in cases {
            let message = load(bytes, &device).err().expect(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
