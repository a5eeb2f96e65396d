//! Models and runs as safetensors, under the names and layouts of the authors' `state_dict`.
//!
//! A model is its parameters and running statistics. A run is a model and what else it takes to go on as if it had never
//! stopped: `adamw.first/<name>`, `adamw.second/<name>` (the optimiser's moments), `losses` `[n]`, and the state of the random
//! streams in the metadata; to look back on, `snapshots/<step>/keypoints` `[P,K,2]`, `.../edge_weights` `[K,K]` and
//! `.../reconstruction` `[P,S,S,3]`, bytes. Whoever reads models reads runs, too.

mod names;
pub mod onnx; // the detector for others
mod open;
mod sound;
pub mod torch; // the authors' checkpoints

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

pub use open::open;
pub use sound::unsound;

use crate::annotate::content::ContentHasher;
use crate::annotate::edit::Table;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::{AdamW, RngState, Snapshot, Snapshots, TrainState};

/// The one key of the file's metadata: a single one, so that the same model always makes the same bytes.
const KEY: &str = "autolink";

/// What the names of a run's further tensors begin with.
const FIRST: &str = "adamw.first/";
const SECOND: &str = "adamw.second/";
/// The losses of a run.
const LOSSES: &str = "losses";
/// What the names of its snapshots begin with, before step and kind.
const SNAPSHOTS: &str = "snapshots/";

/// The longest header that is read, bytes; safetensors' own limit.
const MAX_HEADER: u64 = 100_000_000;

/// Version of [`Header`].
const FORMAT: u32 = 1;

/// The part of a [`Header`] that every version has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// What the file says beside its tensors, as JSON.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    config: Config,
    step: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<RunHeader>,
    /// What a person called the keypoints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    names: Option<Table>,
    /// What the run is known by, from its first step to wherever it is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
}

/// ... of a run.
#[derive(Serialize, Deserialize)]
struct RunHeader {
    /// The optimiser's.
    steps: usize,
    /// None: from the start; a model that was opened and not trained on.
    streams: Option<RngState>,
}

/// How a file keeps numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Exactly.
    Float32,
    /// In half the space, to three digits.
    Float16,
}

/// A model's tensors by the authors' names: shape and values.
pub type State = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Every parameter and running statistic of a model, read in one go.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn state(model: &AutoLink) -> Result<State> {
    let tensors = collect(model).into_iter();
    read(
        tensors
            .map(|found| (found.name, found.shape, found.tensor))
            .collect(),
    )
    .await
}

