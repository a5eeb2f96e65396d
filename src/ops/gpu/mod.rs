//! The GPU's kernels, `shaders/*.wgsl`: templates over what must be known at compile time (mostly tile sizes).
//! Sizes of tensors are parameters, so that a kernel is compiled once for all layers.

use std::fmt::Debug;
use std::hash::Hash;

use askama::Template;
use burn::backend::ops::ModuleOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim, ExecutionMode, KernelId};
use burn_cubecl::cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::template::{KernelSource, SourceKernel, SourceTemplate};
use burn_cubecl::tensor::CubeTensor;
use bytemuck::{Pod, Zeroable};

use super::conv::options;
use super::kernels::{BenchOps, Gradients, Kernels};
use super::{ConvKind, ErrorNorm, NormSettings};
use crate::device::{self, AdapterProperties};
use resize::Resize;

pub use checked::out_of_bounds;

pub mod adamw;
mod checked;
pub mod conv;
pub mod distance;
pub mod edge_map;
mod grad_arena;
pub mod heatmap;
pub mod norm;
pub mod peak;
pub mod resize;

#[cfg(test)]
mod permutations;

/// A file of `shaders/` with its constants. Its entry point is `main`.
pub trait Shader: Template + Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// The twin of `Params` in the shader: the same fields in the same order, each a u32 or an f32.
    type Params: Pod + Debug;

    /// Returns the invocations of a workgroup.
    fn group_size(&self) -> u32 {
        64
    }
}

struct Source<S> {
    shader: S,
    /// See [`checked`].
    checked: bool,
}

impl<S: Shader> KernelSource for Source<S> {
    fn source(&self) -> SourceTemplate {
        let source = self.shader.render().expect("a template of numbers renders");
        SourceTemplate::new(if self.checked {
            checked::checked(&source)
        } else {
            source
        })
    }

    fn id(&self) -> KernelId {
        // Unchecked: no counters in loops, and no clamped indices; the shaders stay inside their buffers on their own.
        let mode = if self.checked {
            ExecutionMode::Checked
        } else {
            ExecutionMode::Unchecked
        };
        KernelId::new::<Self>()
            .cube_dim(CubeDim::new_1d(self.shader.group_size()).0)
            .mode(mode)
            .info((self.checked, self.shader.clone()))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Runs `groups` workgroups of a shader over contiguous `buffers`, bound in this order, and after them `params`.
fn launch<S: Shader>(shader: S, groups: [usize; 3], buffers: &[&CubeTensor], params: S::Params) {
    let mut bytes = bytemuck::bytes_of(&params).to_vec();
    bytes.resize(bytes.len().next_multiple_of(16), 0); // the size of a uniform buffer
    let words = bytes
        .chunks_exact(8)
        .map(bytemuck::pod_read_unaligned)
        .collect();
    let checked = device::checks_bounds(&buffers[0].device);
    let counter = checked.then(|| checked::counter(buffers[0]));
    let handles = buffers.iter().map(|buffer| buffer.handle.clone());
    let arguments = KernelArguments::new()
        .with_buffers(handles.chain(counter).map(Handle::binding).collect())
        .with_info(MetadataBindingInfo::custom(words));
    let dim = CubeDim::new_1d(shader.group_size());
    #[cfg(test)]
    permutations::launched(&shader);
    let [x, y, z] = groups.map(|count| count as u32);
    buffers[0].client.launch(
        Box::new(SourceKernel::new(Source { shader, checked }, dim)),
        CubeCount::Static(x, y, z),
        arguments,
    );
}

/// Allocates an uninitialised tensor on the device of `like`.
fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        Shape::new(shape),
        DType::F32,
    )
}

fn dims<const D: usize>(tensor: &CubeTensor) -> [usize; D] {
    tensor.shape().dims()
}

/// Returns C of `[B,C,H,W]`.
fn channels(x: &CubeTensor) -> usize {
    let [_, channels, ..] = dims::<4>(x);
    channels
}

impl AdapterProperties {
    /// Returns whether it runs the kernels of [`conv`] for four lanes.
    fn runs_quad_kernels(self) -> bool {
        self.is_software && self.lanes == 4
    }

    /// Returns the invocations that share a plane of `vec4_count` vec4s.
    fn plane_lanes(self, vec4_count: usize) -> usize {
        if self.is_software {
            8
        } else if vec4_count < 64 {
            16
        } else {
            64
        }
    }
}

fn adapter(like: &CubeTensor) -> AdapterProperties {
    device::adapter(&like.device)
}

