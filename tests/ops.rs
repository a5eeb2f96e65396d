//! Compares every operation with its reference in plain tensor operations, forward and every gradient, and with finite
//! differences; on sizes that are not multiples of anything.

mod needs;

use autolink::device::{self, AdapterProperties, KernelBackend};
use autolink::ops;
use burn::tensor::wgpu::{MemoryConfiguration, WgpuBackend};
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn random<const D: usize>(shape: [usize; D], rng: &mut ChaCha8Rng, device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|_| rng.random::<f32>() * 2.0 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("floats")
}

#[track_caller]
fn assert_close(what: &str, found: &[f32], wanted: &[f32], bound: f32) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    assert_eq!(
        ops::out_of_bounds(),
        0,
        "indices outside of a buffer: {what}"
    );
    let scale = wanted.iter().fold(1f32, |max, value| max.max(value.abs()));
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        // Written so that NaN fails.
        assert!(
            (found - wanted).abs() <= bound * scale,
            "{what}[{i}]: {found}, but should be {wanted}"
        );
    }
}

type Conv = dyn Fn(Tensor<4>, Tensor<4>, Tensor<1>) -> Tensor<4>;

/// Output and gradients by x, weight and bias of `sum(dy * conv(x))`.
fn convolve(conv: &Conv, [x, weight, dy]: [&Tensor<4>; 3], bias: &Tensor<1>) -> [Vec<f32>; 4] {
    let (x, weight) = (x.clone().require_grad(), weight.clone().require_grad());
    let bias = bias.clone().require_grad();
    let y = conv(x.clone(), weight.clone(), bias.clone());
    let grads = (y.clone() * dy.clone()).sum().backward();
    let gradient = |tensor: Option<Tensor<4>>| values(tensor.expect("a gradient"));
    [
        values(y.without_autodiff()),
        gradient(x.grad(&grads)),
        gradient(weight.grad(&grads)),
        values(bias.grad(&grads).expect("a gradient")),
    ]
}

fn is_checked() -> bool {
    std::env::var_os("AUTOLINK_CHECKED").is_some()
}

/// Opens a GPU, or lavapipe, which plays one. With AUTOLINK_CHECKED its kernels count indices that lie outside of their buffers.
fn gpu() -> Option<Device> {
    let gpu = needs::gpu()?;
    device::check_bounds(&gpu, is_checked());
    Some(gpu.autodiff())
}

/// Opens the GPU once more, as a device of its own that runs the kernels of `adapter`.
fn gpu_as(adapter: AdapterProperties) -> Option<Device> {
    needs::gpu()?;
    let kinds = [
        DeviceKind::DefaultDevice,
        DeviceKind::Cpu,
        DeviceKind::DiscreteGpu(0),
        DeviceKind::IntegratedGpu(0),
        DeviceKind::VirtualGpu(0),
    ];
    let apis = [
        WgpuBackend::Vulkan,
        WgpuBackend::Metal,
        WgpuBackend::Dx12,
        WgpuBackend::Auto,
    ];
    // A selector that is open already fails.
    let mut selectors = (kinds.iter()).flat_map(|kind| apis.map(|api| (kind.clone(), api)));
    let device = selectors.find_map(|(kind, api)| {
        Device::wgpu_options()
            .device_kind(kind)
            .graphics_api(api)
            .memory_config(MemoryConfiguration::ExclusivePages)
            .init()
            .ok()
    });
    let device = device.expect("a GPU opens a few times");
    device::register(&device, adapter);
    device::check_bounds(&device, is_checked());
    Some(device.autodiff())
}

fn cpu() -> Device {
    Device::flex().autodiff()
}

