//! Reads a model's tensors and replaces them, by the authors' names.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use super::names;
use crate::device;
use crate::error::{Error, Result};
use crate::model::AutoLink;

/// A model's tensors: the authors' name, shape and row-major values of each.
pub type State = Vec<(String, Vec<usize>, Vec<f32>)>;

/// Reads all parameters and running statistics of a model from the device, in one transaction. See `tests/parity.rs`.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer.
pub async fn state(model: &AutoLink) -> Result<State> {
    let tensors = collect(model).into_iter();
    read(
        tensors
            .map(|found| (found.name, found.shape, found.tensor))
            .collect(),
    )
    .await
}

/// Reads the values of named tensors from the device, in one transaction.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer.
pub(super) async fn read(tensors: Vec<(String, Vec<usize>, Tensor<1>)>) -> Result<State> {
    let (labels, tensors): (Vec<_>, Vec<_>) = tensors
        .into_iter()
        .map(|(name, shape, tensor)| ((name, shape), tensor))
        .unzip();
    let values = device::read(tensors).await?;
    let labelled = labels.into_iter().zip(values);
    Ok(labelled
        .map(|((name, shape), values)| (name, shape, values))
        .collect())
}

/// Replaces the values of all tensors of a model, by the authors' names. Names that the model does not have are ignored. See
/// `tests/parity.rs`.
///
/// # Errors
/// [`Error::Model`] if a tensor is missing, has another shape or contains a number that is not finite.
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
        Some(what) => Err(misfit(what)),
        None => Ok(model),
    }
}

/// Returns the error for tensors that do not match their model.
pub(super) fn misfit(what: String) -> Error {
    Error::Model(format!(
        "The tensors of this model do not match its settings: {what}."
    ))
}

/// A parameter or running statistic of a model.
pub(super) struct Found {
    pub(super) id: ParamId,
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    /// Values as a flat tensor.
    pub(super) tensor: Tensor<1>,
}

/// Returns all parameters and running statistics of a model.
pub(super) fn collect(model: &AutoLink) -> Vec<Found> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.found
}

/// Collects each tensor of a module with its name and shape.
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
        let (name, shape) = names::checkpoint_name(&self.path, param.val().dims().to_vec());
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

/// Replaces each tensor of a module by the value of its name.
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
        let (name, expected) = names::checkpoint_name(&self.path, dims.to_vec());
        let Some((shape, values)) = self.state.remove(&name) else {
            self.wrong.get_or_insert(format!("it has no {name}"));
            return param;
        };
        if shape != expected {
            self.wrong.get_or_insert(format!(
                "{name} has the shape {shape:?} instead of {expected:?}"
            ));
            return param;
        }
        if values.iter().any(|value| !value.is_finite()) {
            self.wrong.get_or_insert(format!(
                "{name} contains values that are not finite numbers"
            ));
            return param;
        }
        param.map(|old| {
            let (device, learns) = (old.device(), old.is_require_grad());
            let new = Tensor::from_data(TensorData::new(values, dims), &device);
            if learns { new.require_grad() } else { new }
        })
    }
}
