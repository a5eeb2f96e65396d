//! Operations that Burn lacks, or runs slowly. Each has a `*_reference` in Burn's own operations, which specifies it.
//! The CPU backend runs the kernels of [`cpu`], a GPU those of `shaders/`. `tests/ops.rs` shows the use of all, and compares them.

pub use autolink_kernels as cpu;
use burn::tensor::Device;

use crate::device::{HAS_REFERENCES, KernelBackend, kernel_backend};

mod adamw;
mod autodiff;
mod conv;
mod edge_map;
mod flex;
mod gpu;
mod heatmap;
mod kernels;
mod mean_error;
pub mod measure;
mod norm;
mod resize;

pub use adamw::{adamw, adamw_reference};
pub use conv::{
    conv3x3, conv3x3_avg_pool, conv3x3_avg_pool_reference, conv3x3_concat, conv3x3_leaky,
    conv3x3_reference,
};
pub use cpu::{adamw::AdamWStep, job::ConvKind, mean_error::ErrorNorm};
pub use edge_map::{edge_map, edge_map_reference};
pub use gpu::out_of_bounds;
pub use heatmap::{
    expectation, expectation_reference, pixel_positions, softmax, softmax_reference,
};
pub use mean_error::{l1, l1_reference, mse, mse_reference};
pub use norm::{
    NormSettings, RunningStats, add_leaky_relu, add_leaky_relu_reference, batch_norm_train,
    batch_norm_train_reference, leaky_relu, leaky_relu_reference,
};
pub use resize::{
    avg_pool2x2, avg_pool2x2_reference, max_pool2x2, max_pool2x2_reference, resize, upsample2x,
    upsample2x_concat, upsample2x_reference,
};

/// Returns whether `device` has a kernel of ours for images of `pixels` pixels: the GPU's read whole vec4s.
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

/// [`has_kernel_for`] for heatmaps and edge maps, whose sides are multiples of four on the page: an image's is a multiple of 16.
#[inline(always)]
fn has_map_kernel_for(device: &Device, side: usize) -> bool {
    if HAS_REFERENCES {
        return has_kernel_for(device, side);
    }
    assert!(side.is_multiple_of(4), "maps of {side} px");
    true
}