/// Runs the tests of the GPU once more, in a process of their own, with every index into a buffer checked.
#[test]
fn kernels_stay_inside_their_buffers() {
    if needs::gpu().is_none() {
        return;
    }
    let this = std::env::current_exe().expect("the path of this program");
    let checked = std::process::Command::new(this)
        .arg("gpu")
        .env("AUTOLINK_CHECKED", "1")
        .output()
        .expect("this program starts");
    let output = [checked.stdout, checked.stderr].concat();
    let output = String::from_utf8_lossy(&output);
    assert!(checked.status.success(), "{output}");
    for nothing in ["running 0 tests", "skipped: "] {
        assert!(!output.contains(nothing), "{output}");
    }
}

#[test]
fn cpu_convolutions_equal_their_references() {
    convolutions(&cpu(), 2e-5, &SHAPES);
}

#[test]
fn gpu_convolutions_equal_the_cpu() {
    if let Some(gpu) = gpu() {
        convolutions(&gpu, 1e-4, &SHAPES);
    }
}

/// The shapes for other adapters than this one: with checked indices the pipelines take twice as long to compile, and two adapters
/// share the shapes.
fn half() -> usize {
    if is_checked() { SHAPES.len() / 2 } else { 0 }
}

/// As on a GPU in a browser without subgroups, where every lane loads for itself.
#[test]
fn gpu_convolutions_without_subgroups_equal_the_cpu() {
    if let Some(gpu) = gpu_as(AdapterProperties::new(1, false)) {
        convolutions(&gpu, 1e-4, &SHAPES[half()..]);
    }
}

/// As on SwiftShader in a browser without subgroups.
#[test]
fn software_gpu_convolutions_equal_the_cpu() {
    if let Some(gpu) = gpu_as(AdapterProperties::new(1, true)) {
        convolutions(&gpu, 1e-4, &SHAPES[..SHAPES.len() - half()]);
    }
}

/// As on SwiftShader, where four lanes work together; lavapipe takes long to compile these kernels.
#[test]
fn quad_gpu_convolutions_equal_the_cpu() {
    if let Some(gpu) = gpu_as(AdapterProperties::new(4, true)) {
        convolutions(&gpu, 1e-4, &SHAPES[..5]);
    }
}

#[test]
fn use_references_changes_one_gpu_only() {
    // They are opened by their first tensor, that is never.
    let [one, other] = [6, 7].map(|index| Device::wgpu(DeviceKind::DiscreteGpu(index)));
    device::use_references(&one, true);
    let backend = |device: &Device| device::kernel_backend(&device.clone().autodiff());
    assert_eq!(backend(&one), KernelBackend::Reference);
    assert_eq!(backend(&other), KernelBackend::Gpu);
    device::use_references(&Device::flex(), true);
    assert_eq!(backend(&Device::flex()), KernelBackend::Cpu);
    device::use_references(&one, false);
    assert_eq!(backend(&one), KernelBackend::Gpu);
}

#[test]
fn cpu_and_gpu_adamw_equal_their_reference() {
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let step = ops::AdamWStep {
        betas: [0.9, 0.999],
        rate: 1e-2,
        decay: 1e-3,
        epsilon: 1e-8,
        steps: 3,
    };
    let start: Vec<[Tensor<1>; 4]> = [1, 7, 64, 1000, 256, 257]
        .map(|count| {
            std::array::from_fn(|i| {
                let values = random([count], rng, &Device::flex());
                if i == 2 { values.abs() } else { values } // v is a mean of squares
            })
        })
        .into();
    for device in [Some(cpu()), gpu()].into_iter().flatten() {
        let here = |tensor: Tensor<1>| tensor.to_device(&device.clone().inner());
        let mut wanted = start.clone();
        let mut found: Vec<[Tensor<1>; 4]> = (start.iter().cloned())
            .map(|tensors| tensors.map(here))
            .collect();
        // The second step finds what the first left; before the third somebody changes a parameter.
        for round in 0..3 {
            let renewed = ops::adamw(found.clone(), step);
            for (k, [m, v, p]) in renewed.into_iter().enumerate() {
                let [g, ..] = wanted[k].clone();
                let [wanted_m, wanted_v, wanted_p] = ops::adamw_reference(wanted[k].clone(), step);
                for (part, found, wanted) in [
                    ("m", &m, &wanted_m),
                    ("v", &v, &wanted_v),
                    ("p", &p, &wanted_p),
                ] {
                    let what = format!("{part} of {k}, step {round}");
                    assert_close(&what, &values(found.clone()), &values(wanted.clone()), 1e-6);
                }
                let p = if round == 1 && k == 3 {
                    p.clone() * 1.0
                } else {
                    p
                };
                found[k] = [here(g.clone()), m, v, p];
                wanted[k] = [g, wanted_m, wanted_v, wanted_p];
            }
        }
    }
}