/// Names, shapes and tensors with their values in place of the tensors.
async fn read(tensors: Vec<(String, Vec<usize>, Tensor<1>)>) -> Result<State> {
    let mut transaction = Transaction::default();
    for (_, _, tensor) in &tensors {
        transaction = transaction.register(tensor.clone());
    }
    let data = transaction.execute_async().await.map_err(|error| {
        Error::Backend(format!(
            "The model could not be read from the device ({error:?})."
        ))
    })?;
    tensors
        .into_iter()
        .zip(data)
        .map(|((name, shape, _), data)| {
            let values = data.convert::<f32>().try_into_vec::<f32>();
            values
                .map(|values| (name, shape, values))
                .map_err(|error| Error::Model(format!("{error:?}")))
        })
        .collect()
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

/// What a file holds.
pub struct Loaded {
    /// The model; recording gradients on an autodiff device.
    pub model: AutoLink,
    /// Its settings.
    pub config: Config,
    /// Steps it was trained.
    pub step: usize,
    /// What a run has beside its model.
    run: Option<(AdamW, Option<RngState>)>,
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

/// Returns what a run that begins is known by: 32 random hexadecimal digits.
pub fn new_run_id() -> String {
    let mut bytes = [0; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without the system's random numbers the time has to do.
        let now = web_time::SystemTime::now().duration_since(web_time::UNIX_EPOCH);
        bytes = now.map_or(0, |now| now.as_nanos()).to_le_bytes();
    }
    format!("{:032x}", u128::from_le_bytes(bytes))
}

fn is_run_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// What a model is known by that was saved without an id: a hash of its tensors by their names.
fn id_of(state: &HashMap<String, (Vec<usize>, Vec<f32>)>) -> String {
    let mut names: Vec<&String> = state.keys().collect();
    names.sort();
    let mut content = ContentHasher::new(names.len() as u64);
    for name in names {
        content.add(name.as_bytes());
        let values = state[name].1.iter().flat_map(|v| v.to_le_bytes());
        content.add(&values.collect::<Vec<u8>>());
    }
    content.digits()
}

/// Steps that the model or run in a file was trained, read from its header alone.
///
/// # Errors
/// [`Error::Model`] where it is no file of ours.
pub fn steps_of(mut file: impl std::io::Read) -> Result<usize> {
    let wrong = || Error::Model("This is not a model of AutoLink.".into());
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|_| wrong())?;
    let limit = u64::from_le_bytes(length).min(MAX_HEADER);
    // The library reads a header only where the whole file is there.
    let start: serde_json::Value =
        serde_json::from_reader(file.take(limit)).map_err(|_| wrong())?;
    let header = start["__metadata__"][KEY].as_str();
    let header = header.and_then(|header| serde_json::from_str::<Header>(header).ok());
    header.map(|header| header.step).ok_or_else(wrong)
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

/// The model with these values, by the authors' names. Names that the model does not have are left alone.
///
/// # Errors
/// [`Error::Model`] where a tensor is missing, has another shape or holds something that is no number.
pub fn with_state(
    model: AutoLink,
    state: HashMap<String, (Vec<usize>, Vec<f32>)>,
) -> Result<AutoLink> {
    let mut loader = Loader {
        path: Vec::new(),
        state,
        wrong: None,
    };
    let model = model.map(&mut loader);
    match loader.wrong {
        Some(what) => Err(Error::Model(format!("This model does not fit: {what}."))),
        None => Ok(model),
    }
}

/// A parameter or running statistic.
struct Found {
    id: ParamId,
    name: String,
    shape: Vec<usize>,
    /// Flat.
    tensor: Tensor<1>,
}

/// All of a model.
fn collect(model: &AutoLink) -> Vec<Found> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.found
}

/// Visits a module and keeps each tensor with its name and shape.
#[derive(Default)]
struct Collector {
    path: Vec<String>,
    found: Vec<Found>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, shape) = names::of(&self.path, param.val().dims().to_vec());
        let tensor = param.val().without_autodiff();
        let count = tensor.shape().num_elements();
        self.found.push(Found {
            id: param.id,
            name,
            shape,
            tensor: tensor.reshape([count]),
        });
    }
}

/// Maps a module and puts each tensor's value in by its name.
struct Loader {
    path: Vec<String>,
    state: HashMap<String, (Vec<usize>, Vec<f32>)>,
    wrong: Option<String>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let dims = param.val().dims();
        let (name, expected) = names::of(&self.path, dims.to_vec());
        let Some((shape, values)) = self.state.remove(&name) else {
            self.wrong.get_or_insert(format!("it has no {name}"));
            return param;
        };
        if shape != expected {
            self.wrong
                .get_or_insert(format!("{name} is {shape:?}, but should be {expected:?}"));
            return param;
        }
        if values.iter().any(|value| !value.is_finite()) {
            self.wrong
                .get_or_insert(format!("{name} holds values that are no numbers"));
            return param;
        }
        param.map(|old| {
            let (device, learns) = (old.device(), old.is_require_grad());
            let new = Tensor::from_data(TensorData::new(values, dims), &device);
            if learns { new.require_grad() } else { new }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Preset;

    fn small() -> Config {
        Config {
            keypoints: 3,
            size: 32,
            width: 4,
            ..Config::preset(Preset::Tiny)
        }
    }

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
    fn models_without_an_id_are_known_by_their_tensors() {
        let device = Device::flex();
        let id = |name: &str| {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/");
            let bytes = std::fs::read(format!("{path}{name}")).expect("comes with the page");
            load(&bytes, &device).expect("loads").run_id
        };
        let (hands, puppets) = (id("hands.safetensors"), id("puppets.safetensors"));
        assert_eq!((hands.len(), &hands), (32, &id("hands.safetensors")));
        assert_ne!(hands, puppets);
        assert_ne!(new_run_id(), new_run_id());
        for damaged in ["", "a/b", &"x".repeat(65)] {
            assert!(!is_run_id(damaged));
        }
    }

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
