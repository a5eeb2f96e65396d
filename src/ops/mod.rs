//! Operations that Burn lacks, or runs slowly. Each has a `*_reference` in Burn's own operations, which specifies it.
//! The CPU backend runs the kernels of [`cpu`], a GPU those of `shaders/`. `tests/ops.rs` shows the use of all, and compares them.

use std::sync::atomic::{AtomicBool, Ordering};

use burn::backend::DispatchDevice;
use burn::tensor::Device;

mod adamw;
mod autodiff;
mod conv;
pub mod cpu;
mod edge_map;
mod flex;
mod gpu;
mod heatmap;
mod kernels;
mod mean_error;
pub mod measure;
mod norm;
mod resize;

pub use adamw::{AdamWStep, adamw, adamw_reference};
pub use conv::{
    ConvKind, conv3x3, conv3x3_avg_pool, conv3x3_avg_pool_reference, conv3x3_concat, conv3x3_leaky,
    conv3x3_reference,
};
pub use edge_map::{edge_map, edge_map_reference};
pub use gpu::{check_bounds, out_of_bounds, set_adapter};
pub use heatmap::{
    expectation, expectation_reference, pixel_positions, softmax, softmax_reference,
};
pub use mean_error::{ErrorNorm, l1, l1_reference, mse, mse_reference};
pub use norm::{
    NormSettings, RunningStats, add_leaky_relu, add_leaky_relu_reference, batch_norm_train,
    batch_norm_train_reference, leaky_relu, leaky_relu_reference,
};
pub use resize::{
    avg_pool2x2, avg_pool2x2_reference, max_pool2x2, max_pool2x2_reference, resize, upsample2x,
    upsample2x_concat, upsample2x_reference,
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
enum KernelBackend {
    Cpu,
    Gpu,
    Reference,
}

#[inline(always)]
fn kernel_backend(device: &Device) -> KernelBackend {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Flex(_) => KernelBackend::Cpu,
        _ if is_burn_on_gpu() => KernelBackend::Reference,
        _ => KernelBackend::Gpu,
    }
}

/// Whether there is a kernel for pictures of so many pixels: the GPU's read whole fours.
fn has_kernel_for(device: &Device, pixels: usize) -> bool {
    match kernel_backend(device) {
        KernelBackend::Cpu => true,
        KernelBackend::Gpu if pixels.is_multiple_of(4) => true,
        KernelBackend::Gpu => {
            tracing::debug!("no GPU kernel reads images of {pixels} px, a plain operation does");
            false
        }
        KernelBackend::Reference => false,
    }
}

/// [`has_kernel_for`] for heatmaps and edge maps, whose sides are multiples of four on the page: a picture's is one of 16.
#[inline(always)]
fn has_map_kernel_for(device: &Device, side: usize) -> bool {
    if HAS_REFERENCES {
        return has_kernel_for(device, side);
    }
    assert!(side.is_multiple_of(4), "maps of {side} px");
    true
}
