//! Tests that every kernel that the host code can choose, for every kind of adapter, is valid WebGPU: naga, which compiles
//! them natively, checks each with the features of that kind of adapter.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex};
use std::{fs, path::Path, thread};

use bytemuck::Zeroable;
use naga::front::wgsl;
use naga::proc::Layouter;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ScalarKind, TypeInner};
use pollster::block_on;

use super::{
    AdapterProperties, Shader, Sum, adamw, conv, distance, edge_map, grad_arena, heatmap, norm,
    peak, resize,
};
use crate::config::{Config, LossKind, Preset};
use crate::data::synthetic;
use crate::session::{Backend, Session};

/// Sizes of planes in vec4s, on both sides of each at which another kernel is chosen.
pub const PLANES: [usize; 5] = [1, 63, 64, 65, 65_536];

/// Kernels by name. Each is rendered once.
#[derive(Default)]
pub struct Found {
    kernels: BTreeMap<String, Kernel>,
    seen: HashSet<u64>,
}

/// A rendered kernel.
struct Kernel {
    /// The type of its shader.
    kind: &'static str,
    source: String,
    /// The fields of the twin of its `Params`, all zeros, as Rust prints them: `{ count: 0, slope: 0.0 }`.
    params: String,
}

impl Found {
    /// Adds a kernel, and returns whether it is new.
    pub fn add<S: Shader>(&mut self, shader: S) -> bool {
        let mut hasher = DefaultHasher::new();
        type_name::<S>().hash(&mut hasher);
        shader.hash(&mut hasher);
        let is_new = self.seen.insert(hasher.finish());
        if is_new {
            let twin = format!("{:?}", S::Params::zeroed());
            let kernel = Kernel {
                kind: type_name::<S>(),
                source: shader.render().expect("it renders"),
                params: twin.split_once(' ').expect("fields").1.into(),
            };
            self.kernels.insert(name(&shader), kernel);
        }
        is_new
    }
}

/// Names a kernel: `conv::Convolve { group: 64, ... }`.
fn name<S: Shader>(shader: &S) -> String {
    format!("{}: {shader:?}", type_name::<S>())
}

/// Returns every kernel that an adapter may run.
fn kernels(adapter: AdapterProperties) -> Found {
    let mut found = Found::default();
    found.add(Sum);
    adamw::permutations(&mut found);
    conv::permutations(adapter, &mut found);
    distance::permutations(&mut found);
    edge_map::permutations(adapter, &mut found);
    heatmap::permutations(adapter, &mut found);
    norm::permutations(adapter, &mut found);
    peak::permutations(&mut found);
    resize::permutations(&mut found);
    grad_arena::permutations(&mut found);
    found
}

/// Returns every kind of adapter: GPUs without subgroups and with any width of them, CPUs that play one (lavapipe with 4, 8 and
/// 16 lanes, SwiftShader with 4, or 1 in a browser that hides subgroups), each natively and in a browser.
fn adapters() -> Vec<AdapterProperties> {
    let mut adapters = Vec::new();
    for lanes in [1, 2, 4, 8, 16, 32, 64, 128] {
        for is_software in [false, true] {
            // No CPU has wider registers than 16 numbers.
            if is_software && lanes > 16 {
                continue;
            }
            for requires_enable in [false, true] {
                adapters.push(AdapterProperties {
                    lanes,
                    is_software,
                    requires_enable,
                });
            }
        }
    }
    adapters
}

/// The kernels of every kind of adapter.
static ALL: LazyLock<Vec<(AdapterProperties, Found)>> = LazyLock::new(|| {
    let with_kernels = |adapter| (adapter, kernels(adapter));
    adapters().into_iter().map(with_kernels).collect()
});

/// Browsers want the feature named, naga does not know its name.
const ENABLE: &str = "enable subgroups;";

/// Returns a kernel as naga reads it.
fn plain(source: &str) -> String {
    source.replacen(ENABLE, "", 1)
}

/// Returns whether a kernel names the feature that it uses where a browser wants that, and only there.
fn names_feature(adapter: AdapterProperties, source: &str) -> bool {
    let plain = plain(source);
    let uses_subgroups = ["subgroup", "quadSwap"]
        .iter()
        .any(|word| plain.contains(word));
    source.contains(ENABLE) == (adapter.requires_enable && uses_subgroups)
}

/// Finds out what is wrong with a kernel on adapters with or without subgroups.
fn fault(plain: &str, has_subgroups: bool) -> Option<String> {
    let module = match wgsl::parse_str(plain) {
        Ok(module) => module,
        Err(error) => return Some(error.emit_to_string(plain)),
    };
    let (capabilities, operations) = if has_subgroups {
        (Capabilities::SUBGROUP, SubgroupOperationSet::all())
    } else {
        (Capabilities::empty(), SubgroupOperationSet::empty())
    };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(operations);
    if let Err(error) = validator.validate(&module) {
        return Some(error.emit_to_string(plain));
    }
    // What every WebGPU adapter allows.
    let globals = || module.global_variables.iter().map(|(_, global)| global);
    let buffers = globals().filter(|global| matches!(global.space, AddressSpace::Storage { .. }));
    let buffers = buffers.count();
    if buffers > 8 {
        return Some(format!("it has {buffers} storage buffers"));
    }
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("it was validated");
    let shared: u32 = globals()
        .filter(|global| global.space == AddressSpace::WorkGroup)
        .map(|global| layouter[global.ty].size)
        .sum();
    if shared > 16_384 {
        return Some(format!("a workgroup shares {shared} bytes"));
    }
    let [entry] = &module.entry_points[..] else {
        return Some("it has not one entry point".into());
    };
    let size: u32 = entry.workgroup_size.iter().product();
    (entry.name != "main" || size > 256).then(|| format!("{} has {size} invocations", entry.name))
}

