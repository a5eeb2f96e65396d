//! The GPU's kernels, `shaders/*.wgsl`: templates over what has to be known when they are compiled (tile sizes, mostly).
//! Sizes of tensors are arguments, so that a kernel is compiled once for all layers.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};

use askama::Template;
use burn::backend::ops::ModuleOps;
use burn::backend::{Cube, TensorMetadata};
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::client::Client;
use burn_cubecl::cubecl::ir::features::Plane;
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim, ExecutionMode, KernelId};
use burn_cubecl::cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};
use burn_cubecl::kernel::{into_contiguous, slice};
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::template::{KernelSource, SourceKernel, SourceTemplate};
use burn_cubecl::tensor::CubeTensor;

use super::conv::options;
use super::kernels::{BenchOps, Gradients, Kernels};
use super::{ConvKind, ErrorNorm, NormSettings};
use resize::Resize;

pub use checked::{check_bounds, out_of_bounds};

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
    /// Invocations of a workgroup.
    fn group(&self) -> u32 {
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
        // Unchecked: no counters in loops, and no clamped indices; the shaders stay inside their buffers by themselves.
        let mode = if self.checked {
            ExecutionMode::Checked
        } else {
            ExecutionMode::Unchecked
        };
        KernelId::new::<Self>()
            .cube_dim(CubeDim::new_1d(self.shader.group()).0)
            .mode(mode)
            .info((self.checked, self.shader.clone()))
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Runs `groups` workgroups of a shader over contiguous `buffers`, bound in this order, and after them `sizes`.
fn launch<S: Shader>(shader: S, groups: [usize; 3], buffers: &[&CubeTensor], sizes: &[usize]) {
    let mut words: Vec<u32> = sizes.iter().map(|&size| size as u32).collect();
    words.resize(words.len().next_multiple_of(4), 0); // whole vec4u
    let words = words
        .chunks(2)
        .map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32)
        .collect();
    let checked = checked::is_on();
    let counter = checked.then(|| checked::counter(&buffers[0].client));
    let handles = buffers.iter().map(|buffer| buffer.handle.clone());
    let arguments = KernelArguments::new()
        .with_buffers(handles.chain(counter).map(Handle::binding).collect())
        .with_info(MetadataBindingInfo::custom(words));
    let dim = CubeDim::new_1d(shader.group());
    #[cfg(test)]
    permutations::launched(&shader);
    let [x, y, z] = groups.map(|count| count as u32);
    buffers[0].client.launch(
        Box::new(SourceKernel::new(Source { shader, checked }, dim)),
        CubeCount::Static(x, y, z),
        arguments,
    );
}

/// Uninitialised memory beside `like`.
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

/// Of `[B,C,H,W]`.
fn channels(x: &CubeTensor) -> usize {
    let [_, channels, ..] = dims::<4>(x);
    channels
}

/// What the kernels have to know of an adapter.
#[derive(Clone, Copy, Debug)]
struct Adapter {
    /// How many neighbouring invocations at least work in step and can see each other's values; 1 where none can.
    lanes: usize,
    /// A processor that plays a GPU: loads are dear there, and registers are memory.
    is_processor: bool,
    /// A browser compiles the kernels, which wants features named.
    is_browser: bool,
}

impl Adapter {
    /// Of so many lanes, a processor or not, here.
    fn here(lanes: usize, is_processor: bool) -> Adapter {
        Adapter {
            lanes,
            is_processor,
            is_browser: cfg!(target_family = "wasm"),
        }
    }

    /// Whether the kernels of [`conv`] for four lanes are its own.
    fn has_quads(self) -> bool {
        self.is_processor && self.lanes == 4
    }

    /// Invocations that share a plane of so many `fours`.
    fn plane_lanes(self, fours: usize) -> usize {
        if self.is_processor {
            8
        } else if fours < 64 {
            16
        } else {
            64
        }
    }
}

/// What was told of the adapter: `2 lanes + is_processor`; 0 before that.
static TOLD: AtomicUsize = AtomicUsize::new(0);

/// Tells what adapter runs the kernels: how many neighbouring invocations at least work in step and can see each other's
/// values (1 where none can), and whether it is a processor. Browsers do not tell cubecl; no lanes: cubecl knows.
pub fn set_adapter(lanes: usize, is_processor: bool) {
    let told = if lanes == 0 {
        0
    } else {
        2 * lanes + usize::from(is_processor)
    };
    TOLD.store(told, Ordering::Relaxed);
}

