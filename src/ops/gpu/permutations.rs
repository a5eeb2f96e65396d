//! Every kernel that the host code can choose, for every kind of adapter, is one that WebGPU takes: checked by naga, which
//! compiles them natively, with what that kind of adapter has.

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::{fs, path::Path};

use naga::AddressSpace;
use naga::front::wgsl;
use naga::proc::Layouter;
use naga::valid::{Capabilities, ShaderStages, SubgroupOperationSet, ValidationFlags, Validator};
use pollster::block_on;

use super::{
    Adapter, Shader, Sum, adamw, conv, distance, edge_map, grad_arena, heatmap, norm, peak, resize,
};
use crate::config::{Config, LossKind, Preset};
use crate::data::synthetic;
use crate::session::{Backend, Session};

/// Planes of so many fours get other kernels than others: both sides of where that changes.
pub const PLANES: [usize; 5] = [1, 63, 64, 65, 65_536];

/// Kernels and their sources. Each is rendered once.
#[derive(Default)]
pub struct Found {
    sources: BTreeMap<String, String>,
    seen: HashSet<u64>,
    kinds: HashSet<&'static str>,
}

impl Found {
    /// One more, or one that was there before. Whether it is new.
    pub fn add<S: Shader>(&mut self, shader: S) -> bool {
        let mut hasher = DefaultHasher::new();
        type_name::<S>().hash(&mut hasher);
        shader.hash(&mut hasher);
        let is_new = self.seen.insert(hasher.finish());
        if is_new {
            let source = shader.render().expect("it renders");
            self.sources.insert(name(&shader), source);
            self.kinds.insert(type_name::<S>());
        }
        is_new
    }
}

/// `conv::Convolve { group: 64, ... }`
fn name<S: Shader>(shader: &S) -> String {
    format!("{}: {shader:?}", type_name::<S>())
}

/// Everything that runs on such an adapter.
fn kernels(adapter: Adapter) -> Found {
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

/// Every kind of adapter: graphics cards without subgroups and with any width of them, processors that play one (lavapipe
/// with 4, 8 and 16 lanes, SwiftShader with 4, or 1 in a browser that hides subgroups), each natively and in a browser.
fn adapters() -> Vec<Adapter> {
    let mut adapters = Vec::new();
    for lanes in [1, 2, 4, 8, 16, 32, 64, 128] {
        for is_processor in [false, true] {
            // No processor has wider registers than 16 numbers.
            if is_processor && lanes > 16 {
                continue;
            }
            for is_browser in [false, true] {
                adapters.push(Adapter {
                    lanes,
                    is_processor,
                    is_browser,
                });
            }
        }
    }
    adapters
}

/// What is wrong with a kernel on an adapter.
fn fault(adapter: Adapter, source: &str) -> Option<String> {
    const ENABLE: &str = "enable subgroups;";
    let plain = source.replacen(ENABLE, "", 1);
    let uses_subgroups = ["subgroup", "quadSwap"]
        .iter()
        .any(|word| plain.contains(word));
    // Browsers want the feature named, naga does not know its name.
    if source.contains(ENABLE) != (adapter.is_browser && uses_subgroups) {
        return Some("it names the feature where it should not, or not where it should".into());
    }
    let module = match wgsl::parse_str(&plain) {
        Ok(module) => module,
        Err(error) => return Some(error.emit_to_string(&plain)),
    };
    let (capabilities, operations) = if adapter.lanes > 1 {
        (Capabilities::SUBGROUP, SubgroupOperationSet::all())
    } else {
        (Capabilities::empty(), SubgroupOperationSet::empty())
    };
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(operations);
    if let Err(error) = validator.validate(&module) {
        return Some(error.emit_to_string(&plain));
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

#[test]
fn every_kernel_is_valid_on_every_kind_of_adapter() {
    let (mut count, mut kinds) = (0, HashSet::<&str>::new());
    // Many adapters get the same ones.
    let mut checked = HashSet::new();
    for adapter in adapters() {
        let found = kernels(adapter);
        kinds.extend(&found.kinds);
        for (name, source) in found.sources {
            count += 1;
            let fault = fault(adapter, &source);
            assert!(
                fault.is_none(),
                "{name} on {adapter:?}: {}\n{source}",
                fault.unwrap_or_default()
            );
            checked.insert(source);
        }
    }
    println!(
        "{count} kernels, {} of them unlike the others",
        checked.len()
    );
    // None was left out: as many kinds as there are files with an entry point.
    let files =
        fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders")).expect("a folder");
    let texts = files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"));
    let entries = texts.filter(|text| text.contains("@compute")).count();
    assert_eq!(kinds.len(), entries, "{kinds:?}");
}

/// What was launched since the tests began.
static LAUNCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

pub fn launched<S: Shader>(shader: &S) {
    LAUNCHED
        .lock()
        .expect("no test panics here")
        .insert(name(shader));
}

#[test]
fn what_training_launches_is_among_them() {
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
    let pictures = synthetic::puppets(4, 1, config.size).dataset;
    let mut session = Session::new(device, Backend::Gpu, config.clone()).expect("opens");
    session.begin(config, pictures).expect("begins");
    block_on(session.step()).expect("steps");
    let launched = LAUNCHED.lock().expect("no test panics here").clone();
    assert!(launched.len() > 10, "{launched:?}");
    let all: HashSet<String> = adapters()
        .into_iter()
        .flat_map(|adapter| kernels(adapter).sources.into_keys())
        .collect();
    let others: Vec<&String> = launched
        .iter()
        .filter(|name| !all.contains(*name))
        .collect();
    assert!(others.is_empty(), "launched, and not checked: {others:?}");
}

#[test]
fn a_kernel_that_an_adapter_cannot_run_is_noticed() {
    let adapter = |lanes, is_browser| Adapter {
        lanes,
        is_processor: false,
        is_browser,
    };
    let kernel = |body: &str| format!("@compute @workgroup_size(64) fn main() {{ {body} }}");
    assert_eq!(fault(adapter(1, false), &kernel("")), None);
    // Subgroups where there are none, or not named, or named natively; a mistake in the language; a type that does not fit.
    let sum = kernel("let s = subgroupAdd(1u);");
    assert!(fault(adapter(1, false), &sum).is_some());
    assert_eq!(fault(adapter(32, false), &sum), None);
    assert!(fault(adapter(32, true), &sum).is_some());
    assert_eq!(
        fault(adapter(32, true), &format!("enable subgroups;{sum}")),
        None
    );
    assert!(fault(adapter(32, false), &format!("enable subgroups;{sum}")).is_some());
    assert!(fault(adapter(1, false), &kernel("let a = ;")).is_some());
    assert!(fault(adapter(1, false), &kernel("let a = 1.0 + 1u;")).is_some());
    let large = "var<workgroup> a: array<vec4f, 2000>;\n".to_string() + &kernel("a[0].x = 1.0;");
    assert!(fault(adapter(1, false), &large).is_some());
}
