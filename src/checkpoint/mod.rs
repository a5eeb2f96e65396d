//! Models as safetensors, under the names and layouts of the authors' `state_dict`.

mod names;

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData, Transaction};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::model::AutoLink;

/// The one key of the file's metadata: a single one, so that the same model always makes the same bytes.
const KEY: &str = "autolink";

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
}

/// A model's tensors by the authors' names: shape and values.
pub type State = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Every parameter and running statistic of a model, read in one go.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn state(model: &AutoLink) -> Result<State> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    let mut transaction = Transaction::default();
    for (_, _, tensor) in &collector.found {
        transaction = transaction.register(tensor.clone());
    }
    let data = transaction.execute_async().await.map_err(|error| {
        Error::Backend(format!(
            "The model could not be read from the device ({error:?})."
        ))
    })?;
    collector
        .found
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

/// A model and its settings as the bytes of a `.safetensors` file, float32.
///
/// # Errors
/// [`Error::Backend`] where the device does not answer.
pub async fn save(model: &AutoLink, config: &Config, step: usize) -> Result<Vec<u8>> {
    let broken = |error: &dyn std::fmt::Display| {
        Error::Model(format!("The model could not be written ({error})."))
    };
    let state: Vec<_> = state(model)
        .await?
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = state
        .iter()
        .map(|(name, shape, bytes)| Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<std::result::Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| broken(&error))?;
    let header = Header {
        format: FORMAT,
        config: config.clone(),
        step,
    };
    let header = serde_json::to_string(&header).map_err(|error| broken(&error))?;
    let metadata = HashMap::from([(KEY.to_string(), header)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| broken(&error))
}

/// A model read from a file.
pub struct Loaded {
    /// The model, on the device that was asked for.
    pub model: AutoLink,
    /// Its settings.
    pub config: Config,
    /// Steps it was trained.
    pub step: usize,
}

/// Reads what [`save`] wrote.
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
    let Header { config, step, .. } = serde_json::from_str(header)
        .map_err(|error| wrong(format!("its settings cannot be read ({error})")))?;
    config.validate()?;
    let state = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(wrong(format!("{name} is not float32")));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            Ok((name, (view.shape().to_vec(), values)))
        })
        .collect::<Result<_>>()?;
    let model = with_state(AutoLink::init(&config, device), state)?;
    Ok(Loaded {
        model,
        config,
        step,
    })
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

/// Visits a module and keeps each tensor with its name and shape.
#[derive(Default)]
struct Collector {
    path: Vec<String>,
    found: Vec<(String, Vec<usize>, Tensor<1>)>,
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
        self.found.push((name, shape, tensor.reshape([count])));
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
        let bytes = pollster::block_on(save(&model, &config, 40)).expect("saves");
        let loaded = load(&bytes, &device).expect("loads");
        assert_eq!((loaded.step, &loaded.config), (40, &config));
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
        let good = pollster::block_on(save(&model, &config, 1)).expect("saves");
        let again = pollster::block_on(save(&model, &config, 1)).expect("saves");
        assert_eq!(good, again, "the same model makes the same bytes");
        let other = Config {
            keypoints: 5,
            ..config.clone()
        };
        let misfit = pollster::block_on(save(&model, &other, 1)).expect("saves");
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