/// Batch, inputs, outputs, height and width.
const SHAPES: [[usize; 5]; 14] = [
    [2, 7, 13, 18, 34],
    [2, 33, 34, 12, 8],
    [3, 4, 12, 4, 4],
    [5, 4, 6, 64, 64],
    // SwiftShader once did not finish compiling its gradient by the weights.
    [2, 32, 32, 2, 2],
    [3, 4, 4, 4, 4],
    [1, 1, 1, 2, 2],
    [2, 3, 5, 8, 6],
    [1, 16, 12, 32, 32],
    [2, 5, 3, 66, 50],
    [1, 64, 18, 64, 20],
    // Small images in twos and threes, the last of them alone.
    [7, 6, 9, 8, 6],
    [10, 9, 5, 6, 4],
    // Enough for a GPU's largest tile.
    [16, 3, 128, 16, 16],
];

/// The references run on the CPU.
fn convolutions(device: &Device, bound: f32, shapes: &[[usize; 5]]) {
    let cpu = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    for &[batch, inputs, outputs, height, width] in shapes {
        let x = random([batch, inputs, height, width], rng, cpu);
        let weight = random([outputs, inputs, 3, 3], rng, cpu);
        let bias = random([outputs], rng, cpu);
        let mut compare = |name: &str, kernel: &Conv, reference: &Conv, stride: usize| {
            let dy = random([batch, outputs, height / stride, width / stride], rng, cpu);
            let there = |tensor: &Tensor<4>| tensor.clone().to_device(device);
            let found = convolve(
                kernel,
                [&there(&x), &there(&weight), &there(&dy)],
                &bias.clone().to_device(device),
            );
            let wanted = convolve(reference, [&x, &weight, &dy], &bias);
            for (part, (found, wanted)) in ["y", "dx", "dw", "db"]
                .iter()
                .zip(found.iter().zip(&wanted))
            {
                let at = format!("{batch}x{inputs}x{height}x{width}");
                assert_close(&format!("{name} {part} at {at}"), found, wanted, bound);
            }
        };
        compare("conv3x3", &ops::conv3x3, &ops::conv3x3_reference, 1);
        let halving = ops::conv3x3_avg_pool_reference;
        compare("conv3x3_avg_pool", &ops::conv3x3_avg_pool, &halving, 2);
        // The channels of x in two tensors, the first of them an even or an odd number.
        let of_x = inputs / 3;
        if of_x > 0 {
            let two = move |x: Tensor<4>, weight, bias| {
                let [first, second] = [(0, of_x), (of_x, inputs - of_x)]
                    .map(|(start, count)| x.clone().narrow(1, start, count));
                ops::conv3x3_concat([first, second], weight, bias, 1.0)
            };
            compare("conv3x3_concat", &two, &ops::conv3x3_reference, 1);
        }
        // The kink takes the gradient's other side where rounding differs, so both run on the device.
        let leaky: [[&Conv; 2]; 2] = [
            [
                &|x, weight, bias| ops::conv3x3_leaky(x, weight, bias, 0.2),
                &|x, weight, bias| ops::leaky_relu(ops::conv3x3(x, weight, bias), 0.2),
            ],
            [
                &|x, weight, bias| ops::conv3x3_leaky(x, weight, bias, 0.0),
                &|x, weight, bias| ops::leaky_relu(ops::conv3x3(x, weight, bias), 0.0),
            ],
        ];
        let dy = random([batch, outputs, height, width], rng, cpu);
        let there = [&x, &weight, &dy].map(|tensor| tensor.clone().to_device(device));
        let bias = bias.to_device(device);
        for both in leaky {
            let [found, wanted] = both.map(|conv| convolve(conv, there.each_ref(), &bias));
            for (part, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let what =
                    format!("part {part} of conv3x3_leaky at {batch}x{inputs}x{height}x{width}");
                assert_close(&what, found, wanted, 1e-6);
            }
        }
    }
}

