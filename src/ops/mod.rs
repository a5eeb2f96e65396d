//! What burn lacks or does slowly. Each operation has its `*_reference` in plain tensor operations, the specification.
//! The CPU backend runs the kernels of [`cpu`], a GPU those of `shaders/`.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::backend::DispatchDevice;
use burn::tensor::Device;

mod adamw;
mod conv;
pub mod cpu;
mod distance;
mod edge_map;
mod flex;
mod gpu;
mod heatmap;
mod kernels;
pub mod measure;
mod norm;
mod resize;

pub use adamw::{AdamWStep, adamw, adamw_reference};
pub use conv::{
    conv3x3, conv3x3_halve, conv3x3_halve_reference, conv3x3_leaky, conv3x3_reference, conv3x3_two,
};
pub use distance::{l1, l1_reference, mse, mse_reference};
pub use edge_map::{edge_map, edge_map_reference};
pub use gpu::{check_bounds, out_of_bounds, set_adapter};
pub use heatmap::{
    expectation, expectation_reference, pixel_positions, softmax, softmax_reference,
};
pub use norm::{
    NormSettings, Running, leaky_relu, leaky_relu_reference, leaky_sum, leaky_sum_reference,
    normalise, normalise_reference,
};
pub use resize::{
    double, double_reference, double_two, halve, halve_reference, max_halve, max_halve_reference,
    resize,
};

static BURN_ON_GPU: AtomicBool = AtomicBool::new(false);

/// From now on a GPU runs the references, which is to say burn's own kernels: to compare with, and to find faults. At 128 px
/// burn's gradient by a convolution's weights came out a third off on Vulkan.
pub fn use_burn_on_gpu(burn: bool) {
    BURN_ON_GPU.store(burn, Ordering::Relaxed);
}

/// Whether burn's own kernels may run. Never on the page, whose visitors would load megabytes of burn's templates for it.
const HAS_REFERENCES: bool = cfg!(any(feature = "bench", not(target_family = "wasm")));

#[inline(always)]
fn is_burn_on_gpu() -> bool {
    HAS_REFERENCES && BURN_ON_GPU.load(Ordering::Relaxed)
}

/// Whose kernels run on a device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    Cpu,
    Gpu,
    Not,
}

#[inline(always)]
fn served(device: &Device) -> Served {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Flex(_) => Served::Cpu,
        _ if is_burn_on_gpu() => Served::Not,
        _ => Served::Gpu,
    }
}

/// Whether there is a kernel for pictures of so many pixels: the GPU's read whole fours.
fn serves(device: &Device, pixels: usize) -> bool {
    match served(device) {
        Served::Cpu => true,
        Served::Gpu => pixels.is_multiple_of(4),
        Served::Not => false,
    }
}

/// [`serves`] for heatmaps and edge maps, whose sides are multiples of four on the page: a picture's is one of 16.
#[inline(always)]
fn serves_maps(device: &Device, side: usize) -> bool {
    if HAS_REFERENCES {
        return serves(device, side);
    }
    assert!(side.is_multiple_of(4), "maps of {side} px");
    true
}
