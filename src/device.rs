//! Devices: how a GPU is opened, what its adapter can do, and whose kernels run on it. All of that is kept per device.

mod readback;

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use burn::backend::DispatchDevice;
use burn::tensor::Device;
use burn::tensor::wgpu::MemoryConfiguration;
use burn_cubecl::CubeDevice;
use burn_cubecl::cubecl::ir::features::Plane;

use crate::error::{Error, Result};

pub(crate) use readback::read;

/// The kernels that run on a device. See `use_references_changes_one_gpu_only` in `tests/ops.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelBackend {
    /// Those of [`crate::ops::cpu`].
    Cpu,
    /// Those of `shaders/`.
    Gpu,
    /// Burn's, through the `*_reference` of each operation.
    Reference,
}

/// An adapter's properties, by which its kernels are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterProperties {
    /// The smallest subgroup, within which invocations work in step and exchange values; 1 where there are no subgroups.
    pub lanes: usize,
    /// A CPU that plays a GPU (lavapipe, SwiftShader): loads are expensive there, and registers are memory.
    pub is_software: bool,
    /// Kernels that use subgroups must say `enable subgroups;`, as in browsers; naga, which compiles them natively, does not know it.
    pub requires_enable: bool,
}

impl AdapterProperties {
    /// Describes an adapter of `lanes` lanes, with the compiler of this build.
    pub fn new(lanes: usize, is_software: bool) -> AdapterProperties {
        AdapterProperties {
            lanes,
            is_software,
            requires_enable: cfg!(target_family = "wasm"),
        }
    }

    /// Describes the adapter of a device by its name and its properties, which browsers do not report.
    fn detect(device: &CubeDevice) -> AdapterProperties {
        let client = device.client();
        let properties = client.properties();
        let name = &properties.identity.name;
        if name.starts_with("SwiftShader") {
            return AdapterProperties::new(4, true);
        }
        // Lavapipe names the width of its registers, "llvmpipe (LLVM 15.0.6, 256 bits)": as many lanes of 32 bits.
        if let Some(words) = name.strip_prefix("llvmpipe") {
            let bits = words
                .split([' ', ')'])
                .filter_map(|word| word.parse::<usize>().ok());
            // Four lanes would get SwiftShader's kernels, which LLVM takes half a minute to compile.
            let lanes = match bits.max().unwrap_or(128) / 32 {
                ..=4 => 1,
                lanes => lanes,
            };
            return AdapterProperties::new(lanes, true);
        }
        let has_subgroups = properties.features.plane.contains(Plane::Ops);
        let lanes = if has_subgroups {
            properties.hardware.plane_size_min.max(1) as usize
        } else {
            1
        };
        AdapterProperties::new(lanes, false)
    }
}

/// Everything that is known of a device.
#[derive(Clone, Copy, Default)]
struct Facts {
    /// As registered, or else as detected at first use.
    adapter: Option<AdapterProperties>,
    uses_references: bool,
    checks_bounds: bool,
}

static FACTS: LazyLock<RwLock<HashMap<CubeDevice, Facts>>> = LazyLock::new(RwLock::default);

fn facts(device: &CubeDevice) -> Facts {
    let all = FACTS.read().unwrap_or_else(PoisonError::into_inner);
    all.get(device).copied().unwrap_or_default()
}

fn change(device: &CubeDevice, change: impl FnOnce(&mut Facts)) {
    let mut all = FACTS.write().unwrap_or_else(PoisonError::into_inner);
    change(all.entry(device.clone()).or_default());
}

/// Returns a GPU's device as its kernels see it; none for the CPU.
fn gpu(device: &Device) -> Option<CubeDevice> {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(device) => Some(device.clone()),
        _ => None,
    }
}

/// Opens the GPU, if there is one. A process opens it once, and clones the device.
///
/// # Errors
/// [`Error::Backend`] with a sentence.
pub async fn open_gpu() -> Result<Device> {
    // As in a browser. Pages that tensors share are searched for space and joined at every launch, which took more of a
    // step on an H100 than its kernels did.
    let options = Device::wgpu_options().memory_config(MemoryConfiguration::ExclusivePages);
    options.init_async().await.map_err(|error| {
        Error::Backend(format!(
            "No GPU can be used here ({error}). Use the CPU instead."
        ))
    })
}

/// Sets the adapter of a GPU, before its first kernel. In a browser only the page can know it; natively it is detected.
/// See `gpu_convolutions_without_subgroups_equal_the_cpu` in `tests/ops.rs`.
pub fn register(device: &Device, adapter: AdapterProperties) {
    if let Some(device) = gpu(device) {
        change(&device, |facts| facts.adapter = Some(adapter));
    }
}

/// Returns the adapter of a device, as [`register`]ed or as detected.
pub(crate) fn adapter(device: &CubeDevice) -> AdapterProperties {
    facts(device).adapter.unwrap_or_else(|| {
        let detected = AdapterProperties::detect(device);
        change(device, |facts| facts.adapter = Some(detected));
        detected
    })
}

/// Has a GPU run Burn's own kernels, or ours again: to compare with, and to find faults. At 128 px Burn's weight gradient of a
/// convolution came out a third off on Vulkan. The CPU always runs ours.
pub fn use_references(device: &Device, uses_references: bool) {
    if let Some(device) = gpu(device) {
        change(&device, |facts| facts.uses_references = uses_references);
    }
}

/// Has a GPU's kernels check their indices into buffers, or no longer. For tests; see [`crate::ops::out_of_bounds`].
pub fn check_bounds(device: &Device, checks_bounds: bool) {
    if let Some(device) = gpu(device) {
        change(&device, |facts| facts.checks_bounds = checks_bounds);
    }
}

/// Returns whether kernels check their indices on a device.
pub(crate) fn checks_bounds(device: &CubeDevice) -> bool {
    cfg!(not(target_family = "wasm")) && facts(device).checks_bounds
}

/// Burn's own kernels may run. Never on the page, whose visitors would download megabytes of Burn's templates for it.
pub(crate) const HAS_REFERENCES: bool = cfg!(any(feature = "bench", not(target_family = "wasm")));

/// Returns whose kernels run on a device.
#[inline(always)]
pub fn kernel_backend(device: &Device) -> KernelBackend {
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Flex(_) => KernelBackend::Cpu,
        DispatchDevice::Cube(device) if HAS_REFERENCES && facts(device).uses_references => {
            KernelBackend::Reference
        }
        _ => KernelBackend::Gpu,
    }
}