#[test]
fn cpu_resizing_equals_its_references() {
    resizing(&cpu());
}

#[test]
fn gpu_resizing_equals_its_references() {
    if let Some(gpu) = gpu() {
        resizing(&gpu);
    }
}

fn resizing(there: &Device) {
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    type Resize = fn(Tensor<4>) -> Tensor<4>;
    let run = |resize: Resize, x: &Tensor<4>, dy: &Tensor<4>, at: &Device| {
        let x = x.clone().to_device(at).require_grad();
        let y = resize(x.clone());
        let grads = (y.clone() * dy.clone().to_device(at)).sum().backward();
        [
            values(y.without_autodiff()),
            values(x.grad(&grads).expect("a gradient")),
        ]
    };
    for [height, width] in [[2, 2], [4, 6], [10, 2], [16, 16], [6, 20], [2, 4]] {
        let x = random([2, 3, height, width], rng, device);
        let small = random([2, 3, height / 2, width / 2], rng, device);
        let large = random([2, 3, 2 * height, 2 * width], rng, device);
        let cases: [(&str, Resize, Resize, &Tensor<4>); 3] = [
            (
                "avg_pool2x2",
                ops::avg_pool2x2,
                ops::avg_pool2x2_reference,
                &small,
            ),
            (
                "max_pool2x2",
                ops::max_pool2x2,
                ops::max_pool2x2_reference,
                &small,
            ),
            (
                "upsample2x",
                ops::upsample2x,
                ops::upsample2x_reference,
                &large,
            ),
        ];
        for (name, kernel, reference, dy) in cases {
            let (found, wanted) = (run(kernel, &x, dy, there), run(reference, &x, dy, device));
            for (part, (found, wanted)) in ["y", "dx"].iter().zip(found.iter().zip(&wanted)) {
                assert_close(
                    &format!("{name} {part} at {height}x{width}"),
                    found,
                    wanted,
                    1e-6,
                );
            }
        }
    }
}

#[test]
fn cpu_norms_equal_their_references() {
    norms(&cpu());
}

#[test]
fn gpu_norms_equal_their_references() {
    if let Some(gpu) = gpu() {
        norms(&gpu);
    }
}

