//! What is found out about one device.

use std::collections::BTreeMap;

use autolink::config::LossKind;
use serde::{Deserialize, Serialize};

/// One device.
#[derive(Serialize, Deserialize)]
pub struct Run {
    #[serde(rename = "where")]
    pub place: String,
    /// As it calls itself.
    pub adapter: String,
    pub peak_gflops: f64,
    pub copy_gbytes_per_second: f64,
    /// None where only steps were asked for.
    pub conv3x3: Option<Convolutions>,
    /// By preset.
    pub steps: BTreeMap<String, Step>,
    /// One picture, small.
    pub detect_ms: f64,
    pub edge_map: Option<EdgeMap>,
}

/// 3x3 convolutions; per cent of the peak. Arrays are forward, by the input, by the weights.
#[derive(Serialize, Deserialize)]
pub struct Convolutions {
    /// Geometric means over the shapes.
    pub forward_percent: f64,
    pub input_grad_percent: f64,
    pub weight_grad_percent: f64,
    pub least_percent: [f64; 3],
    /// Geometric means over the shapes of small.
    pub speedup_vs_burn: [f64; 3],
    pub shapes: Vec<Shape>,
}

#[derive(Serialize, Deserialize)]
pub struct Shape {
    pub preset: String,
    pub inputs: usize,
    pub outputs: usize,
    pub side: usize,
    pub batch: usize,
    pub percent: [f64; 3],
    /// Not for paper's, where Burn's own take minutes, and not once they have taken long.
    pub speedup_vs_burn: Option<[f64; 3]>,
}

/// A training step.
#[derive(Serialize, Deserialize)]
pub struct Step {
    pub batch: usize,
    pub loss: LossKind,
    /// A steady one.
    pub ms: f64,
    /// With the pipelines' compilation, as far as no step before needed them.
    pub first_ms: f64,
    pub gflops: f64,
    pub percent_of_peak: f64,
    pub speedup_vs_burn: Option<f64>,
    pub speedup_vs_tfjs: Option<f64>,
    /// On a GPU.
    pub profile: Option<StepProfile>,
}

#[derive(Serialize, Deserialize)]
pub struct StepProfile {
    pub dispatches: usize,
    /// The most bytes that tensors held at once, model and optimiser included.
    pub peak_bytes: u64,
    /// What the device has set aside for them, and for what waits in its queue.
    pub reserved_bytes: u64,
    /// By operation: launches, and per cent of the kernels' time when each runs alone.
    pub operations: BTreeMap<String, (usize, f64)>,
}

/// 496 edges at 128 px, against the reference in tensor operations.
#[derive(Serialize, Deserialize)]
pub struct EdgeMap {
    pub batch: usize,
    pub ms: f64,
    pub reference_ms: f64,
    /// On a GPU: the most that tensors held at once.
    pub bytes: Option<u64>,
    pub reference_bytes: Option<u64>,
}

pub fn geometric_mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| {
        (sum + value.ln(), count + 1)
    });
    if count == 0 {
        f64::NAN
    } else {
        (sum / f64::from(count)).exp()
    }
}

impl Convolutions {
    pub fn of(shapes: Vec<Shape>) -> Self {
        let mean = |i: usize| geometric_mean(shapes.iter().map(|shape| shape.percent[i]));
        let least = |i: usize| {
            let values = shapes.iter().map(|shape| shape.percent[i]);
            values.fold(f64::INFINITY, f64::min)
        };
        let times =
            |i: usize| geometric_mean(shapes.iter().filter_map(|s| Some(s.speedup_vs_burn?[i])));
        Self {
            forward_percent: mean(0),
            input_grad_percent: mean(1),
            weight_grad_percent: mean(2),
            least_percent: [0, 1, 2].map(least),
            speedup_vs_burn: [0, 1, 2].map(times),
            shapes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_geometric_and_of_those_that_are_known() {
        let shape = |percent, times: Option<f64>| Shape {
            preset: "small".into(),
            inputs: 4,
            outputs: 16,
            side: 64,
            batch: 2,
            percent: [percent; 3],
            speedup_vs_burn: times.map(|times| [times; 3]),
        };
        let found = Convolutions::of(vec![shape(20.0, Some(2.0)), shape(80.0, None)]);
        assert!((found.forward_percent - 40.0).abs() < 1e-9);
        assert_eq!(found.least_percent, [20.0; 3]);
        assert!((found.speedup_vs_burn[0] - 2.0).abs() < 1e-9);
    }
}
