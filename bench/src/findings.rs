//! Measurements of one device.

use std::collections::BTreeMap;

use autolink::config::LossKind;
use serde::{Deserialize, Serialize};

/// Measurements of one device.
#[derive(Serialize, Deserialize)]
pub struct Run {
    pub environment: String,
    /// The name of the adapter as the driver reports it.
    pub adapter: String,
    pub peak_gflops: f64,
    pub copy_gbytes_per_second: f64,
    /// `None` if only steps were measured.
    pub conv3x3: Option<Convolutions>,
    /// Training steps by preset.
    pub steps: BTreeMap<String, Step>,
    /// Detection of one image with *small*.
    pub detect_ms: f64,
    pub edge_map: Option<EdgeMap>,
}

/// 3x3 convolutions in percent of the peak. Arrays hold forward pass, input gradient, weight gradient.
#[derive(Serialize, Deserialize)]
pub struct Convolutions {
    /// Geometric mean over the shapes.
    pub forward_percent: f64,
    pub input_grad_percent: f64,
    pub weight_grad_percent: f64,
    pub least_percent: [f64; 3],
    /// Geometric means over the shapes of *small*.
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
    /// `None` for *paper*, where Burn's kernels take minutes, and once they have taken too long.
    pub speedup_vs_burn: Option<[f64; 3]>,
}

/// A training step.
#[derive(Serialize, Deserialize)]
pub struct Step {
    pub batch: usize,
    pub loss: LossKind,
    /// Time of a step after the first.
    pub ms: f64,
    /// Time of the first step, with the compilation of pipelines that no earlier step needed.
    pub first_ms: f64,
    pub gflops: f64,
    pub percent_of_peak: f64,
    pub speedup_vs_burn: Option<f64>,
    pub speedup_vs_tfjs: Option<f64>,
    /// `None` on the CPU.
    pub profile: Option<StepProfile>,
}

#[derive(Serialize, Deserialize)]
pub struct StepProfile {
    pub dispatches: usize,
    /// Peak memory of tensors, with model and optimiser.
    pub peak_bytes: u64,
    /// Memory that the device has reserved for tensors and for its queue.
    pub reserved_bytes: u64,
    /// Launches and percent of the kernel time by operation, each kernel timed alone.
    pub operations: BTreeMap<String, (usize, f64)>,
}

/// The edge map of 496 edges at 128 px, and its reference in plain tensor operations.
#[derive(Serialize, Deserialize)]
pub struct EdgeMap {
    pub batch: usize,
    pub ms: f64,
    pub reference_ms: f64,
    /// Peak memory of tensors; `None` on the CPU.
    pub bytes: Option<u64>,
    pub reference_bytes: Option<u64>,
}

/// Computes the geometric mean; NaN for no values.
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
    /// Summarises the shapes.
    pub fn new(shapes: Vec<Shape>) -> Self {
        let mean = |i: usize| geometric_mean(shapes.iter().map(|shape| shape.percent[i]));
        let least = |i: usize| {
            let values = shapes.iter().map(|shape| shape.percent[i]);
            values.fold(f64::INFINITY, f64::min)
        };
        let speedup =
            |i: usize| geometric_mean(shapes.iter().filter_map(|s| Some(s.speedup_vs_burn?[i])));
        Self {
            forward_percent: mean(0),
            input_grad_percent: mean(1),
            weight_grad_percent: mean(2),
            least_percent: [0, 1, 2].map(least),
            speedup_vs_burn: [0, 1, 2].map(speedup),
            shapes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_average_geometrically_over_known_values() {
        let shape = |percent, times: Option<f64>| Shape {
            preset: "small".into(),
            inputs: 4,
            outputs: 16,
            side: 64,
            batch: 2,
            percent: [percent; 3],
            speedup_vs_burn: times.map(|times| [times; 3]),
        };
        let found = Convolutions::new(vec![shape(20.0, Some(2.0)), shape(80.0, None)]);
        assert!((found.forward_percent - 40.0).abs() < 1e-9);
        assert_eq!(found.least_percent, [20.0; 3]);
        assert!((found.speedup_vs_burn[0] - 2.0).abs() < 1e-9);
    }
}