fn norms(there: &Device) {
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(5);
    type Normalise = fn(
        Tensor<4>,
        Tensor<1>,
        Tensor<1>,
        ops::RunningStats,
        f64,
        f64,
    ) -> (Tensor<4>, [Tensor<1>; 2]);
    for ([batch, channels, height, width], slope) in [
        ([2, 3, 4, 4], 0.2),
        ([1, 5, 3, 7], 1.0),
        ([16, 16, 17, 33], 0.2),
        ([3, 70, 16, 24], 0.2),
        ([2, 5, 32, 32], 1.0),
    ] {
        let shape = [batch, channels, height, width];
        let x = random(shape, rng, device) * 3.0 + 0.7;
        let (weight, bias) = (
            random([channels], rng, device),
            random([channels], rng, device),
        );
        let dy = random([batch, 2 * channels, 2 * height, 2 * width], rng, device);
        let running = [(); 2].map(|()| random([channels], rng, device));
        let run = |batch_norm_train: Normalise, at: &Device| {
            let leaf = |tensor: &Tensor<1>| tensor.clone().to_device(at).require_grad();
            let (weight, bias) = (leaf(&weight), leaf(&bias));
            let x = x.clone().to_device(at).require_grad();
            let running = ops::RunningStats {
                values: running.clone().map(|value| value.to_device(at)),
                momentum: 0.3,
            };
            let (y, after) = batch_norm_train(
                x.clone(),
                weight.clone(),
                bias.clone(),
                running,
                1e-5,
                slope,
            );
            // Beside other channels its gradient comes as some of theirs.
            let both = ops::upsample2x_concat([y.clone(), x.clone().detach() * 2.0]);
            let grads = (both * dy.clone().to_device(at)).sum().backward();
            let [mean, variance] = after.map(Tensor::without_autodiff);
            [
                values(y.without_autodiff()),
                values(mean),
                values(variance),
                values(x.grad(&grads).expect("a gradient")),
                values(weight.grad(&grads).expect("a gradient")),
                values(bias.grad(&grads).expect("a gradient")),
            ]
        };
        let found = run(ops::batch_norm_train, there);
        let wanted = run(ops::batch_norm_train_reference, device);
        for (part, (found, wanted)) in ["y", "mean", "variance", "dx", "dweight", "dbias"]
            .iter()
            .zip(found.iter().zip(&wanted))
        {
            assert_close(&format!("{part} at {shape:?}"), found, wanted, 2e-5);
        }
    }
}

#[test]
fn cpu_heatmaps_equal_their_references() {
    heatmaps(&cpu(), 1e-6);
}

#[test]
fn gpu_heatmaps_equal_their_references() {
    if let Some(gpu) = gpu() {
        heatmaps(&gpu, 1e-5);
    }
}

fn heatmaps(there: &Device, bound: f32) {
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(8);
    for [batch, count, height, width] in
        [[1, 1, 4, 4], [3, 5, 16, 16], [2, 3, 12, 20], [2, 7, 5, 6]]
    {
        // Some peaks are sharp, as they are after training.
        let scores = random([batch, count, height, width], rng, device) * 12.0;
        let by_heatmaps = random([batch, count, height, width], rng, device);
        let by_keypoints = random([batch, count, 2], rng, device);
        type Softmax = fn(Tensor<4>) -> Tensor<4>;
        type Expectation = fn(Tensor<4>) -> Tensor<3>;
        let run = |softmax: Softmax, expectation: Expectation, at: &Device| {
            let scores = scores.clone().to_device(at).require_grad();
            let heatmaps = softmax(scores.clone());
            let keypoints = expectation(heatmaps.clone());
            let sum = (heatmaps.clone() * by_heatmaps.clone().to_device(at)).sum()
                + (keypoints.clone() * by_keypoints.clone().to_device(at)).sum();
            let grads = sum.backward();
            [
                values(heatmaps.without_autodiff()),
                values(keypoints.without_autodiff()),
                values(scores.grad(&grads).expect("a gradient")),
            ]
        };
        let found = run(ops::softmax, ops::expectation, there);
        let wanted = run(ops::softmax_reference, ops::expectation_reference, device);
        for (part, (found, wanted)) in ["heatmaps", "keypoints", "by scores"]
            .iter()
            .zip(found.iter().zip(&wanted))
        {
            assert_close(&format!("{part} at {height}x{width}"), found, wanted, bound);
        }
    }
}

#[test]
fn cpu_operations_on_two_tensors_equal_their_references() {
    on_two(&cpu());
}

#[test]
fn gpu_operations_on_two_tensors_equal_their_references() {
    if let Some(gpu) = gpu() {
        on_two(&gpu);
    }
}