/// [`AdapterProperties::plane_lanes`] on the device of `like`.
fn plane_lanes(like: &CubeTensor, vec4_count: usize) -> usize {
    adapter(like).plane_lanes(vec4_count)
}

/// Arranges workgroups in columns and rows, since either is at most 65,535 long.
fn grid(groups: usize) -> [usize; 3] {
    let columns = groups.min(32_768);
    [columns, groups.div_ceil(columns), 1]
}

/// Returns the WGSL type that shaders read and write: vec4s of `aligned` tensors, else single numbers.
fn number(aligned: bool) -> &'static str {
    if aligned { "vec4f" } else { "f32" }
}

/// `shaders/sum.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "sum.wgsl", escape = "none")]
struct Sum;

/// `Params` of `shaders/sum.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub struct SumParams {
    first_size: u32,
    second_size: u32,
    partial_count: u32,
}

impl Shader for Sum {
    type Params = SumParams;
}

/// Allocates `count` partial sums of the parameter gradients; each is two contiguous tensors of these sizes.
fn alloc_partials(like: &CubeTensor, count: usize, sizes: [usize; 2]) -> CubeTensor {
    if is_sum(count, sizes[0]) {
        grad_arena::alloc(like, sizes[0] + sizes[1])
    } else {
        empty(like, [count * (sizes[0] + sizes[1])])
    }
}

/// Returns whether partial sums are the sum: there is one, and its second tensor begins where a tensor may.
fn is_sum(count: usize, first_size: usize) -> bool {
    count == 1 && first_size.is_multiple_of(grad_arena::ALIGNED)
}

/// Adds up `count` partial sums of the parameter gradients, of shapes `first` and `second`.
fn sum<const D: usize, const E: usize>(
    partials: &CubeTensor,
    count: usize,
    first: [usize; D],
    second: [usize; E],
) -> [CubeTensor; 2] {
    let sizes: [usize; 2] = [first.iter().product(), second.iter().product()];
    if is_sum(count, sizes[0]) {
        return [
            grad_arena::view(partials, 0, first),
            grad_arena::view(partials, sizes[0], second),
        ];
    }
    let sums = sizes.map(|size| grad_arena::alloc(partials, size));
    let groups = [(sizes[0] + sizes[1]).div_ceil(64), 1, 1];
    let params = SumParams {
        first_size: sizes[0] as u32,
        second_size: sizes[1] as u32,
        partial_count: count as u32,
    };
    launch(Sum, groups, &[partials, &sums[0], &sums[1]], params);
    [
        grad_arena::view(&sums[0], 0, first),
        grad_arena::view(&sums[1], 0, second),
    ]
}

impl Kernels for Cube {
    fn convolve(
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        slope: f64,
        kind: ConvKind,
    ) -> CubeTensor {
        assert!(kind == ConvKind::Same3x3, "the GPU convolves, then pools");
        conv::convolve(vec![x], weight, Some((bias, slope)), false)
    }

    fn convolve_concat(
        x: CubeTensor,
        y: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        slope: f64,
    ) -> CubeTensor {
        conv::convolve(vec![x, y], weight, Some((bias, slope)), false)
    }

    fn edge_map(
        keypoints: CubeTensor,
        weights: CubeTensor,
        size: usize,
        thickness: f64,
    ) -> CubeTensor {
        edge_map::draw(keypoints, weights, size, thickness).0
    }

    fn avg_pool2x2(x: CubeTensor) -> CubeTensor {
        resize::resize(Resize::AvgPool, x, None)
    }

    fn max_pool2x2(x: CubeTensor) -> CubeTensor {
        resize::resize(Resize::MaxPool, x, None)
    }

    fn upsample2x(x: CubeTensor) -> CubeTensor {
        resize::resize(Resize::Upsample, x, None)
    }

    fn upsample2x_concat(x: CubeTensor, y: CubeTensor) -> CubeTensor {
        resize::resize(Resize::UpsampleConcat, x, Some(y))
    }

    fn leaky(x: CubeTensor, slope: f64) -> CubeTensor {
        norm::leaky(x, slope)
    }

    fn add_leaky_relu(x: CubeTensor, y: CubeTensor, slope: f64) -> CubeTensor {
        norm::add_leaky_relu(x, y, slope)
    }

    fn batch_norm_train(
        x: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        running_mean: CubeTensor,
        running_variance: CubeTensor,
        settings: NormSettings,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let parameters = [weight, bias, running_mean, running_variance];
        let [y, mean, variance, _] = norm::forward(x, parameters, settings);
        (y, mean, variance)
    }

    fn mean_error(x: CubeTensor, y: CubeTensor, norm: ErrorNorm) -> CubeTensor {
        distance::mean(x, y, norm == ErrorNorm::L2)
    }