/// Prints the fields of a kernel's `Params` as Rust prints those of its twin.
fn params(source: &str) -> String {
    let module: Module = wgsl::parse_str(&plain(source)).expect("valid");
    let find = |(_, ty): (_, &naga::Type)| match &ty.inner {
        TypeInner::Struct { members, .. } if ty.name.as_deref() == Some("Params") => {
            Some(members.clone())
        }
        _ => None,
    };
    let members = module
        .types
        .iter()
        .find_map(find)
        .expect("a kernel has `Params`");
    let fields = members.iter().enumerate().map(|(i, member)| {
        assert_eq!(member.offset as usize, 4 * i, "{source}");
        let zero = match module.types[member.ty].inner {
            TypeInner::Scalar(scalar) if scalar.kind == ScalarKind::Float => "0.0",
            _ => "0",
        };
        format!("{}: {zero}", member.name.as_deref().unwrap_or_default())
    });
    let fields: Vec<String> = fields.collect();
    format!("{{ {} }}", fields.join(", "))
}

#[test]
fn every_kernel_is_valid_on_every_kind_of_adapter() {
    let (mut count, mut kinds) = (0, HashSet::<&str>::new());
    // Many adapters run the same kernels.
    let mut distinct = BTreeMap::new();
    for (adapter, found) in &*ALL {
        for (name, kernel) in &found.kernels {
            count += 1;
            assert!(
                names_feature(*adapter, &kernel.source),
                "{name} on {adapter:?} names the feature where it should not, or not where it should:\n{}",
                kernel.source
            );
            distinct.insert((plain(&kernel.source), adapter.lanes > 1), name);
            // One permutation of each kind has the `Params` of all.
            if kinds.insert(kernel.kind) {
                assert_eq!(kernel.params, params(&kernel.source), "{name}");
            }
        }
    }
    println!("{count} kernels, {} of them checked", distinct.len());
    let distinct: Vec<_> = distinct.into_iter().collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for share in distinct.chunks(distinct.len().div_ceil(threads)) {
            scope.spawn(move || {
                for ((source, has_subgroups), name) in share {
                    let fault = fault(source, *has_subgroups);
                    let fault = fault.map(|fault| format!("{name}: {fault}\n{source}"));
                    assert_eq!(fault, None, "subgroups: {has_subgroups}");
                }
            });
        }
    });
    // As many kinds as there are files with an entry point: none is missing.
    let files =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")).expect("a folder");
    let texts = files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"));
    let entries = texts.filter(|text| text.contains("@compute")).count();
    assert_eq!(kinds.len(), entries, "{kinds:?}");
}

/// The kernels that were launched since the tests began.
static LAUNCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

pub fn launched<S: Shader>(shader: &S) {
    LAUNCHED
        .lock()
        .expect("no test panics here")
        .insert(name(shader));
}

#[test]
fn training_launches_only_checked_kernels() {
    let Some(device) = crate::needs::gpu() else {
        return;
    };
    let config = Config {
        keypoints: 4,
        size: 32,
        width: 4,
        batch: 2,
        micro_batch: 2,
        loss: LossKind::Pixel,
        ..Config::preset(Preset::Tiny)
    };
    let images = synthetic::puppets(4, 1, config.size).dataset;
    let mut session = Session::new(device, Backend::Gpu, config.clone()).expect("opens");
    session.begin(config, images).expect("begins");
    block_on(session.step()).expect("steps");
    let launched = LAUNCHED.lock().expect("no test panics here").clone();
    assert!(launched.len() > 10, "{launched:?}");
    let is_checked = |name: &String| {
        ALL.iter()
            .any(|(_, found)| found.kernels.contains_key(name))
    };
    let others: Vec<&String> = launched.iter().filter(|name| !is_checked(name)).collect();
    assert!(others.is_empty(), "launched, but not checked: {others:?}");
}

#[test]
fn fault_finds_kernels_that_an_adapter_cannot_run() {
    let adapter = |lanes, requires_enable| AdapterProperties {
        lanes,
        is_software: false,
        requires_enable,
    };
    let kernel = |body: &str| format!("@compute @workgroup_size(64) fn main() {{ {body} }}");
    assert_eq!(fault(&kernel(""), false), None);
    // Subgroups where there are none, not enabled, or enabled natively.
    let sum = kernel("let s = subgroupAdd(1u);");
    let enabled = format!("{ENABLE}{sum}");
    assert!(fault(&sum, false).is_some());
    assert_eq!(fault(&sum, true), None);
    assert!(!names_feature(adapter(32, true), &sum));
    assert!(names_feature(adapter(32, true), &enabled));
    assert!(names_feature(adapter(32, false), &sum));
    assert!(!names_feature(adapter(32, false), &enabled));
    // A syntax error, a type error, too much shared memory.
    assert!(fault(&kernel("let a = ;"), false).is_some());
    assert!(fault(&kernel("let a = 1.0 + 1u;"), false).is_some());
    let large = "var<workgroup> a: array<vec4f, 2000>;\n".to_string() + &kernel("a[0].x = 1.0;");
    assert!(fault(&large, false).is_some());
}