fn on_two(there: &Device) {
    type OnTwo = fn(Tensor<4>, Tensor<4>) -> Tensor<4>;
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let mut compare = |name: &str, channels: [usize; 2], ours: OnTwo, reference: OnTwo, bound| {
        // The second size is not one that the GPU's kernels take.
        for [batch, height, width] in [[3, 40, 70], [2, 3, 5], [1, 4, 4]] {
            let [x, y] = channels.map(|c| random([batch, c, height, width], rng, device));
            let wanted_shape = reference(x.clone(), y.clone()).dims();
            let dy = random(wanted_shape, rng, device);
            let run = |operation: OnTwo, at: &Device| {
                let [x, y] = [&x, &y].map(|t| t.clone().to_device(at).require_grad());
                let z = operation(x.clone(), y.clone());
                let grads = (z.clone() * dy.clone().to_device(at)).sum().backward();
                [
                    values(z.without_autodiff()),
                    values(x.grad(&grads).expect("a gradient")),
                    values(y.grad(&grads).expect("a gradient")),
                ]
            };
            let (found, wanted) = (run(ours, there), run(reference, device));
            for (part, (found, wanted)) in ["z", "dx", "dy"].iter().zip(found.iter().zip(&wanted)) {
                assert_close(
                    &format!("{name}: {part} at {batch}x{height}x{width}"),
                    found,
                    wanted,
                    bound,
                );
            }
        }
    };
    compare(
        "sum",
        [5, 5],
        |x, y| ops::add_leaky_relu(x, y, 0.2),
        |x, y| ops::add_leaky_relu_reference(x, y, 0.2),
        1e-7,
    );
    compare(
        "upsample2x_concat",
        [3, 7],
        |x, y| ops::upsample2x_concat([x, y]),
        |x, y| ops::upsample2x_reference(Tensor::cat(vec![x, y], 1)),
        1e-6,
    );
}

#[test]
fn cpu_leaky_relu_equals_its_reference() {
    leaky_relu(&cpu());
}

#[test]
fn gpu_leaky_relu_equals_its_reference() {
    if let Some(gpu) = gpu() {
        leaky_relu(&gpu);
    }
}

fn leaky_relu(there: &Device) {
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(6);
    // Longer than the piece that a core takes.
    let shape = [3, 5, 40, 70];
    let (x, dy) = (random(shape, rng, device), random(shape, rng, device));
    for slope in [0.2, 0.0] {
        let run = |leaky: fn(Tensor<4>, f64) -> Tensor<4>, at: &Device| {
            let x = x.clone().to_device(at).require_grad();
            let y = leaky(x.clone(), slope);
            let grads = (y.clone() * dy.clone().to_device(at)).sum().backward();
            [
                values(y.without_autodiff()),
                values(x.grad(&grads).expect("a gradient")),
            ]
        };
        let found = run(ops::leaky_relu, there);
        let wanted = run(ops::leaky_relu_reference, device);
        for (part, (found, wanted)) in ["y", "dx"].iter().zip(found.iter().zip(&wanted)) {
            assert_close(&format!("{part} at {slope}"), found, wanted, 1e-7);
        }
    }
}

#[test]
fn cpu_distances_equal_their_references() {
    distances(&cpu());
}

#[test]
fn gpu_distances_equal_their_references() {
    if let Some(gpu) = gpu() {
        distances(&gpu);
    }
}

fn distances(there: &Device) {
    type Distance = fn(Tensor<4>, Tensor<4>) -> Tensor<1>;
    let cases: [(&str, Distance, Distance); 2] = [
        ("l1", ops::l1, ops::l1_reference),
        ("mse", ops::mse, ops::mse_reference),
    ];
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(8);
    // The last is longer than what a core takes, and than a round of all workgroups.
    for shape in [[2, 1, 2, 2], [2, 3, 5, 7], [3, 7, 6, 10], [3, 5, 70, 80]] {
        let x = random(shape, rng, device);
        // Some are equal, where |x - y| has no slope.
        let near = x.clone().narrow(0, 0, 1);
        let others = random(shape, rng, device).narrow(0, 1, shape[0] - 1);
        let y = Tensor::cat(vec![near, others], 0);
        for (name, kernel, reference) in cases {
            let run = |distance: Distance, at: &Device| {
                let [x, y] = [&x, &y].map(|tensor| tensor.clone().to_device(at).require_grad());
                let mean = distance(x.clone(), y.clone());
                let grads = (mean.clone() * 3.0).backward();
                [
                    values(mean.without_autodiff()),
                    values(x.grad(&grads).expect("a gradient")),
                    values(y.grad(&grads).expect("a gradient")),
                ]
            };
            let (found, wanted) = (run(kernel, there), run(reference, device));
            for (part, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                assert_close(&format!("{name} {part} at {shape:?}"), found, wanted, 1e-6);
            }
        }
    }
}