fn adapter(client: &Client) -> Adapter {
    let told = TOLD.load(Ordering::Relaxed);
    if told > 0 {
        return Adapter::here(told / 2, told % 2 == 1);
    }
    let properties = client.properties();
    let name = &properties.identity.name;
    if name.starts_with("SwiftShader") {
        return Adapter::here(4, true);
    }
    // Mesa's processor names its registers' width, "llvmpipe (LLVM 15.0.6, 256 bits)": as many lanes of 32 bits.
    if let Some(words) = name.strip_prefix("llvmpipe") {
        let bits = words
            .split([' ', ')'])
            .filter_map(|word| word.parse::<usize>().ok());
        // Four lanes would get SwiftShader's kernels, which LLVM takes half a minute to compile.
        let lanes = match bits.max().unwrap_or(128) / 32 {
            ..=4 => 1,
            lanes => lanes,
        };
        return Adapter::here(lanes, true);
    }
    let can_see = properties.features.plane.contains(Plane::Ops);
    let lanes = if can_see {
        properties.hardware.plane_size_min.max(1) as usize
    } else {
        1
    };
    Adapter::here(lanes, false)
}

/// Invocations that share a plane of so many `fours` of a tensor like this.
fn plane_lanes(like: &CubeTensor, fours: usize) -> usize {
    adapter(&like.client).plane_lanes(fours)
}

/// Workgroups in two dimensions, for the longest of either is 65,535; the columns come first.
fn grid(groups: usize) -> [usize; 3] {
    let columns = groups.min(32_768);
    [columns, groups.div_ceil(columns), 1]
}

/// What the shaders read and write; `aligned` tensors hold whole fours.
fn number(aligned: bool) -> &'static str {
    if aligned { "vec4f" } else { "f32" }
}

/// A number that a shader reads as f32.
fn bits(value: f64) -> usize {
    (value as f32).to_bits() as usize
}

/// `shaders/sum.wgsl`
#[derive(Template, Clone, Debug, PartialEq, Eq, Hash)]
#[template(path = "sum.wgsl", escape = "none")]
struct Sum;

impl Shader for Sum {}

/// Memory for the parts, so many, of a gradient by parameters, each two tensors of these sizes one behind the other.
fn parts_of(like: &CubeTensor, count: usize, sizes: [usize; 2]) -> CubeTensor {
    if is_sum(count, sizes[0]) {
        grad_arena::room(like, sizes[0] + sizes[1])
    } else {
        empty(like, [count * (sizes[0] + sizes[1])])
    }
}

/// Whether `parts` are their own sum: a single one, the second of whose tensors begins where one may.
fn is_sum(count: usize, first: usize) -> bool {
    count == 1 && first.is_multiple_of(grad_arena::ALIGNED)
}

/// The parts of a gradient by parameters, added up.
fn sum<const D: usize, const E: usize>(
    parts: &CubeTensor,
    count: usize,
    first: [usize; D],
    second: [usize; E],
) -> [CubeTensor; 2] {
    let sizes: [usize; 3] = [first.iter().product(), second.iter().product(), count];
    if is_sum(count, sizes[0]) {
        return [
            grad_arena::view(parts, 0, first),
            grad_arena::view(parts, sizes[0], second),
        ];
    }
    let sums = [sizes[0], sizes[1]].map(|size| grad_arena::room(parts, size));
    let groups = [(sizes[0] + sizes[1]).div_ceil(64), 1, 1];
    launch(Sum, groups, &[parts, &sums[0], &sums[1]], &sizes);
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
        assert!(kind == ConvKind::Same3x3, "the GPU convolves, then halves");
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
        resize::resize(Resize::Halve, x, None)
    }

    fn max_pool2x2(x: CubeTensor) -> CubeTensor {
        resize::resize(Resize::Max, x, None)
    }

    fn upsample2x(x: CubeTensor) -> CubeTensor {
        resize::resize(Resize::Double, x, None)
    }

    fn upsample2x_concat(x: CubeTensor, y: CubeTensor) -> CubeTensor {
        resize::resize(Resize::DoubleTwo, x, Some(y))
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
        conv::gradients_by_parameters(inputs, dy)
    }

    fn draw(
        keypoints: CubeTensor,
        weights: CubeTensor,
        size: usize,
        thickness: f64,
    ) -> (CubeTensor, Self::EdgeMapCtx) {
        edge_map::draw(keypoints, weights, size, thickness)
    }

    fn edge_map_gradients(drawn: Self::EdgeMapCtx, dy: CubeTensor) -> [CubeTensor; 2] {
        edge_map::gradients(drawn, dy)
    }

    fn avg_pool2x2_gradient(dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::HalveGradient, dy, None)
    }

    fn max_pool2x2_with_indices(x: CubeTensor) -> (CubeTensor, CubeTensor) {
        let x = into_contiguous(x);
        (resize::resize(Resize::Max, x.clone(), None), x)
    }

    fn max_pool2x2_gradient(x: CubeTensor, dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::MaxGradient, dy, Some(x))
    }

    fn upsample2x_gradient(dy: CubeTensor) -> CubeTensor {
        resize::resize(Resize::DoubleGradient, dy, None)
    }

    fn leaky_gradient(y: CubeTensor, dy: CubeTensor, slope: f64) -> CubeTensor {
        norm::leaky_gradient(y, dy, slope)
    }

    /// Nothing is copied, where a part begins at an address that one may.
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
