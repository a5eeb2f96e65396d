//! Checks that all numbers are finite before they are written.

use burn::module::Module;
use burn::tensor::Tensor;
use half::f16;

use super::tensors::{State, collect};
use crate::device;
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::AdamW;

/// Returns the name of the first parameter or running statistic that has a number which is not finite, in itself or in the
/// optimiser's moments of it; `None` if there is none. Only the sum of each tensor is read from the device, since it is not finite
/// either. The model records gradients. See `tests/session.rs`.
///
/// # Errors
/// [`Error::Backend`] if the device does not answer.
pub async fn first_non_finite(model: &AutoLink, optimizer: &AdamW) -> Result<Option<String>> {
    let (mut names, mut sums) = (Vec::new(), Vec::new());
    for found in collect(&model.valid()) {
        for moment in optimizer.moments.get(&found.id).into_iter().flatten() {
            names.push(found.name.clone());
            sums.push(moment.clone().sum());
        }
        names.push(found.name);
        sums.push(found.tensor.sum());
    }
    let sums = device::read(vec![Tensor::cat(sums, 0)]).await?.concat();
    Ok((names.into_iter().zip(sums)).find_map(|(name, sum)| (!sum.is_finite()).then_some(name)))
}

/// Checks that all numbers are finite.
///
/// # Errors
/// [`Error::Model`] with the name of the first tensor that has one which is not.
pub(super) fn check(state: &State) -> Result<()> {
    let is_non_finite = |values: &[f32]| values.iter().any(|value| !value.is_finite());
    match state.iter().find(|(_, _, values)| is_non_finite(values)) {
        None => Ok(()),
        Some((name, ..)) => Err(Error::Model(format!(
            "Nothing was saved because {name} contains values that are not finite numbers. Reset the model and lower the learning rate."
        ))),
    }
}

/// Checks that float16 can represent all numbers.
///
/// # Errors
/// [`Error::Model`] with the name of the first tensor that has a number too large for it.
pub(super) fn check_float16(state: &State) -> Result<()> {
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, v| most.max(v.abs()));
    let mut largest = state
        .iter()
        .map(|(name, _, values)| (name, largest(values)));
    match largest.find(|(_, value)| f16::from_f32(*value).is_infinite()) {
        None => Ok(()),
        Some((name, value)) => Err(Error::Model(format!(
            "{name} contains {value:e}, but float16 only reaches 65504. Save the model as float32."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Device, TensorData};
    use pollster::block_on;

    use super::*;
    use crate::checkpoint::{Precision, onnx, save, save_run};
    use crate::config::{Config, Preset};
    use crate::train::{Snapshots, TrainState};

    fn config() -> Config {
        Config {
            keypoints: 2,
            size: 32,
            width: 4,
            ..Config::preset(Preset::Tiny)
        }
    }

    /// Makes a model that has this value as an edge.
    fn model(value: f32) -> AutoLink {
        let device = Device::flex().autodiff();
        let mut model = AutoLink::init(&config(), &device);
        let raw = TensorData::new(vec![0.0, value, 0.0, 0.0], [2, 2]);
        model.edges.raw = Param::from_tensor(Tensor::from_data(raw, &device));
        model
    }

    fn run(value: f32, moment: f32) -> TrainState {
        let (model, mut optimizer) = (model(value), AdamW::new(0.0));
        let moments = [0.5, moment].map(|m| {
            let values = TensorData::new(vec![0.0, 0.0, m, 0.0], [4]);
            Tensor::from_data(values, &Device::flex())
        });
        optimizer.moments.insert(model.edges.raw.id, moments);
        TrainState {
            model,
            config: config(),
            step: 3,
            optimizer,
            rng_state: None,
        }
    }

    #[test]
    fn save_rejects_non_finite_numbers() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let model = model(value);
            for precision in [Precision::Float32, Precision::Float16] {
                let saved = block_on(save(&model, &config(), 3, None, "1", precision));
                let message = saved.expect_err("is refused").to_string();
                assert!(message.contains("decoder.skeleton_scalar"), "{message}");
            }
            block_on(onnx::export(&model, &config(), None)).expect_err("is refused");
            for (value, moment) in [(value, 0.1), (0.1, value)] {
                let run = run(value, moment);
                let saved = block_on(save_run(&run, &[], &Snapshots::default(), None, "1"));
                let message = saved.expect_err("is refused").to_string();
                assert!(message.contains("decoder.skeleton_scalar"), "{message}");
                let name = block_on(first_non_finite(&run.model, &run.optimizer)).expect("reads");
                assert_eq!(name.as_deref(), Some("decoder.skeleton_scalar"));
            }
        }
        let run = run(f32::MAX, 1e38);
        let name = block_on(first_non_finite(&run.model, &run.optimizer)).expect("reads");
        assert_eq!(name, None);
    }

    #[test]
    fn save_rejects_numbers_beyond_float16() {
        let save =
            |value, precision| block_on(save(&model(value), &config(), 3, None, "1", precision));
        save(65_500.0, Precision::Float16).expect("fits");
        save(70_000.0, Precision::Float32).expect("fits");
        let message = save(-70_000.0, Precision::Float16)
            .expect_err("is refused")
            .to_string();
        assert!(
            message.contains("decoder.skeleton_scalar contains 7e4") && message.contains("float32"),
            "{message}"
        );
    }
}