/// The formula of `upsample2x`, and of `resize` at 2x, written out.
#[test]
fn upsample2x_is_bilinear_with_half_pixel_centres() {
    let device = &Device::flex();
    let x: Tensor<4> = Tensor::from_data(
        TensorData::new(vec![0f32, 4.0, 8.0, 12.0], [1, 1, 2, 2]),
        device,
    );
    let wanted = [
        0.0, 1.0, 3.0, 4.0, 2.0, 3.0, 5.0, 6.0, 6.0, 7.0, 9.0, 10.0, 8.0, 9.0, 11.0, 12.0,
    ];
    assert_close(
        "upsample2x",
        &values(ops::upsample2x(x.clone())),
        &wanted,
        1e-6,
    );
    assert_close("resize", &values(ops::resize(x, 4)), &wanted, 1e-6);
}

/// Output i of `resize` lies at `(i + 1/2) from / to - 1/2` of the input, clamped: of x = row + 10 column, that is what it is.
#[test]
fn cpu_and_gpu_resize_interpolate_between_pixels() {
    let Some(graphics) = gpu() else { return };
    let from = 8;
    let ramp: Vec<f32> = (0..from * from)
        .map(|i| (i / from + 10 * (i % from)) as f32)
        .collect();
    for to in [3, 4, 5, 8, 12, 14] {
        let at = |i: usize| {
            ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).clamp(0.0, (from - 1) as f64)
        };
        let wanted: Vec<f32> = (0..to * to)
            .map(|i| (at(i / to) + 10.0 * at(i % to)) as f32)
            .collect();
        let found = [cpu(), graphics.clone()].map(|device| {
            let x =
                Tensor::<4>::from_data(TensorData::new(ramp.clone(), [1, 1, from, from]), &device);
            let x = x.require_grad();
            let y = ops::resize(x.clone(), to);
            let gradients = (y.clone() * y.clone()).sum().backward();
            [
                values(y.without_autodiff()),
                values(x.grad(&gradients).expect("x moves y")),
            ]
        });
        let [[y, dx], [graphics_y, graphics_dx]] = found;
        assert_close(&format!("to {to}"), &y, &wanted, 1e-5);
        assert_close(&format!("to {to}, GPU"), &graphics_y, &wanted, 1e-5);
        assert_close(&format!("dx of {to}, GPU"), &graphics_dx, &dx, 1e-5);
    }
}

type EdgeMap = fn(Tensor<3>, Tensor<2>, usize, f64) -> Tensor<4>;

fn edge_map(
    draw: EdgeMap,
    keypoints: &Tensor<3>,
    weights: &Tensor<2>,
    dy: &Tensor<4>,
    thickness: f64,
) -> [Vec<f32>; 3] {
    let (keypoints, weights) = (
        keypoints.clone().require_grad(),
        weights.clone().require_grad(),
    );
    let map = draw(keypoints.clone(), weights.clone(), dy.dims()[2], thickness);
    let grads = (map.clone() * dy.clone()).sum().backward();
    [
        values(map.without_autodiff()),
        values(keypoints.grad(&grads).expect("a gradient")),
        values(weights.grad(&grads).expect("a gradient")),
    ]
}

#[test]
fn cpu_edge_map_equals_its_reference() {
    edge_maps(&cpu());
}

#[test]
fn gpu_edge_map_equals_its_reference() {
    if let Some(gpu) = gpu() {
        edge_maps(&gpu);
    }
}