    fn softmax_planes(x: CubeTensor) -> CubeTensor {
        heatmap::softmax(x)
    }

    fn expectation(heatmaps: CubeTensor) -> CubeTensor {
        heatmap::expectation(heatmaps)
    }
}

impl BenchOps for Cube {
    fn multiply_adds(like: CubeTensor, chains: usize, groups: usize, rounds: usize) -> CubeTensor {
        peak::run(&like, chains, groups, rounds)
    }

    fn input_grad(x: CubeTensor, weight: CubeTensor, dy: CubeTensor) -> CubeTensor {
        Self::convolve_input_grad(x, weight, dy, ConvKind::Same3x3)
    }

    fn weight_grad(x: CubeTensor, weight: CubeTensor, dy: CubeTensor) -> CubeTensor {
        let [weight_grad, _] =
            Self::convolve_parameter_grads(vec![x], weight, dy, ConvKind::Same3x3);
        weight_grad
    }

    fn burn_input_grad(x: CubeTensor, weight: CubeTensor, dy: CubeTensor) -> CubeTensor {
        Self::conv2d_x_backward(x, weight, dy, options())
    }

    fn burn_weight_grad(x: CubeTensor, weight: CubeTensor, dy: CubeTensor) -> CubeTensor {
        Self::conv2d_weight_backward(x, weight, dy, options())
    }
}

impl Gradients for Cube {
    type EdgeMapCtx = edge_map::EdgeMapCtx;
    /// The input.
    type PoolIndices = CubeTensor;

    fn convolve_input_grad(
        _: CubeTensor,
        weight: CubeTensor,
        dy: CubeTensor,
        _: ConvKind,
    ) -> CubeTensor {
        conv::convolve(vec![dy], weight, None, true)
    }

    fn convolve_parameter_grads(
        inputs: Vec<CubeTensor>,
        _: CubeTensor,
        dy: CubeTensor,
        _: ConvKind,
    ) -> [CubeTensor; 2] {
        conv::parameter_grads(inputs, dy)
    }

    fn draw(
        keypoints: CubeTensor,
        weights: CubeTensor,
        size: usize,
        thickness: f64,
    ) -> (CubeTensor, Self::EdgeMapCtx) {
        edge_map::draw(keypoints, weights, size, thickness)
    }

    fn edge_map_gradients(ctx: Self::EdgeMapCtx, dy: CubeTensor) -> [CubeTensor; 2] {
        edge_map::gradients(ctx, dy)
    }

    fn avg_pool2x2_gradient(dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::AvgPoolGradient, dy, None)
    }

    fn max_pool2x2_with_indices(x: CubeTensor) -> (CubeTensor, CubeTensor) {
        let x = into_contiguous(x);
        (resize::resize(Resize::MaxPool, x.clone(), None), x)
    }

    fn max_pool2x2_gradient(x: CubeTensor, dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::MaxPoolGradient, dy, Some(x))
    }

    fn upsample2x_gradient(dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::UpsampleGradient, dy, None)
    }

    fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
        norm::leaky_gradient(y, dy, slope)
    }

    /// Copies nothing where a part begins at an address at which a tensor may.
    fn split(x: CubeTensor, channels: usize) -> [CubeTensor; 2] {
        let [batch, all, height, width] = dims(&x);
        [0..channels, channels..all]
            .map(|channels| slice(x.clone(), &[0..batch, channels, 0..height, 0..width]))
    }

    fn batch_norm_train_with_moments(
        x: CubeTensor,
        parameters: [CubeTensor; 4],
        settings: NormSettings,
    ) -> [CubeTensor; 4] {
        norm::forward(x, parameters, settings)
    }

    fn batch_norm_train_gradients(
        x: CubeTensor,
        parameters: [CubeTensor; 3],
        settings: NormSettings,
        dy: CubeTensor,
    ) -> [CubeTensor; 3] {
        norm::backward(x, parameters, settings, dy)
    }

    fn mean_error_gradient(
        x: CubeTensor,
        y: CubeTensor,
        dy: CubeTensor,
        norm: ErrorNorm,
    ) -> CubeTensor {
        distance::gradient(x, y, dy, norm == ErrorNorm::L2)
    }

    fn softmax_gradient(y: CubeTensor, dy: CubeTensor) -> CubeTensor {
        heatmap::softmax_gradient(y, dy)
    }

    fn expectation_gradient(dy: CubeTensor, sides: [usize; 2]) -> CubeTensor {
        heatmap::expectation_gradient(dy, sides)
    }
}