fn edge_maps(there: &Device) {
    let device = &cpu();
    let rng = &mut ChaCha8Rng::seed_from_u64(3);
    for (count, size, thickness) in [
        (2, 32, 2.5e-3),
        (5, 48, 1e-3),
        (12, 64, 2.5e-3),
        (9, 37, 0.05),
    ] {
        let keypoints = random([2, count, 2], rng, device);
        let weights = random([count, count], rng, device).abs() + 0.01;
        let dy = random([2, 1, size, size], rng, device);
        let found = edge_map(
            ops::edge_map,
            &keypoints.clone().to_device(there),
            &weights.clone().to_device(there),
            &dy.clone().to_device(there),
            thickness,
        );
        let wanted = edge_map(
            ops::edge_map_reference,
            &keypoints,
            &weights,
            &dy,
            thickness,
        );
        assert_close("map", &found[0], &wanted[0], 1e-5);
        assert_close("by keypoints", &found[1], &wanted[1], 1e-4);
        assert_close("by weights", &found[2], &wanted[2], 1e-4);
    }
}

#[test]
fn cpu_edge_map_is_finite_everywhere() {
    finite_edge_maps(&cpu());
}

#[test]
fn gpu_edge_map_is_finite_everywhere() {
    if let Some(gpu) = gpu() {
        finite_edge_maps(&gpu);
    }
}

/// Keypoints on top of each other, on the border and outside the image; weights of zero.
fn finite_edge_maps(device: &Device) {
    let keypoints = Tensor::from_data(
        TensorData::new(vec![0.1f32, 0.1, 0.1, 0.1, -1.0, 1.0, 1.5, -2.0], [1, 4, 2]),
        device,
    );
    let weights = Tensor::from_data(
        TensorData::new(
            vec![
                0f32, 0.5, 0.0, 1e-12, 0.5, 0.0, 2.0, 0.3, 0.0, 2.0, 0.0, 0.1, 0.0, 0.3, 0.1, 0.0,
            ],
            [4, 4],
        ),
        device,
    );
    let dy = Tensor::ones([1, 1, 32, 32], device);
    for found in edge_map(ops::edge_map, &keypoints, &weights, &dy, 2.5e-3) {
        assert!(found.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn cpu_edge_map_gradient_equals_finite_differences() {
    slopes(&cpu());
}

#[test]
fn gpu_edge_map_gradient_equals_finite_differences() {
    if let Some(gpu) = gpu() {
        slopes(&gpu);
    }
}

/// The slope of the edge map between two nearby places is the gradient, away from ties.
fn slopes(device: &Device) {
    let (thickness, size, step) = (0.02, 24, 1e-3f32);
    let start = [-0.5f32, -0.4, 0.45, 0.55];
    let weights: Tensor<2> =
        Tensor::from_data(TensorData::new(vec![0f32, 0.8, 0.8, 0.0], [2, 2]), device);
    let dy: Tensor<4> = random(
        [1, 1, size, size],
        &mut ChaCha8Rng::seed_from_u64(4),
        device,
    );
    let at = |point: [f32; 4]| -> Tensor<3> {
        Tensor::from_data(TensorData::new(point.to_vec(), [1, 2, 2]), device)
    };
    let height = |point: [f32; 4]| -> f64 {
        let map =
            values(ops::edge_map(at(point), weights.clone(), size, thickness).without_autodiff());
        map.iter()
            .zip(values(dy.clone().without_autodiff()))
            .map(|(a, b)| f64::from(*a) * f64::from(b))
            .sum()
    };
    let gradient = &edge_map(ops::edge_map, &at(start), &weights, &dy, thickness)[1];
    for i in 0..4 {
        let moved = |by: f32| {
            let mut point = start;
            point[i] += by;
            height(point)
        };
        let slope = ((moved(step) - moved(-step)) / f64::from(2.0 * step)) as f32;
        assert!(
            (slope - gradient[i]).abs() < 0.02 * slope.abs().max(1.0),
            "{i}: {slope} {}",
            gradient[i]
        );
    }
}
